//! The agent of a container instance: runs the tasks that are bound to it as containers of its Docker Engine.
//!
//! [`step`] decides, as a pure function; the [`driver`] observes and carries out; [`engine`], [`instance`] and
//! [`lease`] say how the instance is. The agent keeps nothing on disk: what it must not forget stands in the names
//! and labels of containers and in the tasks' statuses, so that it can be killed at any moment.

mod bridge;
pub mod broker;
pub mod connections;
pub mod dns;
pub mod driver;
pub mod endpoint;
pub mod engine;
pub mod files;
mod helper;
pub mod images;
pub mod instance;
pub mod lease;
pub mod limits;
pub mod metadata;
pub mod metrics;
pub mod pause;
mod probe;
pub mod progress;
pub mod reach;
pub mod status;
pub mod step;
pub mod task;
pub mod wanted;

use std::path::Path;
use std::sync::Arc;

use kube::Client;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::platform::clock::Clock;
use crate::runtime::Engine;
use crate::runtime::docker::Docker;
use crate::runtime::streams::Streams;
use engine::EngineState;
use helper::Helpers;
use instance::Identity;
use lease::{Heart, Heartbeat};
use metadata::keeper;
use metrics::Metrics;
use step::Reach;

/// Questions of tasks that wait for the driver. More callers than that are told to come again.
const QUESTIONS: usize = 64;

/// What an agent is told from outside.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whose heartbeat it is.
    pub heartbeat: Heartbeat,
    /// What it says of its instance.
    pub identity: Identity,
    /// How it runs tasks.
    pub driver: driver::Settings,
    /// Path of the engine's socket, for messages.
    pub socket: String,
    /// Where tasks' questions arrive; without it they cannot ask.
    pub metadata: Option<metadata::Place>,
}

/// The Docker Engine behind `socket`, which need not be there yet.
#[must_use]
pub fn engine_at(socket: &Path) -> Arc<dyn Engine> {
    Arc::new(Docker::at(socket))
}

/// The streams of the same engine's containers.
#[must_use]
pub fn streams_at(socket: &Path) -> Arc<dyn Streams> {
    Arc::new(Docker::at(socket))
}

/// Why an agent ended without being told to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The part that runs tasks failed.
    #[error("cannot run tasks any more")]
    Driver(#[from] driver::Error),
    /// Another agent has taken the instance over.
    #[error("agent {0} has taken this instance over")]
    Superseded(String),
}

/// Runs an agent until `shutdown`. Its parts run side by side in this one future; the end of any of them is the end
/// of all.
///
/// # Errors
/// When a part of it failed, or another agent has taken the instance.
pub async fn run(
    settings: Settings,
    client: Client,
    engine: Arc<dyn Engine>,
    streams: Arc<dyn Streams>,
    metrics: Metrics,
    clock: Clock,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let mut heart = Heart::new(settings.heartbeat, client.clone(), clock);
    tokio::select! {
        () = shutdown.cancelled() => return Ok(()),
        () = heart.begin() => {}
    }
    let (sender, state) = watch::channel(EngineState::default());
    let (driver_asks, asks) = mpsc::channel(QUESTIONS);
    // One failed start is as good as many.
    let (bridge_doubts, doubts) = mpsc::channel(1);
    let relay = keeper::Relay {
        image: settings.driver.pause.clone(),
        instance: settings.identity.name.clone(),
    };
    let metadata = metadata::run(
        settings.metadata,
        relay,
        Arc::clone(&engine),
        streams,
        driver_asks,
        clock,
        &shutdown,
    );
    let helpers = Helpers::new(
        Arc::clone(&engine),
        settings.driver.pause.clone(),
        &settings.identity.name,
    );
    let (found, reach) = watch::channel(Reach::default());
    let address = settings.identity.address.clone();
    let surroundings = driver::Surroundings {
        reach: reach.clone(),
        helpers: helpers.clone(),
        client: client.clone(),
        engine: Arc::clone(&engine),
        state: state.clone(),
        metrics,
        asks,
        bridge_doubts,
    };
    let limiter = settings
        .driver
        .limits
        .clone()
        .map(limits::client::Client::at);
    let driver = Box::pin(driver::run(
        settings.driver,
        surroundings,
        clock,
        shutdown.clone(),
    ));
    let ended = tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        () = bridge::keep(helpers.clone(), doubts, sender.clone()) => Ok(()),
        () = engine::look_after(engine, settings.socket, limiter, sender) => Ok(()),
        () = reach::keep(helpers, address, state.clone(), found) => Ok(()),
        () = instance::keep_reported(settings.identity, client, (state, reach), clock) => Ok(()),
        other = heart.beat() => Err(Error::Superseded(other)),
        ended = driver => ended.map_err(Error::from),
        () = metadata => Ok(()),
    };
    heart.end().await;
    ended
}
