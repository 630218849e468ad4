//! The faults that a test can wait for without ending the test itself.

use clap::Parser;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::options::{Action, Options};
use crate::probe;
use crate::server::{Workload, router};

async fn serve(arguments: &[&str]) -> u16 {
    let options = Options::parse_from([&["workload"], arguments].concat());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(axum::serve(listener, router(Workload::new(&options))).into_future());
    port
}

async fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn probe(port: u16) -> String {
    tokio::task::spawn_blocking(move || probe::status_line(port).unwrap())
        .await
        .unwrap()
}

#[tokio::test]
async fn the_greeting_names_the_version_and_counts() {
    let port = serve(&["--version", "blue"]).await;
    let first = get(port, "/").await;
    assert!(
        first.contains(r#""version":"blue""#) && first.contains(r#""requests":1"#),
        "{first}"
    );
    assert!(
        get(port, "/slow?milliseconds=1")
            .await
            .contains(r#""requests":2"#)
    );
}

#[tokio::test]
async fn the_probe_follows_the_switch() {
    let port = serve(&["--start-unhealthy"]).await;
    assert_eq!(probe(port).await, "HTTP/1.1 503 Service Unavailable");
    get(port, "/control/healthy").await;
    assert_eq!(probe(port).await, "HTTP/1.1 200 OK");
    get(port, "/control/unhealthy").await;
    assert_eq!(probe(port).await, "HTTP/1.1 503 Service Unavailable");
}

#[test]
fn the_health_command_takes_the_port_too() {
    let options = Options::parse_from(["workload", "health", "--port", "9000"]);
    assert!(matches!(options.action, Some(Action::Health)));
    assert_eq!(options.port, 9000);
}

#[test]
fn the_show_command_writes_first_and_then_prints_what_is_there() {
    let options = Options::parse_from(["workload", "show", "--write", "/data/a", "/data", "/proc"]);
    let Some(Action::Show { write, paths }) = options.action else {
        panic!("not the command: {:?}", options.action);
    };
    assert_eq!(write, [std::path::PathBuf::from("/data/a")]);
    assert_eq!(paths.len(), 2);
}
