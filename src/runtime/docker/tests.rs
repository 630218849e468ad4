//! The client on a socket behind which the test is the engine.

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;

/// An engine that answers one request with these lines, and then says no more. It ends when it is hung up on.
fn engine(lines: &'static [&'static str]) -> (TempDir, Docker, JoinHandle<()>) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let served = tokio::spawn(async move {
        let (mut caller, _) = listener.accept().await.unwrap();
        // Whoever hangs up early breaks off the answer.
        if answer(&mut caller, lines).await.is_ok() {
            let mut rest = [0; 1024];
            while caller.read(&mut rest).await.is_ok_and(|count| count > 0) {}
        }
    });
    (folder, Docker::at(socket), served)
}

async fn answer(caller: &mut UnixStream, lines: &[&str]) -> std::io::Result<()> {
    let mut request = [0; 4096];
    assert!(caller.read(&mut request).await.unwrap() > 0);
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    caller.write_all(head.as_bytes()).await?;
    for line in lines {
        let chunk = format!("{:x}\r\n{line}\n\r\n", line.len() + 1);
        caller.write_all(chunk.as_bytes()).await?;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_pull_that_falls_silent_has_stalled_after_two_minutes() {
    let (_folder, docker, served) = engine(&[r#"{"status":"Downloading","id":"a1b2"}"#]);
    let mut steps = docker.pull("web:1", None);
    assert_eq!(steps.next().await.unwrap().unwrap().status, "Downloading");
    let silent_since = Instant::now();
    let stalled = steps.next().await.unwrap().unwrap_err();
    assert!(matches!(stalled, Error::Timeout { .. }), "{stalled}");
    assert_eq!(silent_since.elapsed().as_secs(), 120);
    assert!(steps.next().await.is_none());
    drop(steps);
    served.await.unwrap();
}

#[tokio::test]
async fn figures_are_two_looks_and_no_stream_that_goes_on() {
    let look = r#"{"read":"2026-01-01T00:00:01Z","memory_stats":{"usage":7}}"#;
    let lines = vec![look; 50].leak();
    let (_folder, docker, served) = engine(lines);
    let figures = docker.figures("web", None).await.unwrap();
    assert_eq!(figures["memory_stats"]["usage"], 7);
    served.await.unwrap();
}
