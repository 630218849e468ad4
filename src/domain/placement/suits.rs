//! Whether an instance can take a task: the filters, in the order in which ECS asks them.

use std::collections::BTreeSet;

use super::{Attributes, Instance, Request, Unsuitable, ports};
use crate::domain::resources::HostPort;

/// Why `instance` cannot take the task, or `None`. Whether enough dynamic ports are free is asked last, by [`ports_on`].
pub(super) fn examine(instance: &Instance, request: &Request<'_>) -> Option<Unsuitable> {
    let shortage = || instance.held.shortage(instance.capacity, request.demand);
    out_of_reach(instance)
        .or_else(|| shortage().map(Into::into))
        .or_else(|| unfit(instance, request))
}

/// Whether the task may run on `instance`, whatever else that holds and whether it can be reached. That tasks be on
/// distinct instances, or not too many on one, is left aside.
pub(super) fn is_eligible(instance: &Instance, request: &Request<'_>) -> bool {
    let rules = request.constraints.iter();
    !lacks_attribute(instance, request.attributes)
        && rules
            .filter(|rule| !rule.is_of_group())
            .all(|rule| rule.broken_by(instance, request.group).is_none())
}

/// Why nothing is placed on `instance` at all.
pub(super) fn out_of_reach(instance: &Instance) -> Option<Unsuitable> {
    if !instance.active {
        Some(Unsuitable::Draining)
    } else if instance.connected {
        None
    } else {
        Some(Unsuitable::Agent)
    }
}

/// What the instance lacks besides resources.
fn unfit(instance: &Instance, request: &Request<'_>) -> Option<Unsuitable> {
    if lacks_attribute(instance, request.attributes) {
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

pub(super) fn lacks_attribute(instance: &Instance, needed: &Attributes) -> bool {
    missing(instance, needed).next().is_some()
}

/// What the instance lacks of the attributes that a task needs.
pub(super) fn missing<'a>(
    instance: &Instance,
    needed: &'a Attributes,
) -> impl Iterator<Item = &'a str> {
    let lacks = |wanted: &&str| match wanted.split_once('=') {
        Some((name, value)) => instance.attributes.get(name).is_none_or(|has| has != value),
        None => !instance.attributes.contains_key(*wanted),
    };
    needed.iter().map(AsRef::as_ref).filter(lacks)
}

/// Dynamic ports for the task on this instance, where there are enough: those first that are in use elsewhere.
pub(super) fn ports_on(
    instance: &Instance,
    request: &Request<'_>,
    in_use: impl Iterator<Item = HostPort> + Clone,
) -> Option<Vec<HostPort>> {
    let none = BTreeSet::new();
    let unusable = request.unusable.get(&instance.name).unwrap_or(&none);
    ports::choose(&instance.held, request.demand, in_use, unusable)
}
