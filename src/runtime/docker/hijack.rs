//! Connections that stop being HTTP: after Docker's `101 UPGRADED` both sides send what they like.

use std::path::Path;
use std::pin::Pin;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use http::{HeaderValue, header};
use http_body_util::BodyExt;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWrite, ReadHalf};

use super::frames::Output;
use super::http::{Request, broken, connect, refusal};
use crate::runtime::Error;
use crate::runtime::streams::{Chunk, Session};

/// One read of a connection, and so the most that one session holds of its output.
const PART: usize = 16 * 1024;

/// Sends `request`, and gives both directions of its connection; a process with a `tty` has one output only.
pub(super) async fn hijack(socket: &Path, request: Request, tty: bool) -> Result<Session, Error> {
    let mut request = request.encode()?;
    let headers = request.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("tcp"));
    let (mut sender, connection) = connect(socket).await?;
    let upgrade = async {
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status();
        if status != http::StatusCode::SWITCHING_PROTOCOLS {
            let body = response.into_body().collect().await.map_err(broken)?;
            return Err(refusal(status, &body.to_bytes()));
        }
        hyper::upgrade::on(response).await.map_err(broken)
    };
    // The connection does its work while it is polled, and hands its socket over when it is done.
    let mut connection = connection.with_upgrades().fuse();
    let mut upgrade = Box::pin(upgrade.fuse());
    let upgraded = loop {
        futures::select! {
            upgraded = upgrade => break upgraded?,
            // An error of the connection reaches the upgrade as well.
            _ = connection => {}
        }
    };
    let (read, write) = tokio::io::split(TokioIo::new(upgraded));
    let input: Pin<Box<dyn AsyncWrite + Send>> = Box::pin(write);
    Ok(Session {
        input,
        output: output(read, tty),
    })
}

fn output(
    read: ReadHalf<TokioIo<Upgraded>>,
    tty: bool,
) -> BoxStream<'static, Result<Chunk, Error>> {
    let parts = stream::unfold(Some(read), |read| async move {
        let mut read = read?;
        let mut part = Vec::with_capacity(PART);
        match read.read_buf(&mut part).await {
            Ok(0) => None,
            Ok(_) => Some((Ok(Bytes::from(part)), Some(read))),
            Err(error) => {
                let error = Error::Unreachable {
                    message: error.to_string(),
                    no_socket: false,
                };
                Some((Err(error), None))
            }
        }
    });
    chunks(parts, tty)
}

/// The pieces of output in `parts` of a connection or of a body.
pub(super) fn chunks(
    parts: impl futures::Stream<Item = Result<Bytes, Error>> + Send + 'static,
    tty: bool,
) -> BoxStream<'static, Result<Chunk, Error>> {
    let mut output = Output::new(tty);
    parts
        .flat_map(move |part| {
            let chunks = match part {
                Ok(part) => output.take(part).into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            };
            stream::iter(chunks)
        })
        .boxed()
}
