//! Asks, from inside a task, what the task may ask of the place where it runs: ECS's metadata, protection and credentials
//! endpoints.

use std::io::{Error, ErrorKind};
use std::time::Duration;

use axum::extract::RawQuery;
use axum::http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(5);

/// The task's metadata.
pub(crate) async fn metadata() -> (StatusCode, String) {
    passed_on("ECS_CONTAINER_METADATA_URI_V4", "GET", "/task", "").await
}

/// Protects the task for an hour.
pub(crate) async fn protect() -> (StatusCode, String) {
    let body = r#"{"ProtectionEnabled": true, "ExpiresInMinutes": 60}"#;
    passed_on("ECS_AGENT_URI", "PUT", "/task-protection/v1/state", body).await
}

/// The credentials of the task's role.
pub(crate) async fn credentials() -> (StatusCode, String) {
    let asked = async {
        let path = std::env::var("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
        let uri = format!("http://169.254.170.2{}", path.map_err(Error::other)?);
        timeout(LIMIT, ask(&uri, "GET", "", "")).await?
    };
    told(asked.await)
}

/// What somebody else answers, found by the name in the query, such as `http://orders/`.
pub(crate) async fn fetch(RawQuery(uri): RawQuery) -> (StatusCode, String) {
    let uri = uri.unwrap_or_default();
    match timeout(LIMIT, ask(&uri, "GET", "", "")).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => (StatusCode::BAD_GATEWAY, error.to_string()),
        Err(error) => (StatusCode::GATEWAY_TIMEOUT, error.to_string()),
    }
}

async fn passed_on(variable: &str, method: &str, path: &str, body: &str) -> (StatusCode, String) {
    let asked = async {
        let uri = std::env::var(variable).map_err(Error::other)?;
        timeout(LIMIT, ask(&uri, method, path, body)).await?
    };
    told(asked.await)
}

fn told(asked: Result<(StatusCode, String), Error>) -> (StatusCode, String) {
    match asked {
        Ok(answer) => answer,
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()),
    }
}

async fn ask(
    uri: &str,
    method: &str,
    path: &str,
    body: &str,
) -> Result<(StatusCode, String), Error> {
    let nonsense = || Error::new(ErrorKind::InvalidData, uri.to_owned());
    let rest = uri.strip_prefix("http://").ok_or_else(nonsense)?;
    let (host, prefix) = rest.split_once('/').ok_or_else(nonsense)?;
    let (name, port) = host.split_once(':').unwrap_or((host, "80"));
    let port = port.parse().map_err(Error::other)?;
    let mut stream = TcpStream::connect((name, port)).await?;
    let request = format!(
        "{method} /{prefix}{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(nonsense)?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.and_then(|code| StatusCode::from_u16(code).ok());
    Ok((status.ok_or_else(nonsense)?, body.to_owned()))
}
