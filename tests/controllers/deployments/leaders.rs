//! Deployments whose leader ends.

use ecs_operator::testing::api::Fault;
use serde_json::json;

use super::{LONGER_THAN_ANY_TIMER, NODES, with};
use crate::agents::Fate;
use crate::scene::{OURS, Scene, service, task_definition};

#[tokio::test(start_paused = true)]
async fn the_count_of_failures_survives_a_change_of_leader() {
    let configuration = json!({"deploymentCircuitBreaker": {
        "enable": true, "rollback": true, "thresholdConfiguration": {"type": "COUNT", "value": 6},
    }});
    let service = with(service("web", 1), configuration);
    let definition = task_definition("web", "1");
    let mut scene = Scene::running_as(&NODES, &definition, &service).await;
    scene.fate("web:2", Fate::FailsToStart);
    scene.apply(&task_definition("web", "2")).await;
    for failures in [2, 4] {
        scene
            .until("it has failed so often", || {
                scene.status()["deployments"][0]["failedTasks"] == failures
            })
            .await;
        scene.change_leader();
    }
    scene.is_rolled_back(3).await;
    assert_eq!(scene.tasks_of("web:2").len(), 6);
    scene.stays_quiet(LONGER_THAN_ANY_TIMER).await;
}

#[tokio::test(start_paused = true)]
async fn a_deployment_whose_leader_ended_after_its_snapshot_is_begun_once() {
    let mut scene = Scene::running(&NODES, 2).await;
    scene.api.fail(usize::MAX, Fault::Refused, |request| {
        request.resource == "ecsservices" && request.subresource == "status"
    });
    scene.apply(&task_definition("web", "2")).await;
    let snapshots = |scene: &Scene| scene.api.all(&format!("{OURS}/ecsservicerevisions")).len();
    scene
        .until("the snapshot is there", || snapshots(&scene) >= 2)
        .await;
    scene.change_leader();
    scene.api.mend();
    scene
        .until("the new tasks run", || {
            scene.is_ready("web") && scene.runs_only("web:2", 2)
        })
        .await;
    assert_eq!(scene.status()["lastDeploymentNumber"], 2);
    assert_eq!(snapshots(&scene), 2);
}
