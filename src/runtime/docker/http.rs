//! HTTP/1.1 over a Unix socket, one connection for each call, driven by whoever awaits the call.
//!
//! No task is spawned for a connection: dropping the future or the stream closes it, and nothing outlives a call.

use std::fmt::Write as _;
use std::future::poll_fn;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use futures::{FutureExt, Stream, stream};
use http::{Method, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

use crate::runtime::Error;

/// Longest line of a stream, and longest error text, that we keep.
const LONGEST_LINE: usize = 1 << 20;

/// One request to the engine.
pub(super) struct Request {
    method: Method,
    path: String,
    body: Option<Value>,
    registry_auth: Option<String>,
}

impl Request {
    pub(super) const fn get(path: String) -> Self {
        Self {
            method: Method::GET,
            path,
            body: None,
            registry_auth: None,
        }
    }

    pub(super) const fn delete(path: String) -> Self {
        Self {
            method: Method::DELETE,
            path,
            body: None,
            registry_auth: None,
        }
    }

    pub(super) const fn post(path: String, body: Option<Value>) -> Self {
        Self {
            method: Method::POST,
            path,
            body,
            registry_auth: None,
        }
    }

    /// As whoever this value of `X-Registry-Auth` names.
    pub(super) fn authorized(mut self, registry_auth: Option<String>) -> Self {
        self.registry_auth = registry_auth;
        self
    }

    pub(super) fn encode(self) -> Result<http::Request<Full<Bytes>>, Error> {
        let body = self
            .body
            .map(|body| Bytes::from(body.to_string()))
            .unwrap_or_default();
        let mut request = http::Request::builder()
            .method(self.method)
            .uri(self.path)
            .header(header::HOST, "docker");
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(value) = self.registry_auth {
            request = request.header("X-Registry-Auth", value);
        }
        request.body(Full::new(body)).map_err(impossible)
    }
}

/// A request whose body is an archive.
pub(super) fn archive<B>(method: Method, path: String, body: B) -> Result<http::Request<B>, Error> {
    http::Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "docker")
        .header(header::CONTENT_TYPE, "application/x-tar")
        .body(body)
        .map_err(impossible)
}

fn impossible(error: http::Error) -> Error {
    Error::Refused {
        status: 400,
        message: format!("impossible request: {error}"),
    }
}

/// A connection of its own, which does its work while it is polled.
pub(super) async fn connect<B>(
    socket: &Path,
) -> Result<
    (
        http1::SendRequest<B>,
        http1::Connection<TokioIo<UnixStream>, B>,
    ),
    Error,
>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let stream = UnixStream::connect(socket)
        .await
        .map_err(|error| not_connected(socket, &error))?;
    let handshake = http1::handshake(TokioIo::new(stream));
    handshake.await.map_err(broken)
}

/// An answer whose head has arrived and says success. Its connection lives in it.
pub(super) struct Reply {
    connection: Option<BoxFuture<'static, ()>>,
    body: Incoming,
}

/// Sends `request` and waits for the head of the answer. Statuses of 400 and above are errors.
pub(super) async fn send(socket: &Path, request: Request) -> Result<Reply, Error> {
    exchange(socket, request.encode()?).await
}

/// As [`send`], for a request of any body.
pub(super) async fn exchange<B>(socket: &Path, request: http::Request<B>) -> Result<Reply, Error>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (mut sender, connection) = connect(socket).await?;
    // An error of the connection reaches the response or the body as well.
    let mut connection = Some(connection.map(drop).boxed());
    let mut response = Box::pin(sender.send_request(request));
    let response = poll_fn(|cx| {
        drive(&mut connection, cx);
        response.as_mut().poll(cx)
    })
    .await
    .map_err(broken)?;
    let status = response.status();
    let reply = Reply {
        connection,
        body: response.into_body(),
    };
    if status.is_client_error() || status.is_server_error() {
        return Err(refusal(status, &reply.bytes().await?));
    }
    Ok(reply)
}

