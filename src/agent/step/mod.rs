//! The next calls for one task, and what to report of it: a pure function of what is wanted, what the engine showed,
//! what is under way, what was reported last, and the time.
//!
//! # Guarantees
//! A container that ran is started again only by its restart policy: once for each end that the policy answers, and
//! never once its task is to end. Containers come up in the order of their dependencies and go down in the reverse. A
//! task is STOPPED only when every container was seen not to live. Reports only move forward, and STOPPED never
//! changes. An engine that cannot be asked ends nothing. While a request may still come to a task, nothing of it is told
//! to end, unless it dies by itself.
//!
//! # Caveats
//! An agent that is killed while the engine hangs in a start may, after its own restart, send that start a second
//! time; if the container ran and ended in between, Docker would run it twice. The first start's deadline makes this
//! rare, and no call of Docker's can exclude it. A restart that hangs and whose agent is killed may come after its task
//! was reported STOPPED; the next look stops it.

mod call;
mod ending;
mod health;
mod known;
mod order;
mod pulling;
mod report;
mod starting;
mod supplying;
mod traffic;
mod volumes;
mod withdrawal;

use std::collections::BTreeMap;

use jiff::Timestamp;

pub use call::{Call, Outcome};
pub use known::{Known, Seen};
pub use report::{ContainerReport, ContainerStatus, TaskReport};
pub use traffic::{GroupFound, Reach, TargetTraffic, Traffic};
pub use volumes::{VolumeCall, VolumeOrder, VolumeOutcome, Volumes};

use ending::{end, put_down};
use order::Gate;
use withdrawal::withdrawal;

use super::wanted::Wanted;
use crate::api::cluster::ImagePullBehavior;
use crate::domain::definition::NetworkMode;
use crate::domain::definition::namespaces::PAUSE;
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
    /// When to decide again although nothing happened.
    pub wake: Option<Timestamp>,
    /// It ends as soon as no connection to it is open, so somebody has to look at them.
    pub looks_at_connections: bool,
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
    traffic: &Traffic,
    last: &TaskReport,
    keep: Keep,
    now: Timestamp,
) -> Step {
    let mut report = last.clone();
    if report.state < TaskState::Stopped {
        observe(&mut report, wanted, (containers, volumes), now);
        report.created_at.get_or_insert(now);
        advance(&mut report, wanted, (containers, volumes, traffic), now);
    }
    let held = withdrawal(wanted, &report, traffic, now);
    let mut orders =
        if report.stop.is_some() || report.state == TaskState::Stopped || keep == Keep::Nothing {
            put_down(wanted, containers, keep, now)
        } else {
            bring_up(wanted, containers, volumes, &report, now)
        };
    let wake = match &held {
        // Nothing is told to end while a request may still come.
        Some(held) => {
            orders.retain(|order| !matches!(order.call, Call::Stop { .. } | Call::Kill));
            Some(held.wake)
        }
        None if report.stop.is_none() => earliest(
            order::wake(wanted, &report, now),
            health::wake(wanted, containers, now),
        ),
        None => None,
    };
    if report.pull_started_at.is_none() && orders.iter().any(|order| order.call == Call::Pull) {
        report.pull_started_at = Some(now);
    }
    Step {
        orders,
        report,
        wake,
        looks_at_connections: held.is_some_and(|held| held.ends_without_connections),
    }
}

/// The earlier of two times, where there are two.
fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}

