//! The room that a cluster's instances have now, from what is known and what was just decided.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::context::Context;
use super::instance::{borrowers, drains, instance_type, zone};
use crate::api::bounded::{List, Str};
use crate::api::container_instance::ContainerInstance;
use crate::api::parse;
use crate::api::task::{self, EcsTask, StopCode};
use crate::domain::definition::TaskDefinition;
use crate::domain::liveness::Presence;
use crate::domain::placement::{
    Explanation, Group, Instance, Placement, Request, Rules, ZONE, is_eligible, place,
};
use crate::domain::resources::{Capacity, Demand, HostPort};
use crate::domain::service::Place;
use crate::domain::task::TaskState;

/// How long an instance that refused a task, or a port that could not be bound, is passed over.
const PASSED_OVER: SignedDuration = SignedDuration::from_secs(60);

/// Attribute with the kind of machine that an instance is.
const INSTANCE_TYPE: &str = "ecs.instance-type";

/// The instances of one cluster, as the placer sees them.
pub(super) struct Room {
    instances: Vec<Instance>,
}

impl Room {
    /// Looks at the instances and at all tasks that hold something of them. To be called while holding
    /// [`Context::placing`].
    pub(super) async fn observe(context: &Context, cluster: &str) -> Self {
        Self::of(context, cluster, &context.presence().await)
    }

    /// As [`Self::observe`], with what is known of the instances' presence.
    pub(super) fn of(
        context: &Context,
        cluster: &str,
        presence: &BTreeMap<String, Presence>,
    ) -> Self {
        let borrowers = borrowers(context);
        let mut instances: BTreeMap<String, Instance> = context
            .world
            .instances
            .all()
            .into_iter()
            .filter(|instance| instance.spec.cluster == cluster)
            .filter(|instance| !borrowers.contains_key(&instance.name_any()))
            .map(|instance| (instance.name_any(), offered(context, &instance, presence)))
            .collect();
        for task in context.world.tasks.all() {
            let Some(instance) = task.instance().and_then(|name| instances.get_mut(name)) else {
                continue;
            };
            if !task.is_stopped() {
                hold(context, instance, &task);
            }
        }
        Self {
            instances: instances.into_values().collect(),
        }
    }

    /// Places one task and counts it.
    ///
    /// # Errors
    /// Says for each instance why it was not suitable.
    pub(super) fn place(
        &mut self,
        wish: &Wish<'_>,
        at: &Place,
        seed: &str,
        history: &History,
    ) -> Result<Placement, Explanation> {
        wish.request(seed, history, |request| match at {
            Place::Anywhere => place(&mut self.instances, request),
            Place::Instance(name) => {
                let found = self.instances.iter_mut().find(|known| known.name == *name);
                place(
                    found.map_or(&mut [], |found| std::slice::from_mut(found)),
                    request,
                )
            }
            Place::Zone(zone) => {
                let elsewhere = self
                    .instances
                    .iter()
                    .filter(|instance| instance.attributes.get(ZONE) != Some(zone))
                    .map(|instance| instance.name.clone());
                let excluded = elsewhere.chain(request.excluded.iter().cloned()).collect();
                let within = Request {
                    excluded: &excluded,
                    ..request.clone()
                };
                place(&mut self.instances, &within)
            }
        })
    }

    /// Instances on which such tasks may run, whatever they hold now.
    pub(super) fn eligible(&self, wish: &Wish<'_>) -> Vec<&Instance> {
        wish.request("", &History::default(), |request| {
            let instances = self.instances.iter();
            instances
                .filter(|instance| is_eligible(instance, request))
                .collect()
        })
    }

    /// Keeps room for one such task on each of these instances.
    pub(super) fn keep(&mut self, names: &[String], demand: &Demand) {
        let instances = self.instances.iter_mut();
        for instance in instances.filter(|instance| names.contains(&instance.name)) {
            instance.held.take(demand, []);
        }
    }

    /// The instance of this name.
    pub(super) fn instance(&self, name: &str) -> Option<&Instance> {
        self.instances.iter().find(|known| known.name == name)
    }
}

/// What tasks of one kind ask of their instances.
pub(super) struct Wish<'a> {
    /// What they run.
    pub(super) definition: &'a TaskDefinition,
    /// The group that they are kept distinct and spread in.
    pub(super) group: &'a Group,
    /// How their service, or the person who started them, wants them to be placed.
    pub(super) rules: &'a Rules,
}

