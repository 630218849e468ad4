//! Between the decision that a registered task ends and its first signal: requests stop first.
//!
//! # Expected flow
//! Somebody decides that the task ends. The controller takes its endpoints away and writes `deregisteredAt`. From then the
//! deregistration delay runs; it ends early once no connection to the task is open, but not before every node has
//! certainly heard of the withdrawal. Then come the signals.
//!
//! # Guarantees
//! It is decided from what stands in the API, so that an agent that was restarted in between goes on with the same wait.
//! Every wait has an end: of a controller that does not answer for [`PATIENCE`] it is believed that it never will.
//! A task that dies by itself does not wait, and neither does one that never got requests.
//!
//! # Assumptions
//! The controller's clock may be wrong: a withdrawal is no earlier than the decision to end the task, and no later than
//! this process heard of it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::traffic::Traffic;
use super::{TaskReport, Wanted};
use crate::domain::resources::Protocol;
use crate::domain::task::TaskState;
use crate::domain::traffic::{PATIENCE, PROPAGATION};

/// Nothing of the task is told to end before this is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Withdrawal {
    /// When it ends whatever happens.
    pub(super) until: Timestamp,
    /// It ends now if no connection is open, so look at them.
    pub(super) ends_without_connections: bool,
    /// When to decide again although nothing happened.
    pub(super) wake: Timestamp,
}

/// What holds the signals of a task back that is to end, if anything does.
pub(super) fn withdrawal(
    wanted: &Wanted,
    report: &TaskReport,
    traffic: &Traffic,
    now: Timestamp,
) -> Option<Withdrawal> {
    let stopping_at = report.stopping_at?;
    let is_told_to_end = wanted.end.is_some() && report.started_at.is_some();
    let has_died = wanted
        .definition
        .containers
        .iter()
        .any(|container| container.essential && report.is_stopped(&container.name));
    if wanted.targets.is_empty()
        || !is_told_to_end
        || has_died
        || report.state > TaskState::Deactivating
    {
        return None;
    }
    let (begin, delay) = match &traffic.withdrawn {
        // It never had an endpoint.
        Some(withdrawn) if traffic.registered_at.is_none() && withdrawn.is_told => return None,
        Some(withdrawn) => {
            let begin = withdrawn.at.max(stopping_at).min(withdrawn.seen_at);
            (begin, withdrawn.delay)
        }
        None => {
            let patience = after(stopping_at, PATIENCE);
            if now < patience {
                return Some(Withdrawal {
                    until: patience,
                    ends_without_connections: false,
                    wake: patience,
                });
            }
            (patience, traffic.longest_delay())
        }
    };
    let heard = after(begin, PROPAGATION);
    let until = after(begin, delay).max(heard);
    if until <= now {
        return None;
    }
    let by_connections = wanted
        .targets
        .iter()
        .all(|target| target.protocol == Protocol::Tcp);
    let ends_without_connections = by_connections && heard <= now;
    if ends_without_connections && traffic.has_no_connections {
        return None;
    }
    Some(Withdrawal {
        until,
        ends_without_connections,
        wake: if heard > now { heard } else { until },
    })
}

fn after(begin: Timestamp, time: Duration) -> Timestamp {
    let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
    begin.saturating_add(time).unwrap_or(Timestamp::MAX)
}
