//! One EcsTask in the driver's book: its object, the task made of it, and what was written of it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;

use super::leases::Lease;
use super::metadata::Protecting;
use super::traffic::Looking;
use crate::agent::status;
use crate::agent::task::Task;
use crate::api::task::{EcsTask, EcsTaskStatus, TargetHealth, TaskTarget};
use crate::domain::task::TaskState;

/// States that are told only when they last, so that a quick start or stop costs one write.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// A task of this instance, from the first time it is heard of until nothing of it is left.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// The newest object; none of a task that is gone.
    pub(super) object: Option<Arc<EcsTask>>,
    /// Once its definition is known, or not needed.
    pub(super) task: Option<Task>,
    /// The images that it needs, until it is down.
    pub(super) lease: Option<Lease>,
    /// What stands in the API, as far as we know.
    written: Option<EcsTaskStatus>,
    /// A write is under way.
    pub(super) writing: bool,
    /// Since when there is something to write.
    since: Option<Duration>,
    /// Who looks at its connections.
    pub(super) looking: Option<Looking>,
    /// Who waits until a protection stands in the API.
    pub(super) protecting: Vec<Protecting>,
    /// Writes in a row that failed, and when to try again.
    failed: Option<(u32, Duration)>,
}

impl Entry {
    /// Takes in a newer object. Says whether anything in it concerns the agent.
    pub(super) fn apply(&mut self, object: EcsTask) {
        let status = object.status.as_ref();
        if self.written.is_none() {
            self.written = status.map(normal);
        }
        // Somebody else closed the task: the controller, for an instance that it gave up.
        let declared = status.filter(|_| object.is_stopped());
        if let (Some(task), Some(declared)) = (&mut self.task, declared)
            && task.report().state < TaskState::Stopped
        {
            task.declared_stopped(status::read(declared));
            self.written = Some(normal(declared));
        }
        self.failed = None;
        self.object = Some(Arc::new(object));
    }

    /// The status to write now, if there is one. Who waits to start is told of after `patience`.
    pub(super) fn due(
        &mut self,
        address: Option<&str>,
        patience: Duration,
        now: Duration,
    ) -> Option<EcsTaskStatus> {
        let task = self.task.as_ref().filter(|_| self.object.is_some())?;
        let mut wanted = status::write(task.report(), &task.wanted().arn(), address);
        let is_over = task.report().state == TaskState::Stopped && task.is_discarded();
        if is_over && self.is_being_deleted() {
            wanted.conditions = vec![status::containers_removed(task.report())];
        }
        if self.written.as_ref() == Some(&wanted) {
            self.since = None;
            return None;
        }
        let since = *self.since.get_or_insert(now);
        let loses_a_target = self.written.as_ref().is_some_and(|written| {
            let mut targets = written.targets.iter().zip(wanted.targets.iter());
            targets.any(|(before, now)| is_healthy(before) && !is_healthy(now))
        });
        let wait = if loses_a_target {
            Duration::ZERO
        } else {
            wait(task.report().state, patience)
        };
        let due = since + wait;
        let due = self.failed.map_or(due, |(_, at)| due.max(at));
        (!self.writing && due <= now).then_some(wanted)
    }

    /// The object waits only for our word that nothing of it is left.
    fn is_being_deleted(&self) -> bool {
        self.object
            .as_ref()
            .is_some_and(|object| object.metadata.deletion_timestamp.is_some())
    }

    /// When a write will be due, for the same `patience`.
    pub(super) fn wake(&self, patience: Duration) -> Option<Duration> {
        let can_write = self.object.is_some() && !self.writing;
        let since = self.since.filter(|_| can_write)?;
        let due = since + wait(self.task.as_ref()?.report().state, patience);
        Some(self.failed.map_or(due, |(_, at)| due.max(at)))
    }

    /// Whether it has not come to run yet.
    pub(super) fn is_starting(&self) -> bool {
        let task = self.task.as_ref();
        task.is_some_and(|task| task.report().state == TaskState::Pending)
    }

    /// A write was accepted.
    pub(super) fn wrote(&mut self, status: EcsTaskStatus) {
        self.writing = false;
        self.since = None;
        self.failed = None;
        self.written = Some(status);
    }

    /// A write failed.
    pub(super) fn failed(&mut self, now: Duration) -> Duration {
        self.writing = false;
        let count = self.failed.map_or(0, |(count, _)| count).saturating_add(1);
        let pause = FIRST_RETRY
            .saturating_mul(1 << (count - 1).min(6))
            .min(LONGEST_RETRY);
        self.failed = Some((count, now + pause));
        pause
    }

    /// Whether the API knows that the task is STOPPED.
    pub(super) fn is_accepted_as_stopped(&self) -> bool {
        let written = self.written.as_ref().and_then(|status| status.last_status);
        written.is_some_and(|status| TaskState::from(status) == TaskState::Stopped)
    }

    /// When it stopped, for keeping the newest.
    pub(super) fn stopped_at(&self) -> Option<Timestamp> {
        self.task.as_ref().and_then(|task| task.report().stopped_at)
    }

    /// Whether it was running when it was last told of.
    pub(super) fn was_started(&self) -> bool {
        self.written
            .as_ref()
            .is_some_and(|status| status.started_at.is_some())
    }

    /// For logs.
    pub(super) fn name(&self) -> String {
        self.object
            .as_ref()
            .map(|object| {
                format!(
                    "{}/{}",
                    object.namespace().unwrap_or_default(),
                    object.name_any()
                )
            })
            .unwrap_or_default()
    }
}

/// How long a state lasts before it is told.
const fn wait(state: TaskState, patience: Duration) -> Duration {
    match state {
        TaskState::Pending => patience,
        TaskState::Stopping => PATIENCE,
        TaskState::Provisioning
        | TaskState::Activating
        | TaskState::Running
        | TaskState::Deactivating
        | TaskState::Deprovisioning
        | TaskState::Stopped => Duration::ZERO,
    }
}

/// Whether requests are sent to it.
fn is_healthy(target: &TaskTarget) -> bool {
    target.health == TargetHealth::Healthy
}

/// A status as we would write it, so that it can be compared with what we would write.
fn normal(told: &EcsTaskStatus) -> EcsTaskStatus {
    let arn = told.task_arn.as_deref().map_or("", String::as_str);
    status::write(
        &status::read(told),
        arn,
        told.container_instance_address
            .as_deref()
            .map(String::as_str),
    )
}
