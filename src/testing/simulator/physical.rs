//! What must hold of the containers that really run, whatever is written about them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::agent::Agent;
use super::catalog::Catalog;
use super::invariants::{Birth, Invariants, Verdict, task_of};
use super::machine::Machine;
use super::objects::TaskObject;
use super::order::part_of;
use crate::domain::resources::Capacity;
use crate::domain::task::StopCode;

impl Invariants {
    /// Judges the start of a container on a machine.
    pub(super) fn started(
        &self,
        (at, name): (&str, &str),
        machines: &BTreeMap<String, Machine>,
        agent: &Agent,
        (capacity, catalog): (Capacity, &Catalog),
    ) -> Verdict {
        let Some(birth) = self.born.get(task_of(name)) else {
            return Err(format!("S14: {name} belongs to no task"));
        };
        if agent.refused.contains(&birth.task.uid) {
            return Err(format!(
                "S18: {name} was started though {at} refused its task"
            ));
        }
        let task = &birth.task;
        if task.instance != at {
            return Err(format!(
                "S4: {name} runs on {at}, but is bound to {}",
                task.instance
            ));
        }
        let known = self
            .tasks
            .get(&task.name)
            .filter(|known| known.uid == task.uid);
        if known.is_some_and(|known| known.is_stopped()) {
            return Err(format!("S9: {name} was started though its task is STOPPED"));
        }
        let Some(machine) = machines.get(at) else {
            return Ok(());
        };
        let live = machines.values().flat_map(|machine| &machine.live);
        if live.filter(|other| is_same(other, name)).count() > 1 {
            return Err(format!("S3: {name} lives twice"));
        }
        let here: BTreeSet<&str> = machine.live.iter().map(|name| task_of(name)).collect();
        let births = here.iter().filter_map(|id| self.born.get(*id));
        let memory: u32 = births
            .map(|birth| catalog.demand(&birth.task.service).memory)
            .sum();
        if memory > capacity.memory {
            return Err(format!(
                "S5: the tasks that live on {at} take {memory} MiB of {}",
                capacity.memory
            ));
        }
        self.bounds(&task.service_uid, machines)
    }

    /// S1, physically: the tasks that live, those out of reach aside, are no more than the newest of them was allowed.
    fn bounds(&self, service_uid: &str, machines: &BTreeMap<String, Machine>) -> Verdict {
        let live: BTreeSet<&str> = machines
            .values()
            .flat_map(|machine| machine.live.iter().map(|name| task_of(name)))
            .collect();
        let lost = |task: &TaskObject| {
            let known = self
                .tasks
                .get(&task.name)
                .filter(|known| known.uid == task.uid);
            known.is_none_or(|known| {
                known
                    .stop
                    .as_ref()
                    .is_some_and(|stop| stop.code == StopCode::TerminationNotice)
            })
        };
        let births: Vec<&Birth> = live
            .into_iter()
            .filter_map(|id| self.born.get(id))
            .filter(|birth| {
                birth.task.service_uid == service_uid && !birth.lost && !lost(&birth.task)
            })
            .collect();
        let newest = births.iter().max_by_key(|birth| birth.number);
        match newest.and_then(|newest| newest.upper) {
            Some(upper) if births.len() > upper => Err(format!(
                "S1: {} tasks of service {service_uid} live, upper bound {upper}",
                births.len()
            )),
            _ => Ok(()),
        }
    }
}

/// RUN: a silent agent on a node that works stops nothing.
pub(super) fn lost_with_reason(
    before: &TaskObject,
    after: &TaskObject,
    machines: &BTreeMap<String, Machine>,
    (now, waits): (Timestamp, bool),
) -> Verdict {
    let lost = before.stop.is_none()
        && after
            .stop
            .as_ref()
            .is_some_and(|stop| stop.code == StopCode::TerminationNotice);
    let Some(machine) = machines.get(&after.instance).filter(|_| lost) else {
        return Ok(());
    };
    if waits {
        let (name, instance) = (&after.name, &after.instance);
        return Err(format!("RUN: {name} does not wait for {instance}"));
    }
    if machine.was_broken(now) {
        return Ok(());
    }
    Err(format!(
        "RUN: {} was stopped as lost, but {} works",
        after.name, after.instance
    ))
}

/// The same container of the same task, whatever else their names say.
fn is_same(one: &str, other: &str) -> bool {
    task_of(one) == task_of(other) && part_of(one) == part_of(other)
}
