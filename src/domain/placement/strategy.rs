//! Which of the suitable instances is preferred (ECS Developer Guide, "Task placement strategies"). Strategies never keep
//! a task from being placed.
//!
//! Each one narrows the instances to those that it likes best, and the next one chooses among these. Example: two
//! instances in zone a, one in zone b, and a task of the service in each zone; `spread` over zones leaves all three, and
//! `binpack` on memory then takes the fullest of them.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::{Group, Instance, Request};
use crate::domain::query;

/// Rules that a service or a task may have (ECS API Reference, `CreateService`).
pub const MAXIMUM_STRATEGIES: usize = 5;

/// Attribute with the availability zone of an instance.
pub const ZONE: &str = "ecs.availability-zone";

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Strategy {
    /// Any of them.
    Random,
    /// The value with the fewest tasks of the group.
    Spread(Spread),
    /// The instance with the least of this left.
    Binpack(Packed),
}

/// Over what tasks are spread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spread {
    /// Instances.
    Instance,
    /// Values of this attribute; the instances without it count as one more value.
    Attribute(String),
}

/// What is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packed {
    /// CPU units.
    Cpu,
    /// MiB of memory.
    Memory,
}

impl Spread {
    /// Reads `instanceId`, `host` or `attribute:NAME`; only the attribute's name depends on capitals.
    pub fn parse(field: &str) -> Option<Self> {
        if ["instanceId", "host"]
            .iter()
            .any(|known| field.eq_ignore_ascii_case(known))
        {
            return Some(Self::Instance);
        }
        let (prefix, name) = field.split_once(':')?;
        (prefix.eq_ignore_ascii_case("attribute") && query::is_attribute_name(name))
            .then(|| Self::Attribute(name.to_owned()))
    }
}

impl Packed {
    /// Reads `cpu` or `memory`, in small letters or capitals.
    pub fn parse(field: &str) -> Option<Self> {
        if field.eq_ignore_ascii_case("cpu") {
            Some(Self::Cpu)
        } else if field.eq_ignore_ascii_case("memory") {
            Some(Self::Memory)
        } else {
            None
        }
    }

    /// How much of it an instance has left.
    pub fn left(self, instance: &Instance) -> u64 {
        let (offered, held) = match self {
            Self::Cpu => (instance.capacity.cpu, instance.held.cpu),
            Self::Memory => (instance.capacity.memory, instance.held.memory),
        };
        u64::from(offered).saturating_sub(held)
    }
}

/// A suitable instance and its place in the list of all.
pub(super) type Candidate<'a> = (usize, &'a Instance);

/// The preferred one of `suitable`. Without strategies tasks are spread over zones and then over instances ("Default
/// placement strategy"). Where the strategies leave several, the one with the fewest tasks is taken, of the group before
/// of all, and then the first by name: the same world always gives the same answer.
pub(super) fn best(
    suitable: &[Candidate<'_>],
    instances: &[Instance],
    request: &Request<'_>,
) -> Option<usize> {
    let defaults = [
        Strategy::Spread(Spread::Attribute(ZONE.to_owned())),
        Strategy::Spread(Spread::Instance),
    ];
    let strategies = match request.strategies {
        [] => &defaults[..],
        given => given,
    };
    let mut left = suitable.to_vec();
    for strategy in strategies {
        left = strategy.narrow(left, instances, request);
    }
    left.into_iter()
        .min_by_key(|(_, instance)| {
            let groups = &instance.groups;
            (
                groups.staying(request.group),
                groups.total(),
                &instance.name,
            )
        })
        .map(|(index, _)| index)
}

impl Strategy {
    fn narrow<'a>(
        &self,
        candidates: Vec<Candidate<'a>>,
        instances: &[Instance],
        request: &Request<'_>,
    ) -> Vec<Candidate<'a>> {
        match self {
            Self::Random => drawn(candidates, request.seed),
            Self::Spread(Spread::Instance) => least(candidates, |instance| {
                instance.groups.staying(request.group)
            }),
            Self::Spread(Spread::Attribute(name)) => {
                let tasks = tasks_by_value(name, instances, request.group);
                least(candidates, |instance| {
                    tasks.get(&instance.attributes.get(name)).copied()
                })
            }
            Self::Binpack(packed) => least(candidates, |instance| packed.left(instance)),
        }
    }
}

/// Those with the lowest measure.
fn least<M: Ord + Copy>(
    candidates: Vec<Candidate<'_>>,
    measure: impl Fn(&Instance) -> M,
) -> Vec<Candidate<'_>> {
    let lowest = candidates
        .iter()
        .map(|(_, instance)| measure(instance))
        .min();
    let mut left = candidates;
    left.retain(|(_, instance)| Some(measure(instance)) == lowest);
    left
}

/// Tasks of the group for each value, on all instances whether suitable or not.
fn tasks_by_value<'a>(
    attribute: &str,
    instances: &'a [Instance],
    group: &Group,
) -> BTreeMap<Option<&'a String>, u64> {
    let mut tasks = BTreeMap::new();
    for instance in instances {
        let count = u64::from(instance.groups.staying(group));
        *tasks.entry(instance.attributes.get(attribute)).or_default() += count;
    }
    tasks
}

/// One of them, decided by the seed and the instances' names alone.
fn drawn<'a>(candidates: Vec<Candidate<'a>>, seed: &str) -> Vec<Candidate<'a>> {
    let lot = |instance: &Instance| Sha256::digest(format!("{seed}/{}", instance.name));
    candidates
        .into_iter()
        .min_by_key(|(_, instance)| lot(instance))
        .into_iter()
        .collect()
}
