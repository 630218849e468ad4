//! Images: pulled from a registry, and those that cannot be.

use std::time::Duration;

use tokio::time::sleep;

use crate::harness::engine::WORKLOAD;
use crate::harness::{Scene, beside_others, service};

const REGISTRY: &str = "10.90.0.1:5000";

#[tokio::test]
async fn an_image_that_only_a_registry_has_is_pulled_once_a_node() {
    beside_others("pulls", async |scene| {
        scene.machine.verb("registry start").await.expect();
        let repository = format!("{REGISTRY}/{}", scene.namespace);
        let image = format!("{repository}:1");
        let engine = scene.engine("node-1");
        engine.tag(WORKLOAD, &repository, "1").await;
        engine.push(&repository, "1").await;
        engine.forget(&image).await;
        for version in ["1", "2"] {
            let web = service("web")
                .desired(3)
                .version(version)
                .with("image", image.clone().into());
            scene.apply(&web).await;
            let three = scene
                .eventually(
                    "three tasks of one version",
                    crate::harness::LATER,
                    async || {
                        let three = scene.try_settled("web", 3).await?;
                        let all = scene.containers("web").await?;
                        let now = all.iter().filter(|container| container.is_running());
                        let version_label = "com.amazonaws.ecs.task-definition-version";
                        if now
                            .clone()
                            .all(|container| container.label(version_label) == version)
                        {
                            Ok(three)
                        } else {
                            Err(format!("{all:?}"))
                        }
                    },
                )
                .await;
            for running in &three {
                assert_eq!(scene.answer(running).await["version"], version);
            }
            // The second deployment finds the image on every node.
            scene.machine.verb("registry stop").await.expect();
        }
        scene.delete("ecsservice", "web").await;
        scene.gone("web").await;
        for engine in scene.machine.engines() {
            engine.forget(&image).await;
        }
    })
    .await;
}

/// Waits until the service has failed often enough to say so.
async fn stalled(scene: &Scene, name: &str) -> String {
    scene
        .condition(name, "Stalled", ("True", "DeploymentFailed"))
        .await
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled_is_tried_ever_more_slowly_and_others_are_undisturbed() {
    beside_others("missing", async |scene| {
        scene.apply(&service("steady").desired(3)).await;
        let before = scene.settled("steady", 3).await;
        let image = format!("{REGISTRY}/missing:1");
        scene
            .apply(
                &service("bad")
                    .desired(1)
                    .with("image", image.as_str().into()),
            )
            .await;
        let message = stalled(scene, "bad").await;
        assert!(message.contains("CannotPullContainerError"), "{message}");
        assert!(message.contains(&image), "{message}");
        let events = scene.events("bad").await.unwrap();
        assert!(
            events
                .iter()
                .any(|event| event.contains("is unable to consistently start tasks successfully")),
            "{events:?}"
        );
        // Pauses of 2, 4, 8 s and so on: a handful of tasks in 20 s.
        let mark = scene.mark();
        sleep(Duration::from_secs(20)).await;
        let mut writes = mark.since();
        writes.retain(|write| write.verb == "create" && write.resource == "ecstasks");
        writes.retain(|write| write.object.starts_with(&scene.namespace));
        assert!(writes.len() <= 4, "a hot loop: {writes:#?}");
        assert_eq!(scene.settled("steady", 3).await, before);

        // The mended definition starts at once, whatever the pause had become.
        scene.apply(&service("bad").desired(1)).await;
        scene.settled("bad", 1).await;
    })
    .await;
}
