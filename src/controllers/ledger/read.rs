//! What an object says of an instance's room: the offer of a ContainerInstance, the entry of a task.

use std::collections::BTreeMap;

use kube::ResourceExt;

use super::shared::Shared;
use crate::api::bounded::Str;
use crate::api::container_instance::ContainerInstance;
use crate::api::task::EcsTask;
use crate::controllers::instance::{claim, drains, instance_type, zone};
use crate::controllers::placing::chosen_ports;
use crate::controllers::world::World;
use crate::domain::fleet::{Entry, Offer};
use crate::domain::ids::{self, RevisionReference};
use crate::domain::liveness::Presence;
use crate::domain::placement::{Group, Holding, Instance, ZONE};
use crate::domain::resources::{Capacity, Demand};
use crate::domain::task::TaskState;

/// Attribute with the kind of machine that an instance is.
const INSTANCE_TYPE: &str = "ecs.instance-type";

/// What many tasks have in common is kept once.
#[derive(Debug, Default)]
pub(super) struct Common {
    texts: Shared<str>,
    groups: Shared<Group>,
    demands: Shared<Demand>,
}

/// A task holds its resources until it is STOPPED. One whose revision is gone still holds its ports.
pub(super) fn entry(world: &World, task: &EcsTask, common: &mut Common) -> Entry {
    let stopped = task.is_stopped();
    let definition = || world.parsed.of_task(world, task);
    let mut holding = || Holding {
        demand: common
            .demands
            .of(definition().map_or_else(Demand::default, |it| it.demand())),
        ports: chosen_ports(task).collect(),
        group: common.groups.of(task.placement_group()),
        spread_group: task.spread_group().map(|group| common.groups.of(group)),
        running: task.state() >= TaskState::Running,
        ending: task.is_stopping(),
    };
    let instance = task.instance();
    let holding = instance.filter(|_| !stopped).map(|_| holding());
    let mut text = |text: &str| common.texts.of(text);
    Entry {
        service: task.service().map(|service| text(&service.uid)),
        revision: (
            text(&task.namespace().unwrap_or_default()),
            text(&revision_object(task)),
        ),
        instance: instance.map(text),
        holding,
        stopped,
    }
}

/// Name of the object with what a task runs; empty where it names no single revision.
fn revision_object(task: &EcsTask) -> String {
    let named = RevisionReference::parse(task.revision_name()).ok();
    named
        .and_then(|named| Some(ids::revision_object(&named.family, named.revision?)))
        .unwrap_or_default()
}

/// What an instance offers now.
pub(super) fn offer(
    world: &World,
    instance: &ContainerInstance,
    presence: &BTreeMap<String, Presence>,
) -> Offer {
    Offer {
        cluster: instance.spec.cluster.to_string(),
        claim: claim(instance),
        instance: offered(world, instance, presence),
    }
}

fn offered(
    world: &World,
    instance: &ContainerInstance,
    presence: &BTreeMap<String, Presence>,
) -> Instance {
    let name = instance.name_any();
    let report = instance
        .status
        .as_ref()
        .and_then(|status| status.agent.as_ref());
    let ready = report
        .and_then(|report| report.engine.as_ref())
        .is_some_and(|engine| engine.ready);
    let resources = report
        .and_then(|report| report.registered_resources)
        .unwrap_or_default();
    Instance {
        active: drains(world, instance).is_none() && instance.metadata.deletion_timestamp.is_none(),
        connected: ready && presence.get(&name) == Some(&Presence::Connected),
        agent_version: report.map_or_else(String::new, |report| report.agent_version.to_string()),
        registered_at: report
            .and_then(|report| report.registered_at.as_ref())
            .map(|time| time.0),
        attributes: attributes(world, instance),
        capacity: Capacity {
            cpu: resources.cpu,
            memory: resources.memory,
            pids: resources.pids,
            gpus: resources.gpus,
        },
        name,
        ..Instance::default()
    }
}

/// What the agent found, what the node says, and over both what people set (`PutAttributes`).
fn attributes(world: &World, instance: &ContainerInstance) -> BTreeMap<String, String> {
    let report = instance
        .status
        .as_ref()
        .and_then(|status| status.agent.as_ref());
    let text = |(name, value): (&String, &Str<128>)| (name.clone(), value.to_string());
    let mut attributes: BTreeMap<String, String> = report
        .iter()
        .flat_map(|report| &report.attributes)
        .map(text)
        .collect();
    let kind = instance_type(world, instance).map(|kind| (INSTANCE_TYPE, kind));
    let zone = zone(world, instance).map(|zone| (ZONE, zone));
    let told = kind.into_iter().chain(zone);
    attributes.extend(told.map(|(name, value)| (name.to_owned(), value)));
    attributes.extend(instance.spec.attributes.iter().map(text));
    attributes
}
