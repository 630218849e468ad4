//! Passes a request on to another server of ours, and its answer back: bodies as they arrive, and both directions of what
//! stops being HTTP. Nothing of either is kept.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::task::TaskTracker;
use tracing::debug;

use super::identity::{self, roots};

/// To connect, and for the handshake.
const DIAL: Duration = Duration::from_secs(5);
/// What of a request concerns the other server.
const ASKED: [HeaderName; 6] = [
    header::CONNECTION,
    header::CONTENT_TYPE,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_PROTOCOL,
    header::SEC_WEBSOCKET_VERSION,
    header::UPGRADE,
];
/// What of its answer concerns the caller.
const ANSWERED: [HeaderName; 5] = [
    header::CONNECTION,
    header::CONTENT_TYPE,
    header::SEC_WEBSOCKET_ACCEPT,
    header::SEC_WEBSOCKET_PROTOCOL,
    header::UPGRADE,
];

/// Another server.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// Where it listens.
    pub address: SocketAddr,
    /// PEM of the only certificates or authorities that it may show.
    pub trusted: String,
    /// The DNS name in its certificate.
    pub name: &'static str,
    /// Who we are.
    pub token: HeaderValue,
}

/// Why a request could not be passed on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The other server's certificate or name cannot be used.
    #[error("cannot trust the other side")]
    Trust(#[from] identity::Error),
    /// Nobody answers there, or somebody else.
    #[error("{address} does not answer: {source}")]
    Unreachable {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It broke off before it answered.
    #[error("the answer broke off")]
    Broken(#[from] hyper::Error),
    /// The request cannot be passed on.
    #[error("cannot pass the request on")]
    Request(#[from] http::Error),
}

/// Passes `request` on to `path` of `upstream`. What lasts longer than the answer's head runs in `sessions`.
///
/// # Errors
/// When the other server cannot be reached, or is not the one that is trusted.
pub async fn relay(
    upstream: &Upstream,
    path: Uri,
    mut request: Request,
    sessions: &TaskTracker,
) -> Result<Response, Error> {
    let address = upstream.address;
    let stream = tokio::time::timeout(DIAL, connect(upstream))
        .await
        .unwrap_or_else(|_| Ok(Err(io::ErrorKind::TimedOut.into())))?
        .map_err(|source| Error::Unreachable { address, source })?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    sessions.spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            debug!(%error, %address, "a relayed connection broke");
        }
    });
    let upgrade = hyper::upgrade::on(&mut request);
    let mut onward = http::Request::builder()
        .method(request.method())
        .uri(path)
        .header(header::HOST, upstream.name);
    if let Some(headers) = onward.headers_mut() {
        headers.extend(chosen(request.headers(), &ASKED));
        headers.insert(header::AUTHORIZATION, upstream.token.clone());
    }
    let mut answer = sender
        .send_request(onward.body(request.into_body())?)
        .await?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = answer.status();
    response
        .headers_mut()
        .extend(chosen(answer.headers(), &ANSWERED));
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        let other = hyper::upgrade::on(&mut answer);
        sessions.spawn(async move {
            let carried = async {
                let (near, far) = tokio::try_join!(upgrade, other).map_err(io::Error::other)?;
                let (mut near, mut far) = (TokioIo::new(near), TokioIo::new(far));
                tokio::io::copy_bidirectional(&mut near, &mut far).await
            };
            if let Err(error) = carried.await {
                debug!(%error, %address, "a session broke off");
            }
        });
    } else {
        *response.body_mut() = Body::new(answer.into_body());
    }
    Ok(response)
}

/// The outer error is ours, the inner the network's.
async fn connect(
    upstream: &Upstream,
) -> Result<io::Result<tokio_rustls::client::TlsStream<TcpStream>>, Error> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(identity::Error::from)?
        .with_root_certificates(roots(&upstream.trusted)?)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let connected = async {
        let name = ServerName::try_from(upstream.name).map_err(io::Error::other)?;
        let stream = TcpStream::connect(upstream.address).await?;
        connector.connect(name, stream).await
    };
    Ok(connected.await)
}

fn chosen(headers: &HeaderMap, names: &[HeaderName]) -> HeaderMap {
    let of = |name: &HeaderName| {
        let name = name.clone();
        let values = headers.get_all(&name).iter().cloned();
        values
            .map(|value| (name.clone(), value))
            .collect::<Vec<_>>()
    };
    names.iter().flat_map(of).collect()
}