impl Wish<'_> {
    fn request<T>(&self, seed: &str, history: &History, ask: impl FnOnce(&Request<'_>) -> T) -> T {
        let constraints = self.definition.placement_constraints.iter();
        ask(&Request {
            demand: &self.definition.demand(),
            attributes: &self.definition.required_attributes(),
            group: self.group,
            constraints: constraints.chain(&self.rules.constraints).collect(),
            strategies: &self.rules.strategies,
            seed,
            excluded: &history.excluded,
            unusable: &history.unusable,
        })
    }
}

/// What lately went wrong where, so that it is not tried again at once.
#[derive(Debug, Default)]
pub(super) struct History {
    excluded: BTreeSet<String>,
    unusable: BTreeMap<String, BTreeSet<HostPort>>,
}

impl History {
    /// Of tasks of the same definition: instances whose agent refused one, and dynamic ports on which one failed to start.
    pub(super) fn of<'a>(
        tasks: impl Iterator<Item = &'a Arc<EcsTask>>,
        definition: &str,
        now: Timestamp,
    ) -> Self {
        let mut history = Self::default();
        for task in tasks.filter(|task| task.revision_name() == definition) {
            let (Some(status), Some(instance)) = (&task.status, task.instance()) else {
                continue;
            };
            let recent = status
                .stopped_at
                .as_ref()
                .is_some_and(|stopped| now.duration_since(stopped.0) < PASSED_OVER);
            if !recent
                || status.stop_code != Some(StopCode::TaskFailedToStart)
                || task.spec.stop.is_some()
            {
                continue;
            }
            if task.was_refused() {
                history.excluded.insert(instance.to_owned());
            }
            history
                .unusable
                .entry(instance.to_owned())
                .or_default()
                .extend(chosen_ports(task));
        }
        history
    }
}

fn offered(
    context: &Context,
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
        active: drains(context, instance).is_none()
            && instance.metadata.deletion_timestamp.is_none(),
        connected: ready && presence.get(&name) == Some(&Presence::Connected),
        agent_version: report.map_or_else(String::new, |report| report.agent_version.to_string()),
        registered_at: report
            .and_then(|report| report.registered_at.as_ref())
            .map(|time| time.0),
        attributes: attributes(context, instance),
        capacity: Capacity {
            cpu: resources.cpu,
            memory: resources.memory,
            pids: resources.pids,
        },
        name,
        ..Instance::default()
    }
}

/// What the agent found, what the node says, and over both what people set (`PutAttributes`).
fn attributes(context: &Context, instance: &ContainerInstance) -> BTreeMap<String, String> {
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
    let kind = instance_type(context, instance).map(|kind| (INSTANCE_TYPE, kind));
    let zone = zone(context, instance).map(|zone| (ZONE, zone));
    let told = kind.into_iter().chain(zone);
    attributes.extend(told.map(|(name, value)| (name.to_owned(), value)));
    attributes.extend(instance.spec.attributes.iter().map(text));
    attributes
}

/// A task holds its resources until it is STOPPED. One whose revision is gone still holds its ports.
fn hold(context: &Context, instance: &mut Instance, task: &EcsTask) {
    let definition = context.definitions.of_task(&context.world, task);
    let demand = definition
        .map(|definition| definition.demand())
        .unwrap_or_default();
    instance.held.take(&demand, chosen_ports(task));
    if task.state() >= TaskState::Running {
        instance.running += 1;
    }
    if task.is_stopping() {
        instance.groups.add_ending(&task.placement_group());
    } else {
        instance.groups.add(&task.placement_group());
    }
}

fn chosen_ports(task: &EcsTask) -> impl Iterator<Item = HostPort> {
    task.spec
        .extensions
        .iter()
        .flat_map(|extensions| extensions.host_ports.iter())
        .filter_map(|chosen| {
            Some(HostPort {
                protocol: parse::protocol(Some(chosen.protocol)),
                port: u16::try_from(chosen.host_port).ok()?,
            })
        })
}

/// The chosen ports as a task's spec carries them, in the order of the definition's dynamic mappings.
pub(super) fn host_ports(
    definition: &TaskDefinition,
    placement: &Placement,
) -> List<task::HostPort, 1000> {
    let dynamic = definition.containers.iter().flat_map(|container| {
        container
            .port_mappings
            .iter()
            .filter(|mapping| definition.fixed_port(mapping).is_none())
            .map(move |mapping| (container, mapping))
    });
    dynamic
        .zip(&placement.dynamic_ports)
        .map(|((container, mapping), chosen)| task::HostPort {
            container_name: container.name.as_str().into(),
            container_port: mapping.container_port.into(),
            host_port: chosen.port.into(),
            protocol: chosen.protocol.into(),
        })
        .collect::<Vec<_>>()
        .into()
}
