//! From the API server's request to the container and back, over real sockets: who may, and what comes through.

#![expect(clippy::unwrap_used, reason = "a failed call fails the test")]

mod scene;
mod tokens;

use ecs_operator::platform::upload::{self, put_archive};
use ecs_operator::runtime::streams::{Size, Source, Terminal};
use ecs_operator::testing::rights;
use futures::{AsyncReadExt, SinkExt, StreamExt};
use http::Request;
use kube::api::{AttachParams, LogParams, TerminalSize};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message;

use scene::Scene;

const TASK: &str = "/apis/tasks.ecs-operator.io/v1alpha1/namespaces/shop/ecstasks/web-1";

async fn log(scene: &Scene, user: &str, parameters: &LogParams) -> Result<String, kube::Error> {
    let mut log = scene.streams(user).log_stream("web-1", parameters).await?;
    let mut text = String::new();
    log.read_to_string(&mut text).await.unwrap();
    Ok(text)
}

fn refusal(error: kube::Error) -> (u16, String) {
    if let kube::Error::Api(status) = error {
        (status.code, status.message)
    } else {
        (0, format!("{error:?}"))
    }
}

fn exec(tty: bool) -> AttachParams {
    AttachParams {
        stdin: true,
        stderr: !tty,
        tty,
        ..AttachParams::default()
    }
}

#[tokio::test]
async fn the_log_of_a_container_comes_through_running_or_stopped() {
    let scene = Scene::start().await;
    scene.task("web-1", &["app"], false).await;
    scene.api.grant("alice", "get", "ecstasks/log");
    for line in ["one\n", "two\n"] {
        scene.engine.write("web-1-app", Source::Stdout, line);
    }
    let all = log(&scene, "alice", &LogParams::default()).await.unwrap();
    assert_eq!(all, "one\ntwo\n");
    scene
        .engine
        .with(|model, now| model.end("web-1-app", 0, now));
    let last = LogParams {
        tail_lines: Some(1),
        follow: true,
        ..LogParams::default()
    };
    assert_eq!(log(&scene, "alice", &last).await.unwrap(), "two\n");
    let limited = LogParams {
        limit_bytes: Some(5),
        ..LogParams::default()
    };
    assert_eq!(log(&scene, "alice", &limited).await.unwrap(), "one\nt");
}

#[tokio::test]
async fn a_user_without_the_right_is_told_which_one_is_missing() {
    let scene = Scene::start().await;
    scene.task("web-1", &["app"], true).await;
    let refused = log(&scene, "mallory", &LogParams::default()).await;
    let (code, message) = refusal(refused.unwrap_err());
    assert_eq!(code, 403);
    assert!(
        message.contains("\"mallory\" cannot get resource \"ecstasks/log\""),
        "{message}"
    );
    // Reading alone is no right to run commands, although a WebSocket begins as a read.
    scene.api.grant("reader", "get", "ecstasks/exec");
    let refused = scene
        .streams("reader")
        .exec("web-1", ["sh"], &exec(false))
        .await;
    let (code, message) = refusal(refused.err().unwrap());
    assert_eq!(code, 403);
    assert!(
        message.contains("cannot create resource \"ecstasks/exec\""),
        "{message}"
    );
}

#[tokio::test]
async fn a_command_gets_its_input_and_its_outputs_and_exit_code_come_back() {
    let scene = Scene::start().await;
    scene.task("web-1", &["app"], true).await;
    scene.api.grant("alice", "create", "ecstasks/exec");
    let mut process = scene
        .streams("alice")
        .exec("web-1", ["echo", "7"], &exec(false))
        .await
        .unwrap();
    let status = process.take_status().unwrap();
    let (mut stdout, mut stderr) = (process.stdout().unwrap(), process.stderr().unwrap());
    let mut stdin = process.stdin().unwrap();
    stdin.write_all(b"hello").await.unwrap();
    stdin.shutdown().await.unwrap();
    let (mut said, mut errors) = (String::new(), String::new());
    tokio::try_join!(
        stdout.read_to_string(&mut said),
        stderr.read_to_string(&mut errors)
    )
    .unwrap();
    assert_eq!((said.as_str(), errors.as_str()), ("hello", "ready\n"));
    let status = status.await.unwrap();
    assert_eq!(status.reason.as_deref(), Some("NonZeroExitCode"));
    let causes = status.details.unwrap().causes.unwrap();
    assert_eq!(causes.first().unwrap().message.as_deref(), Some("7"));
}

#[tokio::test]
async fn a_terminal_is_told_its_size() {
    let scene = Scene::start().await;
    scene.task("web-1", &["app"], true).await;
    scene.api.grant("alice", "create", "ecstasks/exec");
    let mut process = scene
        .streams("alice")
        .exec("web-1", ["echo", "0"], &exec(true))
        .await
        .unwrap();
    let mut sizes = process.terminal_size().unwrap();
    let size = TerminalSize {
        width: 120,
        height: 40,
    };
    sizes.send(size).await.unwrap();
    let mut stdin = process.stdin().unwrap();
    let mut stdout = process.stdout().unwrap();
    let mut said = [0; 6];
    stdout.read_exact(&mut said).await.unwrap();
    // Messages of one connection keep their order: what was sent after the size comes back after it took effect.
    while scene.engine.sizes().is_empty() {
        stdin.write_all(b".").await.unwrap();
        stdout.read_exact(&mut said[..1]).await.unwrap();
    }
    let wanted = Size {
        width: 120,
        height: 40,
    };
    assert_eq!(
        scene.engine.sizes(),
        [(Terminal::Exec("exec-0".into()), wanted)]
    );
}

