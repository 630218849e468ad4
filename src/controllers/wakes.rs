//! Who is to look when an object changes.

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt;

use super::cache::{Key, key_of};
use super::world::{Queues, World};
use crate::api::capacity_provider::CapacityProvider;
use crate::api::cluster::EcsCluster;
use crate::api::container_instance::ContainerInstance;
use crate::api::names;
use crate::api::parse;
use crate::api::service::{EcsService, EcsServiceRevision};
use crate::api::target_group::TargetGroup;
use crate::api::task::EcsTask;
use crate::api::task_definition::{TaskDefinition, TaskDefinitionRevision};
use crate::domain::ids::RevisionReference;

pub(super) fn on_cluster(world: &World, queues: &Queues, cluster: &EcsCluster) {
    let name = cluster.name_any();
    queues.clusters.add(key_of(cluster));
    queues.instances.add(key_of(cluster));
    queues.services.extend(services_where(world, |service| {
        service.cluster_name() == name
    }));
    queues.tasks.extend(unbound_tasks(world));
    queues
        .providers
        .extend(keys_where(&world.providers.all(), |provider| {
            provider.spec.cluster == name.as_str()
        }));
}

pub(super) fn on_provider(_: &World, queues: &Queues, provider: &CapacityProvider) {
    queues.providers.add(key_of(provider));
    queues
        .clusters
        .add((String::new(), provider.spec.cluster.to_string()));
}

pub(super) fn on_instance(world: &World, queues: &Queues, instance: &ContainerInstance) {
    queues.instances.add(key_of(instance));
    queues
        .clusters
        .add((String::new(), instance.spec.cluster.to_string()));
    let cluster = instance.spec.cluster.as_str();
    queues.services.extend(services_where(world, |service| {
        service.cluster_name() == cluster
    }));
    queues.tasks.extend(unbound_tasks(world));
}

pub(super) fn on_definition(world: &World, queues: &Queues, definition: &TaskDefinition) {
    queues.definitions.add(key_of(definition));
    queues
        .revisions
        .extend(revisions_of(world, &key_of(definition)));
    queues
        .services
        .extend(followers(world, &key_of(definition)));
}

pub(super) fn on_revision(world: &World, queues: &Queues, revision: &TaskDefinitionRevision) {
    let family = (
        revision.namespace().unwrap_or_default(),
        revision.spec.family.to_string(),
    );
    queues.revisions.add(key_of(revision));
    queues.services.extend(followers(world, &family));
    queues.definitions.add(family);
    queues.tasks.extend(unbound_tasks(world));
}

pub(super) fn on_service(_: &World, queues: &Queues, service: &EcsService) {
    queues.services.add(key_of(service));
    queues
        .clusters
        .add((String::new(), service.cluster_name().to_owned()));
    if let Ok(reference) = RevisionReference::parse(service.task_definition_text()) {
        queues
            .definitions
            .add((service.namespace().unwrap_or_default(), reference.family));
    }
}

pub(super) fn on_service_revision(_: &World, queues: &Queues, revision: &EcsServiceRevision) {
    queues.services.add((
        revision.namespace().unwrap_or_default(),
        revision.spec.service.to_string(),
    ));
}

/// A task that ended or went makes room: every service of its cluster may be waiting for it.
pub(super) fn on_task(world: &World, queues: &Queues, task: &EcsTask) {
    queues.tasks.add(key_of(task));
    queues.instances.add(key_of(task));
    let namespace = task.namespace().unwrap_or_default();
    if let Some(service) = task.service_name() {
        queues.services.add((namespace, service.to_owned()));
    }
    for group in task.target_groups() {
        queues
            .target_groups
            .add((task.namespace().unwrap_or_default(), group.to_owned()));
    }
    let cluster = task.cluster_name();
    queues.clusters.add((String::new(), cluster.to_owned()));
    if task.is_stopped() || task.metadata.deletion_timestamp.is_some() {
        queues.services.extend(services_where(world, |service| {
            service.cluster_name() == cluster && service.waits_for_room()
        }));
        queues.tasks.extend(unbound_tasks(world));
    }
}

