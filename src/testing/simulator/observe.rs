//! From the model's objects to the domain's terms.

use std::collections::BTreeMap;

use super::controller::Cluster;
use super::objects::TaskObject;
use super::view::View;
use crate::domain::events;
use crate::domain::liveness::Presence;
use crate::domain::placement::{Group, Instance, ZONE};
use crate::domain::resources::Held;
use crate::domain::service::Ending;
use crate::domain::task::StopCode;

/// Two zones: machines take turns.
pub(super) fn zone_of(instance: &str) -> String {
    let even = instance.ends_with(['0', '2', '4']);
    if even { "a" } else { "b" }.to_owned()
}

pub(super) fn ending(task: &TaskObject) -> Ending {
    let told = task.stop.as_ref();
    if is_refused(task) {
        Ending::Refused
    } else if told.is_some_and(|stop| events::tells_of_failed_checks(&stop.reason)) {
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

/// The instances as the placer sees them.
pub(super) fn placeable(
    view: &View,
    verdict: &BTreeMap<String, Presence>,
    cluster: &Cluster<'_>,
    holds: impl Fn(&TaskObject) -> bool,
) -> Vec<Instance> {
    let mut instances: BTreeMap<&str, Instance> = view
        .instances()
        .map(|instance| {
            let offered = Instance {
                name: instance.name.clone(),
                active: !instance.draining,
                connected: verdict.get(&instance.name) == Some(&Presence::Connected),
                attributes: [(ZONE.to_owned(), instance.zone.clone())].into(),
                capacity: instance.capacity,
                held: Held::default(),
                ..Instance::default()
            };
            (instance.name.as_str(), offered)
        })
        .collect();
    let tasks = view.tasks().map(|(_, task)| task);
    for task in tasks.filter(|task| !task.is_stopped() && holds(task)) {
        let Some(instance) = instances.get_mut(task.instance.as_str()) else {
            continue;
        };
        let demand = cluster.catalog.demand(&task.service);
        let ports = task.dynamic_ports.iter().copied();
        instance.held.take(demand, ports);
        let group = Group::of_service("", &task.service);
        if task.is_ending() {
            instance.groups.add_ending(group);
        } else {
            instance.groups.add(group);
        }
    }
    instances.into_values().collect()
}
