//! Which instance a task goes to, and why it goes nowhere.
//!
//! [`place`] filters the instances (connected, ACTIVE, resources, ports, attributes, constraints), then lets the
//! strategies choose (ECS Developer Guide, "How Amazon ECS places tasks on container instances"). It is a pure function:
//! the same world and the same request always give the same answer.

mod constraint;
mod explain;
mod group;
mod ports;
mod strategy;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

pub use constraint::{Constraint, MAXIMUM_CONSTRAINTS};
pub use explain::{Explanation, Unsuitable};
pub use group::{Group, Groups};
pub use strategy::{MAXIMUM_STRATEGIES, Packed, Spread, Strategy, ZONE};

use super::resources::{Capacity, Demand, Held, HostPort};

/// An instance as the placer sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Instance {
    /// Name of the ContainerInstance.
    pub name: String,
    /// Not DRAINING.
    pub active: bool,
    /// Its agent is heard and its engine answers.
    pub connected: bool,
    /// Version of its agent.
    pub agent_version: String,
    /// When its agent first reported.
    pub registered_at: Option<Timestamp>,
    /// Its attributes, capabilities and the availability zone among them; those that are only names have empty values.
    pub attributes: BTreeMap<String, String>,
    /// What it offers in all.
    pub capacity: Capacity,
    /// What its tasks hold.
    pub held: Held,
    /// Tasks that run here.
    pub running: u32,
    /// The groups of its tasks.
    pub groups: Groups,
}

/// How a service or a person wants tasks to be placed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// All of them must be met.
    pub constraints: Vec<Constraint>,
    /// The first counts most; none stands for spreading over zones and then over instances.
    pub strategies: Vec<Strategy>,
}

/// What is to be placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// What the task takes.
    pub demand: &'a Demand,
    /// Names of attributes that the instance must have.
    pub attributes: &'a BTreeSet<&'static str>,
    /// The group of the task.
    pub group: &'a Group,
    /// Rules that the instance must meet, the definition's included.
    pub constraints: Vec<&'a Constraint>,
    /// Rules by which one of several suitable instances is preferred.
    pub strategies: &'a [Strategy],
    /// What `random` is drawn from: any text that is the task's own, such as its name.
    pub seed: &'a str,
    /// Instances that refused or failed this task's like, for a while.
    pub excluded: &'a BTreeSet<String>,
    /// Host ports that could not be bound lately, by instance.
    pub unusable: &'a BTreeMap<String, BTreeSet<HostPort>>,
}

/// Where a task goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// Name of the instance.
    pub instance: String,
    /// Host ports for [`Demand::dynamic_ports`], in that order.
    pub dynamic_ports: Vec<HostPort>,
}

/// Places one task, and takes its resources from the chosen instance so that the next call sees them gone.
///
/// # Errors
/// Says for each instance why it was not suitable.
pub fn place(instances: &mut [Instance], request: &Request<'_>) -> Result<Placement, Explanation> {
    let (index, dynamic_ports) = choose(instances, request)?;
    let Some(chosen) = instances.get_mut(index) else {
        return Err(Explanation::new(Vec::new()));
    };
    chosen
        .held
        .take(request.demand, dynamic_ports.iter().copied());
    chosen.groups.add(request.group);
    Ok(Placement {
        instance: chosen.name.clone(),
        dynamic_ports,
    })
}

/// The preferred instance, and the ports that the task gets there.
fn choose(
    instances: &[Instance],
    request: &Request<'_>,
) -> Result<(usize, Vec<HostPort>), Explanation> {
    let mut unsuitable = Vec::new();
    let mut suitable = Vec::new();
    for (index, instance) in instances.iter().enumerate() {
        match examine(instance, request) {
            None => suitable.push((index, instance)),
            Some(reason) => unsuitable.push((instance.name.clone(), reason)),
        }
    }
    let preferred = ports::in_use(instances);
    let none = BTreeSet::new();
    while let Some(best) = strategy::best(&suitable, instances, request) {
        let found = suitable.iter().position(|(index, _)| *index == best);
        let Some((_, instance)) = found.map(|place| suitable.remove(place)) else {
            break;
        };
        let unusable = request.unusable.get(&instance.name).unwrap_or(&none);
        if let Some(ports) = ports::choose(&instance.held, request.demand, &preferred, unusable) {
            return Ok((best, ports));
        }
        unsuitable.push((instance.name.clone(), Unsuitable::Ports));
    }
    Err(Explanation::new(unsuitable))
}

/// Whether `instance` is one that the task may run on, whatever else it holds and whether it can be reached: it has the
/// attributes and meets the constraints. That tasks be on distinct instances is left aside.
pub fn is_eligible(instance: &Instance, request: &Request<'_>) -> bool {
    request
        .attributes
        .iter()
        .all(|name| instance.attributes.contains_key(*name))
        && request
            .constraints
            .iter()
            .filter(|constraint| !matches!(constraint, Constraint::DistinctInstance))
            .all(|constraint| constraint.broken_by(instance, request.group).is_none())
}

/// Why `instance` cannot take the task, or `None`; in the order in which ECS asks.
fn examine(instance: &Instance, request: &Request<'_>) -> Option<Unsuitable> {
    if !instance.active {
        return Some(Unsuitable::Draining);
    }
    if !instance.connected {
        return Some(Unsuitable::Agent);
    }
    if let Some(short) = instance.held.shortage(instance.capacity, request.demand) {
        return Some(short.into());
    }
    if request
        .attributes
        .iter()
        .any(|name| !instance.attributes.contains_key(*name))
    {
        return Some(Unsuitable::Attribute);
    }
    let mut constraints = request.constraints.iter();
    if let Some(broken) =
        constraints.find_map(|constraint| constraint.broken_by(instance, request.group))
    {
        return Some(broken);
    }
    request
        .excluded
        .contains(&instance.name)
        .then_some(Unsuitable::Refused)
}

#[cfg(test)]
mod tests;
