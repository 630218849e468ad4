//! How services stand, in one view, and waiting for them.

use std::time::Duration;

use ecs_operator::cli::status::{self, Which, look, wait};
use serde_json::json;

use super::{asker, assert_reads, large, masked};
use crate::agents::Fate;
use crate::scene::{Scene, service, task_definition};

#[tokio::test(start_paused = true)]
async fn five_services_of_a_manifest_are_rolled_up_in_one_view() {
    let scene = Scene::running(&["node-1", "node-2"], 2).await;
    scene.fate("bad:1", Fate::FailsToStart);
    for name in ["api", "bad", "late"] {
        scene.apply(&task_definition(name, "1")).await;
    }
    scene.apply(&large("big")).await;
    let mut bad = service("bad", 1);
    bad["spec"]["deploymentConfiguration"] =
        json!({"deploymentCircuitBreaker": {"enable": true, "rollback": true}});
    for service in [service("api", 1), bad, service("big", 3)] {
        scene.apply(&service).await;
    }
    scene
        .until("all is decided", || {
            let reason = |name: &str| scene.condition(name, "Ready")["reason"].clone();
            scene.is_ready("api")
                && reason("bad") == "DeploymentFailed"
                && reason("big") == "UnableToPlaceTask"
                && scene.service("big")["status"]["runningCount"] == 2
        })
        .await;
    let names = ["web", "api", "bad", "big", "gone"];
    let which = Which::Named(names.map(|name| ("shop".into(), name.into())).to_vec());
    let (client, _) = asker(&scene);
    let seen = look(&client, &which).await.unwrap();
    assert_reads(&masked(&seen.to_string()), "SERVICE    DESIRED  RUNNING  PENDING  STATE        WHY
        shop/web         2        2        0  steady       SteadyState: 2 tasks run web:1
        shop/api         1        1        0  steady       SteadyState: 1 tasks run api:1
        shop/bad         1        0        0  failed       DeploymentFailed: the deployment of bad:1 failed, the last task: Task failed to start. There is no completed deployment to roll back to. It is tried again when the task definition, the service, or extensions.forceNewDeployment changes
        shop/big         3        2        0  in progress  UnableToPlaceTask: a task cannot be placed: no container instance met all of its requirements. The closest matching (container-instance node-1) has insufficient memory available. Of 2 instances: RESOURCE:MEMORY on 2.
        shop/gone        0        0        0  missing      there is no such EcsService: apply it, or correct the name
        5 services: 2 steady, 1 in progress, 1 failed, 1 missing");
    assert_eq!(
        seen.verdict().unwrap_err().to_string(),
        "3 of 5 services are not steady"
    );
    assert!(seen.is_settled(), "one has failed");
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_when_the_new_version_runs_and_not_before() {
    let scene = Scene::running(&["node-1", "node-2"], 2).await;
    let (client, _) = asker(&scene);
    scene.api.isolate("controller");
    scene.apply(&task_definition("web", "2")).await;
    // Nobody has looked yet: the service still says that it is steady.
    assert!(scene.is_ready("web"));
    let which = Which::Of("shop".into());
    let seen = look(&client, &which).await.unwrap();
    assert_eq!(
        seen.news(None),
        ["shop/web: 2 of 2 run, in progress: TaskDefinition web is not registered yet"]
    );
    scene.api.heal("controller");
    let told = std::sync::Mutex::new(Vec::new());
    let tell = |line| told.lock().unwrap().push(line);
    let seen = wait(&client, &which, Duration::from_mins(5), tell)
        .await
        .unwrap();
    assert!(seen.verdict().is_ok());
    assert!(scene.runs_only("web:2", 2));
    assert!(!told.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn waiting_gives_up_in_time_and_shows_what_it_saw() {
    let scene = Scene::start(&["node-1"]).await;
    scene.apply(&large("web")).await;
    scene.apply(&service("web", 2)).await;
    let (client, _) = asker(&scene);
    let waited = wait(&client, &Which::Everywhere, Duration::from_mins(2), |_| {}).await;
    let said = waited.unwrap_err().to_string();
    assert!(
        said.starts_with("not steady within 120s\nSERVICE"),
        "{said}"
    );
    assert!(said.ends_with("1 service: 1 in progress"), "{said}");
    let empty = status::roll_up(&Which::Everywhere, &[], &[]);
    assert!(empty.verdict().is_ok());
}
