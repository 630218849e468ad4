//! A service's ordinary life, and that of a task: they run, answer, are scaled, end, and leave nothing.

use std::collections::BTreeSet;

use ecs_operator::api::task::{EcsTask, LastStatus, StopCode};
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::harness::engine::WORKLOAD;
use crate::harness::fixtures::object;
use crate::harness::machine::kubectl;
use crate::harness::{Running, SOON, Scene, beside_others, service};

/// Nodes on which tasks run.
fn nodes(running: &[Running]) -> BTreeSet<&str> {
    running
        .iter()
        .map(|running| running.node.as_str())
        .collect()
}

#[tokio::test]
async fn a_service_of_three_runs_one_task_on_each_node_scales_and_leaves_no_container() {
    beside_others("three", async |scene| {
        let web = service("web").desired(3).version("1");
        scene.apply(&web).await;
        let three = scene.settled("web", 3).await;
        assert_eq!(nodes(&three).len(), 3, "{three:?}");
        for running in &three {
            assert_eq!(scene.answer(running).await["version"], "1");
        }
        scene.scale(&web, 6).await;
        let six = scene.settled("web", 6).await;
        assert!(
            three.iter().all(|running| six.contains(running)),
            "{three:?} {six:?}"
        );
        for running in &six {
            scene.answer(running).await;
        }
        scene.scale(&web, 1).await;
        let one = scene.settled("web", 1).await;
        assert!(six.contains(&one[0]), "scaling in starts nothing: {one:?}");
        scene.scale(&web, 0).await;
        scene.settled("web", 0).await;
        assert_eq!(scene.recorder.ever(&scene.key("web")), 6);
        scene.scale(&web, 2).await;
        scene.settled("web", 2).await;
        scene.delete("ecsservice", "web").await;
        scene.gone("web").await;
    })
    .await;
}

#[tokio::test]
async fn a_task_of_two_containers_ends_with_the_essential_one_and_not_with_the_other() {
    beside_others("sidecar", async |scene| {
        let pair = service("pair").desired(1).beside(json!({
            "name": "helper",
            "image": WORKLOAD,
            "essential": false,
            "memory": 32,
            "environment": [{"name": "EXIT_AFTER_MILLISECONDS", "value": "1000"}],
        }));
        scene.apply(&pair).await;
        // `settled` wants one running container of one RUNNING task: the helper has ended by then.
        let one = scene.settled("pair", 1).await;
        let containers = scene.containers("pair").await.unwrap();
        assert_eq!(containers.len(), 2, "{containers:?}");
        scene.call(&one[0], "/control/exit?code=7").await;
        let other = scene
            .eventually("another task", SOON, async || {
                let other = scene.try_settled("pair", 1).await?;
                if other == one {
                    Err("still the old one".to_owned())
                } else {
                    Ok(other)
                }
            })
            .await;
        assert_ne!(one[0].task, other[0].task);
        let stopped = scene.api::<EcsTask>().get(&one[0].task).await.unwrap();
        let status = stopped.status.unwrap();
        assert_eq!(
            status.stop_code,
            Some(StopCode::EssentialContainerExited),
            "{status:?}"
        );
        let code = |name: &str| {
            let mut containers = status.containers.iter();
            containers
                .find(|container| container.name == name)
                .unwrap()
                .exit_code
        };
        assert_eq!((code("app"), code("helper")), (Some(7), Some(0)));
    })
    .await;
}

#[tokio::test]
async fn what_a_definition_asks_for_is_what_the_container_is_made_with() {
    beside_others("asked", async |scene| {
        // The image's own entry point reads PORT; the command's option wins over it.
        let web = service("web")
            .desired(1)
            .env("PORT", "9000")
            .with("command", json!(["--port", "8080"]))
            .with("cpu", json!(128))
            .with("memoryReservation", json!(16))
            .with("user", json!("1000:1000"))
            .with("workingDirectory", json!("/"));
        scene.apply(&web).await;
        let one = scene.settled("web", 1).await;
        scene.answer(&one[0]).await;
        let task = scene.api::<EcsTask>().get(&one[0].task).await.unwrap();
        let status = task.status.unwrap();
        assert_eq!(
            status.containers[0]
                .runtime_id
                .as_deref()
                .map(String::as_str),
            Some(&*one[0].container)
        );
        let binding = &status.containers[0].network_bindings[0];
        assert_eq!(binding.container_port, Some(8080));
        assert!(
            status.started_at.is_some() && status.task_arn.is_some(),
            "{status:?}"
        );
    })
    .await;
}

