//! Files, environment files, options of log drivers and roles: what tasks are given, and for how long.

use std::time::Duration;

use ecs_operator::agent::files::{self, ROLE_FOLDER};
use ecs_operator::domain::supply::role::Validity;
use ecs_operator::runtime::ContainerSpec;
use ecs_operator::testing::broker::FakeBroker;
use k8s_openapi::ByteString;
use serde_json::{Value, json};

use crate::scene::{Agent, FILES, IMAGE, Scene};

const VALUE: &str = "hunter2-hunter2";

/// A scene whose agent knows a broker, with a Secret and a ConfigMap.
async fn with_values() -> (Scene, FakeBroker, Agent) {
    let scene = Scene::start().await;
    let broker = FakeBroker::new(&scene.api);
    broker.know_node("token", "node-1");
    let key = serde_json::to_value(ByteString(VALUE.into())).unwrap();
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": "shop"},
        "data": {"password": key},
    });
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "namespace": "shop"},
        "data": {"conf": "listen 80;\n", "env": "A=file\nB=file\n", "other": "B=other\nC=other\n"},
    });
    for object in [secret, map] {
        scene.api.apply(&object).await;
    }
    let agent = scene.agent_with("agent-a", Some(broker.as_seen_with("token")));
    (scene, broker, agent)
}

fn app(fields: Value) -> Value {
    let mut app = json!({"name": "app", "image": IMAGE, "memory": 64});
    for (name, value) in fields.as_object().unwrap() {
        app[name] = value.clone();
    }
    app
}

/// What the only container was created from.
fn created(scene: &Scene) -> ContainerSpec {
    let specs = scene.engine.with(|model, _| model.specs());
    assert_eq!(specs.len(), 1);
    specs.into_iter().next().unwrap()
}

