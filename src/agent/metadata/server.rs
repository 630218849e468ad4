//! The requests of tasks: read, held to the limit, and put to the driver, whose answer is sent.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse, Response};
use futures::future;
use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::net::UnixListener;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::limit::Limit;
use super::route::{self, ContainerKey, Question, Route};
use crate::platform::clock::Clock;
use crate::platform::serving::local::{self, Origin};
use crate::runtime::streams::Streams;

/// The largest body: protection takes some fifty bytes.
const LARGEST_BODY: usize = 4096;
/// For an answer of the driver. A change is written to the API first.
const PATIENCE: Duration = Duration::from_secs(5);
/// Requests for figures at once: the engine looks at each container for a second or two.
const FIGURES: usize = 16;

/// A question for the driver.
#[derive(Debug)]
pub struct Ask {
    /// Where the connection came from.
    pub origin: Origin,
    /// What is asked.
    pub route: Route,
    /// The change that is asked for, where one is.
    pub change: Option<Change>,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Answer>,
}

/// What the driver knows.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// All of it.
    Reply(Reply),
    /// Which container's figures to ask the engine for, by its name there.
    Figures(String),
    /// Which containers' figures, by Docker's id; those without a name do not run.
    AllFigures(BTreeMap<String, Option<String>>),
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}

/// An answer as it is sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// HTTP status.
    pub status: StatusCode,
    /// JSON.
    pub body: Value,
}

impl Reply {
    /// An answer with something in it.
    #[must_use]
    pub const fn found(body: Value) -> Self {
        Self {
            status: StatusCode::OK,
            body,
        }
    }

    /// The same answer for an id that nobody has and for one that is somebody else's.
    #[must_use]
    pub fn unknown() -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            body: Value::from("no container that may ask this is known under this id"),
        }
    }
}

/// Body of a request to protect the task (ECS's `PutTaskProtection`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Change {
    /// Protect it, or end the protection.
    pub protection_enabled: bool,
    /// For so many minutes, 1 to 2880; two hours when left out.
    pub expires_in_minutes: Option<i64>,
}

#[derive(Clone)]
struct Server {
    driver: mpsc::Sender<Ask>,
    streams: Arc<dyn Streams>,
    figures: Arc<Semaphore>,
    limit: Arc<Mutex<Limit>>,
    clock: Clock,
}

/// Serves on the Unix socket at `path` until `shutdown`, and puts the questions to `driver`.
///
/// # Errors
/// When the socket cannot be made.
pub async fn serve(
    path: &Path,
    driver: mpsc::Sender<Ask>,
    streams: Arc<dyn Streams>,
    clock: Clock,
    shutdown: CancellationToken,
) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        tokio::fs::create_dir_all(folder).await?;
    }
    match tokio::fs::remove_file(path).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    let server = Server {
        driver,
        streams,
        figures: Arc::new(Semaphore::new(FIGURES)),
        limit: Arc::default(),
        clock,
    };
    let router = Router::new().fallback(answer).with_state(server);
    local::serve(listener, router, shutdown).await;
    Ok(())
}

async fn answer(
    State(server): State<Server>,
    Extension(origin): Extension<Origin>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let route = match route::read(&head.method, &head.uri, &head.headers) {
        Ok(route) => route,
        Err(status) => return status.into_response(),
    };
    let caller = match &route.container {
        ContainerKey::Id(id) => id.clone(),
        ContainerKey::RuntimeId(_) | ContainerKey::Caller => origin.0.to_string(),
    };
    let now = server.clock.monotonic();
    let allowed = {
        let mut limit = server.limit.lock().unwrap_or_else(PoisonError::into_inner);
        limit.allows(&caller, now)
    };
    if !allowed {
        return StatusCode::TOO_MANY_REQUESTS.into_response();
    }
    let change = match read_change(route.question, body).await {
        Ok(change) => change,
        Err(message) => return (StatusCode::BAD_REQUEST, message).into_response(),
    };
    let (reply, answered) = oneshot::channel();
    let ask = Ask {
        origin,
        route,
        change,
        reply,
    };
    if let Err(error) = server.driver.try_send(ask) {
        debug!(%error, "the driver takes no question");
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let reply = async {
        Some(match answered.await.ok()? {
            Answer::Reply(reply) => reply,
            Answer::Figures(name) => {
                let _turn = server.figures.acquire().await.ok()?;
                figures(&*server.streams, Some(&name))
                    .await
                    .map_or_else(Reply::unknown, Reply::found)
            }
            Answer::AllFigures(containers) => {
                let _turn = server.figures.acquire().await.ok()?;
                let each = containers.iter().map(async |(id, name)| {
                    let figures = figures(&*server.streams, name.as_deref()).await;
                    (id.clone(), figures.unwrap_or_default())
                });
                Reply::found(Value::Object(Map::from_iter(future::join_all(each).await)))
            }
        })
    };
    match tokio::time::timeout(PATIENCE, reply).await {
        Ok(Some(Reply { status, body })) => {
            let headers = [
                (header::CONTENT_TYPE, "application/json"),
                (header::CACHE_CONTROL, "no-store"),
            ];
            (status, headers, body.to_string()).into_response()
        }
        Ok(None) | Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// Nothing for a container that does not run.
async fn figures(streams: &dyn Streams, name: Option<&str>) -> Option<Value> {
    match streams.stats(name?).await {
        Ok(figures) => Some(figures),
        Err(error) => {
            debug!(%error, "no figures");
            None
        }
    }
}

async fn read_change(question: Question, body: Body) -> Result<Option<Change>, String> {
    if question != Question::Protect {
        return Ok(None);
    }
    let body = to_bytes(body, LARGEST_BODY).await.map_err(|_| {
        format!("the body is not read whole, or has more than {LARGEST_BODY} bytes")
    })?;
    serde_json::from_slice(&body).map(Some).map_err(|error| {
        format!("{error}: expected {{\"ProtectionEnabled\": true, \"ExpiresInMinutes\": 60}}")
    })
}
