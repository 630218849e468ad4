//! The last look at room before a task starts: what the controller promised is checked where it is real.

use std::collections::BTreeMap;

use super::Wanted;
use crate::domain::events;
use crate::domain::resources::{Capacity, Demand, Held, HostPort, Shortage};

/// What the tasks of this instance hold, by UID. A task holds until its containers are gone.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    holders: BTreeMap<String, (Demand, Vec<HostPort>)>,
}

impl Ledger {
    /// Enters a task that runs already; nobody asks whether it fits.
    pub fn enter(&mut self, wanted: &Wanted) {
        self.holders.insert(
            wanted.uid.clone(),
            (wanted.definition.demand(), wanted.ports().collect()),
        );
    }

    /// Enters a task if there is room for it.
    ///
    /// # Errors
    /// The reason, in ECS's words, when there is none.
    pub fn admit(&mut self, wanted: &Wanted, capacity: Capacity) -> Result<(), String> {
        if self.holders.contains_key(&wanted.uid) {
            return Ok(());
        }
        let mut held = Held::default();
        for (demand, ports) in self.holders.values() {
            held.take(demand, ports.iter().copied());
        }
        let mut demand = wanted.definition.demand();
        // Ports that the placer chose are as real as those that the definition names.
        demand.ports.extend(wanted.ports());
        match held.shortage(capacity, &demand) {
            None => {
                self.enter(wanted);
                Ok(())
            }
            Some(short) => Err(format!("{}{}", events::REFUSED, reason(short))),
        }
    }

    /// A task holds nothing any more.
    pub fn release(&mut self, uid: &str) {
        self.holders.remove(uid);
    }
}

const fn reason(shortage: Shortage) -> &'static str {
    match shortage {
        Shortage::Cpu => "RESOURCE:CPU",
        Shortage::Memory => "RESOURCE:MEMORY",
        Shortage::Pids => "RESOURCE:PIDS",
        Shortage::Gpus => "RESOURCE:GPU",
        Shortage::Ports => "RESOURCE:PORTS",
    }
}
