//! `WebSocket`s of our servers: the handshake, and a connection that notices when nobody is there any more.

use std::io;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

pub use tokio_tungstenite::tungstenite::{Error, Message};

/// A connection that was a request before.
pub type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// The largest message that is taken, and so what one connection can hold of us.
const LARGEST_MESSAGE: usize = 256 * 1024;

/// Why a request cannot become a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It does not ask for one.
    #[error("this is served over WebSocket only: send Upgrade: websocket, as kubectl ecs does")]
    NotAWebSocket,
    /// It speaks none of our protocols.
    #[error("none of the protocols in Sec-WebSocket-Protocol is known: use {0}")]
    Protocol(&'static str),
}

/// A handshake that was accepted.
pub struct Accepted {
    /// To send now; the socket is there once it was sent.
    pub response: Response,
    /// Which of the protocols both sides speak.
    pub protocol: &'static str,
    upgrade: hyper::upgrade::OnUpgrade,
}

/// Accepts the handshake in `request`, in the first of its protocols that is one of `ours`.
///
/// # Errors
/// When it is no handshake, or none of the protocols is ours.
pub fn accept(mut request: Request, ours: &[&'static str]) -> Result<Accepted, Refusal> {
    let headers = request.headers();
    let key = headers
        .get(header::SEC_WEBSOCKET_KEY)
        .filter(|_| is_websocket(&request))
        .ok_or(Refusal::NotAWebSocket)?;
    let key = derive_accept_key(key.as_bytes());
    let asked = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let mut asked = asked
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(',').map(str::trim));
    let known = asked.find_map(|asked| ours.iter().find(|ours| **ours == asked));
    let protocol =
        known.ok_or_else(|| Refusal::Protocol(ours.first().copied().unwrap_or_default()))?;
    let upgrade = hyper::upgrade::on(&mut request);
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(
        header::SEC_WEBSOCKET_PROTOCOL,
        HeaderValue::from_static(protocol),
    );
    if let Ok(key) = HeaderValue::from_str(&key) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, key);
    }
    Ok(Accepted {
        response,
        protocol,
        upgrade,
    })
}

/// Whether `request` asks to become a WebSocket.
pub fn is_websocket<B>(request: &http::Request<B>) -> bool {
    request
        .headers()
        .get(header::UPGRADE)
        .is_some_and(|upgrade| upgrade.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

impl Accepted {
    /// The response, and the socket that comes of it.
    pub fn split(
        self,
    ) -> (
        Response,
        impl Future<Output = io::Result<Socket>> + Send + 'static,
    ) {
        let upgrade = self.upgrade;
        let socket = async move {
            let upgraded = upgrade.await.map_err(io::Error::other)?;
            let config = WebSocketConfig::default()
                .max_message_size(Some(LARGEST_MESSAGE))
                .max_frame_size(Some(LARGEST_MESSAGE));
            let stream = TokioIo::new(upgraded);
            Ok(WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await)
        };
        (self.response, socket)
    }
}
