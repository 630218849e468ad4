//! What somebody else on a node does to its engine: it removes the bridge, or makes a folder of the socket's name. The
//! instance says what is wrong and what to do about it, its tasks run elsewhere, and it takes tasks again once it is mended.

use ecs_operator::api::container_instance::ContainerInstance;
use kube::Api;
use serde_json::json;

use crate::harness::{LATER, SOON, Scene, on_the_cluster, service};

/// The node whose engine it is.
const NODE: &str = "node-3";

/// Waits until the instance takes no tasks and its agent tells this of the engine.
async fn told(scene: &Scene, reason: &str, words: &str) {
    scene
        .eventually(reason, LATER, async || {
            scene.is_unready(NODE).await?;
            let instances: Api<ContainerInstance> = Api::all(scene.kube.clone());
            let instance = instances.get(NODE).await;
            let status = instance.map_err(|error| error.to_string())?.status;
            let engine = status.and_then(|status| status.agent?.engine);
            let engine = engine.unwrap_or_default();
            let message = engine.message.as_deref().map_or("", String::as_str);
            if engine.reason.as_deref().is_some_and(|it| it == reason) && message.contains(words) {
                Ok(())
            } else {
                Err(format!("{engine:?}"))
            }
        })
        .await;
}

async fn on_node(scene: &Scene, command: &str) {
    let verb = format!("in {NODE} {command}");
    scene.machine.verb(&verb).await.expect();
}

async fn engine(scene: &Scene, verb: &str) {
    let verb = format!("node {NODE} engine-{verb}");
    scene.machine.verb(&verb).await.expect();
}

/// Waits until the node's instance is ready and runs a task of a service that runs nowhere else.
async fn takes_tasks(scene: &Scene, name: &str) {
    let wait = scene.eventually("a ready instance", LATER, async || {
        scene.is_ready(NODE).await
    });
    wait.await;
    let here = json!([{"type": "memberOf", "expression": format!("ec2InstanceId == {NODE}")}]);
    let back = service(name)
        .desired(1)
        .asking("placementConstraints", here);
    scene.apply(&back).await;
    scene.settled(name, 1).await;
}

#[tokio::test]
async fn an_engine_without_its_bridge_or_with_a_folder_for_a_socket_says_so_until_it_is_mended() {
    on_the_cluster("broken", async |scene| {
        let web = service("web").desired(3).percents(50, 200);
        scene.apply(&web).await;
        let before = scene.settled("web", 3).await;
        on_node(scene, "ip link delete docker0").await;
        let there = before.iter().find(|it| it.node == NODE).unwrap();
        scene.engine(NODE).kill(&there.container).await;
        scene
            .eventually("three tasks on the other nodes", SOON, async || {
                scene.elsewhere("web", NODE, 3).await
            })
            .await;
        // Tasks come to the node first that run nowhere else, unless it takes none.
        scene.scale(&web, 4).await;
        scene
            .eventually("four tasks on the other nodes", SOON, async || {
                scene.elsewhere("web", NODE, 4).await
            })
            .await;
        told(scene, "NoBridge", "restart the Docker Engine").await;
        engine(scene, "terminate").await;
        engine(scene, "start").await;
        takes_tasks(scene, "bridged").await;

        engine(scene, "terminate").await;
        on_node(scene, "rm -f /run/docker.sock").await;
        on_node(scene, "mkdir /run/docker.sock").await;
        told(scene, "NoDockerSocket", "is a folder").await;
        on_node(scene, "rmdir /run/docker.sock").await;
        engine(scene, "start").await;
        takes_tasks(scene, "unfolded").await;
    })
    .await;
}
