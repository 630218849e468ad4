//! What the model API stores.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;

use super::traffic::Traffic;
use crate::agent::step::TaskReport;
use crate::domain::liveness::Presence;
use crate::domain::placement::Rules;
use crate::domain::resources::{Capacity, HostPort};
use crate::domain::service::{Breaker, Percents, Remembered, Rollout, Scheduling, Task, Wanted};
use crate::domain::task::{Stop, TaskState};

/// Name of an object; names of different kinds never meet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Instance(String),
    Revision(String, i64),
    Service(String),
    Task(String),
    /// Of nothing: it comes after all others.
    Last,
}

/// An object as it is stored, never changed in place.
#[derive(Debug, Clone)]
pub(super) enum Object {
    Instance(Rc<Instance>),
    Revision(Rc<Revision>),
    Service(Rc<Service>),
    Task(Rc<TaskObject>),
}

/// `ContainerInstance`: what people ask of one, and what the leader concluded of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Instance {
    pub(super) name: String,
    pub(super) capacity: Capacity,
    pub(super) zone: String,
    pub(super) draining: bool,
    pub(super) presence: Presence,
}

/// All of a service that starts a deployment when it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Content {
    /// Which version of the definition it runs.
    pub(super) version: u32,
    /// `forceNewDeployment`
    pub(super) force: u32,
}

/// `EcsServiceRevision`: what a deployment number stands for. Immutable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Revision {
    pub(super) service_uid: String,
    pub(super) number: i64,
    pub(super) content: Content,
}

/// `EcsService`: as people write it, and what is remembered of its deployments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) deleting: bool,
    /// One task on each instance, whatever `desired` says.
    pub(super) daemon: bool,
    /// Its zones are kept even.
    pub(super) rebalances: bool,
    pub(super) desired: u32,
    pub(super) percents: Percents,
    pub(super) content: Content,
    pub(super) healthy_after: Duration,
    pub(super) grace: Duration,
    pub(super) breaker: Breaker,
    pub(super) rules: Rc<Rules>,
    /// UIDs of the tasks that the slices of its target group list.
    pub(super) endpoints: BTreeSet<String>,
    pub(super) status: Status,
}

/// The part of a service's status that decisions rest on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Status {
    /// The newest first; older ones for as long as they have tasks.
    pub(super) deployments: Vec<Deployment>,
    pub(super) completed: Option<Record>,
    pub(super) failed: Option<Record>,
    pub(super) last_number: i64,
    /// Grows with every look, under a mistake of others.
    pub(super) looks: u64,
}

/// `deployments[]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Deployment {
    pub(super) number: i64,
    pub(super) content: Content,
    pub(super) rollout: Rollout,
    pub(super) begun_at: Timestamp,
    pub(super) failed_tasks: u32,
    pub(super) waiting_for: Option<String>,
    /// It was begun, and nobody has looked at it since.
    pub(super) fresh: bool,
}

/// What outlives a deployment's entry in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) number: i64,
    pub(super) content: Content,
}

impl Status {
    /// The newest deployment.
    pub(super) fn newest(&self) -> Option<&Deployment> {
        self.deployments.first()
    }

    /// What decides which deployment comes next.
    pub(super) fn remembered(&self) -> Remembered {
        Remembered {
            newest: self.newest().map(|newest| (newest.number, newest.rollout)),
            completed: self.completed.map(|record| record.number),
            failed: self.failed.map(|record| record.number),
        }
    }

    /// What a deployment that is remembered ran.
    pub(super) fn content_of(&self, number: i64) -> Option<Content> {
        let records = [self.failed, self.completed].into_iter().flatten();
        let listed = self.deployments.iter().map(|deployment| Record {
            number: deployment.number,
            content: deployment.content,
        });
        records
            .chain(listed)
            .find(|record| record.number == number)
            .map(|record| record.content)
    }
}

impl Service {
    /// What the planner is told of the newest deployment.
    pub(super) fn wanted(
        &self,
        (newest, before): (&Deployment, Option<Record>),
        (scheduling, tasks): (Scheduling, &[Task]),
        draining_waits_for_protected: bool,
    ) -> Wanted {
        Wanted {
            desired: scheduling.daemons(tasks).unwrap_or(self.desired),
            scheduling,
            health_check_grace_period: self.grace,
            draining_waits_for_protected,
            minimum_healthy_percent: self.percents.minimum_healthy,
            maximum_percent: self.percents.maximum,
            healthy_after: self.healthy_after,
            deployment: newest.number,
            deployed_at: Some(newest.begun_at),
            rollout: newest.rollout,
            breaker: self.breaker,
            completed_before: before.map(|record| record.number),
        }
    }
}

/// `EcsTask`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TaskObject {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) service: String,
    /// Empty where somebody else made it.
    pub(super) service_uid: String,
    pub(super) deployment: i64,
    pub(super) slot: i64,
    pub(super) attempt: i64,
    pub(super) version: u32,
    pub(super) instance: String,
    pub(super) dynamic_ports: Vec<HostPort>,
    /// Until when neither a scale-in nor a deployment may stop it.
    pub(super) protected_until: Option<Timestamp>,
    pub(super) stop: Option<Stop>,
    pub(super) deleting: bool,
    pub(super) created_at: Timestamp,
    /// What the leader says of its traffic.
    pub(super) traffic: Traffic,
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
/// Worked out by the simulator itself, from the objects alone.
#[derive(Debug, Clone)]
pub(super) struct Basis {
    /// The service as it was read.
    pub(super) service: Rc<Service>,
    /// Tasks that counted as healthy.
    pub(super) healthy: BTreeSet<String>,
    /// Tasks on lost or fenced instances.
    pub(super) out_of_reach: BTreeSet<String>,
    /// Tasks that only health checks, people and the loss of their instance may end.
    pub(super) protected: BTreeSet<String>,
    /// Tasks that are wanted: of a DAEMON service one for each instance that can take one, or has one.
    pub(super) desired: u32,
    /// Instances that took tasks; of a task that is started, when it was placed.
    pub(super) open: BTreeSet<String>,
    /// Failures of the newest deployment since one of its tasks was healthy for the last time.
    pub(super) failures: u32,
    /// No other leader wrote at that time, or had written what this one had not seen.
    pub(super) certain: bool,
}

impl Basis {
    /// Healthy tasks that a voluntary stop leaves.
    pub(super) fn lower(&self) -> usize {
        let percent = u64::from(self.service.percents.minimum_healthy);
        let exact = u64::from(self.desired) * percent;
        usize::try_from(exact.div_ceil(100)).unwrap_or(usize::MAX)
    }

    /// Tasks that a start does not exceed.
    pub(super) fn upper(&self) -> usize {
        let percent = u64::from(self.service.percents.maximum);
        let exact = u64::from(self.desired) * percent;
        usize::try_from(exact / 100).unwrap_or(usize::MAX)
    }
}
