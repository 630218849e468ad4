//! Which instance a task goes to, and why it goes nowhere.
//!
//! A [`Model`] knows the instances of one cluster and what their tasks hold. [`Model::place`] leaves out the instances that
//! cannot take a task (connected, ACTIVE, resources, ports, attributes, constraints), then lets the strategies choose
//! (ECS Developer Guide, "How Amazon ECS places tasks on container instances"). The same world and the same request always
//! give the same answer: that of [`naive`], which looks at every instance and is the definition of what is right.

mod constraint;
mod explain;
mod group;
mod instance;
mod model;
#[cfg(any(test, feature = "testing"))]
pub mod naive;
mod ports;
mod strategy;
mod suits;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

pub use constraint::{Constraint, MAXIMUM_CONSTRAINTS};
pub use explain::{Explanation, Summary, Unsuitable};
pub use group::{Group, Groups};
pub use instance::{Holding, Instance};
pub use model::Model;
pub use strategy::{MAXIMUM_STRATEGIES, Packed, Spread, Strategy, ZONE};

use super::resources::{Demand, HostPort};

/// How a service or a person wants tasks to be placed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// All of them must be met.
    pub constraints: Vec<Constraint>,
    /// The first counts most; none stands for spreading over zones and then over instances.
    pub strategies: Vec<Strategy>,
}

impl Rules {
    /// Tasks are spread over the availability zones before anything else counts.
    pub fn put_zones_first(&self) -> bool {
        let by_zone = |rule: &Strategy| matches!(rule, Strategy::Spread(Spread::Attribute(name)) if name == ZONE);
        self.strategies.first().is_none_or(by_zone)
    }
}

/// Names of attributes that an instance must have, or `name=value`.
pub type Attributes = BTreeSet<Cow<'static, str>>;

/// What is to be placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// What the task takes.
    pub demand: &'a Demand,
    /// Names of attributes that the instance must have, or `name=value`.
    pub attributes: &'a Attributes,
    /// The group of the task.
    pub group: &'a Group,
    /// The group over which it is spread, where that is not its own.
    pub spread_group: Option<&'a Group>,
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

impl<'a> Request<'a> {
    /// A task that asks for nothing but room.
    #[cfg(test)]
    pub(crate) const fn of(demand: &'a Demand, group: &'a Group) -> Self {
        static NO_ATTRIBUTES: Attributes = BTreeSet::new();
        static NO_INSTANCES: BTreeSet<String> = BTreeSet::new();
        static NO_PORTS: BTreeMap<String, BTreeSet<HostPort>> = BTreeMap::new();
        Self {
            demand,
            attributes: &NO_ATTRIBUTES,
            group,
            spread_group: None,
            constraints: Vec::new(),
            strategies: &[],
            seed: "",
            excluded: &NO_INSTANCES,
            unusable: &NO_PORTS,
        }
    }

    /// The group whose tasks the strategies count.
    const fn counted(&self) -> &'a Group {
        match self.spread_group {
            Some(group) => group,
            None => self.group,
        }
    }
}

/// Where a task goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// Name of the instance.
    pub instance: String,
    /// Host ports for [`Demand::dynamic_ports`], in that order.
    pub dynamic_ports: Vec<HostPort>,
}

#[cfg(test)]
mod tests;