#[tokio::test(start_paused = true)]
async fn files_of_the_definition_a_config_map_and_a_secret_are_mounted_and_go_with_the_task() {
    let (scene, _broker, _agent) = with_values().await;
    let files = json!([
        {"containerName": "app", "path": "/etc/motd", "text": "hello"},
        {"containerName": "app", "path": "/etc/app.conf", "valueFrom": "configmap:web:conf"},
        {"containerName": "app", "path": "/run/key", "valueFrom": "secret:db:password"},
    ]);
    let definition =
        json!({"containerDefinitions": [app(json!({}))], "extensions": {"files": files}});
    scene.define_whole(2, definition).await;
    scene.run_revision("one", 2).await;
    scene.until("one", "RUNNING").await;
    let uid = scene.uid("one");
    let mounts = created(&scene).mounts;
    let paths: Vec<&str> = mounts.iter().map(|mount| mount.path.as_str()).collect();
    assert_eq!(paths, ["/etc/motd", "/etc/app.conf", "/run/key"]);
    assert!(mounts.iter().all(|mount| mount.read_only));
    let place = files::place(&uid, "app", 2);
    assert_eq!(mounts[2].source, format!("{FILES}/{place}"));
    let read = |number| {
        let path = scene.folder().join(files::place(&uid, "app", number));
        std::fs::read_to_string(path).unwrap()
    };
    assert_eq!(
        [read(0), read(1), read(2)],
        ["hello", "listen 80;\n", VALUE]
    );
    scene.stop_task("one").await;
    scene.until("one", "STOPPED").await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(scene.files().tasks().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_container_whose_files_are_gone_is_not_started_without_them() {
    let (scene, _broker, agent) = with_values().await;
    let files = json!([{"containerName": "app", "path": "/etc/motd", "text": "hello"}]);
    let policy = json!({"enabled": true, "restartAttemptPeriod": 60});
    let app = app(json!({"restartPolicy": policy}));
    let definition = json!({"containerDefinitions": [app], "extensions": {"files": files}});
    scene.define_whole(2, definition).await;
    scene.run_revision("one", 2).await;
    scene.until("one", "RUNNING").await;
    tokio::time::sleep(Duration::from_mins(2)).await;
    // The machine starts anew: what is in memory is gone, and the containers have ended.
    agent.kill();
    scene.files().forget(&scene.uid("one")).unwrap();
    scene.engine.with(|model, now| {
        for name in model.live() {
            model.kill(&name, now).unwrap();
        }
    });
    let _next = scene.agent("agent-a");
    scene.until("one", "STOPPED").await;
    let reason = scene.status("one")["containers"][0]["reason"].clone();
    let reason = reason.as_str().unwrap();
    assert!(reason.contains("restart of the instance"), "{reason}");
    assert_eq!(scene.starts(), 1);
}

#[tokio::test(start_paused = true)]
async fn environment_files_give_way_to_the_definition_and_are_replaced_by_an_override() {
    let (scene, _broker, _agent) = with_values().await;
    let file = |key: &str| json!({"type": "s3", "value": format!("configmap:web:{key}")});
    let own = json!([{"name": "A", "value": "own"}]);
    let both = json!({"environment": own, "environmentFiles": [file("env"), file("other")]});
    scene.define_with(2, both).await;
    scene.run_revision("one", 2).await;
    scene.until("one", "RUNNING").await;
    let environment = scene.environments().remove(0);
    let value = |name: &str| environment.get(name).map(String::as_str);
    assert_eq!(
        [value("A"), value("B"), value("C")],
        [Some("own"), Some("file"), Some("other")]
    );
    scene.delete_task("one").await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    let change = json!([{"name": "app", "environmentFiles": [file("other")]}]);
    let overrides = json!({"overrides": {"containerOverrides": change}});
    scene.run_revision_with("two", 2, &overrides).await;
    scene.until("two", "RUNNING").await;
    let environment = scene.environments().remove(0);
    assert_eq!(environment["B"], "other");
}

#[tokio::test(start_paused = true)]
async fn a_log_driver_gets_secret_options_and_nobody_sees_them() {
    let (scene, _broker, _agent) = with_values().await;
    let log = json!({
        "logDriver": "splunk", "options": {"splunk-url": "https://splunk"},
        "secretOptions": [{"name": "splunk-token", "valueFrom": "secret:db:password"}],
    });
    scene.define_with(2, json!({"logConfiguration": log})).await;
    scene.run_revision("one", 2).await;
    scene.until("one", "RUNNING").await;
    let spec = created(&scene);
    assert_eq!(spec.log_secrets.expose()["splunk-token"], VALUE);
    assert!(!format!("{spec:?}").contains(VALUE));
    assert!(!scene.status("one").to_string().contains(VALUE));
}

async fn with_role() -> (Scene, FakeBroker, Agent) {
    let (scene, broker, agent) = with_values().await;
    let role = "arn:aws:iam::123456789012:role/Shop";
    let mapping = json!({"taskRoleArn": "arn:aws:iam::123456789012:role/*"});
    scene
        .api
        .apply(&json!({
            "apiVersion": "ecs-operator.io/v1alpha1", "kind": "EcsCluster",
            "metadata": {"name": "default"}, "spec": {"taskRoleMappings": [mapping]},
        }))
        .await;
    let definition = json!({"taskRoleArn": role, "containerDefinitions": [app(json!({}))]});
    scene.define_whole(2, definition).await;
    scene.run_revision("one", 2).await;
    scene.until("one", "RUNNING").await;
    (scene, broker, agent)
}

#[tokio::test(start_paused = true)]
async fn a_task_with_a_role_finds_a_token_that_is_renewed_for_as_long_as_it_runs() {
    let (scene, broker, agent) = with_role().await;
    let (uid, files) = (scene.uid("one"), scene.files());
    let spec = created(&scene);
    assert_eq!(spec.mounts[0].path, ROLE_FOLDER);
    assert_eq!(
        spec.environment["AWS_ROLE_ARN"],
        "arn:aws:iam::123456789012:role/Shop"
    );
    assert_eq!(
        spec.environment["AWS_WEB_IDENTITY_TOKEN_FILE"],
        format!("{ROLE_FOLDER}/token")
    );
    let token = || files.token(&uid).unwrap();
    let first = token();
    let until = |token| Validity::of(&token).unwrap().until;
    tokio::time::sleep(Duration::from_mins(50)).await;
    let second = token();
    assert!(
        until(second.clone()) > until(first),
        "after four fifths of an hour"
    );

    // Neither a broker that is away nor another agent takes it away, and it is renewed as soon as that can be.
    broker.set_away(true);
    tokio::time::sleep(Duration::from_hours(3)).await;
    assert_eq!(token(), second);
    agent.kill();
    let _next = scene.agent_with("agent-a", Some(broker.as_seen_with("token")));
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!((scene.starts(), token()), (1, second.clone()));
    broker.set_away(false);
    tokio::time::sleep(Duration::from_mins(3)).await;
    assert!(until(token()) > until(second));

    scene.stop_task("one").await;
    scene.until("one", "STOPPED").await;
    tokio::time::sleep(Duration::from_hours(2)).await;
    assert_eq!(files.token(&uid), None);
}

#[tokio::test(start_paused = true)]
async fn a_task_can_be_another_role_than_its_definition_says() {
    let (scene, _broker, _agent) = with_role().await;
    let overrides = json!({"overrides": {"taskRoleArn": "serviceaccount:once"}});
    scene.run_revision_with("two", 2, &overrides).await;
    scene.until("two", "RUNNING").await;
    let overrides = json!({"overrides": {"taskRoleArn": "serviceaccount:nobody"}});
    scene.run_revision_with("three", 2, &overrides).await;
    scene.until("three", "STOPPED").await;
    let reason = scene.status("three")["containers"][0]["reason"].clone();
    assert_eq!(
        reason,
        "ResourceInitializationError: unable to pull secrets or registry auth: ServiceAccount nobody of namespace shop does not exist"
    );
    let specs = scene.engine.with(|model, _| model.specs());
    let of_aws = |spec: &&ContainerSpec| spec.environment.contains_key("AWS_ROLE_ARN");
    assert_eq!(specs.iter().filter(of_aws).count(), 1);
}
