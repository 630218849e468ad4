//! What the planner is told of tasks and instances: where daemon tasks belong, which zones are to be even, what drains.

use std::collections::{BTreeMap, BTreeSet};

use super::controller::Cluster;
use super::mutation::Mutation;
use super::objects::{Service, TaskObject};
use super::observe::{ending, placeable, zone_of};
use super::traffic;
use super::view::View;
use crate::api::cluster::DisconnectPolicy;
use crate::domain::ids;
use crate::domain::liveness::Presence;
use crate::domain::placement::{Group, Instance, Model, Request, Spread, Strategy, ZONE};
use crate::domain::resources::Demand;
use crate::domain::service::{DaemonInstance, Mark, ReplacedWhen, Scheduling, Target, Task};
use crate::domain::traffic::TargetState;

/// A task as the planner sees it.
pub(super) fn task(
    task: &TaskObject,
    service: &Service,
    (view, presence): (&View, Presence),
    cluster: &Cluster<'_>,
) -> Task {
    let policy = if cluster.mutation == Mutation::IgnorePolicy {
        DisconnectPolicy::Replace
    } else {
        cluster.policy.disconnect
    };
    let mut instances = view.instances();
    let drains = instances.any(|known| known.name == task.instance && known.draining);
    let told = task.status.stop.as_ref().or(task.stop.as_ref());
    let protects = cluster.mutation != Mutation::IgnoreProtection;
    Task {
        name: task.name.clone(),
        deployment: task.deployment,
        slot: task.slot,
        attempt: task.attempt,
        state: task.status.state,
        stopping: task.is_ending(),
        draining: drains && !(service.daemon && has_replicas(view, &task.instance)),
        target: cluster
            .catalog
            .is_balanced(&task.service)
            .then(|| target(task, service)),
        failing_group: None,
        marks: marks(task, service),
        protected_until: task.protected_until.filter(|_| protects),
        replaced_when: match policy {
            DisconnectPolicy::AtMostOnce => ReplacedWhen::Fenced,
            DisconnectPolicy::Replace | DisconnectPolicy::Wait => ReplacedWhen::Lost,
        },
        checked: cluster.catalog.is_checked(&task.service),
        health: task.status.health,
        instance: task.instance.clone(),
        zone: Some(zone_of(&task.instance)),
        presence: match (presence, policy) {
            (Presence::Lost, DisconnectPolicy::Wait) => Presence::Disconnected,
            (known, _) => known,
        },
        created_at: task.created_at,
        started_at: task.status.started_at,
        healthy_since: task.status.healthy_since,
        stopped_at: task.status.stopped_at,
        ending: ending(task),
        stop_code: told.map(|stop| stop.code),
    }
}

/// What its load balancers say of a task.
fn target(task: &TaskObject, service: &Service) -> Target {
    if traffic::states(task).contains(&TargetState::Unhealthy) {
        Target::Unhealthy
    } else if service.endpoints.contains(&task.uid) {
        Target::Healthy
    } else {
        Target::Initial
    }
}

fn marks(task: &TaskObject, service: &Service) -> Vec<Mark> {
    let zone = || Mark::Bucket(Some(zone_of(&task.instance)));
    let instance = || Mark::Bucket(Some(task.instance.clone()));
    let rules = service.rules.strategies.iter();
    let marks: Vec<Mark> = rules
        .map(|rule| match rule {
            Strategy::Spread(Spread::Instance) => instance(),
            Strategy::Spread(Spread::Attribute(_)) => zone(),
            // All instances have the same room.
            Strategy::Binpack(_) => Mark::Left(0),
            Strategy::Random => Mark::Drawn(ids::draw(&task.name)),
        })
        .collect();
    if marks.is_empty() {
        vec![zone(), instance()]
    } else {
        marks
    }
}

/// Tasks of other services leave an instance before daemon tasks do.
fn has_replicas(view: &View, instance: &str) -> bool {
    let daemons = daemon_uids(view);
    let mut tasks = view.tasks().map(|(_, task)| task);
    tasks.any(|task| {
        task.instance == instance
            && !task.is_stopped()
            && !task.service_uid.is_empty()
            && !daemons.contains(task.service_uid.as_str())
    })
}

fn daemon_uids(view: &View) -> BTreeSet<&str> {
    view.services()
        .filter(|(_, service)| service.daemon)
        .map(|(_, service)| service.uid.as_str())
        .collect()
}

/// How many tasks there are to be and where.
pub(super) fn scheduling(
    service: &Service,
    view: &View,
    verdict: &BTreeMap<String, Presence>,
    cluster: &Cluster<'_>,
) -> Scheduling {
    let even = service.rebalances && service.rules.put_zones_first();
    if !service.daemon && !even {
        return Scheduling::default();
    }
    let instances = suitable(placeable(view, verdict, cluster, |_| false), service);
    let instances = || instances.iter();
    let open = |instance: &Instance| instance.active && instance.connected;
    if service.daemon {
        let twice = cluster.mutation == Mutation::DaemonTwice;
        let daemons = instances().map(|instance| DaemonInstance {
            name: instance.name.clone(),
            slot: ids::daemon_slot(&instance.name),
            open: open(instance),
        });
        let again = instances()
            .filter(|_| twice)
            .map(|instance| DaemonInstance {
                name: instance.name.clone(),
                slot: ids::daemon_slot(&instance.name) + 1,
                open: open(instance),
            });
        return Scheduling::Daemon {
            instances: daemons.chain(again).collect(),
        };
    }
    let zones: BTreeSet<&String> = instances()
        .filter(|instance| open(instance))
        .filter_map(|instance| instance.attributes.get(ZONE))
        .collect();
    Scheduling::Replica {
        zones: zones.into_iter().cloned().collect(),
    }
}

/// The instances that meet the service's constraints.
fn suitable(instances: Vec<Instance>, service: &Service) -> Vec<Instance> {
    let request = Request {
        attributes: &BTreeSet::new(),
        demand: &Demand::default(),
        group: &Group::of_service("", &service.name),
        spread_group: None,
        constraints: service.rules.constraints.iter().collect(),
        strategies: &[],
        seed: "",
        excluded: &BTreeSet::new(),
        unusable: &BTreeMap::new(),
    };
    let model: Model = instances.into_iter().collect();
    model.eligible(&request).cloned().collect()
}

/// Counts the daemon tasks that are still to come as if they were there, so that others leave room for them.
pub(super) fn keep_room(instances: &mut [Instance], view: &View, cluster: &Cluster<'_>) {
    let daemons = view
        .services()
        .filter(|(_, service)| service.daemon && !service.deleting);
    for (_, service) in daemons {
        let demand = cluster.catalog.demand(&service.name);
        let has_one: BTreeSet<&str> = view
            .tasks()
            .filter(|(_, task)| task.service_uid == service.uid && !task.is_stopped())
            .map(|(_, task)| task.instance.as_str())
            .collect();
        let suitable = suitable(instances.to_vec(), service);
        let to_come: BTreeSet<&str> = suitable
            .iter()
            .map(|instance| instance.name.as_str())
            .filter(|name| !has_one.contains(name))
            .collect();
        for instance in instances.iter_mut() {
            if to_come.contains(instance.name.as_str()) {
                instance.held.take(demand, []);
            }
        }
    }
}