#[tokio::test]
async fn commands_are_refused_in_the_words_of_ecs_where_they_were_not_enabled() {
    let scene = Scene::start().await;
    scene.task("web-1", &["app"], false).await;
    scene.api.grant("alice", "create", "ecstasks/exec");
    let refused = scene
        .streams("alice")
        .exec("web-1", ["sh"], &exec(false))
        .await;
    let (code, message) = refusal(refused.err().unwrap());
    assert_eq!(code, 400);
    assert!(
        message.contains("execute command was not enabled when the task was run"),
        "{message}"
    );
}

#[tokio::test]
async fn files_go_in_and_come_out() {
    let scene = Scene::start().await;
    scene.task("web-1", &["app"], true).await;
    scene.api.grant("alice", "create", "ecstasks/exec");
    let client = scene.client("alice");
    let mut header = tar::Header::new_gnu();
    header.set_size(5);
    let mut archive = tar::Builder::new(Vec::new());
    archive
        .append_data(&mut header, "greeting", &b"hello"[..])
        .unwrap();
    let archive = archive.into_inner().unwrap();
    let put = async |broken: bool| {
        let pieces = archive.chunks(700).map(|piece| Ok(piece.to_vec().into()));
        let end = broken.then(|| Err(std::io::Error::other("the file is gone")));
        let pieces: Vec<std::io::Result<bytes::Bytes>> = pieces.chain(end).collect();
        let path = format!("{TASK}/exec/archive?path=/tmp");
        let body = futures::stream::iter(pieces);
        put_archive(&scene.config("alice"), &path, body).await
    };
    assert!(put(false).await.unwrap().status().is_success());
    let broken = put(true).await;
    assert!(broken.is_err_and(|error| matches!(error, upload::Error::Broken(_))));
    let get = Request::get(format!("{TASK}/exec/archive?path=/tmp/greeting")).body(Vec::new());
    let mut packed = Vec::new();
    let mut stream = client.request_stream(get.unwrap()).await.unwrap();
    stream.read_to_end(&mut packed).await.unwrap();
    let mut archive = tar::Archive::new(&packed[..]);
    let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
    let mut content = String::new();
    std::io::Read::read_to_string(&mut entry, &mut content).unwrap();
    assert_eq!(content, "hello");
    let missing = Request::get(format!("{TASK}/exec/archive?path=/none")).body(Vec::new());
    let refused = client.request_text(missing.unwrap()).await.unwrap_err();
    assert_eq!(refusal(refused).0, 404);
}

#[tokio::test]
async fn a_port_of_a_container_is_reached() {
    let scene = Scene::start().await;
    scene.task("web-1", &["app"], false).await;
    scene.api.grant("alice", "create", "ecstasks/portforward");
    let program = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = program.local_addr().unwrap().port();
    let answered = async {
        let (mut stream, _) = program.accept().await.unwrap();
        let mut asked = [0; 4];
        stream.read_exact(&mut asked).await.unwrap();
        stream.write_all(b"pong").await.unwrap();
        asked
    };
    let asked = async {
        let request = Request::get(format!("{TASK}/portforward?ports={port}")).body(Vec::new());
        let socket = scene
            .client("alice")
            .connect(request.unwrap())
            .await
            .unwrap();
        let mut socket = socket.into_stream();
        let ping = Message::Binary(b"\0ping".to_vec().into());
        socket.send(ping).await.unwrap();
        let mut said = Vec::new();
        while let Some(Ok(Message::Binary(data))) = socket.next().await {
            said.push(data.to_vec());
        }
        said
    };
    let (asked, said) = tokio::join!(answered, asked);
    assert_eq!(&asked, b"ping");
    let [low, high] = port.to_le_bytes();
    assert_eq!(
        said,
        [vec![0, low, high], vec![1, low, high], b"\0pong".to_vec()]
    );
}

#[tokio::test]
async fn the_figures_of_all_containers_are_shown_by_name() {
    let scene = Scene::start().await;
    scene.task("web-1", &["app", "proxy"], false).await;
    scene.api.grant("alice", "get", "ecstasks/stats");
    let request = Request::get(format!("{TASK}/stats")).body(Vec::new());
    let stats: Value = scene
        .client("alice")
        .request(request.unwrap())
        .await
        .unwrap();
    let names: Vec<&String> = stats.as_object().unwrap().keys().collect();
    assert_eq!(names, ["app", "proxy"]);
}

