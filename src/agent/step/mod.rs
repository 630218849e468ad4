//! The next calls for one task, and what to report of it: a pure function of what is wanted, what the engine showed,
//! what is under way, what was reported last, and the time.
//!
//! # Guarantees
//! A container that ran is never started again. A task is STOPPED only when every container was seen not to live.
//! Reports only move forward, and STOPPED never changes. An engine that cannot be asked ends nothing.
//!
//! # Caveats
//! An agent that is killed while the engine hangs in a start may, after its own restart, send that start a second
//! time; if the container ran and ended in between, Docker would run it twice. The first start's deadline makes this
//! rare, and no call of Docker's can exclude it.

mod known;
mod report;
mod volumes;

use std::collections::BTreeMap;

use jiff::Timestamp;

pub use known::{Call, Known, Outcome, Seen};
pub use report::{ContainerReport, ContainerStatus, TaskReport};
pub use volumes::{VolumeCall, VolumeOrder, VolumeOutcome, Volumes};

use super::wanted::Wanted;
use crate::api::cluster::ImagePullBehavior;
use crate::domain::definition::{Container, DEFAULT_STOP_TIMEOUT};
use crate::domain::events;
use crate::domain::task::{Stop, StopCode, TaskState};
use crate::runtime::ContainerState;

/// What ECS says of a task that never got to run; its containers say why.
pub const FAILED_TO_START: &str = "Task failed to start";
const VANISHED: &str = "ContainerVanishedError: No container matching saved ID found";

/// How the containers of a task stand, by name in the definition.
pub type Containers = BTreeMap<String, Known>;

/// A call to make for one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Name of the container in the definition.
    pub container: String,
    /// What to do.
    pub call: Call,
}

/// The next calls, and what is to be known of the task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// At most one for each container, and none for one that has a call under way.
    pub orders: Vec<Order>,
    /// Complete; equal to the last one when nothing is new.
    pub report: TaskReport,
}

/// Why a task's containers stay with the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// The task is there, or was until lately: its ended containers can be read.
    #[default]
    Ended,
    /// The task is gone, or too old: nothing of it stays.
    Nothing,
}

/// Decides the next step of a task.
#[must_use]
pub fn step(
    wanted: &Wanted,
    containers: &Containers,
    volumes: &Volumes,
    last: &TaskReport,
    keep: Keep,
    now: Timestamp,
) -> Step {
    let mut report = last.clone();
    if report.state < TaskState::Stopped {
        observe(&mut report, wanted, containers, volumes);
        report.created_at.get_or_insert(now);
        advance(&mut report, wanted, containers, now);
    }
    let orders =
        if report.stop.is_some() || report.state == TaskState::Stopped || keep == Keep::Nothing {
            put_down(wanted, containers, keep, now)
        } else {
            bring_up(wanted, containers, volumes, &report, now)
        };
    if report.pull_started_at.is_none() && orders.iter().any(|order| order.call == Call::Pull) {
        report.pull_started_at = Some(now);
    }
    Step { orders, report }
}

/// Takes what the engine showed into the report.
fn observe(report: &mut TaskReport, wanted: &Wanted, containers: &Containers, volumes: &Volumes) {
    for container in &wanted.definition.containers {
        if let Some(obstacle) = obstacle(report, wanted, container, volumes) {
            report.end_container(&container.name, Some(obstacle));
        }
        let entry = report.entry(container);
        let Some(known) = containers.get(&container.name) else {
            continue;
        };
        if let Some(digest) = known.image.as_ref().and_then(|image| image.digest.as_ref()) {
            entry.image_digest = Some(digest.clone());
        }
        if entry.status == ContainerStatus::Stopped {
            continue;
        }
        match &known.seen {
            Seen::Present(view) => entry.observe(view, container.health_check.is_some()),
            Seen::Absent { looks } if *looks >= 2 && entry.runtime_id.is_some() => {
                let was_removed_by_us =
                    entry.status == ContainerStatus::Pending && report.stop.is_some();
                let reason = (!was_removed_by_us).then(|| VANISHED.to_owned());
                report.end_container(&container.name, reason);
            }
            Seen::Absent { .. } | Seen::Unknown => {}
        }
        if let Some(failure) = &known.failure {
            report.end_container(&container.name, Some(failure.clone()));
        }
    }
}

/// Why a container that was never created can never be.
fn obstacle(
    report: &TaskReport,
    wanted: &Wanted,
    container: &Container,
    volumes: &Volumes,
) -> Option<String> {
    if report.exists(&container.name) || report.is_stopped(&container.name) {
        return None;
    }
    let never = |name: &str| report.is_stopped(name) && !report.exists(name);
    let mut sources = container.volumes_from.iter();
    let missing = sources.find(|from| never(&from.container)).map(|from| {
        format!(
            "CannotCreateContainerError: its volumes come from container {}, which could not be created",
            from.container
        )
    });
    missing.or_else(|| volumes.failure(wanted, container).map(str::to_owned))
}

