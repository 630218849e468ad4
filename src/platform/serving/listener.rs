//! HTTPS/1.1 for a router, with limits on what strangers can hold, and an end that lets requests finish.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::{debug, info};

use super::accepting::accept;

/// For the handshake, and for the head of each request. Whoever is slower is not one of our clients.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// Connections at once, upgraded ones left out. A connection takes some 50 KiB.
const CONNECTIONS: usize = 256;
/// For requests that are under way at the end.
const FAREWELL: Duration = Duration::from_secs(5);

/// The other side of a connection: an extension of every request.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Where it calls from.
    pub address: SocketAddr,
    /// The certificate that it showed, which was checked against the authorities of the [`ServerConfig`].
    pub certificate: Option<CertificateDer<'static>>,
}

/// Serves `router` until `shutdown`, each connection with the newest `tls`. Until there is one, nobody is answered.
///
/// # Errors
/// When the part that knows the certificate ended.
pub async fn serve(
    listener: TcpListener,
    mut tls: watch::Receiver<Option<Arc<ServerConfig>>>,
    router: Router,
    shutdown: CancellationToken,
) -> io::Result<()> {
    tokio::select! {
        () = shutdown.cancelled() => return Ok(()),
        known = tls.wait_for(Option::is_some) => known.map(drop).map_err(io::Error::other)?,
    }
    info!(address = ?listener.local_addr().ok(), "serving");
    let mut connections = accept(
        listener,
        CONNECTIONS,
        shutdown.cancelled(),
        |stream, address| {
            let config = tls.borrow().clone();
            let (router, shutdown) = (router.clone(), shutdown.clone());
            async move {
                if let Some(config) = config {
                    connection(stream, address, config, router, shutdown).await;
                }
            }
        },
    )
    .await;
    let finish = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(FAREWELL, finish).await.is_err() {
        info!("requests under way were cut");
    }
    Ok(())
}

async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    config: Arc<ServerConfig>,
    router: Router,
    shutdown: CancellationToken,
) {
    let handshake = TlsAcceptor::from(config).accept(stream);
    let stream = match tokio::time::timeout(PATIENCE, handshake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return debug!(%error, %address, "no handshake"),
        Err(_) => return debug!(%address, "no handshake in time"),
    };
    let shown = stream.get_ref().1.peer_certificates();
    let peer = Peer {
        address,
        certificate: shown
            .and_then(|chain| chain.first())
            .map(|certificate| certificate.clone().into_owned()),
    };
    let service = service_fn(move |mut request: http::Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        let router = router.clone();
        async move { Ok::<_, Infallible>(answer(router, request.map(Body::new)).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut served = pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = shutdown.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, %address, "connection broke");
    }
}

pub(super) async fn answer(
    router: Router,
    request: http::Request<Body>,
) -> axum::response::Response {
    match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
