//! What the model API stores.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;

use crate::agent::step::TaskReport;
use crate::domain::liveness::Presence;
use crate::domain::resources::{Capacity, HostPort};
use crate::domain::service::{Breaker, Rollout, Scheduling, Wanted};
use crate::domain::task::{Stop, TaskState};

/// Name of an object; names of different kinds never meet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Instance(String),
    Revision(String, i64),
    Service(String),
    Task(String),
}

/// An object as it is stored, never changed in place.
#[derive(Debug, Clone)]
pub(super) enum Object {
    Instance(Rc<Instance>),
    Revision(Rc<Revision>),
    Service(Rc<Service>),
    Task(Rc<TaskObject>),
}

/// `ContainerInstance`: what the leader concluded of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Instance {
    pub(super) name: String,
    pub(super) capacity: Capacity,
    pub(super) presence: Presence,
}

/// `EcsServiceRevision`: what a deployment number stands for. Immutable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Revision {
    pub(super) service: String,
    pub(super) number: i64,
    /// Which version of the definition it runs.
    pub(super) version: u32,
}

/// `EcsService`, as people write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) desired: u32,
    pub(super) minimum: u32,
    pub(super) maximum: u32,
    /// Which version of the definition it is to run.
    pub(super) version: u32,
    pub(super) healthy_after: Duration,
}

impl Service {
    /// What the planner is told.
    pub(super) fn wanted(&self, deployment: i64) -> Wanted {
        Wanted {
            scheduling: Scheduling::default(),
            health_check_grace_period: Duration::ZERO,
            draining_waits_for_protected: false,
            deployed_at: None,
            desired: self.desired,
            minimum_healthy_percent: self.minimum,
            maximum_percent: self.maximum,
            healthy_after: self.healthy_after,
            deployment,
            rollout: Rollout::InProgress,
            breaker: Breaker::default(),
            completed_before: None,
        }
    }
}

/// `EcsTask`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TaskObject {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) service: String,
    pub(super) service_uid: String,
    pub(super) deployment: i64,
    pub(super) slot: i64,
    pub(super) attempt: i64,
    pub(super) version: u32,
    pub(super) instance: String,
    pub(super) dynamic_ports: Vec<HostPort>,
    pub(super) stop: Option<Stop>,
    pub(super) deleting: bool,
    pub(super) created_at: Timestamp,
    pub(super) status: TaskReport,
}

impl TaskObject {
    pub(super) const fn is_stopped(&self) -> bool {
        matches!(self.status.state, TaskState::Stopped)
    }

    pub(super) const fn is_ending(&self) -> bool {
        self.stop.is_some() || self.deleting
    }
}

/// What the controller knew when it wrote, so that the invariants judge it by that and not by what it could not know.
#[derive(Debug, Clone, Default)]
pub(super) struct Basis {
    /// Tasks that counted as healthy.
    pub(super) healthy: BTreeSet<String>,
    /// Tasks on lost or fenced instances.
    pub(super) out_of_reach: BTreeSet<String>,
    /// The bounds of the service as it was read.
    pub(super) lower: usize,
    pub(super) upper: usize,
    /// No other leader wrote at that time, or had written what this one had not seen.
    pub(super) certain: bool,
}
