//! An instance as the placer sees it, and what a task holds of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::{Group, Groups};
use crate::domain::resources::{Capacity, Demand, Held, HostPort};

/// What an instance offers, and what its tasks have taken of it.
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

/// What one task holds of its instance, from the moment it is bound until it is STOPPED.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// What its definition takes; nothing where the definition is gone.
    pub demand: Arc<Demand>,
    /// The host ports that were chosen for it.
    pub ports: Vec<HostPort>,
    /// The group that it counts in.
    pub group: Arc<Group>,
    /// A further group that it counts in, of several services that are spread together.
    pub spread_group: Option<Arc<Group>>,
    /// It runs.
    pub running: bool,
    /// It was told to stop.
    pub ending: bool,
}

impl Holding {
    /// All groups that it counts in.
    pub(super) fn groups(&self) -> impl Iterator<Item = &Arc<Group>> {
        [&self.group].into_iter().chain(&self.spread_group)
    }
}

impl Instance {
    /// Counts a task.
    pub fn take(&mut self, holding: &Holding) {
        self.held
            .take(&holding.demand, holding.ports.iter().copied());
        self.running += u32::from(holding.running);
        let group = Arc::clone(&holding.group);
        if holding.ending {
            self.groups.add_ending(group);
        } else {
            self.groups.add(group);
        }
        if let Some(group) = &holding.spread_group {
            self.groups.add_beside(Arc::clone(group), holding.ending);
        }
    }

    /// Counts a task no more that [`Instance::take`] counted.
    pub fn give_back(&mut self, holding: &Holding) {
        self.held
            .give_back(&holding.demand, holding.ports.iter().copied());
        self.running = self.running.saturating_sub(u32::from(holding.running));
        self.groups
            .remove(Arc::clone(&holding.group), holding.ending);
        if let Some(group) = &holding.spread_group {
            self.groups.remove_beside(Arc::clone(group), holding.ending);
        }
    }
}
