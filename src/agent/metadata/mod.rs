//! What a task can ask of the place where it runs: its metadata, and its own protection from being stopped
//! (ECS Developer Guide, "Amazon ECS task metadata endpoint" and "Task scale-in protection endpoint").
//!
//! # Expected flow
//! A container knows its own address from `ECS_CONTAINER_METADATA_URI_V4` and its like. Its connection reaches the
//! [`relay`], a small program on the instance's network, which passes it on through a Unix socket after one line that says
//! where it came from. The [`server`] reads the request ([`route`]), holds the caller to a [`limit`], and asks the driver,
//! who knows the tasks and answers with a [`document`].
//!
//! # Guarantees
//! A container learns of its own task only: the address holds an id that nobody else is told, and the connection must come
//! from the container's own network. An id that is not known and one that is somebody else's get the same answer.
//!
//! # Caveats
//! On the instance's own network (`networkMode: host`) all connections look alike, so that only the id tells tasks apart.

pub mod document;
pub mod keeper;
pub mod limit;
pub mod relay;
pub mod route;
pub mod server;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::platform::clock::Clock;
use crate::runtime::streams::Streams;
use crate::runtime::{Engine, METADATA_VARIABLE};
use keeper::Relay;
use server::Ask;

/// Where tasks find their metadata: the address that ECS's own agent has.
pub const ADDRESS: &str = "169.254.170.2";

/// The folder, within that of the engine's socket, in which agent and relay meet.
pub const FOLDER: &str = "ecs-operator";

/// Name of the Unix socket in it.
pub const SOCKET: &str = "metadata.sock";

/// Between two attempts to serve.
const PAUSE: Duration = Duration::from_secs(10);

/// The folder in which agent and relay meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// As the agent sees it.
    pub folder: PathBuf,
    /// As the engine sees it.
    pub on_the_instance: String,
}

/// Answers tasks until `shutdown`, as well as it can: nothing waits for it but tasks with bounds, which need its relay. Without a
/// place they cannot ask.
pub async fn run(
    place: Option<Place>,
    relay: Relay,
    engine: Arc<dyn Engine>,
    streams: Arc<dyn Streams>,
    driver: mpsc::Sender<Ask>,
    clock: Clock,
    shutdown: &CancellationToken,
) {
    let Some(place) = place else {
        return shutdown.cancelled().await;
    };
    let served = serve(&place, driver, streams, clock, shutdown);
    let kept = keeper::keep(engine, relay, &place);
    tokio::select! {
        () = served => {}
        () = kept => {}
        () = shutdown.cancelled() => {}
    }
}

async fn serve(
    place: &Place,
    driver: mpsc::Sender<Ask>,
    streams: Arc<dyn Streams>,
    clock: Clock,
    shutdown: &CancellationToken,
) {
    let socket = place.folder.join(SOCKET);
    while !shutdown.is_cancelled() {
        let served = server::serve(
            &socket,
            driver.clone(),
            Arc::clone(&streams),
            clock,
            shutdown.clone(),
        )
        .await;
        if let Err(error) = served {
            warn!(%error, socket = %socket.display(), "tasks cannot ask for their metadata");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Variables by which a container finds what it may ask, with the id by which it does so.
#[must_use]
pub fn variables(id: &str) -> [(&'static str, String); 4] {
    [
        (
            "ECS_CONTAINER_METADATA_URI",
            format!("http://{ADDRESS}/v3/{id}"),
        ),
        (METADATA_VARIABLE, format!("http://{ADDRESS}/v4/{id}")),
        ("ECS_AGENT_URI", format!("http://{ADDRESS}/api/{id}")),
        ("AWS_EXECUTION_ENV", "AWS_ECS_EC2".to_owned()),
    ]
}

/// The variable by which the containers of a task with a role find its token, as ECS has it: a path at [`ADDRESS`].
#[must_use]
pub fn credentials_variable(id: &str) -> (&'static str, String) {
    (
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        format!("/v2/credentials/{id}"),
    )
}

/// An id that nobody can guess: 128 bits in hexadecimal digits.
///
/// # Errors
/// When the system has no randomness to give.
pub fn new_id() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
