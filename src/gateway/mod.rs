//! The gateway: logs, exec, attach, port-forward and stats of an EcsTask as subresources of an aggregated API.
//!
//! # Expected flow
//! The API server passes on what people ask of `tasks.ecs-operator.io`, and says who asks ([`front_proxy`]). The gateway
//! asks the API server whether that user may ([`authorization`]), finds the task's agent ([`target`]), and relays the
//! request to it. It carries bytes, and understands none of them.
//!
//! # Guarantees
//! Only the API server is believed about who asks. Every stream is authorised by itself. Nothing is kept, on disk or in
//! memory, beyond the bytes on their way and the tokens that agents are shown.
//!
//! # Assumptions
//! Agents can be reached at their pods' addresses.
//!
//! # Caveats
//! While no replica answers, Kubernetes calls discovery of this group stale, and a namespace that is being deleted waits.
//! Nothing else depends on it: tasks are scheduled, run and stop without a gateway.

pub mod authorization;
pub mod discovery;
pub mod front_proxy;
pub mod target;
mod tokens;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use http::{HeaderValue, Method, StatusCode};
use kube::core::response::StatusSummary;
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::api::container_instance::ContainerInstance;
use crate::api::names;
use crate::api::task::EcsTask;
use crate::platform::serving::Peer;
use crate::platform::serving::relay::{self, Upstream, relay};
use authorization::Question;
use front_proxy::{FrontProxy, User};
use target::Subresource;
pub use tokens::{Account, Tokens};

/// For the questions to the API server that come before a stream.
const DEADLINE: Duration = Duration::from_secs(10);
/// Streams at once in one replica. Each takes some 100 KiB.
const STREAMS: usize = 500;

/// What a replica needs to serve.
pub struct Gateway {
    /// To ask the API server.
    pub client: Client,
    /// Whom to believe about who asks; nobody until it is known.
    pub front_proxy: watch::Receiver<Option<FrontProxy>>,
    /// By which agents know the gateway.
    pub tokens: Tokens,
    /// Streams under way.
    pub sessions: TaskTracker,
}

/// The routes of the aggregated API.
pub fn router(gateway: Gateway) -> Router {
    let task = "/apis/tasks.ecs-operator.io/v1alpha1/namespaces/{namespace}/ecstasks/{task}";
    let of = |rest: &str| format!("{task}/{rest}");
    let streams = Router::new()
        .route(&of("log"), get(stream).layer(Extension(Subresource::Log)))
        .route(
            &of("stats"),
            get(stream).layer(Extension(Subresource::Stats)),
        )
        .route(&of("exec"), get(stream).layer(Extension(Subresource::Exec)))
        .route(
            &of("attach"),
            get(stream).layer(Extension(Subresource::Attach)),
        )
        .route(
            &of("portforward"),
            get(stream).layer(Extension(Subresource::PortForward)),
        )
        .route(
            &of("exec/archive"),
            get(stream)
                .put(stream)
                .layer(Extension(Subresource::Archive)),
        );
    streams
        .with_state(Arc::new(gateway))
        .merge(discovery::router())
        .fallback(|| async { Failure::Unknown })
}

