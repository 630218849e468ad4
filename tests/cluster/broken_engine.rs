//! What somebody else on a node does to its engine: it removes the bridge, or makes a folder of the socket's name. The
//! instance says what is wrong and what to do about it, its tasks run elsewhere, and it takes tasks again once it is mended.

use ecs_operator::api::container_instance::{ContainerInstance, EngineReport};
use kube::Api;

use crate::harness::fixtures::Fixture;
use crate::harness::{LATER, Running, SOON, Scene, on_the_cluster, service};

/// The node whose engine it is.
const NODE: &str = "node-3";

/// What the agent tells of the engine, once it is this `reason`.
async fn told(scene: &Scene, reason: &str) -> EngineReport {
    scene
        .eventually(reason, LATER, async || {
            scene.is_unready(NODE).await?;
            let instances: Api<ContainerInstance> = Api::all(scene.kube.clone());
            let instance = instances.get(NODE).await;
            let status = instance.map_err(|error| error.to_string())?.status;
            let engine = status.and_then(|status| status.agent?.engine);
            match engine {
                Some(engine) if engine.reason.as_deref().is_some_and(|it| it == reason) => {
                    Ok(engine)
                }
                engine => Err(format!("{engine:?}")),
            }
        })
        .await
}

async fn on_node(scene: &Scene, command: &str) {
    let verb = format!("in {NODE} {command}");
    scene.machine.verb(&verb).await.expect();
}

async fn engine(scene: &Scene, verb: &str) {
    let verb = format!("node {NODE} engine-{verb}");
    scene.machine.verb(&verb).await.expect();
}

/// Scales out and waits until a new task runs on the node.
async fn takes_tasks(scene: &Scene, web: &Fixture, count: usize) -> Vec<Running> {
    scene
        .eventually("a ready instance", LATER, async || {
            scene.is_ready(NODE).await
        })
        .await;
    scene.scale(web, count).await;
    let running = scene.settled("web", count).await;
    assert!(running.iter().any(|it| it.node == NODE), "{running:?}");
    running
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
        let said = told(scene, "NoBridge").await;
        let message = said.message.unwrap_or_default().to_string();
        assert!(message.contains("restart the Docker Engine"), "{message}");
        engine(scene, "terminate").await;
        engine(scene, "start").await;
        takes_tasks(scene, &web, 6).await;

        engine(scene, "terminate").await;
        on_node(scene, "rm -f /run/docker.sock").await;
        on_node(scene, "mkdir /run/docker.sock").await;
        let said = told(scene, "NoDockerSocket").await;
        let message = said.message.unwrap_or_default().to_string();
        assert!(message.contains("is a folder"), "{message}");
        on_node(scene, "rmdir /run/docker.sock").await;
        engine(scene, "start").await;
        takes_tasks(scene, &web, 9).await;
    })
    .await;
}
