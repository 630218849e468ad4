//! A task of a service as the scheduler sees it, and what follows from that.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Mark, Wanted};
use crate::domain::events;
use crate::domain::liveness::Presence;
use crate::domain::task::{Health, StopCode, TaskState};

/// One task of a service, as it was observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Name of the object.
    pub name: String,
    /// Deployment that it was started for.
    pub deployment: i64,
    /// Which of the deployment's places it takes.
    pub slot: i64,
    /// How many tasks were tried in that place, this one included.
    pub attempt: i64,
    /// Its state as last reported.
    pub state: TaskState,
    /// It was told to stop, or its object is being deleted.
    pub stopping: bool,
    /// Whether an essential container has a health check.
    pub checked: bool,
    /// Its health as last reported.
    pub health: Health,
    /// What the load balancers of its service say of it; `None` where it has none.
    pub target: Option<Target>,
    /// The target group whose health checks it fails.
    pub failing_group: Option<String>,
    /// Name of its instance.
    pub instance: String,
    /// Availability zone of its instance.
    pub zone: Option<String>,
    /// What the service's placement strategy sees of its place, a mark for each rule.
    pub marks: Vec<Mark>,
    /// Until when neither a scale-in nor a deployment may stop it.
    pub protected_until: Option<Timestamp>,
    /// What is known of its instance.
    pub presence: Presence,
    /// When it is replaced should its instance be lost.
    pub replaced_when: ReplacedWhen,
    /// Its instance sheds its tasks: it is to run elsewhere.
    pub draining: bool,
    /// When its object was created.
    pub created_at: Timestamp,
    /// When it reached RUNNING.
    pub started_at: Option<Timestamp>,
    /// Since when its health check passes without a break, or did until it ended.
    pub healthy_since: Option<Timestamp>,
    /// When it reached STOPPED.
    pub stopped_at: Option<Timestamp>,
    /// Why it ended.
    pub stop_code: Option<StopCode>,
    /// What its end says of it.
    pub ending: Ending,
}

/// What a task's load balancers say of it (`healthStatus` of a target).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// It is being registered, or its first checks are going on.
    Initial,
    /// All of them send it requests.
    Healthy,
    /// Its health checks fail.
    Unhealthy,
}

/// What it takes for a task of a lost instance to be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReplacedWhen {
    /// That the instance is lost, although containers may still run there.
    #[default]
    Lost,
    /// That nothing of it can run any more.
    Fenced,
}

/// What the end of a task says of the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Ending {
    /// What its stop code says.
    #[default]
    AsCoded,
    /// Nothing: its instance would not start it, and another instance is tried.
    Refused,
    /// The scheduler told it to stop because its health check failed.
    Unhealthy,
}

impl Task {
    /// Containers of it may live on an instance that can be reached: it takes part in the upper bound.
    pub fn is_live(&self) -> bool {
        self.state != TaskState::Stopped
            && !(self.presence == Presence::Lost
                && self.stopping
                && self.replaced_when == ReplacedWhen::Lost)
            && self.presence != Presence::Fenced
    }

    /// It takes part in the upper bound, and its instance is not lost.
    pub(super) fn takes_room(&self) -> bool {
        self.is_live()
            && (self.presence != Presence::Lost || self.replaced_when == ReplacedWhen::Fenced)
    }

    /// Its instance is lost, and it is not to be replaced before that is fenced.
    pub(super) fn awaits_fence(&self) -> bool {
        self.is_live()
            && self.presence == Presence::Lost
            && self.replaced_when == ReplacedWhen::Fenced
    }

    /// It is as it should be: of the wanted deployment, on an instance that it may stay on.
    pub(super) fn is_current(&self, wanted: &Wanted) -> bool {
        self.deployment == wanted.deployment && !self.draining
    }

    /// It is wanted: neither ended, nor ending, nor out of reach.
    pub fn is_active(&self) -> bool {
        self.is_live()
            && !self.stopping
            && !self.is_out_of_reach()
            && self.state < TaskState::Deactivating
    }

    /// Its containers have been started.
    pub fn is_running(&self) -> bool {
        self.is_active() && self.state == TaskState::Running
    }

    /// It counts towards the lower bound (ECS API Reference, minimumHealthyPercent): all checks that it has pass, and one
    /// without any has run for a while.
    pub fn is_healthy(&self, healthy_after: Duration, now: Timestamp) -> bool {
        self.is_running() && self.passes(healthy_after, now)
    }

    fn passes(&self, healthy_after: Duration, now: Timestamp) -> bool {
        match (self.checked, self.target) {
            (false, None) => self
                .proven_at(healthy_after)
                .is_some_and(|proven| proven <= now),
            (checked, target) => {
                (!checked || self.health == Health::Healthy)
                    && target.is_none_or(|target| target == Target::Healthy)
            }
        }
    }

    /// A check of it fails.
    pub fn is_unhealthy(&self) -> bool {
        self.is_running()
            && ((self.checked && self.health == Health::Unhealthy)
                || self.target == Some(Target::Unhealthy))
    }

    /// Which of its checks fails, in ECS's words: its containers' own before those of its target groups.
    pub(super) fn failed_check(&self) -> String {
        match &self.failing_group {
            Some(group) if !(self.checked && self.health == Health::Unhealthy) => {
                events::failed_target_health_checks(group)
            }
            Some(_) | None => events::FAILED_HEALTH_CHECKS.to_owned(),
        }
    }

    /// A check of it fails, and the grace period after its start is over.
    pub(super) fn is_unfit(&self, wanted: &Wanted, now: Timestamp) -> bool {
        self.is_unhealthy() && self.forgiven_until(wanted).is_none_or(|until| until <= now)
    }

    /// The end of the time in which failed checks do not count.
    pub(super) fn forgiven_until(&self, wanted: &Wanted) -> Option<Timestamp> {
        after(self.started_at?, wanted.health_check_grace_period)
    }

    /// No scale-in and no deployment may stop it now.
    pub fn is_protected(&self, now: Timestamp) -> bool {
        self.protected_until.is_some_and(|until| until > now)
    }

    /// No check says anything of it but that it runs.
    pub(super) const fn is_unchecked(&self) -> bool {
        !self.checked && self.target.is_none()
    }

    /// When a task without a check counts as healthy.
    pub(super) fn proven_at(&self, healthy_after: Duration) -> Option<Timestamp> {
        after(self.started_at?, healthy_after)
    }

    /// When it came to count as healthy, if it did before it ended.
    pub(super) fn proved_at(&self, healthy_after: Duration, now: Timestamp) -> Option<Timestamp> {
        let proved = if self.is_unchecked() {
            self.proven_at(healthy_after)
        } else {
            let healthy = self.is_healthy(healthy_after, now);
            let first = if healthy { self.started_at } else { None };
            self.healthy_since.or(first)
        };
        proved.filter(|at| *at <= self.stopped_at.unwrap_or(now))
    }

    pub(super) fn is_out_of_reach(&self) -> bool {
        matches!(self.presence, Presence::Lost | Presence::Fenced)
    }
}

fn after(start: Timestamp, time: Duration) -> Option<Timestamp> {
    start.checked_add(SignedDuration::try_from(time).ok()?).ok()
}
