//! Traffic: who gets requests, and how a task that got some is ended without losing one.
//!
//! The stop handshake has two sides. The controller takes a task's endpoints away and then writes
//! `status.traffic.deregisteredAt`. The agent sends SIGTERM only once it has seen that, and after it either the
//! deregistration delay has passed, or [`PROPAGATION`] has and no connection to the task is open. A task that was never
//! registered (`registeredAt` absent when `deregisteredAt` is there) ends at once. Where no controller answers, the agent
//! waits for [`PATIENCE`] and then does as if it had.

pub mod check;
mod serving;
mod slices;

use std::time::Duration;

pub use serving::{Attend, Facts, TargetState, attend, serves};
pub use slices::{Change, Endpoint, LARGEST_SLICE, Slice, arrange};

/// Time after which every node has certainly taken up that an endpoint is gone; new connections may come until then.
pub const PROPAGATION: Duration = Duration::from_secs(5);

/// How long an agent waits for a controller to take endpoints away: several times what a change of leader takes.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Deregistration delay of a target group that names none, in seconds (Elastic Load Balancing's
/// `deregistration_delay.timeout_seconds`).
pub const DEREGISTRATION_DELAY: i32 = 300;

/// Deregistration delay of the target groups behind names of `serviceRegistries` and `serviceConnectConfiguration`, in
/// seconds: as long as cluster DNS answers may be kept.
pub const DISCOVERY_DELAY: i32 = 30;
