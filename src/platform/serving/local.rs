//! HTTP/1.1 on a Unix socket, for connections that a program of ours passes on. Each begins with a line that says where it
//! came from, because the socket itself cannot tell.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::accepting::accept;
use super::listener::{PATIENCE, answer};

/// Connections at once. A connection takes some 20 KiB.
const CONNECTIONS: usize = 128;
/// The longest address, and the end of the line.
const LONGEST_LINE: usize = 46;

/// Where a connection came from: an extension of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin(pub IpAddr);

/// Serves `router` until `shutdown`.
pub async fn serve(listener: UnixListener, router: Router, shutdown: CancellationToken) {
    accept(listener, CONNECTIONS, shutdown.cancelled(), |stream, _| {
        let router = router.clone();
        async move {
            if let Err(error) = connection(stream, router).await {
                debug!(%error, "connection broke");
            }
        }
    })
    .await;
}

async fn connection(mut stream: UnixStream, router: Router) -> io::Result<()> {
    let origin = tokio::time::timeout(PATIENCE, origin(&mut stream)).await??;
    let service = service_fn(move |mut request: http::Request<Incoming>| {
        request.extensions_mut().insert(origin);
        let router = router.clone();
        async move { Ok::<_, Infallible>(answer(router, request.map(Body::new)).await) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), service)
        .await
        .map_err(io::Error::other)
}

/// Reads the first line, and not a byte more.
async fn origin(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Origin> {
    let mut line = String::new();
    loop {
        match char::from(stream.read_u8().await?) {
            '\n' => break,
            next if line.len() < LONGEST_LINE => line.push(next),
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
    let address = line.parse().map_err(io::Error::other)?;
    Ok(Origin(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_line_says_where_a_connection_comes_from_and_the_rest_is_left() {
        let mut rest = &b"172.17.0.3\nGET / HTTP/1.1\r\n"[..];
        let found = origin(&mut rest).await.unwrap();
        assert_eq!(found, Origin([172, 17, 0, 3].into()));
        assert_eq!(rest, b"GET / HTTP/1.1\r\n");
        for nonsense in [&b"GET / HTTP/1.1\r\n"[..], &[b'1'; 100], b"1.2.3.4"] {
            let mut nonsense = nonsense;
            assert!(origin(&mut nonsense).await.is_err());
        }
    }
}
