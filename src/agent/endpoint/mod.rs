//! What the agent serves: the streams of its tasks' containers, over HTTPS, to the gateway and to nobody else.
//!
//! # Expected flow
//! The agent makes a certificate in memory and publishes it, with its address, in its ContainerInstance. The gateway trusts
//! exactly that certificate, shows a token of its ServiceAccount for this instance alone, and asks for a container by its task's UID.
//!
//! # Guarantees
//! Only containers of this instance's tasks are reached, by the labels that this agent gave them. A stopped task's logs
//! and files are there for as long as its containers are kept. Nothing here can hold up the driver.
//!
//! # Assumptions
//! Whether the user may have the stream was decided by the gateway.

mod callers;
mod forward;
mod query;
mod remote;

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, RawQuery, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, future};
use http::{StatusCode, header};
use kube::Client;
use serde_json::{Map, Value, json};
use tokio_util::task::TaskTracker;

use crate::api::names;
use crate::platform::clock::Clock;
use crate::platform::serving::websocket;
use crate::runtime::streams::{Data, Streams};
use crate::runtime::{ContainerSummary, Engine, Error, Labels};
use callers::{Callers, Denial};
use query::{Parameters, Unusable};

/// Sessions at once: each takes some 100 KiB of the agent and of the engine.
const SESSIONS: usize = 100;

/// What the endpoint is told from outside.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Name of the container instance.
    pub instance: String,
    /// Address at which published ports of its tasks are.
    pub address: Option<IpAddr>,
    /// User name of the gateway's ServiceAccount.
    pub gateway: String,
}

/// One engine's streams, as they are served.
pub(crate) struct Endpoint {
    settings: Settings,
    engine: Arc<dyn Engine>,
    streams: Arc<dyn Streams>,
    callers: Callers,
    clock: Clock,
    /// Sessions that were requests before.
    sessions: TaskTracker,
}

type Shared = State<Arc<Endpoint>>;
type Named = Path<(String, String)>;

/// The routes of the endpoint.
pub fn router(
    settings: Settings,
    engine: Arc<dyn Engine>,
    streams: Arc<dyn Streams>,
    client: Client,
    clock: Clock,
) -> Router {
    let callers = Callers::new(client, clock, &settings);
    let endpoint = Arc::new(Endpoint {
        settings,
        engine,
        streams,
        callers,
        clock,
        sessions: TaskTracker::new(),
    });
    let container = Router::new()
        .route("/log", get(log))
        .route("/exec", get(remote::exec))
        .route("/attach", get(remote::attach))
        .route("/portforward", get(forward::portforward))
        .route("/archive", get(pack).put(unpack));
    Router::new()
        .route("/tasks/{uid}/stats", get(stats))
        .nest("/tasks/{uid}/containers/{container}", container)
        .route_layer(middleware::from_fn_with_state(
            Arc::clone(&endpoint),
            only_the_gateway,
        ))
        .with_state(endpoint)
}

async fn only_the_gateway(
    State(endpoint): Shared,
    request: Request,
    next: Next,
) -> Result<Response, Failure> {
    let token = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
        .ok_or(Denial::Stranger)?;
    endpoint.callers.check(token).await?;
    Ok(next.run(request).await)
}

impl Endpoint {
    /// Name in the engine of a task's container. Of several the newest counts: a container that restarts is another.
    async fn find(&self, uid: &str, container: &str) -> Result<String, Failure> {
        let found = self.containers(uid).await?;
        let named = found.into_iter().filter(|line| {
            line.labels
                .get(names::CONTAINER_DOCKER_LABEL)
                .map(String::as_str)
                == Some(container)
        });
        let newest = named.max_by_key(|line| (line.state.is_live(), line.created_at));
        newest
            .map(|line| line.name)
            .ok_or_else(|| Failure::Gone(container.to_owned()))
    }

    /// Refuses a session too many.
    fn room(&self) -> Result<(), Failure> {
        if self.sessions.len() < SESSIONS {
            Ok(())
        } else {
            Err(Failure::Busy)
        }
    }

    async fn containers(&self, uid: &str) -> Result<Vec<ContainerSummary>, Failure> {
        let labels = Labels::from([
            (
                names::INSTANCE_DOCKER_LABEL.to_owned(),
                self.settings.instance.clone(),
            ),
            (names::TASK_UID_DOCKER_LABEL.to_owned(), uid.to_owned()),
        ]);
        Ok(self.engine.list(&labels).await?)
    }
}