pub(super) fn on_target_group(world: &World, queues: &Queues, group: &TargetGroup) {
    let key = key_of(group);
    queues.target_groups.add(key.clone());
    queues.services.extend(services_where(world, |service| {
        service.namespace().as_ref() == Some(&key.0) && names_group(service, &key.1)
    }));
}

/// The Service of a target group: somebody may have changed it.
pub(super) fn on_front(_: &World, queues: &Queues, front: &Service) {
    if let Some(group) = front.labels().get(names::TARGET_GROUP_LABEL) {
        let namespace = front.namespace().unwrap_or_default();
        queues.target_groups.add((namespace, group.clone()));
    }
}

/// Somebody may have changed it, or it is gone with its target group: tasks wait for that.
pub(super) fn on_slice(world: &World, queues: &Queues, slice: &EndpointSlice) {
    let namespace = slice.namespace().unwrap_or_default();
    if let Some(group) = slice.labels().get(names::TARGET_GROUP_LABEL) {
        queues.target_groups.add((namespace.clone(), group.clone()));
    }
    let endpoints = slice.endpoints.iter().flatten();
    let tasks = endpoints.filter_map(|endpoint| endpoint.target_ref.as_ref()?.name.clone());
    let keys = tasks.map(|task| (namespace.clone(), task));
    let waiting = keys.filter(|key| world.tasks.get(key).is_some_and(|task| task.is_stopping()));
    queues.tasks.extend(waiting);
}

fn names_group(service: &EcsService, group: &str) -> bool {
    let named = service.spec.load_balancers.iter().flatten();
    let mut named = named.filter_map(|named| named.target_group_arn.as_ref());
    named.any(|named| parse::target_group_name(named) == group)
}

pub(super) fn on_node(world: &World, queues: &Queues, node: &Node) {
    queues.instances.add(key_of(node));
    queues.target_groups.extend(all_groups(world));
    queues
        .clusters
        .extend(keys_where(&world.clusters.all(), |cluster| {
            cluster.spec.nodes.is_some()
        }));
}

pub(super) fn on_pod(world: &World, queues: &Queues, pod: &Pod) {
    queues.instances.add(key_of(pod));
    queues.target_groups.extend(all_groups(world));
    if let Some(provider) = pod.labels().get(names::CAPACITY_PROVIDER_LABEL) {
        queues.providers.add((String::new(), provider.clone()));
    }
}

pub(super) fn on_daemon_set(_: &World, queues: &Queues, daemon_set: &DaemonSet) {
    if let Some(cluster) = daemon_set.labels().get(names::CLUSTER_LABEL) {
        queues.clusters.add((String::new(), cluster.clone()));
    }
}

/// The host of some of their targets may have come or gone.
pub(super) fn all_groups(world: &World) -> Vec<Key> {
    keys_where(&world.target_groups.all(), |_| true)
}

fn services_where(world: &World, wanted: impl Fn(&EcsService) -> bool) -> Vec<Key> {
    keys_where(&world.services.all(), wanted)
}

/// Services that name a family, with or without a revision.
fn followers(world: &World, (namespace, family): &Key) -> Vec<Key> {
    services_where(world, |service| {
        service.namespace().as_ref() == Some(namespace)
            && RevisionReference::parse(service.task_definition_text())
                .is_ok_and(|named| named.family == *family)
    })
}

fn revisions_of(world: &World, (namespace, family): &Key) -> Vec<Key> {
    keys_where(&world.revisions.all(), |revision| {
        revision.namespace().as_ref() == Some(namespace) && revision.spec.family == family.as_str()
    })
}

fn unbound_tasks(world: &World) -> Vec<Key> {
    world
        .ledger
        .tasks(world, |tasks| tasks.unbound().cloned().collect())
}

fn keys_where<K: ResourceExt>(
    objects: &[std::sync::Arc<K>],
    wanted: impl Fn(&K) -> bool,
) -> Vec<Key> {
    objects
        .iter()
        .filter(|object| wanted(object))
        .map(|object| key_of(&**object))
        .collect()
}
