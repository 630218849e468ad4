//! Images: pulled with what is known of the pull, and removed when nobody needs them.

use std::time::Duration;

use ecs_operator::runtime::fake::{Call, Fault};
use ecs_operator::runtime::model::Program;

use crate::scene::{IMAGE, Scene};

const OTHER: &str = "registry.example/other:1";
const FOREIGN: &str = "somebody/else:1";

/// Names of the images that the engine has.
fn images(scene: &Scene) -> Vec<String> {
    scene.engine.with(|model, _| {
        let images = model.images().into_iter();
        let mut names: Vec<String> = images.flat_map(|image| image.tags).collect();
        names.sort();
        names
    })
}

/// A scene whose task of the workload has run and is gone, containers and all.
async fn after_a_task() -> Scene {
    let scene = Scene::start().await;
    scene.engine.with(|model, _| {
        let model_with = std::mem::take(model).with_image(FOREIGN, Program::default());
        *model = model_with;
        model.push(OTHER, "sha256:other", Program::default());
    });
    scene
}

async fn run_and_delete(scene: &Scene, name: &str) {
    scene.run_task(name).await;
    scene.until(name, "RUNNING").await;
    scene.delete_task(name).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(scene.containers(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_image_goes_an_hour_after_its_last_container_and_foreign_ones_stay() {
    let scene = after_a_task().await;
    let _agent = scene.agent("agent-a");
    run_and_delete(&scene, "one").await;
    tokio::time::sleep(Duration::from_mins(50)).await;
    assert_eq!(images(&scene), [FOREIGN, IMAGE]);
    tokio::time::sleep(Duration::from_mins(45)).await;
    assert_eq!(images(&scene), [FOREIGN]);
    // It comes back when a task wants it.
    scene.run_task("two").await;
    scene.until("two", "RUNNING").await;
    tokio::time::sleep(Duration::from_hours(5)).await;
    assert_eq!(images(&scene), [FOREIGN, IMAGE]);
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_told_of_and_mended_by_removing_what_nobody_uses() {
    let scene = after_a_task().await;
    let _agent = scene.agent("agent-a");
    run_and_delete(&scene, "one").await;
    scene.engine.with(|model, _| model.fill_disk());
    scene.define(2, OTHER).await;
    scene.run_revision("two", 2).await;
    scene.until("two", "RUNNING").await;
    assert_eq!(images(&scene), [OTHER, FOREIGN]);
    assert_eq!(scene.status("two")["containers"][0].get("reason"), None);
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_stays_full_fails_the_task_with_what_to_do() {
    let scene = Scene::start().await;
    scene.engine.with(|model, _| {
        model.push(OTHER, "sha256:other", Program::default());
        model.fill_disk();
    });
    let _agent = scene.agent("agent-a");
    scene.define(2, OTHER).await;
    scene.run_revision("one", 2).await;
    scene.until("one", "STOPPED").await;
    let status = scene.status("one");
    assert_eq!(status["stopCode"], "TaskFailedToStart");
    let reason = status["containers"][0]["reason"].as_str().unwrap();
    assert!(reason.starts_with("CannotPullContainerError: "), "{reason}");
    assert!(reason.contains("no space left on device"), "{reason}");
    assert!(
        reason.contains("make the instance's disk larger"),
        "{reason}"
    );
    let pulls = scene.engine.calls();
    assert_eq!(pulls.iter().filter(|call| **call == Call::Pull).count(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_pull_that_takes_long_is_told_of_three_times_and_no_more() {
    let scene = Scene::start().await;
    scene.engine.order(Call::Pull, Fault::Hang);
    let _agent = scene.agent("agent-a");
    scene.run_task("one").await;
    let reason = || scene.status("one")["containers"][0]["reason"].clone();
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(reason(), serde_json::Value::Null);
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(
        reason(),
        format!("pulling image {IMAGE}: nothing downloaded yet")
    );
    tokio::time::sleep(Duration::from_hours(3)).await;
    let writes = scene.api.writes();
    let of_task = writes
        .iter()
        .filter(|write| write.actor == "agent-a" && write.resource == "ecstasks");
    assert!(of_task.count() <= 4);
    scene.stop_task("one").await;
    scene.until("one", "STOPPED").await;
    assert_eq!(
        reason(),
        serde_json::Value::Null,
        "what was waited for is over"
    );
}
