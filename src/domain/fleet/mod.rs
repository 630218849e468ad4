//! All instances and what the tasks hold of them, entered object by object as each is seen.
//!
//! # Expected flow
//! Whenever something about a task or an instance changed, what is known of it now is entered: [`Fleet::enter`] and
//! [`Fleet::offer`] replace what was entered before. Placements ask the [`Model`] of a cluster.
//!
//! # Guarantees
//! What is known follows from the last entry of each object alone, in whatever order and however often they came. No task is
//! counted twice, and each is counted on the instance that its entry names, also when that instance appears later.
//!
//! An instance that borrows the engine of another one offers nothing, or the engine's capacity would count twice.

mod entries;

use std::collections::BTreeMap;

pub use entries::{Entries, Entry, TaskName, kept_for};

use super::engines::{Claim, Engines};
use super::placement::{Instance, Model};

/// What an instance offers, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its cluster.
    pub cluster: String,
    /// The engine that its agent sees.
    pub claim: Option<Claim>,
    /// What it offers; what its tasks hold is not read here.
    pub instance: Instance,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Fleet {
    offers: BTreeMap<String, Offer>,
    engines: Engines,
    /// Cluster in whose model an instance is.
    seated: BTreeMap<String, String>,
    clusters: BTreeMap<String, Model>,
    entries: Entries,
}

impl Fleet {
    /// Takes in what an instance offers now; `None` when it is gone.
    pub fn offer(&mut self, name: &str, offer: Option<Offer>) {
        let claim = offer.as_ref().and_then(|offer| offer.claim.clone());
        match offer {
            Some(offer) => self.offers.insert(name.to_owned(), offer),
            None => self.offers.remove(name),
        };
        let concerned = self.engines.set(name, claim);
        self.seat(name);
        for other in concerned {
            self.seat(&other);
        }
    }

    /// Takes in what is known of a task now; `None` when it is gone.
    pub fn enter(&mut self, task: &TaskName, entry: Option<Entry>) {
        let before = self.entries.get(task);
        if before == entry.as_ref() {
            return;
        }
        if let Some((instance, holding)) = before.and_then(Entry::held)
            && let Some(model) = model_of(&mut self.clusters, &self.seated, instance)
        {
            model.give_back(instance, holding);
        }
        if let Some((instance, holding)) = entry.as_ref().and_then(Entry::held)
            && let Some(model) = model_of(&mut self.clusters, &self.seated, instance)
        {
            model.take(instance, holding);
        }
        self.entries.set(task, entry);
    }

    /// The instance that owns this one's engine, where that is another one.
    pub fn lender(&self, instance: &str) -> Option<&str> {
        self.engines.lender(instance)
    }

    /// The instances of a cluster.
    pub fn cluster(&mut self, name: &str) -> &mut Model {
        self.clusters.entry(name.to_owned()).or_default()
    }

    /// What was entered of tasks.
    pub const fn tasks(&self) -> &Entries {
        &self.entries
    }

    /// Names of all instances that offer something.
    pub fn instances(&self) -> impl Iterator<Item = &str> {
        self.offers.keys().map(String::as_str)
    }

    /// Puts an instance into the model of its cluster, or takes it out.
    fn seat(&mut self, name: &str) {
        let borrows = self.engines.lender(name).is_some();
        let offer = self.offers.get(name).filter(|_| !borrows);
        let cluster = offer.map(|offer| &offer.cluster);
        let before = self.seated.get(name);
        let stays = before == cluster;
        if let Some(left) = before.filter(|_| !stays).cloned() {
            self.seated.remove(name);
            if let Some(model) = self.clusters.get_mut(&left) {
                model.remove(name);
                if model.instances().next().is_none() {
                    self.clusters.remove(&left);
                }
            }
        }
        if let Some(Offer {
            cluster, instance, ..
        }) = offer
        {
            let model = self.clusters.entry(cluster.clone()).or_default();
            model.upsert(instance.clone());
            if !stays {
                self.seated.insert(name.to_owned(), cluster.clone());
                for holding in self.entries.all_on(name) {
                    model.take(name, holding);
                }
            }
        }
    }
}

/// The model that an instance is in.
fn model_of<'a>(
    clusters: &'a mut BTreeMap<String, Model>,
    seated: &BTreeMap<String, String>,
    instance: &str,
) -> Option<&'a mut Model> {
    clusters.get_mut(seated.get(instance)?)
}

#[cfg(test)]
mod tests;
