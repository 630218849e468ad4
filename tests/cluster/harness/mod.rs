//! What every test stands on: a turn on the cluster, a namespace of its own, the recorder, and waits that tell what they saw.

pub(crate) mod audit;
pub(crate) mod engine;
pub(crate) mod fixtures;
mod foreign;
pub(crate) mod http;
mod install;
mod lives;
pub(crate) mod load;
mod look;
pub(crate) mod machine;
pub(crate) mod peer;
mod person;
pub(crate) mod processes;
mod recorder;
pub(crate) mod restore;
mod scene;
pub(crate) mod single;
pub(crate) mod tokens;
mod turns;

use std::time::Duration;

use ecs_operator::platform::clock::Clock;
use jiff::Timestamp;

pub(crate) use fixtures::service;
pub(crate) use install::RELEASE;
pub(crate) use lives::Life;
pub(crate) use look::{Running, address};
pub(crate) use person::Person;
pub(crate) use scene::{Scene, beside_all_others, beside_others, on_the_cluster};

/// Long enough for what takes a moment, on a busy machine.
pub(crate) const SOON: Duration = Duration::from_mins(1);
/// Long enough for what waits for timers of Kubernetes or of the product.
pub(crate) const LATER: Duration = Duration::from_mins(4);

/// The time as Docker sees it: one machine, one clock.
pub(crate) fn now() -> Timestamp {
    Clock::system().now()
}
