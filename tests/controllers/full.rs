//! A cluster without room, for hours.

use std::time::Duration;

use serde_json::{Value, json};

use crate::scene::{Scene, service, task_definition};

/// A service whose tasks fill an instance each, with the circuit breaker on.
fn guarded(desired: i32) -> Value {
    let mut web = service("web", desired);
    web["spec"]["deploymentConfiguration"] =
        json!({"deploymentCircuitBreaker": {"enable": true, "rollback": true}});
    web
}

fn large(version: &str) -> Value {
    let mut definition = task_definition("web", version);
    definition["spec"]["containerDefinitions"][0]["memory"] = json!(800);
    definition
}

#[tokio::test(start_paused = true)]
async fn a_deployment_on_a_full_cluster_waits_for_hours_and_fails_for_nothing() {
    let scene = Scene::running_as(&["node-1", "node-2"], &large("1"), &guarded(2)).await;
    scene.apply(&large("2")).await;
    let newest = || scene.service("web")["status"]["deployments"][0].clone();
    scene
        .until("it says what it waits for", || {
            newest()["number"] == 2 && newest()["waitingFor"] == "an instance with room"
        })
        .await;
    let (names, told) = (
        scene.names(),
        scene.service("web")["status"]["events"].clone(),
    );
    scene.api.forget();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_hours(1)).await;
        let found = newest();
        assert_eq!(
            (&found["rolloutState"], &found["failedTasks"]),
            (&json!("IN_PROGRESS"), &json!(0))
        );
        assert!(scene.runs_only("web:1", 2), "the old tasks are touched");
    }
    assert_eq!(scene.names(), names, "tasks come and go");
    let again = scene.service("web")["status"]["events"].clone();
    let more = again.as_array().unwrap().len() - told.as_array().unwrap().len();
    assert!(more <= 1, "the same was said {more} times in three hours");
    let ours = scene.api.writes();
    let ours = ours
        .iter()
        .filter(|write| write.actor == "controller" && write.resource.starts_with("ecs"))
        .count();
    assert!(ours <= 10, "{ours} writes while nothing happens");

    scene.add_node("node-3").await;
    scene
        .until("it goes on where there is room", || {
            scene.runs_only("web:2", 2) && newest()["rolloutState"] == "COMPLETED"
        })
        .await;
}
