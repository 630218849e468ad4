//! How often endpoint slices are written for many tasks with ports that their instances choose.

use std::time::Duration;

use ecs_operator::testing::api::{Request, Verb};

use crate::scene::Scene;
use crate::targets::{served, served_definition, target_group};
use crate::traffic::serving;

/// Tasks, and instances that have room for sixteen each.
const TASKS: usize = 500;
const INSTANCES: usize = 32;

fn is_change(request: &Request) -> bool {
    matches!(request.verb, Verb::Create | Verb::Patch | Verb::Delete)
}

/// Writes of slices until now.
fn writes(scene: &Scene) -> usize {
    let requests = scene.api.requests();
    let slices = requests.iter().filter(|it| it.resource == "endpointslices");
    slices.filter(|it| is_change(it)).count()
}

#[tokio::test(start_paused = true)]
async fn slices_are_written_far_less_often_than_there_are_tasks() {
    let names: Vec<String> = (0..INSTANCES).map(|it| format!("node-{it}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let scene = Scene::start(&names).await;
    scene.apply(&target_group("web")).await;
    scene.apply(&served_definition("web", "1")).await;
    scene.apply(&served("web", 500)).await;
    scene
        .until("all are listed", || scene.listed("web").len() == TASKS)
        .await;
    let started = writes(&scene);
    let ports = scene.slices("web").len();
    assert!(ports <= TASKS.div_ceil(INSTANCES), "{ports} ports");
    // Seventeen, when this was written.
    assert!(started <= 2 * ports, "{started} writes for {ports} slices");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_while_nothing_happens() {
    let scene = serving(3).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let quiet = scene.api.requests().len();
    let ours = ["endpointslices", "services", "targetgroups", "ecstasks"];
    tokio::time::sleep(Duration::from_mins(30)).await;
    let after = scene.api.requests();
    let in_vain = after.iter().skip(quiet).filter(|it| is_change(it));
    let in_vain = in_vain.filter(|request| ours.contains(&request.resource.as_str()));
    assert_eq!(in_vain.count(), 0);
}
