//! What goes wrong on one node, from one container to its whole engine: it is replaced, once, and the stopped task says why.

use ecs_operator::api::task::{EcsTask, LastStatus, StopCode};
use kube::ResourceExt;

use crate::harness::{LATER, Running, SOON, Scene, beside_others, on_the_cluster, service};

/// Waits until the service runs `count` tasks again, none of them in a container that ran in `before` and is `lost`.
async fn replaced(scene: &Scene, name: &str, before: &[Running], lost: &Running) -> Vec<Running> {
    let kept: Vec<&Running> = before.iter().filter(|running| *running != lost).collect();
    let after = scene
        .eventually(
            &format!("a replacement of {}", lost.task),
            SOON,
            async || {
                let after = scene.try_settled(name, before.len()).await?;
                if after.contains(lost) {
                    Err("it has not ended".to_owned())
                } else {
                    Ok(after)
                }
            },
        )
        .await;
    for running in kept {
        assert!(after.contains(running), "{running:?} was touched");
    }
    after
}

/// What a stopped task says of its end: stop code, reason, exit code.
async fn last_words(scene: &Scene, task: &str) -> (StopCode, String, Option<i64>) {
    let found = scene.api::<EcsTask>().get(task).await.unwrap();
    let status = found.status.unwrap();
    assert_eq!(status.last_status, Some(LastStatus::Stopped), "{status:?}");
    (
        status.stop_code.unwrap(),
        status.stopped_reason.unwrap().to_string(),
        status.containers[0].exit_code,
    )
}

#[tokio::test]
async fn a_container_that_is_killed_removed_or_exits_is_replaced_and_its_task_says_why() {
    beside_others("kills", async |scene| {
        scene.apply(&service("web").desired(3)).await;
        let first = scene.settled("web", 3).await;

        let killed = &first[0];
        scene.engine(&killed.node).kill(&killed.container).await;
        let second = replaced(scene, "web", &first, killed).await;
        let (code, reason, exit) = last_words(scene, &killed.task).await;
        assert_eq!(
            (code, exit),
            (StopCode::EssentialContainerExited, Some(137))
        );
        assert_eq!(reason, "Essential container in task exited");

        let removed = second
            .iter()
            .find(|running| first.contains(running))
            .unwrap();
        scene.engine(&removed.node).remove(&removed.container).await;
        let third = replaced(scene, "web", &second, removed).await;
        let (code, _, _) = last_words(scene, &removed.task).await;
        assert_eq!(code, StopCode::EssentialContainerExited);

        let exits = third
            .iter()
            .find(|running| first.contains(running))
            .unwrap();
        scene.call(exits, "/control/exit?code=42").await;
        replaced(scene, "web", &third, exits).await;
        let (code, _, exit) = last_words(scene, &exits.task).await;
        assert_eq!((code, exit), (StopCode::EssentialContainerExited, Some(42)));
        assert_eq!(scene.recorder.ever(&scene.key("web")), 6);
    })
    .await;
}

#[tokio::test]
async fn a_container_that_exhausts_its_memory_is_replaced_and_says_so() {
    beside_others("memory", async |scene| {
        scene.apply(&service("hungry").desired(1)).await;
        let before = scene.settled("hungry", 1).await;
        scene.call(&before[0], "/control/exhaust-memory").await;
        replaced(scene, "hungry", &before, &before[0]).await;
        let found = scene.api::<EcsTask>().get(&before[0].task).await.unwrap();
        let container = found.status.unwrap().containers[0].clone();
        assert_eq!(container.exit_code, Some(137), "{container:?}");
        let reason = container.reason.unwrap_or_default();
        assert!(reason.starts_with("OutOfMemoryError"), "{reason}");
    })
    .await;
}

#[tokio::test]
async fn an_unhealthy_task_is_replaced_after_its_replacement_is_healthy() {
    beside_others("sick", async |scene| {
        scene
            .apply(&service("web").desired(2).checked().percents(100, 200))
            .await;
        let before = scene.settled("web", 2).await;
        scene.call(&before[0], "/control/unhealthy").await;
        replaced(scene, "web", &before, &before[0]).await;
        let (code, reason, _) = last_words(scene, &before[0].task).await;
        assert_eq!(code, StopCode::ServiceSchedulerInitiated);
        assert_eq!(reason, "Task failed container health checks");
    })
    .await;
}

#[tokio::test]
async fn a_task_that_ignores_sigterm_is_killed_after_its_stop_timeout() {
    beside_others("stubborn", async |scene| {
        let stubborn = service("stubborn").desired(1).env("IGNORE_SIGTERM", "1");
        scene.apply(&stubborn).await;
        let before = scene.settled("stubborn", 1).await;
        scene.scale(&stubborn, 0).await;
        scene.settled("stubborn", 0).await;
        let (code, _, exit) = scene
            .eventually("its last words", SOON, async || {
                let tasks = scene.tasks("stubborn").await?;
                let task = tasks.iter().find(|task| task.name_any() == before[0].task);
                let status = task
                    .and_then(|task| task.status.clone())
                    .unwrap_or_default();
                match status.last_status {
                    Some(LastStatus::Stopped) => Ok(last_words(scene, &before[0].task).await),
                    other => Err(format!("{other:?}")),
                }
            })
            .await;
        assert_eq!(
            (code, exit),
            (StopCode::ServiceSchedulerInitiated, Some(137))
        );
    })
    .await;
}

#[tokio::test]
async fn a_killed_engine_reports_what_died_and_nothing_is_replaced_twice() {
    on_the_cluster("engine", async |scene| {
        scene.apply(&service("web").desired(6)).await;
        let before = scene.settled("web", 6).await;
        scene.machine.verb("node node-2 engine-kill").await.expect();
        // Nothing is known of its containers now, so nothing may be replaced: the recorder's bound holds that.
        scene
            .eventually("word that the engine is gone", LATER, async || {
                scene.is_unready("node-2").await
            })
            .await;
        scene
            .machine
            .verb("node node-2 engine-start")
            .await
            .expect();
        let after = scene
            .eventually("six tasks on three engines", LATER, async || {
                scene.is_ready("node-2").await?;
                scene.try_settled("web", 6).await
            })
            .await;
        let elsewhere = |all: &[Running]| -> Vec<Running> {
            all.iter()
                .filter(|running| running.node != "node-2")
                .cloned()
                .collect()
        };
        for running in elsewhere(&before) {
            assert!(after.contains(&running), "{running:?} was touched");
        }
        let survived = after
            .iter()
            .filter(|running| before.contains(running))
            .count();
        let tasks = scene.tasks("web").await.unwrap();
        assert_eq!(
            tasks.len(),
            6 + 6 - survived,
            "each task that died has one successor"
        );
        for task in &tasks {
            let status = task.status.clone().unwrap_or_default();
            if status.last_status == Some(LastStatus::Stopped) {
                assert_eq!(status.stop_code, Some(StopCode::EssentialContainerExited));
            }
        }
    })
    .await;
}