impl Reply {
    /// The whole body.
    pub(super) async fn bytes(mut self) -> Result<Bytes, Error> {
        let mut whole = BytesMut::new();
        while let Some(part) = poll_fn(|cx| self.poll_part(cx)).await {
            whole.extend_from_slice(&part?);
        }
        Ok(whole.freeze())
    }

    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        loop {
            drive(&mut self.connection, cx);
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(broken(error)))),
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
            }
        }
    }
}

/// The body as it arrives.
pub(super) fn parts(reply: Reply) -> impl Stream<Item = Result<Bytes, Error>> {
    stream::unfold(reply, |mut reply| async move {
        let part = poll_fn(|cx| reply.poll_part(cx)).await?;
        Some((part, reply))
    })
}

/// The body as lines of JSON, as they arrive. Lines that are not JSON are left out.
pub(super) fn lines(reply: Reply) -> impl Stream<Item = Result<Value, Error>> {
    stream::unfold(Some((reply, BytesMut::new())), |open| async move {
        let (mut reply, mut rest) = open?;
        loop {
            if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line = rest.split_to(end + 1);
                if let Ok(value) = serde_json::from_slice(&line) {
                    return Some((Ok(value), Some((reply, rest))));
                }
                continue;
            }
            if rest.len() > LONGEST_LINE {
                rest.clear();
            }
            match poll_fn(|cx| reply.poll_part(cx)).await {
                Some(Ok(part)) => rest.extend_from_slice(&part),
                Some(Err(error)) => return Some((Err(error), None)),
                // The last line may lack its end.
                None => return Some((Ok(serde_json::from_slice(&rest).ok()?), None)),
            }
        }
    })
}

fn drive(connection: &mut Option<BoxFuture<'static, ()>>, cx: &mut Context<'_>) {
    if let Some(running) = connection
        && running.poll_unpin(cx).is_ready()
    {
        *connection = None;
    }
}

pub(super) fn not_connected(socket: &Path, error: &io::Error) -> Error {
    let no_socket = error.kind() == io::ErrorKind::NotFound || socket.is_dir();
    Error::Unreachable {
        message: format!("{}: {error}", socket.display()),
        no_socket,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "used in map_err")]
pub(super) fn broken(error: hyper::Error) -> Error {
    Error::Unreachable {
        message: error.to_string(),
        no_socket: false,
    }
}

pub(super) fn refusal(status: StatusCode, body: &[u8]) -> Error {
    let message = serde_json::from_slice::<Value>(body)
        .ok()
        .and_then(|value| value.get("message")?.as_str().map(str::to_owned))
        .unwrap_or_else(|| String::from_utf8_lossy(body).trim().to_owned());
    match status {
        StatusCode::NOT_FOUND => Error::NotFound { message },
        StatusCode::CONFLICT => Error::Conflict { message },
        _ => Error::Refused {
            status: status.as_u16(),
            message,
        },
    }
}

/// Percent-encodes everything that has a meaning in a path or a query; slashes stay, as image names need them.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            write!(encoded, "%{byte:02X}").unwrap_or_default();
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engine_says_decides_what_is_known() {
        let conflict = refusal(StatusCode::CONFLICT, br#"{"message":"name in use"}"#);
        assert_eq!(
            conflict,
            Error::Conflict {
                message: "name in use".into()
            }
        );
        assert!(!conflict.is_unknown());
        let broken = refusal(StatusCode::INTERNAL_SERVER_ERROR, b"oops\n");
        assert_eq!(
            broken,
            Error::Refused {
                status: 500,
                message: "oops".into()
            }
        );
    }

    #[test]
    fn paths_are_encoded_and_keep_the_slashes_of_images() {
        assert_eq!(
            encode("reg:5000/a/b@sha256:1"),
            "reg%3A5000/a/b%40sha256%3A1"
        );
    }

    #[tokio::test]
    async fn a_missing_socket_is_unreachable_and_named() {
        let missing = Path::new("/nonexistent/docker.sock");
        let error = send(missing, Request::get("/_ping".into()))
            .await
            .err()
            .unwrap();
        assert!(
            matches!(
                error,
                Error::Unreachable {
                    no_socket: true,
                    ..
                }
            ),
            "{error}"
        );
    }
}
