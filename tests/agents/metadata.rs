//! What tasks ask of their agent, over a real Unix socket, as the relay passes it on. Time runs: paused, it would run past
//! whoever waits for a socket.

use std::path::Path;

use ecs_operator::agent::metadata::{ADDRESS, SOCKET, keeper};
use ecs_operator::runtime::{ContainerState, ContainerView, Engine};
use ecs_operator::testing::broker::FakeBroker;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::scene::{IMAGE, Scene};

/// A request as it comes from `origin`: status and body.
async fn ask(folder: &Path, origin: &str, request: &str, body: &str) -> (u16, Value) {
    let socket = folder.join(SOCKET);
    let mut stream = loop {
        match UnixStream::connect(&socket).await {
            Ok(stream) => break stream,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let length = body.len();
    let text = format!(
        "{origin}\n{request} HTTP/1.1\r\nHost: {ADDRESS}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    (status, serde_json::from_str(body).unwrap_or_default())
}

async fn container_of(scene: &Scene, task: &str) -> ContainerView {
    scene.until(task, "RUNNING").await;
    let id = scene.status(task)["containers"][0]["runtimeId"].clone();
    let lines = scene.engine.list(&[].into()).await.unwrap();
    let line = lines.into_iter().find(|line| id == line.id.as_str());
    scene.engine.inspect(&line.unwrap().name).await.unwrap()
}

#[tokio::test]
async fn a_container_learns_of_its_own_task_and_of_no_other() {
    let scene = Scene::start().await;
    let folder = tempfile::tempdir().unwrap();
    let _agent = scene.answering_agent("agent-a", folder.path());
    scene.run_task_of_service("one").await;
    scene.run_task("two").await;
    let one = container_of(&scene, "one").await;
    let two = container_of(&scene, "two").await;
    let (here, there) = (one.address.unwrap(), two.address.unwrap());
    let id = one.metadata_id.unwrap();

    let (status, container) = ask(folder.path(), &here, &format!("GET /v4/{id}"), "").await;
    assert_eq!((status, &container["Name"]), (200, &json!("app")));
    assert_eq!(container["DockerId"], one.id);
    assert_eq!(container["KnownStatus"], "RUNNING");
    assert_eq!(container["Networks"][0]["IPv4Addresses"][0], here);
    let (status, task) = ask(folder.path(), &here, &format!("GET /v4/{id}/task"), "").await;
    assert_eq!((status, &task["Family"]), (200, &json!("web")));
    assert_eq!(task["TaskARN"], scene.status("one")["taskArn"]);
    assert_eq!(task["ServiceName"], "web");
    assert_eq!(
        task["Containers"][0]["ContainerARN"],
        container["ContainerARN"]
    );
    let (status, same) = ask(folder.path(), &here, "GET /v2/metadata", "").await;
    assert_eq!((status, &same["TaskARN"]), (200, &task["TaskARN"]));

    let stranger = ask(folder.path(), &there, &format!("GET /v4/{id}/task"), "").await;
    let nobody = ask(folder.path(), &here, "GET /v4/00ff/task", "").await;
    assert_eq!(stranger.0, 400);
    assert_eq!(stranger, nobody, "who asks cannot tell which ids there are");
}

#[tokio::test]
async fn a_container_sees_what_it_and_its_task_use_and_nothing_of_another() {
    let scene = Scene::start().await;
    let folder = tempfile::tempdir().unwrap();
    let _agent = scene.answering_agent("agent-a", folder.path());
    scene.run_task("one").await;
    scene.run_task("two").await;
    let one = container_of(&scene, "one").await;
    let two = container_of(&scene, "two").await;
    let (here, there) = (one.address.unwrap(), two.address.unwrap());
    let id = one.metadata_id.unwrap();

    let (status, own) = ask(folder.path(), &here, &format!("GET /v4/{id}/stats"), "").await;
    assert_eq!(status, 200);
    assert_eq!(own["name"], format!("/{}", one.name));
    assert!(own["network_rate_stats"]["rx_bytes_per_sec"].is_number());
    let request = format!("GET /v4/{id}/task/stats");
    let (status, all) = ask(folder.path(), &here, &request, "").await;
    assert_eq!((status, all), (200, json!({one.id.as_str(): own})));
    let (_, same) = ask(folder.path(), &here, "GET /v2/stats", "").await;
    assert_eq!(same[&one.id], own);
    let stranger = ask(folder.path(), &there, &request, "").await;
    assert_eq!(stranger.0, 400);
}

#[tokio::test]
async fn a_task_protects_itself_and_the_answer_comes_when_the_api_knows() {
    let scene = Scene::start().await;
    let folder = tempfile::tempdir().unwrap();
    let agent = scene.answering_agent("agent-a", folder.path());
    scene.run_task_of_service("one").await;
    scene.run_task("two").await;
    let one = container_of(&scene, "one").await;
    let (here, id) = (one.address.unwrap(), one.metadata_id.unwrap());
    let state = format!("/api/{id}/task-protection/v1/state");
    let put = async |body: &str| ask(folder.path(), &here, &format!("PUT {state}"), body).await;

    let (status, said) = put(r#"{"ProtectionEnabled": true, "ExpiresInMinutes": 30}"#).await;
    assert_eq!(
        (status, &said["protection"]["ProtectionEnabled"]),
        (200, &json!(true))
    );
    let stored = scene.status("one")["protection"].clone();
    assert_eq!(stored["protectionEnabled"], true);
    assert_eq!(
        stored["expirationDate"],
        said["protection"]["ExpirationDate"]
    );

    // Another agent reads it back, and so does the task.
    agent.stop().await;
    let _next = scene.answering_agent("agent-b", folder.path());
    let get = ask(folder.path(), &here, &format!("GET {state}"), "").await;
    assert_eq!(get.1["protection"]["ProtectionEnabled"], true);

    let (status, said) = put(r#"{"ProtectionEnabled": true, "ExpiresInMinutes": 2881}"#).await;
    assert_eq!(
        (status, &said["error"]["Code"]),
        (400, &json!("InvalidParameterException"))
    );
    assert_eq!(put("{}").await.0, 400);
    let (status, said) = put(r#"{"ProtectionEnabled": false}"#).await;
    assert_eq!(
        (status, &said["protection"]["ProtectionEnabled"]),
        (200, &json!(false))
    );
    assert_eq!(scene.status("one")["protection"], Value::Null);

    let two = container_of(&scene, "two").await;
    let alone = format!(
        "PUT /api/{}/task-protection/v1/state",
        two.metadata_id.unwrap()
    );
    let body = r#"{"ProtectionEnabled": true}"#;
    let (_, said) = ask(folder.path(), &two.address.unwrap(), &alone, body).await;
    assert_eq!(said["failure"]["Reason"], "TASK_NOT_VALID");
}

#[tokio::test]
async fn the_relay_is_made_once_and_again_when_it_is_gone() {
    let scene = Scene::start().await;
    let folder = tempfile::tempdir().unwrap();
    let agent = scene.answering_agent("agent-a", folder.path());
    let running = async || loop {
        match scene.engine.inspect(keeper::NAME).await {
            Ok(relay) if relay.state == ContainerState::Running => break relay.id,
            _ => tokio::task::yield_now().await,
        }
    };
    let first = running().await;
    let networks = scene.engine.with(|model, _| model.networks().clone());
    assert_eq!(networks[keeper::NAME].gateway, ADDRESS);
    agent.stop().await;
    let agent = scene.answering_agent("agent-b", folder.path());
    assert_eq!(running().await, first, "the relay serves the next agent");
    agent.stop().await;
    scene.engine.kill(keeper::NAME).await.unwrap();
    let _agent = scene.answering_agent("agent-c", folder.path());
    assert_ne!(running().await, first);
}

#[tokio::test]
async fn a_task_with_a_role_is_told_its_token_at_the_credentials_endpoint_and_others_are_not() {
    let scene = Scene::start().await;
    let broker = FakeBroker::new(&scene.api);
    broker.know_node("token", "node-1");
    let folder = tempfile::tempdir().unwrap();
    let _agent = scene.answering_agent_with(folder.path(), broker.as_seen_with("token"));
    let app = json!({"name": "app", "image": IMAGE, "memory": 64});
    let definition = json!({"taskRoleArn": "serviceaccount:shop", "containerDefinitions": [app]});
    scene.define_whole(2, definition).await;
    scene.run_revision("one", 2).await;
    scene.run_task("two").await;
    let one = container_of(&scene, "one").await;
    let two = container_of(&scene, "two").await;
    let (here, there) = (one.address.unwrap(), two.address.unwrap());
    let specs = scene.engine.with(|model, _| model.specs());
    let name = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
    let paths: Vec<&String> = specs
        .iter()
        .filter_map(|spec| spec.environment.get(name))
        .collect();
    let [path] = paths[..] else {
        panic!("one task has a role: {paths:?}");
    };
    let (status, credentials) = ask(folder.path(), &here, &format!("GET {path}"), "").await;
    assert_eq!(
        (status, &credentials["RoleArn"]),
        (200, &json!("serviceaccount:shop"))
    );
    let token = scene.files().token(&scene.uid("one")).unwrap();
    assert_eq!(credentials["Token"], **token.expose());
    assert!(credentials["Expiration"].is_string(), "{credentials}");
    assert_eq!(
        ask(folder.path(), &there, &format!("GET {path}"), "")
            .await
            .0,
        400
    );
    let other = format!("GET /v2/credentials/{}", two.metadata_id.unwrap());
    assert_eq!(ask(folder.path(), &there, &other, "").await.0, 400);
}
