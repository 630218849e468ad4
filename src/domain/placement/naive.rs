//! The placer that says what [`super::Model`] must choose: it looks at every instance, each time. Tests and benches hold the
//! model to it.

use std::collections::{BTreeMap, BTreeSet};

use super::strategy::{Spread, Strategy, lot, or_default};
use super::suits::{examine, ports_on};
use super::{Explanation, Group, Instance, Placement, Request, Unsuitable, ports};
use crate::domain::ids::draw;
use crate::domain::resources::HostPort;

/// A suitable instance and its place in the list of all.
type Candidate<'a> = (usize, &'a Instance);

/// Chooses an instance for one task.
///
/// # Errors
/// Says for each instance why it was not suitable.
pub fn place(instances: &[&Instance], request: &Request<'_>) -> Result<Placement, Explanation> {
    let mut unsuitable: Vec<(&str, Unsuitable)> = Vec::new();
    let mut suitable = Vec::new();
    for (index, instance) in instances.iter().enumerate() {
        match examine(instance, request) {
            None => suitable.push((index, *instance)),
            Some(reason) => unsuitable.push((&instance.name, reason)),
        }
    }
    let in_use = in_use(instances);
    while let Some(best) = best(&suitable, instances, request) {
        let found = suitable.iter().position(|(index, _)| *index == best);
        let Some((_, instance)) = found.map(|place| suitable.remove(place)) else {
            break;
        };
        if let Some(dynamic_ports) = ports_on(instance, request, in_use.iter().copied()) {
            return Ok(Placement {
                instance: instance.name.clone(),
                dynamic_ports,
            });
        }
        unsuitable.push((&instance.name, Unsuitable::Ports));
    }
    let explanation: Explanation = unsuitable.into_iter().collect();
    let find = |name: &str| instances.iter().find(|it| it.name == name).copied();
    Err(explanation.naming_attributes(request, find))
}

/// Dynamic ports that any instance uses, so that few distinct ports serve many tasks.
fn in_use(instances: &[&Instance]) -> BTreeSet<HostPort> {
    instances
        .iter()
        .flat_map(|instance| instance.held.ports.keys())
        .copied()
        .filter(|port| ports::is_dynamic(*port))
        .collect()
}

/// The preferred one of `suitable`.
fn best(
    suitable: &[Candidate<'_>],
    instances: &[&Instance],
    request: &Request<'_>,
) -> Option<usize> {
    let mut left = suitable.to_vec();
    for strategy in &*or_default(request.strategies) {
        left = strategy.narrow(left, instances, request);
    }
    left.into_iter()
        .min_by_key(|(_, instance)| {
            let groups = &instance.groups;
            (
                groups.staying(request.counted()),
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
        instances: &[&Instance],
        request: &Request<'_>,
    ) -> Vec<Candidate<'a>> {
        match self {
            Self::Random => drawn(candidates, request.seed),
            Self::Spread(Spread::Instance) => least(candidates, |instance| {
                instance.groups.staying(request.counted())
            }),
            Self::Spread(Spread::Attribute(name)) => {
                let tasks = tasks_by_value(name, instances, request.counted());
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
    instances: &[&'a Instance],
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
    let seed = draw(seed);
    candidates
        .into_iter()
        .min_by_key(|(_, instance)| (lot(seed, draw(&instance.name)), &instance.name))
        .into_iter()
        .collect()
}
