//! Mistakes about decisions: what goes into the domain's functions, or comes out of them, is changed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::mutation::Mutation;
use super::objects::Content;
use crate::agent::step::{Call, Order};
use crate::agent::task::Task as Held;
use crate::agent::wanted::Wanted as Told;
use crate::domain::definition::RestartPolicy;
use crate::domain::events;
use crate::domain::liveness::Presence;
use crate::domain::service::{Cause, Ending, Plan, Start, StopTask, Task, Wanted};
use crate::domain::task::{Stop, StopCode, TaskState};

/// What is concluded of the instances.
pub(super) fn verdict(mutation: Mutation, verdict: &mut BTreeMap<String, Presence>) {
    if mutation == Mutation::SilentIsLost {
        let silent = verdict
            .values_mut()
            .filter(|presence| **presence == Presence::Disconnected);
        silent.for_each(|presence| *presence = Presence::Lost);
    }
}

/// What the planner is told.
pub(super) fn input(
    mutation: Mutation,
    wanted: &mut Wanted,
    tasks: &mut Vec<Task>,
    leads_since: Timestamp,
) {
    let is = |other| mutation == other;
    if is(Mutation::OneTooMany) {
        wanted.desired += 1;
    }
    if is(Mutation::LowerBoundRoundsDown) {
        let lower = wanted.desired * wanted.minimum_healthy_percent / 100;
        let percent = (lower * 100).checked_div(wanted.desired);
        wanted.minimum_healthy_percent = percent.unwrap_or(0);
    }
    if is(Mutation::StoppingIsStopped) {
        tasks.retain(|task| !task.stopping || task.state == TaskState::Stopped);
    }
    for task in tasks {
        if is(Mutation::NoThrottle) && task.started_at.is_none() {
            task.stopped_at = None;
        }
        if is(Mutation::CountLostInstances) && task.stop_code == Some(StopCode::TerminationNotice) {
            task.stop_code = Some(StopCode::EssentialContainerExited);
        }
        if is(Mutation::CountRefusals) && task.ending == Ending::Refused {
            task.ending = Ending::AsCoded;
        }
        if is(Mutation::ForgetFailures) && task.stopped_at.is_some_and(|at| at < leads_since) {
            task.ending = Ending::Refused;
        }
    }
}

/// What the planner said.
pub(super) fn plan(mutation: Mutation, plan: &mut Plan, tasks: &[Task]) {
    if mutation == Mutation::DrainAtOnce {
        let shed = tasks
            .iter()
            .filter(|task| task.draining && task.is_active());
        plan.stops.extend(shed.map(|task| StopTask {
            name: task.name.clone(),
            stop: Stop {
                code: StopCode::ServiceSchedulerInitiated,
                reason: events::scaling_activity(""),
            },
            cause: Cause::Replaced,
        }));
    }
    if mutation == Mutation::LeaveUnstarted {
        let runs = |name: &str| {
            let mut tasks = tasks.iter();
            tasks.any(|task| task.name == name && task.state >= TaskState::Running)
        };
        plan.stops.retain(|stop| runs(&stop.name));
    }
}

/// Which tasks are started for which deployments: those of the newest one first, then those of the completed one.
pub(super) fn starts(mutation: Mutation, starts: &mut [(i64, Content, Vec<Start>)]) {
    if mutation == Mutation::ReplaceByWhatFailed
        && let [newest, before] = starts
    {
        newest.2.append(&mut before.2);
    }
}

/// What an agent is told of a task.
pub(super) fn definition(mutation: Mutation, told: &mut Told) {
    let is = |other| mutation == other;
    for container in &mut told.definition.containers {
        if is(Mutation::StartInNoOrder) {
            container.depends_on.clear();
        }
        if is(Mutation::EssentialIsNot) {
            container.essential = container.name == "app";
        }
        if is(Mutation::AlwaysStartAgain) {
            container.restart_policy = Some(RestartPolicy {
                ignored_exit_codes: BTreeSet::new(),
                attempt_period: Duration::ZERO,
            });
        }
    }
}

/// What an agent calls for.
pub(super) fn orders(mutation: Mutation, task: &Held, orders: &mut Vec<Order>) {
    let begins = orders
        .iter()
        .find(|order| matches!(order.call, Call::Stop { .. }));
    let Some(call) = begins.map(|order| order.call) else {
        return;
    };
    if mutation == Mutation::StopInNoOrder && task.report().stop.is_some() {
        let all = task.views().map(|(container, _)| container.to_owned());
        *orders = all.map(|container| Order { container, call }).collect();
    }
}