/// Takes what the engine showed into the report.
fn observe(
    report: &mut TaskReport,
    wanted: &Wanted,
    (containers, volumes): (&Containers, &Volumes),
    now: Timestamp,
) {
    let is_to_end = report.stop.is_some() || reason_to_end(report, wanted).is_some();
    for container in &wanted.definition.containers {
        if let Some(obstacle) = volumes.obstacle(report, wanted, container) {
            report.end_container(&container.name, Some(obstacle), None);
        }
        let exists = report.exists(&container.name);
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
        // What ran before and could not be started again is looked at first, for its exit code.
        let is_known = known.seen != Seen::Unknown || entry.started_at.is_none();
        if entry.runtime_id.is_none() {
            entry.reason.clone_from(&known.note);
        }
        match &known.seen {
            Seen::Present(view) => {
                let is_overdue = known.is_overdue(container, now);
                entry.observe(view, container, is_to_end, is_overdue);
            }
            Seen::Absent { looks } if *looks >= 2 && exists => {
                let was_removed_by_us =
                    entry.status == ContainerStatus::Pending && report.stop.is_some();
                let reason = (!was_removed_by_us).then(|| VANISHED.to_owned());
                report.end_container(&container.name, reason, None);
            }
            Seen::Absent { .. } | Seen::Unknown => {}
        }
        if let Some(failure) = known.failure.as_ref().filter(|_| is_known) {
            let exit_code = known.view().and_then(|view| view.exit_code);
            report.end_container(&container.name, Some(failure.clone()), exit_code);
        }
    }
    if wanted.definition.network_mode == NetworkMode::Awsvpc
        && let Some(pause) = containers.get(PAUSE).and_then(Known::view)
    {
        report.share_network(wanted, pause);
    }
}

/// Moves the task itself forward.
fn advance(
    report: &mut TaskReport,
    wanted: &Wanted,
    (containers, volumes, traffic): (&Containers, &Volumes, &Traffic),
    now: Timestamp,
) {
    if report.stop.is_none() {
        order::end_those_who_wait_for_nothing(report, wanted, now);
    }
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
        // What waits for its restart has ended for good now.
        observe(report, wanted, (containers, volumes), now);
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
    } else if withdrawal(wanted, report, traffic, now).is_some() {
        TaskState::Deactivating
    } else {
        TaskState::Stopping
    };
    report.state = report.state.max(state);
    report.judge_targets(wanted, traffic, now);
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
    let why = report
        .container(&ended.name)
        .and_then(|container| container.reason.as_deref());
    // It says nothing of the task, which is placed elsewhere.
    if why.is_some_and(events::tells_of_a_missing_bridge) {
        return Some(Stop {
            code: StopCode::TaskFailedToStart,
            reason: events::NO_BRIDGE.to_owned(),
        });
    }
    // Nobody sees the pause container, so that the task has to say why it failed.
    let why = why.filter(|_| ended.is_pause());
    Some(Stop {
        code: StopCode::TaskFailedToStart,
        reason: why.map_or_else(
            || FAILED_TO_START.to_owned(),
            |why| {
                let arn = wanted.arn();
                format!("ResourceInitializationError: resource cannot be initialized for task {arn}: {why}")
            },
        ),
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
        let name = &container.name;
        let call = match &known.seen {
            // It was given up, and may not come back to life.
            _ if report.is_stopped(name) => match end(known, container.stop_timeout()) {
                Some(call) => call,
                None => continue,
            },
            Seen::Unknown => Call::Inspect,
            // It was there: a second look decides whether it has vanished.
            Seen::Absent { .. } if report.exists(name) => Call::Inspect,
            Seen::Absent { .. } if known.supply.is_none() && wanted.needs_supply(container) => {
                Call::Supply
            }
            // Images come at once, whatever their containers wait for.
            Seen::Absent { .. } if known.image.is_none() => Call::Pull,
            Seen::Absent { .. } if !volumes.are_ready(wanted, container) => continue,
            Seen::Absent { .. } => {
                let mut sources = container.volumes_from.iter();
                let has_sources = sources.all(|from| exists(&from.container));
                match order::gate(container, wanted, report, now) {
                    Gate::Open if has_sources => Call::Create,
                    Gate::Open | Gate::Closed { .. } | Gate::Shut(_) => continue,
                }
            }
            Seen::Present(view) => match view.state {
                // That it ended and is not reported as stopped is the word of its restart policy.
                ContainerState::Created | ContainerState::Exited => Call::Start,
                ContainerState::Removing | ContainerState::Unknown => Call::Inspect,
                ContainerState::Running
                | ContainerState::Paused
                | ContainerState::Restarting
                | ContainerState::Dead => continue,
            },
        };
        orders.push(Order {
            container: container.name.clone(),
            call,
        });
    }
    orders
}

#[cfg(test)]
mod tests;