async fn stream(
    State(gateway): State<Arc<Gateway>>,
    Extension(subresource): Extension<Subresource>,
    Path((namespace, task)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Failure> {
    let user = gateway.user(&request)?;
    let asked = Question {
        namespace: &namespace,
        task: &task,
        subresource,
    };
    let query = request.uri().query().map(str::to_owned);
    let prepared = async {
        authorization::ask(&gateway.client, &user, &asked).await?;
        gateway.target(&asked, query.as_deref()).await
    };
    let (upstream, path) = tokio::time::timeout(DEADLINE, prepared)
        .await
        .map_err(|_| Failure::Slow)??;
    if gateway.sessions.len() >= STREAMS {
        return Err(Failure::Busy);
    }
    if subresource.changes() || *request.method() != Method::GET {
        info!(
            user = user.name,
            namespace,
            task,
            subresource = subresource.name(),
            "stream"
        );
    }
    Ok(relay(&upstream, path, request, &gateway.sessions).await?)
}

impl Gateway {
    fn user(&self, request: &Request) -> Result<User, Failure> {
        let known = self.front_proxy.borrow();
        let front_proxy = known.as_ref().ok_or(Failure::Starting)?;
        let peer = request.extensions().get::<Peer>();
        let certificate = peer.and_then(|peer| peer.certificate.as_ref());
        Ok(front_proxy.identify(certificate.map(AsRef::as_ref), request.headers())?)
    }

    /// Where to get the stream from.
    async fn target(
        &self,
        asked: &Question<'_>,
        query: Option<&str>,
    ) -> Result<(Upstream, http::Uri), Failure> {
        let tasks: Api<EcsTask> = Api::namespaced(self.client.clone(), asked.namespace);
        let task = tasks.get(asked.task).await?;
        let path = target::path(&task, asked.subresource, query)?;
        let name = target::instance(&task)?;
        let instances: Api<ContainerInstance> = Api::all(self.client.clone());
        let instance = instances.get_opt(name).await?;
        let endpoint = target::endpoint(name, instance.as_ref())?;
        let address: SocketAddr = endpoint.address.parse().map_err(|_| Failure::Agent)?;
        let token = self.tokens.of(name).await.map_err(Failure::Token)?;
        let mut token = HeaderValue::from_str(&format!("Bearer {}", token.expose()))?;
        token.set_sensitive(true);
        let upstream = Upstream {
            address,
            trusted: endpoint.certificate.to_string(),
            name: names::AGENT_SERVER,
            token,
        };
        Ok((upstream, path.parse().map_err(http::Error::from)?))
    }
}

/// Why there is no stream.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    User(#[from] front_proxy::Stranger),
    #[error("{0}")]
    Denied(#[from] authorization::Denied),
    #[error("{0}")]
    Target(#[from] target::Problem),
    #[error("the API server says: {0}")]
    Kube(#[from] kube::Error),
    #[error("the task's agent cannot be reached: {0}")]
    Relay(#[from] relay::Error),
    #[error("the gateway has no token for agents: {0}")]
    Token(String),
    #[error("the agent's address or token cannot be read")]
    Agent,
    #[error("the request cannot be passed on: {0}")]
    Request(#[from] http::Error),
    #[error("the gateway has just started: try again")]
    Starting,
    #[error("the API server does not answer the gateway: try again")]
    Slow,
    #[error("{STREAMS} streams are open in this replica of the gateway: close one, or try again")]
    Busy,
    #[error("the server could not find the requested resource")]
    Unknown,
}

impl From<http::header::InvalidHeaderValue> for Failure {
    fn from(_: http::header::InvalidHeaderValue) -> Self {
        Self::Agent
    }
}

impl Failure {
    fn status(&self) -> StatusCode {
        match self {
            Self::User(_) => StatusCode::UNAUTHORIZED,
            Self::Denied(authorization::Denied::Unknown(_)) | Self::Token(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::Denied(authorization::Denied::Forbidden { .. }) => StatusCode::FORBIDDEN,
            Self::Target(problem) => problem.status(),
            Self::Kube(kube::Error::Api(status)) => {
                StatusCode::from_u16(status.code).unwrap_or(StatusCode::BAD_GATEWAY)
            }
            Self::Kube(_) | Self::Relay(_) | Self::Agent | Self::Request(_) => {
                StatusCode::BAD_GATEWAY
            }
            Self::Starting | Self::Slow => StatusCode::SERVICE_UNAVAILABLE,
            Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::Unknown => StatusCode::NOT_FOUND,
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let code = self.status();
        // What Kubernetes itself says is said as it says it.
        let (message, reason) = if let Self::Kube(kube::Error::Api(status)) = &self {
            (status.message.clone(), status.reason.clone())
        } else {
            let reason = code.canonical_reason().unwrap_or_default();
            (self.to_string(), reason.replace(' ', ""))
        };
        if code.is_server_error() {
            warn!(%message, "no stream");
        }
        let body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": StatusSummary::Failure,
            "code": code.as_u16(), "message": message, "reason": reason,
        });
        (code, Json(body)).into_response()
    }
}
