//! Which instance a task goes to, and why it goes nowhere.
//!
//! [`place`] filters the instances (connected, ACTIVE, resources, ports), then spreads: over availability zones
//! first, then over instances, by the number of tasks of the same service (ECS Developer Guide, "Default placement
//! strategy"). Ties go to the name, so that the same world always gives the same answer.

mod explain;
mod ports;

use std::collections::{BTreeMap, BTreeSet};

pub use explain::{Explanation, Unsuitable};

use super::resources::{Capacity, Demand, Held, HostPort};

/// An instance as the placer sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Instance {
    /// Name of the ContainerInstance.
    pub name: String,
    /// Availability zone; instances without one form a zone of their own.
    pub zone: Option<String>,
    /// Not DRAINING.
    pub active: bool,
    /// Its agent is heard and its engine answers.
    pub connected: bool,
    /// Names of its attributes, capabilities among them.
    pub attributes: BTreeSet<String>,
    /// What it offers in all.
    pub capacity: Capacity,
    /// What its tasks hold.
    pub held: Held,
    /// How many tasks of each service run or start here, by namespace and name of the service.
    pub tasks_of: BTreeMap<String, u32>,
}

/// What is to be placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// What the task takes.
    pub demand: &'a Demand,
    /// Names of attributes that the instance must have.
    pub attributes: &'a BTreeSet<&'static str>,
    /// Namespace and name of the service: tasks of one service are spread.
    pub service: &'a str,
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
    let mut unsuitable = Vec::new();
    let mut suitable = Vec::new();
    for (index, instance) in instances.iter().enumerate() {
        match examine(instance, request) {
            None => suitable.push(index),
            Some(reason) => unsuitable.push((instance.name.clone(), reason)),
        }
    }
    let mut per_zone: BTreeMap<Option<&str>, u32> = BTreeMap::new();
    for instance in instances.iter() {
        *per_zone.entry(instance.zone.as_deref()).or_default() += instance.tasks(request.service);
    }
    let best = suitable
        .into_iter()
        .filter_map(|index| instances.get(index).map(|instance| (index, instance)))
        .min_by_key(|(_, instance)| {
            let in_zone = per_zone
                .get(&instance.zone.as_deref())
                .copied()
                .unwrap_or(0);
            let all_tasks: u32 = instance.tasks_of.values().sum();
            (
                in_zone,
                instance.tasks(request.service),
                all_tasks,
                instance.name.clone(),
            )
        })
        .map(|(index, _)| index);
    let preferred = ports::in_use(instances);
    let Some(chosen) = best.and_then(|index| instances.get_mut(index)) else {
        return Err(Explanation::new(unsuitable));
    };
    let none = BTreeSet::new();
    let unusable = request.unusable.get(&chosen.name).unwrap_or(&none);
    let Some(dynamic_ports) = ports::choose(&chosen.held, request.demand, &preferred, unusable)
    else {
        return Err(Explanation::new(vec![(
            chosen.name.clone(),
            Unsuitable::Ports,
        )]));
    };
    chosen
        .held
        .take(request.demand, dynamic_ports.iter().copied());
    *chosen
        .tasks_of
        .entry(request.service.to_owned())
        .or_default() += 1;
    Ok(Placement {
        instance: chosen.name.clone(),
        dynamic_ports,
    })
}

/// Why `instance` cannot take the task, or `None`.
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
        .any(|name| !instance.attributes.contains(*name))
    {
        return Some(Unsuitable::Attribute);
    }
    request
        .excluded
        .contains(&instance.name)
        .then_some(Unsuitable::Refused)
}

impl Instance {
    fn tasks(&self, service: &str) -> u32 {
        self.tasks_of.get(service).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
