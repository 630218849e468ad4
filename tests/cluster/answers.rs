//! What people ask with the binary, answered from the real API: why, what if, how far, and please not this one.

use serde_json::Value;

use crate::harness::machine::{Said, ours};
use crate::harness::{Scene, beside_others, service};

/// A question about the test's own namespace.
async fn ask(scene: &Scene, question: &[&str]) -> Said {
    let mut arguments = question.to_vec();
    arguments.extend(["--namespace", &scene.namespace]);
    ours(&arguments).await
}

#[tokio::test]
async fn people_are_told_why_and_what_if_and_can_protect_a_task() {
    beside_others("answers", async |scene| {
        let first = service("first").desired(3).on_port(18_093);
        scene.apply(&first).await;
        scene.settled("first", 3).await;
        let steady = ask(scene, &["status", "first", "--wait", "--timeout", "1m"]).await;
        assert!(steady.success, "{}", steady.text);

        // The same port again: no place is left.
        let second = service("second").desired(1).on_port(18_093);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("second.yaml");
        let documents = [
            second.definition_object(&scene.namespace),
            second.service_object(&scene.namespace),
        ];
        let documents: Vec<String> = documents.iter().map(Value::to_string).collect();
        std::fs::write(&file, documents.join("\n---\n")).unwrap();
        let file = file.to_string_lossy();
        let plan = ask(scene, &["plan", "--filename", &file]).await;
        assert!(
            !plan.success && plan.text.contains("RESOURCE:PORTS on 3"),
            "{}",
            plan.text
        );
        assert!(scene.service("second").await.is_err(), "a plan applied it");

        scene.apply(&second).await;
        scene
            .condition("second", "Ready", ("False", "UnableToPlaceTask"))
            .await;
        let why = ask(scene, &["explain", "second"]).await;
        for part in ["no instance for 1 task", "node-1  RESOURCE:PORTS  closest"] {
            assert!(why.success && why.text.contains(part), "{}", why.text);
        }
        let far = ask(scene, &["status"]).await;
        let sum = "2 services: 1 steady, 1 in progress";
        assert!(!far.success && far.text.contains(sum), "{}", far.text);

        // Of three tasks two may go, and the protected one is left.
        let tasks = scene.settled("first", 3).await;
        let kept = &tasks[1];
        let protects = ask(scene, &["protect", &kept.task]).await;
        assert!(protects.success, "{}", protects.text);
        scene.scale(&first, 1).await;
        assert_eq!(scene.settled("first", 1).await.first(), Some(kept));
        scene.settled("second", 1).await;
        let released = ask(scene, &["protect", &kept.task, "--off"]).await;
        assert!(released.success, "{}", released.text);
        scene.scale(&first, 0).await;
        scene.settled("first", 0).await;
    })
    .await;
}
