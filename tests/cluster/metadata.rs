//! What a task learns and asks from inside its container, at ECS's own address, over the real network of its node.

use ecs_operator::api::task::EcsTask;

use crate::harness::{SOON, beside_others, service};

#[tokio::test]
async fn a_task_reads_its_metadata_and_protects_itself_from_scaling_in() {
    beside_others("metadata", async |scene| {
        let web = service("web").desired(3);
        scene.apply(&web).await;
        let three = scene.settled("web", 3).await;
        for running in &three {
            let task = scene
                .eventually("an answer of the metadata endpoint", SOON, async || {
                    let said = scene.ask(running, "/control/metadata").await?;
                    serde_json::from_str::<serde_json::Value>(&said)
                        .map_err(|error| format!("{error}: {said}"))
                })
                .await;
            let object = scene.api::<EcsTask>().get(&running.task).await.unwrap();
            let status = object.status.unwrap();
            assert_eq!(task["TaskARN"], **status.task_arn.as_ref().unwrap());
            assert_eq!(task["Family"], "web");
            assert_eq!(task["Containers"][0]["DockerId"], running.container);
            assert_eq!(task["Containers"][0]["KnownStatus"], "RUNNING");
        }
        let kept = &three[1];
        let said = scene.ask(kept, "/control/protect").await.unwrap();
        assert!(said.contains(r#""ProtectionEnabled":true"#), "{said}");
        let object = scene.api::<EcsTask>().get(&kept.task).await.unwrap();
        assert!(
            object.protected_until().is_some(),
            "told before it stood there"
        );
        scene.scale(&web, 1).await;
        assert_eq!(scene.settled("web", 1).await.first(), Some(kept));
    })
    .await;
}
