//! From the model's objects to the domain's terms.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::catalog::Catalog;
use super::objects::TaskObject;
use super::view::View;
use crate::domain::events;
use crate::domain::liveness::Presence;
use crate::domain::placement::{Group, Instance};
use crate::domain::resources::Held;
use crate::domain::service::{Ending, Mark, ReplacedWhen, Task, Wanted};
use crate::domain::task::StopCode;

/// A task as the planner sees it.
pub(super) fn domain_task(task: &TaskObject, presence: Presence, catalog: &Catalog) -> Task {
    let told = task.status.stop.as_ref().or(task.stop.as_ref());
    Task {
        name: task.name.clone(),
        deployment: task.deployment,
        slot: task.slot,
        attempt: task.attempt,
        state: task.status.state,
        stopping: task.is_ending(),
        draining: false,
        target: None,
        marks: vec![Mark::Bucket(Some(task.instance.clone()))],
        protected_until: None,
        replaced_when: ReplacedWhen::Lost,
        checked: catalog
            .recipe(&task.service)
            .is_some_and(|recipe| recipe.checked),
        health: task.status.health,
        instance: task.instance.clone(),
        zone: None,
        presence,
        created_at: task.created_at,
        started_at: task.status.started_at,
        healthy_since: task.status.healthy_since,
        stopped_at: task.status.stopped_at,
        ending: ending(task),
        stop_code: told.map(|stop| stop.code),
    }
}

fn ending(task: &TaskObject) -> Ending {
    let told = task.stop.as_ref();
    if is_refused(task) {
        Ending::Refused
    } else if told.is_some_and(|stop| stop.reason == events::FAILED_HEALTH_CHECKS) {
        Ending::Unhealthy
    } else {
        Ending::AsCoded
    }
}

/// The instance would not have it, which says nothing about the task.
pub(super) fn is_refused(task: &TaskObject) -> bool {
    task.status.stop.as_ref().is_some_and(|stop| {
        stop.code == StopCode::TaskFailedToStart && stop.reason.starts_with(events::REFUSED)
    })
}

/// Names of the tasks that count as healthy.
pub(super) fn healthy(tasks: &[Task], wanted: &Wanted, now: Timestamp) -> BTreeSet<String> {
    let healthy = tasks
        .iter()
        .filter(|task| task.is_healthy(wanted.healthy_after, now));
    healthy.map(|task| task.name.clone()).collect()
}

/// The instances as the placer sees them.
pub(super) fn placeable(
    view: &View,
    verdict: &BTreeMap<String, Presence>,
    catalog: &Catalog,
    holds: impl Fn(&TaskObject) -> bool,
) -> Vec<Instance> {
    let mut instances: Vec<Instance> = view
        .instances()
        .map(|instance| Instance {
            name: instance.name.clone(),
            active: true,
            connected: verdict.get(&instance.name) == Some(&Presence::Connected),
            capacity: instance.capacity,
            held: Held::default(),
            ..Instance::default()
        })
        .collect();
    for (_, task) in view
        .tasks()
        .filter(|(_, task)| !task.is_stopped() && holds(task))
    {
        if let Some(instance) = instances
            .iter_mut()
            .find(|instance| instance.name == task.instance)
        {
            let demand = catalog.definition(&task.service, task.version).demand();
            instance
                .held
                .take(&demand, task.dynamic_ports.iter().copied());
            instance.groups.add(Group::of_service("", &task.service));
        }
    }
    instances
}

/// Names of the tasks that hold the highest attempt of a slot of a deployment that lives.
pub(super) fn attempts_kept(view: &View) -> BTreeSet<String> {
    let mut highest: BTreeMap<(&str, i64), (i64, &str)> = BTreeMap::new();
    for (_, task) in view.tasks() {
        let current = view
            .deployment(&task.service)
            .is_some_and(|newest| newest.number == task.deployment);
        if current {
            let best = highest
                .entry((&task.service, task.slot))
                .or_insert((task.attempt, &task.name));
            *best = (*best).max((task.attempt, &task.name));
        }
    }
    highest
        .into_values()
        .map(|(_, name)| name.to_owned())
        .collect()
}