/// Moves the task itself forward.
fn advance(report: &mut TaskReport, wanted: &Wanted, containers: &Containers, now: Timestamp) {
    let definition = &wanted.definition.containers;
    let images_ready = |name: &String| {
        containers
            .get(name)
            .is_some_and(|known| known.image.is_some())
    };
    if report.pull_started_at.is_some()
        && definition
            .iter()
            .all(|container| images_ready(&container.name))
    {
        report.pull_stopped_at.get_or_insert(now);
    }
    let all_started = !definition.is_empty()
        && definition
            .iter()
            .all(|container| report.has_run_its_part(container));
    if all_started && report.started_at.is_none() {
        let starts = definition
            .iter()
            .filter_map(|container| containers.get(&container.name)?.view()?.started_at);
        report.started_at = Some(starts.max().unwrap_or(now));
    }
    report.judge_health(wanted, now);
    if report.stop.is_none()
        && let Some(stop) = reason_to_end(report, wanted)
    {
        report.stop = Some(stop);
        report.stopping_at.get_or_insert(now);
    }
    if report.execution_stopped_at.is_none() {
        let ended = definition
            .iter()
            .filter(|container| container.essential && report.is_stopped(&container.name));
        let finish = |name: &String| {
            containers
                .get(name)
                .and_then(|known| known.view()?.finished_at)
        };
        report.execution_stopped_at = ended
            .map(|container| finish(&container.name).unwrap_or(now))
            .min();
    }
    let state = if report.stop.is_none() {
        if all_started && report.started_at.is_some() {
            TaskState::Running
        } else {
            TaskState::Pending
        }
    } else if containers.values().all(Known::is_down) {
        report.finish(now);
        TaskState::Stopped
    } else {
        TaskState::Stopping
    };
    report.state = report.state.max(state);
}

/// Why the task is to end, if it is: what people or the controller decided goes first.
fn reason_to_end(report: &TaskReport, wanted: &Wanted) -> Option<Stop> {
    if let Some(stop) = &wanted.end {
        return Some(stop.clone());
    }
    if let Some(reason) = &wanted.refusal {
        return Some(Stop {
            code: StopCode::TaskFailedToStart,
            reason: reason.clone(),
        });
    }
    // ECS ends a task for an image it cannot pull, essential or not, unless a cached image would have done.
    let strict = matches!(
        wanted.pull,
        ImagePullBehavior::Always | ImagePullBehavior::Once
    );
    let ended = wanted.definition.containers.iter().find(|container| {
        report.is_stopped(&container.name)
            && (container.essential || (strict && report.failed_to_pull(&container.name)))
    })?;
    if report.started_at.is_some() || report.has_exit_code(&ended.name) {
        return Some(Stop {
            code: StopCode::EssentialContainerExited,
            reason: events::ESSENTIAL_EXITED.to_owned(),
        });
    }
    Some(Stop {
        code: StopCode::TaskFailedToStart,
        reason: FAILED_TO_START.to_owned(),
    })
}

/// Calls that bring containers up.
fn bring_up(
    wanted: &Wanted,
    containers: &Containers,
    volumes: &Volumes,
    report: &TaskReport,
    now: Timestamp,
) -> Vec<Order> {
    let exists = |name: &str| {
        containers
            .get(name)
            .is_some_and(|known| known.view().is_some())
    };
    let mut orders = Vec::new();
    for container in &wanted.definition.containers {
        let Some(known) = containers
            .get(&container.name)
            .filter(|known| known.is_free(now))
        else {
            continue;
        };
        if report.is_stopped(&container.name) {
            continue;
        }
        let call = match &known.seen {
            Seen::Unknown => Call::Inspect,
            // It was there: a second look decides whether it has vanished.
            Seen::Absent { .. } if report.exists(&container.name) => Call::Inspect,
            Seen::Absent { .. } if known.image.is_none() => Call::Pull,
            Seen::Absent { .. } if !volumes.are_ready(wanted, container) => continue,
            Seen::Absent { .. } => {
                let mut sources = container.volumes_from.iter();
                if !sources.all(|from| exists(&from.container)) {
                    continue;
                }
                Call::Create
            }
            Seen::Present(view) if view.state == ContainerState::Created => Call::Start,
            Seen::Present(view)
                if matches!(
                    view.state,
                    ContainerState::Removing | ContainerState::Unknown
                ) =>
            {
                Call::Inspect
            }
            Seen::Present(_) => continue,
        };
        orders.push(Order {
            container: container.name.clone(),
            call,
        });
    }
    orders
}

/// Calls that end whatever lives, and remove what may not stay.
fn put_down(wanted: &Wanted, containers: &Containers, keep: Keep, now: Timestamp) -> Vec<Order> {
    let mut orders = Vec::new();
    for (name, known) in containers.iter().filter(|(_, known)| known.is_free(now)) {
        let call = match &known.seen {
            Seen::Unknown => Call::Inspect,
            Seen::Absent { .. } => continue,
            Seen::Present(view) => match view.state {
                ContainerState::Removing => Call::Inspect,
                // A start may still be under way in the engine: a container that is removed can't be started.
                ContainerState::Created if view.error.is_none() || keep == Keep::Nothing => {
                    Call::Remove
                }
                ContainerState::Exited | ContainerState::Dead if keep == Keep::Nothing => {
                    Call::Remove
                }
                ContainerState::Created | ContainerState::Exited | ContainerState::Dead => continue,
                ContainerState::Running
                | ContainerState::Paused
                | ContainerState::Restarting
                | ContainerState::Unknown => {
                    let grace = wanted
                        .container(name)
                        .map_or(DEFAULT_STOP_TIMEOUT, Container::stop_timeout);
                    if known.stops == 0 {
                        Call::Stop { grace }
                    } else {
                        Call::Kill
                    }
                }
            },
        };
        orders.push(Order {
            container: name.clone(),
            call,
        });
    }
    orders
}

#[cfg(test)]
mod tests;
