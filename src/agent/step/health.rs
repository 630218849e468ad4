//! Health checks that come to no result: engines are known to forget or to hang in them, and what waits for a result
//! would wait for ever.
//!
//! # Caveats
//! The time counts from the first look of this agent. An engine that restarts begins its checks anew, and so does the
//! time.

use jiff::{SignedDuration, Timestamp};

use super::{Known, earliest};
use crate::agent::wanted::Wanted;
use crate::domain::definition::{Container, HealthCheck};
use crate::domain::task::Health;

/// Why a container without a result is UNHEALTHY.
pub(super) const NO_RESULT: &str = "HealthCheckTimeoutError: the engine has come to no result of the health check in twice the time that its startPeriod, interval, timeout and retries allow";

/// A container that runs and is neither healthy nor unhealthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Undecided {
    /// Which of its starts.
    started_at: Option<Timestamp>,
    /// When that was seen first.
    since: Timestamp,
}

impl Known {
    /// Takes in whether a look shows a result.
    pub(super) fn look_for_result(&mut self, now: Timestamp) {
        let waiting = self
            .view()
            .filter(|view| view.state.is_live() && view.health == Health::Unknown)
            .map(|view| view.started_at);
        self.undecided = waiting.map(|started_at| {
            let same = self.undecided.filter(|it| it.started_at == started_at);
            // A clock that was set back begins anew.
            same.filter(|it| it.since <= now).unwrap_or(Undecided {
                started_at,
                since: now,
            })
        });
    }

    /// Whether a result is overdue.
    pub(super) fn is_overdue(&self, container: &Container, now: Timestamp) -> bool {
        self.overdue_at(container).is_some_and(|at| at <= now)
    }

    fn overdue_at(&self, container: &Container) -> Option<Timestamp> {
        let check = container.health_check.as_ref()?;
        let limit = SignedDuration::try_from(HealthCheck::overdue_after(check));
        let since = self.undecided?.since;
        since
            .saturating_add(limit.unwrap_or(SignedDuration::MAX))
            .ok()
    }
}

/// When the next result will be overdue.
pub(super) fn wake(
    wanted: &Wanted,
    containers: &super::Containers,
    now: Timestamp,
) -> Option<Timestamp> {
    let times = wanted.definition.containers.iter().map(|container| {
        let at = containers.get(&container.name)?.overdue_at(container)?;
        (at > now).then_some(at)
    });
    times.fold(None, earliest)
}
