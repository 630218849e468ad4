//! HTTP as the engines and the test workload speak it: one request a connection, over a Unix or a TCP socket.
//!
//! HTTP/1.0, so that no answer is chunked and its end is the connection's end.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

/// A frozen engine takes connections and never answers.
const DEADLINE: Duration = Duration::from_secs(20);

/// Status and body of an answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; `Null` where there is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Itself, unless its status is an error.
    pub(crate) fn success(self) -> Result<Self, String> {
        if self.status < 400 {
            return Ok(self);
        }
        Err(format!(
            "{}: {}",
            self.status,
            String::from_utf8_lossy(&self.body)
        ))
    }
}

/// Asks an engine.
pub(crate) async fn engine(
    socket: &Path,
    method: &str,
    target: &str,
    body: Option<&Value>,
) -> Result<Answer, String> {
    within(async {
        let mut stream = UnixStream::connect(socket).await?;
        send(&mut stream, method, target, body).await?;
        read(stream).await
    })
    .await
}

/// Asks an engine for something that it goes on telling; the head of the answer is in the stream's beginning.
pub(crate) async fn stream(socket: &Path, target: &str) -> Result<UnixStream, String> {
    within(async {
        let mut stream = UnixStream::connect(socket).await?;
        send(&mut stream, "GET", target, None).await?;
        Ok(stream)
    })
    .await
}

/// `GET` from a task, by `address:port`.
pub(crate) async fn get(address: &str, path: &str) -> Result<Answer, String> {
    within(async {
        let mut stream = TcpStream::connect(address).await?;
        send(&mut stream, "GET", path, None).await?;
        read(stream).await
    })
    .await
}

async fn within<T>(call: impl Future<Output = std::io::Result<T>>) -> Result<T, String> {
    match timeout(DEADLINE, call).await {
        Ok(outcome) => outcome.map_err(|error| error.to_string()),
        Err(_) => Err("no answer in time".to_owned()),
    }
}

async fn send(
    stream: &mut (impl AsyncWrite + Unpin),
    method: &str,
    target: &str,
    body: Option<&Value>,
) -> std::io::Result<()> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let length = body.len();
    let head = format!(
        "{method} {target} HTTP/1.0\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await?;
    stream.flush().await
}

async fn read(mut stream: impl AsyncRead + Unpin) -> std::io::Result<Answer> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    let broken = || std::io::Error::other("no HTTP answer");
    let end = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .ok_or_else(broken)?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Ok(Answer {
        status: status.ok_or_else(broken)?,
        body: bytes.split_off(end + 4),
    })
}

/// Text as it may stand in a query.
pub(crate) fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
