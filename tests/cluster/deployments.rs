//! A deployment that fails: it is given up, the last completed one runs again, and those who ask get answers all the time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ecs_operator::api::task::LastStatus;
use serde_json::json;
use tokio::time::sleep;

use crate::control_plane::kill_leader;
use crate::harness::{LATER, SOON, Scene, address, http, on_the_cluster, service};

/// Whether any task of the service answers now.
async fn answers(scene: &Scene, name: &str) -> bool {
    let tasks = scene.tasks(name).await.unwrap_or_default();
    for address in tasks.iter().filter_map(address) {
        let answer = http::get(&address, "/").await;
        if answer.and_then(http::Answer::success).is_ok() {
            return true;
        }
    }
    false
}

/// Asks until it is told to stop; counts the times at which no task answered. A task may go between look and question,
/// so a second look decides.
async fn ask(scene: &Scene, name: &str, done: &AtomicBool) -> (usize, usize) {
    let (mut asked, mut unanswered) = (0, 0);
    while !done.load(Ordering::Relaxed) {
        let answered = answers(scene, name).await || answers(scene, name).await;
        asked += 1;
        unanswered += usize::from(!answered);
        sleep(Duration::from_millis(100)).await;
    }
    (asked, unanswered)
}

/// Asks the service while something happens: how often, and how often nobody answered.
pub(crate) async fn answering_while(
    scene: &Scene,
    name: &str,
    happens: impl Future<Output = ()>,
) -> (usize, usize) {
    let done = AtomicBool::new(false);
    let happens = async {
        happens.await;
        done.store(true, Ordering::Relaxed);
    };
    let ((), counts) = tokio::join!(happens, ask(scene, name, &done));
    counts
}

/// Waits until the newest deployment has this number and state.
pub(crate) async fn deployed(scene: &Scene, name: &str, number: i64, state: &str) {
    let what = format!("deployment {number} of {name} {state}");
    scene
        .eventually(&what, LATER, async || {
            let status = scene.service(name).await?.status.unwrap_or_default();
            let found = serde_json::to_value(&status.deployments).unwrap();
            if found[0]["number"] == number && found[0]["rolloutState"] == state {
                Ok(())
            } else {
                Err(format!("{found:#}"))
            }
        })
        .await;
}

#[tokio::test]
async fn a_bad_image_is_given_up_and_rolled_back_and_the_old_tasks_answer_all_the_time() {
    on_the_cluster("rollback", async |scene| {
        let web = service("web").desired(2).version("1").asking(
            "deploymentConfiguration",
            json!({
                "minimumHealthyPercent": 100, "maximumPercent": 200,
                "deploymentCircuitBreaker": {"enable": true, "rollback": true},
            }),
        );
        scene.apply(&web).await;
        scene.settled("web", 2).await;
        deployed(scene, "web", 1, "COMPLETED").await;

        let bad = web.clone().with("image", json!("10.90.0.1:5000/missing:1"));
        let (asked, unanswered) = answering_while(scene, "web", async {
            scene.apply(&bad).await;
            deployed(scene, "web", 3, "COMPLETED").await;
        })
        .await;
        assert_eq!(unanswered, 0, "of {asked}");
        let status = scene.service("web").await.unwrap().status.unwrap();
        let given_up = status.failed_deployment.unwrap();
        assert_eq!(
            (given_up.number, given_up.task_definition.as_str()),
            (2, "web:2")
        );
        let message = scene
            .condition("web", "Stalled", ("True", "DeploymentRolledBack"))
            .await;
        assert!(message.contains("CannotPull"), "{message}");
        let tasks = scene.tasks("web").await.unwrap();
        let failed: Vec<_> = tasks
            .iter()
            .filter(|task| task.spec.task_definition.as_str() == "web:2")
            .collect();
        assert!((3..=5).contains(&failed.len()), "{}", failed.len());
        let events = scene.events("web").await.unwrap();
        for part in [
            "deployment failed: tasks failed to start.",
            "rolling back to deployment",
        ] {
            assert!(
                events.iter().any(|event| event.contains(part)),
                "{events:?}"
            );
        }

        // It stays: nobody tries what failed again, not after scaling and not under a new leader.
        scene.scale(&web, 3).await;
        kill_leader(scene).await;
        scene
            .eventually("three tasks of the first version", LATER, async || {
                let tasks = scene.tasks("web").await?;
                let runs = tasks.iter().filter(|task| {
                    let status = task.status.as_ref();
                    status.and_then(|status| status.last_status) == Some(LastStatus::Running)
                });
                let names: Vec<&str> = runs
                    .map(|task| task.spec.task_definition.as_str())
                    .collect();
                if names == ["web:1"; 3] {
                    Ok(())
                } else {
                    Err(format!("{names:?}"))
                }
            })
            .await;
        scene.quiet(Duration::from_secs(10)).await;
        let tasks = scene.tasks("web").await.unwrap();
        let again = tasks
            .iter()
            .filter(|task| task.spec.task_definition.as_str() == "web:2")
            .count();
        assert_eq!(again, failed.len(), "what failed was tried again");

        // What is wanted changes, and that is tried.
        scene.apply(&web.version("2").desired(3)).await;
        deployed(scene, "web", 4, "COMPLETED").await;
        scene
            .condition("web", "Ready", ("True", "SteadyState"))
            .await;
        let after = scene.settled("web", 3).await;
        for running in &after {
            assert_eq!(scene.answer(running).await["version"], "2");
        }
        scene
            .eventually("no trace of the failure", SOON, async || {
                let status = scene.service("web").await?.status.unwrap_or_default();
                status
                    .failed_deployment
                    .map_or(Ok(()), |failed| Err(format!("{failed:?}")))
            })
            .await;
    })
    .await;
}
