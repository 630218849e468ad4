//! What tasks get through the broker, and how they fare without it.

use std::time::Duration;

use ecs_operator::domain::registry::Credentials;
use ecs_operator::domain::secret::Secret;
use ecs_operator::testing::broker::FakeBroker;
use serde_json::{Value, json};

use crate::scene::{Agent, IMAGE, Scene};

const VALUE: &str = "hunter2-hunter2";

/// A scene whose agent knows a broker, and whose revision 2 names a secret.
async fn with_secrets() -> (Scene, FakeBroker, Agent) {
    let scene = Scene::start().await;
    let broker = FakeBroker::new(&scene.api);
    broker.know_node("token", "node-1");
    let data = json!({"password": VALUE, "login": r#"{"username": "shop", "password": "p?~"}"#});
    let encoded = data.as_object().unwrap().iter().map(|(key, value)| {
        let bytes = k8s_openapi::ByteString(value.as_str().unwrap().as_bytes().to_vec());
        (key.clone(), serde_json::to_value(bytes).unwrap())
    });
    let encoded: serde_json::Map<String, Value> = encoded.collect();
    scene
        .api
        .apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": "shop"}, "data": encoded,
        }))
        .await;
    let secrets = json!([{"name": "PASSWORD", "valueFrom": "secret:db:password"}]);
    scene.define_with(2, json!({"secrets": secrets})).await;
    let agent = scene.agent_with("agent-a", Some(broker.as_seen_with("token")));
    (scene, broker, agent)
}

/// Everything of ours that stands in the API.
fn all_objects(scene: &Scene) -> String {
    let kinds = ["ecstasks", "taskdefinitionrevisions", "containerinstances"];
    let of = |kind: &str| {
        scene
            .api
            .all(&format!("/apis/ecs-operator.io/v1alpha1/{kind}"))
    };
    format!("{:?}", kinds.map(of))
}

#[tokio::test(start_paused = true)]
async fn a_secret_is_a_variable_of_the_container_and_stands_nowhere_else() {
    let (scene, _broker, _agent) = with_secrets().await;
    scene.run_revision("one", 2).await;
    scene.until("one", "RUNNING").await;
    let environments = scene.environments();
    assert_eq!(environments.len(), 1);
    assert_eq!(environments[0]["PASSWORD"], VALUE);
    assert!(!all_objects(&scene).contains(VALUE));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_runs_needs_no_broker_and_neither_does_an_agent_that_is_started_again() {
    let (scene, broker, agent) = with_secrets().await;
    scene.run_revision("one", 2).await;
    scene.until("one", "RUNNING").await;
    broker.set_away(true);
    agent.kill();
    let _second = scene.agent_with("agent-a", Some(broker.as_seen_with("token")));
    tokio::time::sleep(Duration::from_hours(2)).await;
    assert_eq!((scene.starts(), scene.live()), (1, 1));
    assert_eq!(scene.status("one")["lastStatus"], "RUNNING");
}

#[tokio::test(start_paused = true)]
async fn a_task_waits_for_a_broker_that_is_away_and_says_so() {
    let (scene, broker, _agent) = with_secrets().await;
    broker.set_away(true);
    scene.run_revision("one", 2).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let reason = scene.status("one")["containers"][0]["reason"].clone();
    assert!(
        reason
            .as_str()
            .unwrap()
            .starts_with("waits for the broker: "),
        "{reason}"
    );
    broker.set_away(false);
    scene.until("one", "RUNNING").await;
    assert_eq!(scene.status("one")["containers"][0].get("reason"), None);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_stays_away_fails_the_task_after_a_minute_in_ecs_words() {
    let (scene, broker, _agent) = with_secrets().await;
    broker.set_away(true);
    let began = tokio::time::Instant::now();
    scene.run_revision("one", 2).await;
    scene.until("one", "STOPPED").await;
    let waited = began.elapsed();
    assert!(
        waited > Duration::from_secs(40) && waited < Duration::from_mins(2),
        "{waited:?}"
    );
    let status = scene.status("one");
    assert_eq!(status["stopCode"], "TaskFailedToStart");
    let reason = status["containers"][0]["reason"].as_str().unwrap();
    assert!(
        reason
            .starts_with("ResourceInitializationError: unable to pull secrets or registry auth: "),
        "{reason}"
    );
    assert_eq!(scene.starts(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_the_broker_refuses_fails_the_task_at_once() {
    let (scene, _broker, _agent) = with_secrets().await;
    let secrets = json!([{"name": "PASSWORD", "valueFrom": "secret:nothing:password"}]);
    scene.define_with(3, json!({"secrets": secrets})).await;
    scene.run_revision("one", 3).await;
    scene.until("one", "STOPPED").await;
    let reason = scene.status("one")["containers"][0]["reason"].clone();
    assert_eq!(
        reason,
        "ResourceInitializationError: unable to pull secrets or registry auth: Secret nothing of namespace shop does not exist"
    );
}

#[tokio::test(start_paused = true)]
async fn a_private_image_comes_with_the_credentials_that_the_definition_names_and_not_without() {
    let (scene, _broker, _agent) = with_secrets().await;
    let image = "registry.example/private:1";
    let program = ecs_operator::runtime::model::Program::default();
    let password = Secret::new("p?~".to_owned());
    let readers = Credentials {
        username: "shop".into(),
        password,
    };
    scene.engine.with(|model, _| {
        model.push(image, "sha256:private", program);
        model.lock_registry(readers);
    });
    scene.define(3, image).await;
    scene.run_revision("without", 3).await;
    scene.until("without", "STOPPED").await;
    let reason = scene.status("without")["containers"][0]["reason"].clone();
    assert!(
        reason.as_str().unwrap().contains("repositoryCredentials"),
        "{reason}"
    );
    let credentials = json!({"credentialsParameter": "secret:db:login"});
    scene
        .define_with(
            4,
            json!({"image": image, "repositoryCredentials": credentials}),
        )
        .await;
    scene.run_revision("with", 4).await;
    scene.until("with", "RUNNING").await;
    assert_ne!(image, IMAGE);
}