async fn log(
    State(endpoint): Shared,
    Path((uid, container)): Named,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let parameters = Parameters::read(query.as_deref());
    let (query, limit) = query::log(parameters, endpoint.clock.now())?;
    let name = endpoint.find(&uid, &container).await?;
    let chunks = endpoint.streams.logs(&name, &query);
    let data = chunks.map_ok(|chunk| chunk.data).boxed();
    streamed(limited(data, limit), "text/plain; charset=utf-8").await
}

/// At most `limit` bytes of `data`.
fn limited(data: Data, limit: Option<u64>) -> Data {
    let Some(limit) = limit else { return data };
    let mut left = usize::try_from(limit).unwrap_or(usize::MAX);
    data.map_ok(move |mut part: Bytes| {
        part.truncate(left);
        left -= part.len();
        (part, left)
    })
    .scan(false, |over, part| {
        let ended = std::mem::replace(over, part.as_ref().is_ok_and(|(_, left)| *left == 0));
        future::ready((!ended).then(|| part.map(|(part, _)| part)))
    })
    .boxed()
}

async fn pack(
    State(endpoint): Shared,
    Path((uid, container)): Named,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let path = query::path(Parameters::read(query.as_deref()))?;
    let name = endpoint.find(&uid, &container).await?;
    streamed(endpoint.streams.pack(&name, &path), "application/x-tar").await
}

async fn unpack(
    State(endpoint): Shared,
    Path((uid, container)): Named,
    RawQuery(query): RawQuery,
    body: Body,
) -> Result<StatusCode, Failure> {
    let folder = query::path(Parameters::read(query.as_deref()))?;
    let name = endpoint.find(&uid, &container).await?;
    let archive = body.into_data_stream().map_err(|error| Error::Unreachable {
        message: format!("the archive broke off: {error}"),
        no_socket: false,
    });
    endpoint
        .streams
        .unpack(&name, &folder, archive.boxed())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn stats(
    State(endpoint): Shared,
    Path(uid): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Failure> {
    query::nothing(Parameters::read(query.as_deref()))?;
    let lines = endpoint.containers(&uid).await?;
    let live = lines.iter().filter(|line| line.state.is_live());
    let each = live.filter_map(|line| {
        let container = line.labels.get(names::CONTAINER_DOCKER_LABEL)?;
        let streams = &endpoint.streams;
        Some(async move { (container.clone(), streams.stats(&line.name).await) })
    });
    let mut all = Map::new();
    for (container, stats) in future::join_all(each).await {
        match stats {
            Ok(stats) => all.insert(container, stats),
            // It has ended since the look.
            Err(Error::NotFound { .. } | Error::Conflict { .. }) => None,
            Err(error) => return Err(error.into()),
        };
    }
    Ok(Json(Value::Object(all)))
}

/// An answer whose first piece is there: what goes wrong before is an answer of its own.
async fn streamed(data: Data, kind: &'static str) -> Result<Response, Failure> {
    let mut data = data.peekable();
    if let Some(Err(error)) = std::pin::Pin::new(&mut data).peek().await {
        return Err(Failure::Engine(error.clone()));
    }
    Ok(([(header::CONTENT_TYPE, kind)], Body::from_stream(data)).into_response())
}

/// Why there is no stream.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Denied(#[from] Denial),
    #[error(transparent)]
    Parameter(#[from] Unusable),
    #[error(transparent)]
    WebSocket(#[from] websocket::Refusal),
    #[error(
        "container {0} is not with the instance's engine: it has not been created yet, or was removed after the task stopped"
    )]
    Gone(String),
    #[error(transparent)]
    Engine(#[from] Error),
    #[error("{0}")]
    Port(String),
    #[error("{SESSIONS} sessions are open on this instance: close one")]
    Busy,
}

impl Failure {
    fn status(&self) -> StatusCode {
        match self {
            Self::Denied(Denial::Stranger) => StatusCode::FORBIDDEN,
            Self::Denied(Denial::Unknown) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Parameter(_)
            | Self::WebSocket(_)
            | Self::Port(_)
            | Self::Engine(Error::Refused { .. }) => StatusCode::BAD_REQUEST,
            Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::Gone(_) | Self::Engine(Error::NotFound { .. }) => StatusCode::NOT_FOUND,
            Self::Engine(Error::Conflict { .. }) => StatusCode::CONFLICT,
            Self::Engine(Error::Unreachable { .. } | Error::Timeout { .. }) => {
                StatusCode::BAD_GATEWAY
            }
        }
    }
}

impl IntoResponse for Failure {
    /// In the words of the Kubernetes API, which the gateway passes on.
    fn into_response(self) -> Response {
        let status = self.status();
        let body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "code": status.as_u16(), "message": self.to_string(),
            "reason": status.canonical_reason().unwrap_or_default().replace(' ', ""),
        });
        (status, Json(body)).into_response()
    }
}
