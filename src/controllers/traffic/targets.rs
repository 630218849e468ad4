//! The targets of a group: which tasks they are, what is known of each, and where they are reached.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use kube::ResourceExt;

use super::slices;
use crate::api::names;
use crate::api::target_group::TargetGroup;
use crate::api::task::{EcsTask, TargetHealth};
use crate::controllers::context::Context;
use crate::controllers::instance::{host_works, node_of, zone};
use crate::controllers::ledger::tasks_named;
use crate::domain::liveness::Presence;
use crate::domain::service::Target;
use crate::domain::traffic::{Endpoint, Facts, serves};

/// Tasks that are, or were, targets of a group: of services of its namespace, whatever their revision.
pub(super) fn tasks_of(context: &Context, group: &TargetGroup) -> Vec<Arc<EcsTask>> {
    let (namespace, name) = (group.namespace(), group.name_any());
    let world = &context.world;
    let services = world
        .services
        .select(|service| service.namespace() == namespace);
    let mut tasks = world.ledger.tasks(world, |tasks| {
        let uids = services.iter().filter_map(|service| service.uid());
        let named: Vec<_> = uids
            .flat_map(|uid| tasks.of_service(&uid).cloned().collect::<Vec<_>>())
            .collect();
        tasks_named(world, &named)
    });
    tasks.retain(|task| {
        task.namespace() == namespace && task.target_groups().any(|group| group == name)
    });
    tasks
}

/// What decides whether a task gets requests.
pub(super) fn facts(
    context: &Context,
    task: &EcsTask,
    presence: &BTreeMap<String, Presence>,
) -> Facts {
    let instance = task.instance().unwrap_or_default();
    let traffic = task.traffic();
    Facts {
        state: task.state(),
        stopping: task.is_stopping(),
        registered: traffic.registered_at.is_some(),
        deregistered: traffic.deregistered_at.is_some(),
        presence: context.presence_in(presence, instance),
        host_ready: host_works(context, instance),
    }
}

/// Where requests for the group are to go.
pub(super) fn endpoints(
    context: &Context,
    group: &TargetGroup,
    presence: &BTreeMap<String, Presence>,
) -> Vec<Endpoint> {
    let name = group.name_any();
    let tasks = tasks_of(context, group);
    let all = tasks.iter().flat_map(|task| {
        let facts = facts(context, task, presence);
        let instance = task.instance();
        let instance = instance.and_then(|instance| context.world.instance(instance));
        let (node, zone) = instance.map_or((None, None), |instance| {
            let zone = zone(&context.world, &instance);
            (node_of(context, &instance), zone)
        });
        let mine = task.targets().iter();
        let mine = mine.filter(|target| target.target_group.as_str() == name);
        let serving = mine.filter(|target| serves(facts, target.health.into()));
        let endpoints = serving.filter_map(|target| {
            Some(Endpoint {
                uid: task.uid()?,
                task: task.name_any(),
                address: reachable(target.address.as_ref()?)?,
                port: u16::try_from(target.host_port?).ok()?,
                node: node.clone(),
                zone: zone.clone(),
            })
        });
        endpoints.collect::<Vec<_>>()
    });
    all.collect()
}

/// An address that the API server takes for an endpoint's.
fn reachable(text: &str) -> Option<String> {
    let address: Ipv4Addr = text.parse().ok()?;
    let never = address.is_unspecified()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast();
    (!never).then(|| address.to_string())
}

/// Whether a slice of one of its target groups lists the task.
pub(super) fn is_listed(context: &Context, task: &EcsTask) -> bool {
    groups_listing(context, task) > 0
}

/// How many of its target groups send it requests.
fn groups_listing(context: &Context, task: &EcsTask) -> usize {
    let (namespace, uid) = (task.namespace(), task.uid().unwrap_or_default());
    let is_in = |group: &str| {
        let lists = context.world.slices.select(|slice| {
            slice.namespace() == namespace
                && slice
                    .labels()
                    .get(names::TARGET_GROUP_LABEL)
                    .is_some_and(|name| name == group)
                && slices::uids(slice).any(|listed| listed == uid)
        });
        !lists.is_empty()
    };
    task.target_groups().filter(|group| is_in(group)).count()
}

/// What the load balancers of a task say of it, and the group whose checks it fails; `None` where it has none. It is
/// healthy only once each of its groups sends it requests, so that nothing is taken away before it takes over.
pub(in crate::controllers) fn target_of(
    context: &Context,
    task: &EcsTask,
) -> Option<(Target, Option<String>)> {
    let groups = task.target_groups().count();
    if groups == 0 {
        return None;
    }
    let targets = || task.targets().iter();
    let failing = targets().find(|target| target.health == TargetHealth::Unhealthy);
    if let Some(failing) = failing {
        return Some((Target::Unhealthy, Some(failing.target_group.to_string())));
    }
    let all_serve = groups_listing(context, task) == groups;
    let state = if all_serve {
        Target::Healthy
    } else {
        Target::Initial
    };
    Some((state, None))
}