/// Waits until a task has ended.
pub(crate) async fn ended(scene: &Scene, name: &str) -> EcsTask {
    scene
        .eventually(&format!("the end of task {name}"), SOON, async || {
            let task = scene.api::<EcsTask>().get(name).await;
            let task = task.map_err(|error| error.to_string())?;
            let status = task.status.clone().unwrap_or_default();
            if status.last_status == Some(LastStatus::Stopped) {
                return Ok(task);
            }
            Err(format!("{status:?}"))
        })
        .await
}

#[tokio::test]
async fn a_task_without_a_service_runs_once_and_a_stop_ends_it() {
    beside_others("oneoff", async |scene| {
        let short = service("short")
            .env("EXIT_AFTER_MILLISECONDS", "500")
            .env("EXIT_CODE", "3");
        scene.put(&short.definition_object(&scene.namespace)).await;
        let long = service("long");
        scene.put(&long.definition_object(&scene.namespace)).await;
        let task = |name: &str, spec: Value| object("EcsTask", &scene.namespace, name, &spec);
        let changed = json!({"taskDefinition": "short", "overrides": {"containerOverrides": [
            {"name": "app", "environment": [{"name": "EXIT_CODE", "value": "4"}]},
        ]}});
        let misspelt = json!({"taskDefinition": "short", "overrides": {"containerOverrides": [
            {"name": "ap", "environment": [{"name": "EXIT_CODE", "value": "4"}]},
        ]}});
        scene
            .put(&task("report", json!({"taskDefinition": "short"})))
            .await;
        scene.put(&task("changed", changed)).await;
        scene.put(&task("misspelt", misspelt)).await;
        scene
            .put(&task("daemon", json!({"taskDefinition": "long"})))
            .await;
        let report = ended(scene, "report").await.status.unwrap();
        assert_eq!(
            report.stop_code,
            Some(StopCode::EssentialContainerExited),
            "{report:?}"
        );
        assert_eq!(report.containers[0].exit_code, Some(3));
        let changed = ended(scene, "changed").await.status.unwrap();
        assert_eq!(changed.containers[0].exit_code, Some(4), "{changed:?}");
        let misspelt = ended(scene, "misspelt").await.status.unwrap();
        assert_eq!(misspelt.stop_code, Some(StopCode::TaskFailedToStart));
        let reason = misspelt.stopped_reason.unwrap_or_default();
        assert!(
            reason.contains("no container 'ap': it has app"),
            "{reason:?}"
        );

        scene
            .eventually("a running container of the other task", SOON, async || {
                let containers = scene.containers("long").await?;
                let running = containers
                    .iter()
                    .filter(|container| container.is_running())
                    .count();
                if running == 1 {
                    Ok(())
                } else {
                    Err(format!("{containers:?}"))
                }
            })
            .await;
        let stop = r#"{"spec":{"stop":{"code":"UserInitiated","reason":"enough"}}}"#;
        let patch = [
            "patch",
            "ecstask",
            "daemon",
            "-n",
            &scene.namespace,
            "--type=merge",
            "-p",
            stop,
        ];
        kubectl(&patch).await.expect();
        let daemon = ended(scene, "daemon").await.status.unwrap();
        assert_eq!(daemon.stop_code, Some(StopCode::UserInitiated));
        assert_eq!(
            daemon.stopped_reason.as_deref().map(String::as_str),
            Some("enough")
        );
        assert_eq!(
            scene.recorder.ever(&scene.key("short")),
            2,
            "each task runs once"
        );
        for name in ["report", "changed", "misspelt", "daemon"] {
            let api = scene.api::<EcsTask>();
            api.delete(name, &DeleteParams::default()).await.unwrap();
        }
        scene.gone("short").await;
        scene.gone("long").await;
    })
    .await;
}