#[tokio::test]
async fn of_several_containers_one_has_to_be_named() {
    let scene = Scene::start().await;
    scene.task("web-1", &["app", "proxy"], false).await;
    scene.api.grant("alice", "get", "ecstasks/log");
    let refused = log(&scene, "alice", &LogParams::default()).await;
    let (code, message) = refusal(refused.unwrap_err());
    assert_eq!(
        (code, message.ends_with("app, proxy")),
        (400, true),
        "{message}"
    );
    scene.engine.write("web-1-proxy", Source::Stderr, "here\n");
    let named = LogParams {
        container: Some("proxy".into()),
        ..LogParams::default()
    };
    assert_eq!(log(&scene, "alice", &named).await.unwrap(), "here\n");
}

#[tokio::test]
async fn whoever_is_not_the_api_server_is_nobody() {
    let scene = Scene::start().await;
    scene.task("web-1", &["app"], false).await;
    scene.api.grant("alice", "get", "ecstasks/log");
    let request = || {
        Request::get(format!("{TASK}/log"))
            .body(Vec::new())
            .unwrap()
    };
    let refused = scene.stranger("alice").request_text(request()).await;
    assert_eq!(refusal(refused.unwrap_err()).0, 401);
    assert_eq!(
        scene.client("alice").request_text(request()).await.unwrap(),
        ""
    );
}

#[tokio::test]
async fn an_agent_serves_only_the_gateway_and_only_its_own_containers() {
    let scene = Scene::start().await;
    scene.task("web-1", &["app"], false).await;
    let tenant = "system:serviceaccount:shop:default";
    scene.api.issue("stolen", tenant, scene::AUDIENCE);
    let elsewhere = "agents.ecs-operator.io/node-2";
    scene
        .api
        .issue("shown-to-another", scene::GATEWAY, elsewhere);
    scene.api.issue(
        "for-the-api-server",
        scene::GATEWAY,
        "https://kubernetes.default.svc",
    );
    let uid = scene.uid("web-1");
    let ask = async |token: &str, uid: &str| -> u16 {
        let url = format!("https://{}", scene.agent).parse().unwrap();
        let mut config = kube::Config::new(url);
        let der = rustls_pem(&scene.agent_certificate);
        config.root_cert = Some(vec![der]);
        config.tls_server_name = Some("agent.ecs-operator.io".into());
        config.auth_info.token = Some(token.to_owned().into());
        let client = kube::Client::try_from(config).unwrap();
        let path = format!("/tasks/{uid}/containers/app/log");
        let request = Request::get(path).body(Vec::new()).unwrap();
        match client.request_text(request).await {
            Ok(_) => 200,
            Err(error) => refusal(error).0,
        }
    };
    assert_eq!(ask("stolen", &uid).await, 403);
    assert_eq!(ask("shown-to-another", &uid).await, 403);
    assert_eq!(ask("for-the-api-server", &uid).await, 403);
    assert_eq!(ask("nonsense", &uid).await, 403);
    assert_eq!(ask(scene::TOKEN, &uid).await, 200);
    assert_eq!(ask(scene::TOKEN, "another").await, 404);
}

fn rustls_pem(pem: &str) -> Vec<u8> {
    use tokio_rustls::rustls::pki_types::CertificateDer;
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    CertificateDer::from_pem_slice(pem.as_bytes())
        .unwrap()
        .to_vec()
}

#[tokio::test]
async fn kubernetes_finds_subresources_and_no_resource() {
    let scene = Scene::start().await;
    let client = scene.client("system:anonymous");
    let found = client
        .list_api_group_resources("tasks.ecs-operator.io/v1alpha1")
        .await
        .unwrap();
    let names: Vec<String> = found.resources.into_iter().map(|one| one.name).collect();
    assert!(names.contains(&"ecstasks/log".to_owned()));
    assert!(names.iter().all(|name| name.contains('/')), "{names:?}");
    let groups = client.list_api_groups().await.unwrap();
    assert_eq!(groups.groups.len(), 1);
}

/// Rights that this test cannot see in use: those by which a replica gets its certificate and publishes its authority.
const UNSEEN: [(&str, &str, &str); 8] = [
    ("", "secrets", "get"),
    ("", "secrets", "create"),
    ("", "secrets", "update"),
    ("", "configmaps", "get"),
    ("", "configmaps", "create"),
    ("", "configmaps", "update"),
    ("apiregistration.k8s.io", "apiservices", "get"),
    ("apiregistration.k8s.io", "apiservices", "patch"),
];

#[tokio::test]
async fn the_chart_grants_what_the_gateway_uses_and_nothing_else() {
    let scene = Scene::start().await;
    scene.task("web-1", &["app"], false).await;
    scene.api.grant("alice", "get", "ecstasks/log");
    log(&scene, "alice", &LogParams::default()).await.unwrap();
    rights::compare(
        "ecs-operator-gateway",
        scene.api.used_by("gateway"),
        &UNSEEN,
    );
    let by_the_agent: Vec<String> = scene
        .api
        .used_by("agent")
        .into_iter()
        .map(|right| format!("{} {}", right.verb, right.resource))
        .collect();
    assert_eq!(by_the_agent, ["create tokenreviews"]);
}
