//! The instances as a service's planner needs to know them: where daemon tasks belong, which zones are to be even, and
//! what the placement strategy sees of the place of each task.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube::ResourceExt;

use super::observe::Runnable;
use crate::api::service::EcsService;
use crate::api::shapes::AvailabilityZoneRebalancing;
use crate::api::task::EcsTask;
use crate::controllers::context::Context;
use crate::controllers::daemons::is_daemon;
use crate::controllers::ledger::tasks_named;
use crate::controllers::placing::{Room, Wish};
use crate::domain::ids;
use crate::domain::liveness::Presence;
use crate::domain::placement::{Group, Instance, Rules, Spread, Strategy, ZONE};
use crate::domain::service::{DaemonInstance, Mark, Scheduling};

/// A service with what it wants to run, on the instances of its cluster.
pub(super) struct Ground<'a> {
    service: &'a EcsService,
    rules: &'a Rules,
    room: Room<'a>,
}

impl<'a> Ground<'a> {
    pub(super) fn of(
        context: &'a Context,
        service: &'a EcsService,
        rules: &'a Rules,
        presence: &Arc<BTreeMap<String, Presence>>,
    ) -> Self {
        Self {
            service,
            rules,
            room: Room::of(context, service.cluster_name(), presence),
        }
    }

    /// How many tasks there are to be and where.
    pub(super) fn scheduling(&self, context: &Context, wanted: &Runnable) -> Scheduling {
        let namespace = self.service.namespace().unwrap_or_default();
        let group = Group::of_service(&namespace, &self.service.name_any());
        let wish = Wish {
            definition: &wanted.definition,
            group: &group,
            spread_group: None,
            rules: self.rules,
        };
        if is_daemon(self.service) {
            let daemon = |instance: &Instance| daemon_instance(context, instance);
            return Scheduling::Daemon {
                instances: self.room.eligible(&wish, daemon),
            };
        }
        if !keeps_zones_even(self.service, self.rules) {
            return Scheduling::default();
        }
        let zone = |instance: &Instance| {
            let open = instance.active && instance.connected;
            instance.attributes.get(ZONE).filter(|_| open).cloned()
        };
        let zones: BTreeSet<String> = self.room.eligible(&wish, zone);
        Scheduling::Replica {
            zones: zones.into_iter().collect(),
        }
    }

    /// What each rule of the strategy sees of a place; without one the zone counts and then the instance.
    pub(super) fn marks(&self, instance: &str, task: &str) -> Vec<Mark> {
        self.room
            .instance(instance, |known| self.marks_of(known, instance, task))
    }

    fn marks_of(&self, known: Option<&Instance>, instance: &str, task: &str) -> Vec<Mark> {
        let attribute = |name: &str| known.and_then(|known| known.attributes.get(name).cloned());
        if self.rules.strategies.is_empty() {
            return vec![
                Mark::Bucket(attribute(ZONE)),
                Mark::Bucket(Some(instance.to_owned())),
            ];
        }
        let rules = self.rules.strategies.iter();
        rules
            .map(|rule| match rule {
                Strategy::Spread(Spread::Instance) => Mark::Bucket(Some(instance.to_owned())),
                Strategy::Spread(Spread::Attribute(name)) => Mark::Bucket(attribute(name)),
                Strategy::Binpack(packed) => {
                    Mark::Left(known.map_or(u64::MAX, |known| packed.left(known)))
                }
                Strategy::Random => Mark::Drawn(ids::draw(task)),
            })
            .collect()
    }
}

fn daemon_instance(context: &Context, instance: &Instance) -> Option<DaemonInstance> {
    let uid = context.world.instance(&instance.name)?.uid()?;
    Some(DaemonInstance {
        name: instance.name.clone(),
        slot: ids::daemon_slot(&uid),
        open: instance.active && instance.connected,
    })
}

/// A steady service is spread anew when its zones are uneven (ECS Developer Guide, "Balancing an Amazon ECS service across
/// Availability Zones"): unless it says no, or its own strategy does not begin with the zones.
fn keeps_zones_even(service: &EcsService, rules: &Rules) -> bool {
    let enabled =
        service.spec.availability_zone_rebalancing != Some(AvailabilityZoneRebalancing::Disabled);
    enabled && rules.put_zones_first()
}

/// Whether an instance has tasks of services other than daemons: they leave it before daemon tasks do.
pub(super) fn has_replicas(context: &Context, instance: &str) -> bool {
    let of_a_replica_service = |task: &Arc<EcsTask>| {
        let Some(owner) = task.service() else {
            return false;
        };
        let key = (task.namespace().unwrap_or_default(), owner.name.to_string());
        let service = context.world.services.get(&key);
        !service.is_some_and(|service| is_daemon(&service))
    };
    let world = &context.world;
    let tasks = world
        .ledger
        .tasks(world, |tasks| tasks_named(world, tasks.on(instance)));
    tasks
        .iter()
        .filter(|task| !task.is_stopped())
        .any(of_a_replica_service)
}
