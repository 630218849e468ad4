//! A node is gone: without power, or beyond the network. Its tasks are replaced after the cluster's lost time, and when it is
//! back its leftovers end. The recorder holds that no task ever has two live containers, and that no more run than may.

use std::collections::BTreeSet;

use serde_json::json;

use crate::harness::fixtures::Fixture;
use crate::harness::machine::kubectl;
use crate::harness::{LATER, Running, SOON, Scene, on_the_cluster, service};

/// The node that goes.
const NODE: &str = "node-3";

/// Six tasks, two on each node.
async fn two_on_each_node(scene: &Scene) -> (Fixture, Vec<Running>) {
    let web = service("web").desired(6);
    scene.apply(&web).await;
    let before = scene.settled("web", 6).await;
    assert_eq!(on_the_node(&before).len(), 2, "{before:?}");
    (web, before)
}

fn on_the_node(running: &[Running]) -> BTreeSet<&str> {
    let there = running.iter().filter(|running| running.node == NODE);
    there.map(|running| running.container.as_str()).collect()
}

/// Waits until four old and two new tasks run on the other nodes.
async fn replaced_elsewhere(scene: &Scene, before: &[Running]) {
    let kept: Vec<&Running> = before
        .iter()
        .filter(|running| running.node != NODE)
        .collect();
    let what = "the wanted number on the other nodes";
    let now = scene
        .eventually(what, LATER, async || {
            scene.elsewhere("web", NODE, before.len()).await
        })
        .await;
    assert!(
        kept.iter().all(|running| now.contains(&running.container)),
        "{now:?}"
    );
    let lost = scene.tasks("web").await.unwrap();
    let reasons = lost
        .iter()
        .filter_map(|task| task.status.as_ref()?.stopped_reason.clone());
    let told = lost
        .iter()
        .filter_map(|task| task.spec.stop.as_ref()?.reason.clone());
    let lost = reasons
        .chain(told)
        .filter(|reason| reason.contains(" lost"));
    assert!(
        lost.count() >= 2,
        "the lost tasks do not say that they are lost"
    );
}

/// Waits until the node takes tasks, only the wanted number runs, and new tasks land on it again.
async fn back_at_work(scene: &Scene, web: &Fixture, before: &[Running]) {
    scene
        .eventually("the node's instance", LATER, async || {
            scene.is_ready(NODE).await
        })
        .await;
    let after = scene
        .eventually("the end of the leftovers", LATER, async || {
            scene.try_settled("web", 6).await
        })
        .await;
    let leftovers = on_the_node(before);
    assert!(
        after
            .iter()
            .all(|running| !leftovers.contains(&*running.container)),
        "{after:?}"
    );
    scene.scale(web, 9).await;
    let nine = scene.settled("web", 9).await;
    assert!(!on_the_node(&nine).is_empty(), "{nine:?}");
}

#[tokio::test]
async fn tasks_of_a_node_without_power_are_replaced_and_the_leftovers_end_when_it_is_back() {
    on_the_cluster("power", async |scene| {
        let (web, before) = two_on_each_node(scene).await;
        scene.recorder.out_of_reach(NODE);
        scene
            .machine
            .verb(&format!("node {NODE} off"))
            .await
            .expect();
        replaced_elsewhere(scene, &before).await;
        scene
            .machine
            .verb(&format!("node {NODE} on"))
            .await
            .expect();
        back_at_work(scene, &web, &before).await;
    })
    .await;
}

#[tokio::test]
async fn tasks_of_a_node_that_is_cut_off_are_replaced_and_the_leftovers_end_when_it_is_back() {
    on_the_cluster("cut", async |scene| {
        let (web, before) = two_on_each_node(scene).await;
        scene.recorder.out_of_reach(NODE);
        scene
            .machine
            .verb(&format!("node {NODE} cut"))
            .await
            .expect();
        replaced_elsewhere(scene, &before).await;
        // Nobody told the node, so its tasks go on.
        let now = scene.containers("web").await.unwrap();
        let there: BTreeSet<&str> = now
            .iter()
            .filter(|container| container.node == NODE && container.is_running())
            .map(|container| container.id.as_str())
            .collect();
        assert_eq!(there, on_the_node(&before));
        scene
            .machine
            .verb(&format!("node {NODE} heal"))
            .await
            .expect();
        back_at_work(scene, &web, &before).await;
    })
    .await;
}

#[tokio::test]
async fn a_draining_instance_and_a_drained_node_lose_their_tasks_to_the_others() {
    on_the_cluster("drain", async |scene| {
        let web = service("web").desired(3).asking(
            "deploymentConfiguration",
            json!({"minimumHealthyPercent": 100, "maximumPercent": 200}),
        );
        scene.apply(&web).await;
        let before = scene.settled("web", 3).await;
        let elsewhere = async |node: &str| {
            scene
                .eventually(&format!("no task on {node}"), SOON, async || {
                    let now = scene.try_settled("web", 3).await?;
                    match now.iter().find(|running| running.node == node) {
                        Some(running) => Err(format!("{running:?}")),
                        None => Ok(now),
                    }
                })
                .await
        };
        scene.set_instance("node-2", "DRAINING").await;
        let after = elsewhere("node-2").await;
        let stayed = before.iter().filter(|running| after.contains(running));
        assert_eq!(stayed.count(), 2, "{before:?} {after:?}");
        scene.set_instance("node-2", "ACTIVE").await;
        scene
            .eventually("a ready instance", SOON, async || {
                scene.is_ready("node-2").await
            })
            .await;
        kubectl(&["cordon", "node-3"]).await.expect();
        elsewhere("node-3").await;
        kubectl(&["uncordon", "node-3"]).await.expect();
    })
    .await;
}
