//! A namespace that is deleted takes target groups and slices away before the tasks that they name, and takes no new ones.

use std::time::Duration;

use ecs_operator::testing::api::{Fault, Verb};
use serde_json::Value;
use tokio::time::Instant;

use crate::scene::Scene;
use crate::targets::served;
use crate::traffic::serving;

/// Deletes the target group, and its slices as the garbage collector does.
async fn delete_group(scene: &Scene) {
    scene.delete("namespaces/shop/targetgroups/web").await;
    for slice in scene.slices("web") {
        let name = slice["metadata"]["name"].as_str().unwrap();
        let path = format!("/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices/{name}");
        scene.api.delete(&path).await;
    }
}

fn is_deregistered(task: &Value) -> bool {
    !task["status"]["traffic"]["deregisteredAt"].is_null()
}

#[tokio::test(start_paused = true)]
async fn a_target_group_that_is_deleted_first_leaves_its_tasks_the_delay_that_it_had() {
    let scene = serving(2).await;
    delete_group(&scene).await;
    scene.delete_service("web").await;
    let delay = || {
        let mut tasks = scene.tasks().into_iter();
        let left = tasks.find(is_deregistered);
        left.and_then(|task| task["status"]["traffic"]["deregistrationDelaySeconds"].as_i64())
    };
    scene
        .until("a task is deregistered", || delay().is_some())
        .await;
    assert_eq!(delay(), Some(20));
}

#[tokio::test(start_paused = true)]
async fn slices_that_the_namespace_takes_no_more_hold_back_nobody() {
    let scene = serving(2).await;
    scene.api.fail(usize::MAX, Fault::Status(403), |request| {
        request.resource == "endpointslices" && matches!(request.verb, Verb::Create | Verb::Patch)
    });
    scene.apply(&served("web", 4)).await;
    scene
        .until("more tasks run", || scene.running_tasks() == 4)
        .await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    delete_group(&scene).await;
    scene.delete_service("web").await;
    let begun = Instant::now();
    scene
        .until("all tasks are deregistered", || {
            scene.tasks().iter().all(is_deregistered)
        })
        .await;
    let patience = ecs_operator::domain::traffic::PATIENCE;
    assert!(begun.elapsed() < patience / 2, "{:?}", begun.elapsed());
}
