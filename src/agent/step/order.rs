//! In which order containers come up and go down: `dependsOn` at the start, its reverse at the end.
//!
//! # Guarantees
//! A container is created only once all that it waits for has come so far. It is not stopped while one lives that waits
//! for it. Nobody waits for what cannot come any more: who does is ended with the reason, and so are those who wait
//! for that one. A wait that stays is for a container that comes up or runs.
//!
//! # Caveats
//! As in ECS a container without `startTimeout` may take as long as it likes to complete or to become healthy.

use jiff::{SignedDuration, Timestamp};

use super::report::{ContainerReport, ContainerStatus};
use super::{Containers, TaskReport, earliest};
use crate::agent::wanted::Wanted;
use crate::domain::definition::{Condition, Container};
use crate::domain::task::Health;

/// Whether a container may be created.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// It may.
    Open,
    /// Not yet.
    Closed {
        /// When the wait has been too long.
        until: Option<Timestamp>,
    },
    /// Never, for this reason.
    Shut(String),
}

/// Whether all that `container` waits for has come so far.
pub(super) fn gate(
    container: &Container,
    wanted: &Wanted,
    report: &TaskReport,
    now: Timestamp,
) -> Gate {
    let mut gate = Gate::Open;
    for (name, condition) in container.dependencies() {
        let one = match (wanted.container(name), report.container(name)) {
            (Some(other), Some(told)) => reached(other, told, condition, now),
            // Definitions are checked for it; a wait for nobody would have no end.
            _ => Err("does not exist".to_owned()),
        };
        gate = match (gate, one) {
            (_, Err(why)) => {
                return Gate::Shut(format!(
                    "TaskDependencyError: Task dependencies cannot be resolved, taskArn: {}: waits for {} of container {name}, which {why}",
                    wanted.arn(),
                    condition.as_str()
                ));
            }
            (gate, Ok(Gate::Open)) => gate,
            (Gate::Closed { until: first }, Ok(Gate::Closed { until })) => Gate::Closed {
                until: earliest(first, until),
            },
            (_, Ok(closed)) => closed,
        };
    }
    gate
}

/// Whether `other` has come so far, or why it never will.
fn reached(
    other: &Container,
    told: &ContainerReport,
    condition: Condition,
    now: Timestamp,
) -> Result<Gate, String> {
    match (told.status, condition) {
        (ContainerStatus::Pending, _) => Ok(Gate::Closed { until: None }),
        (ContainerStatus::Running, Condition::Start) => Ok(Gate::Open),
        (ContainerStatus::Running, Condition::Healthy) if told.health == Health::Healthy => {
            Ok(Gate::Open)
        }
        (
            ContainerStatus::Running,
            Condition::Complete | Condition::Success | Condition::Healthy,
        ) => {
            let (Some(limit), Some(started)) = (other.start_timeout, told.started_at) else {
                return Ok(Gate::Closed { until: None });
            };
            let limit = SignedDuration::try_from(limit).unwrap_or(SignedDuration::MAX);
            let until = started.saturating_add(limit).unwrap_or(Timestamp::MAX);
            if until <= now {
                return Err(format!(
                    "was not there within its startTimeout of {} s",
                    limit.as_secs()
                ));
            }
            Ok(Gate::Closed { until: Some(until) })
        }
        (ContainerStatus::Stopped, _) => match (told.exit_code, condition) {
            (None, _) => Err("could not be started".to_owned()),
            (Some(_), Condition::Start | Condition::Complete) | (Some(0), Condition::Success) => {
                Ok(Gate::Open)
            }
            (Some(code), Condition::Success | Condition::Healthy) => {
                Err(format!("ended with exit code {code}"))
            }
        },
    }
}

/// Ends the containers that wait for what cannot come any more. Each end may end others.
pub(super) fn end_those_who_wait_for_nothing(
    report: &mut TaskReport,
    wanted: &Wanted,
    now: Timestamp,
) {
    let shut = |report: &TaskReport| {
        let mut waiting = waiting(wanted, report);
        waiting.find_map(|container| match gate(container, wanted, report, now) {
            Gate::Shut(why) => Some((container.name.clone(), why)),
            Gate::Open | Gate::Closed { .. } => None,
        })
    };
    while let Some((name, why)) = shut(report) {
        report.end_container(&name, Some(why), None);
    }
}

/// When a wait will have been too long.
pub(super) fn wake(wanted: &Wanted, report: &TaskReport, now: Timestamp) -> Option<Timestamp> {
    let times =
        waiting(wanted, report).map(|container| match gate(container, wanted, report, now) {
            Gate::Closed { until } => until,
            Gate::Open | Gate::Shut(_) => None,
        });
    times.fold(None, earliest)
}

/// Containers that nobody has created yet.
fn waiting<'a>(wanted: &'a Wanted, report: &'a TaskReport) -> impl Iterator<Item = &'a Container> {
    let all = wanted.definition.containers.iter();
    all.filter(|container| !report.is_stopped(&container.name) && !report.exists(&container.name))
}

/// Whether a container may be stopped: nothing lives, or may come to live, that waits for it.
pub(super) fn may_end(name: &str, wanted: &Wanted, containers: &Containers) -> bool {
    let mut all = wanted.definition.containers.iter();
    all.all(|other| {
        !other.depends_on(name)
            || containers
                .get(&other.name)
                .is_none_or(super::Known::is_down)
    })
}
