//! Agents, controllers and the API server die, and what runs does not notice.

use std::collections::BTreeSet;
use std::time::Duration;

use ecs_operator::api::service::EcsService;
use kube::api::DeleteParams;
use tokio::time::{Instant, sleep};

use crate::harness::{LATER, Running, SOON, Scene, on_the_cluster, processes, service};

/// Docker's ids of the containers.
fn ids(running: &[Running]) -> BTreeSet<&str> {
    running
        .iter()
        .map(|running| running.container.as_str())
        .collect()
}

/// Looks again and again for as long as `time` lasts: the same containers of the service run.
async fn untouched(scene: &Scene, name: &str, before: &[Running], time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        let containers = scene.containers(name).await.unwrap();
        let now: BTreeSet<&str> = containers
            .iter()
            .filter(|container| container.is_running())
            .map(|container| container.id.as_str())
            .collect();
        assert_eq!(now, ids(before), "containers were touched");
        sleep(Duration::from_millis(500)).await;
    }
}

#[tokio::test]
async fn a_killed_agent_adopts_its_twenty_tasks() {
    on_the_cluster("adopts", async |scene| {
        for node in ["node-2", "node-3"] {
            scene.set_instance(node, "DRAINING").await;
        }
        for node in ["node-2", "node-3"] {
            scene
                .eventually("a draining instance", SOON, async || {
                    scene.is_unready(node).await
                })
                .await;
        }
        let web = service("web").desired(20);
        scene.apply(&web).await;
        let before = scene.settled("web", 20).await;
        assert!(
            before.iter().all(|running| running.node == "node-1"),
            "{before:?}"
        );

        let agent = processes::agent("node-1").expect("node-1 has an agent");
        processes::kill(agent).await;
        let next = scene
            .eventually("another agent", SOON, async || {
                match processes::agent("node-1") {
                    Some(next) if next != agent => Ok(next),
                    other => Err(format!("{other:?}")),
                }
            })
            .await;
        // A further task proves that the new agent is at work, and has made up its mind about the others.
        scene.scale(&web, 21).await;
        let after = scene.settled("web", 21).await;
        assert!(ids(&before).is_subset(&ids(&after)), "{before:?} {after:?}");
        assert_eq!(scene.recorder.ever(&scene.key("web")), 21);
        assert_eq!(processes::agent("node-1"), Some(next), "the agent goes on");
        for node in ["node-2", "node-3"] {
            scene.set_instance(node, "ACTIVE").await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_agent_that_stays_down_on_a_healthy_node_stops_nothing_and_gets_nothing() {
    on_the_cluster("silent", async |scene| {
        scene.apply(&service("web").desired(3)).await;
        let before = scene.settled("web", 3).await;
        scene.hold_agent_down("node-2").await;
        scene
            .eventually("agentConnected: false", LATER, async || {
                scene.is_unready("node-2").await
            })
            .await;
        // With the silence until here, twice the time after which an instance on a broken node would be lost.
        untouched(scene, "web", &before, Duration::from_secs(30)).await;
        let late = service("late").desired(4);
        scene.apply(&late).await;
        let elsewhere = scene.settled("late", 4).await;
        assert!(
            elsewhere.iter().all(|running| running.node != "node-2"),
            "{elsewhere:?}"
        );
        assert_eq!(ids(&scene.settled("web", 3).await), ids(&before));

        scene.let_agent_up("node-2").await;
        scene
            .eventually("a ready instance", LATER, async || {
                scene.is_ready("node-2").await
            })
            .await;
        assert_eq!(scene.settled("web", 3).await, before, "adopted");
        scene.scale(&late, 6).await;
        let six = scene.settled("late", 6).await;
        assert!(
            six.iter().any(|running| running.node == "node-2"),
            "{six:?}"
        );
    })
    .await;
}

/// Kills the controller that leads.
pub(crate) async fn kill_leader(scene: &Scene) {
    let process = scene
        .eventually("a leader to kill", LATER, async || {
            let leader = scene.leader().await?;
            processes::controller(&leader).ok_or_else(|| format!("{leader} has died already"))
        })
        .await;
    processes::kill(process).await;
}

#[tokio::test]
async fn killing_the_leading_controller_at_any_moment_leaves_no_task_more_or_less() {
    on_the_cluster("leaders", async |scene| {
        let web = service("web").desired(2);
        scene.apply(&web).await;
        scene.settled("web", 2).await;
        // Before the change is seen, while tasks are created, while they start, while they stop.
        for (desired, milliseconds) in [(8, 0), (3, 60), (7, 150), (2, 400)] {
            scene.scale(&web, desired).await;
            sleep(Duration::from_millis(milliseconds)).await;
            kill_leader(scene).await;
            scene
                .eventually(&format!("{desired} tasks"), LATER, async || {
                    scene.try_settled("web", desired).await
                })
                .await;
        }
        // 2 at first, 6 more for 8, 4 more for 7.
        assert_eq!(scene.recorder.ever(&scene.key("web")), 12);
        assert_eq!(scene.tasks("web").await.unwrap().len(), 12);
    })
    .await;
}

#[tokio::test]
async fn an_outage_of_the_api_server_touches_no_container_and_loses_no_instance() {
    on_the_cluster("outage", async |scene| {
        let web = service("web").desired(3);
        scene.apply(&web).await;
        let before = scene.settled("web", 3).await;
        scene.machine.verb("apiserver stop").await.expect();
        // Three times the time after which a silent instance is lost.
        untouched(scene, "web", &before, Duration::from_secs(90)).await;
        scene.machine.verb("apiserver start").await.expect();
        let back = Instant::now();
        // What is asked for now shows that somebody acts, which no status of before the outage can.
        scene.scale(&web, 4).await;
        let after = scene.settled("web", 4).await;
        eprintln!(
            "a fourth task {} s after the return",
            back.elapsed().as_secs()
        );
        assert!(ids(&before).is_subset(&ids(&after)), "{before:?} {after:?}");
        assert_eq!(scene.recorder.ever(&scene.key("web")), 4);
        let words = scene.events("web").await.unwrap();
        assert!(
            words.iter().all(|word| !word.contains("is lost")),
            "{words:?}"
        );
        // Kubernetes' own controllers come back later, and with them the end of a namespace.
        scene
            .api::<EcsService>()
            .delete("web", &DeleteParams::default())
            .await
            .unwrap();
        scene.gone("web").await;
    })
    .await;
}
