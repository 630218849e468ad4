//! What the instances offer and what tasks hold of them, kept in step with the world.
//!
//! # Expected flow
//! Caches mark what changes in them. Whoever asks first enters what is known now of each marked object, and then asks: the
//! work is that of what changed, however much there is.
//!
//! # Guarantees
//! Decisions read their own writes: what was reserved or written is marked before the write returns, and an entry is made
//! of the newest known version of its object. A watch event that comes late or twice marks an object of which nothing new is
//! known.
//!
//! # Caveats
//! A new list makes all objects be entered again.

mod read;
mod shared;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::read::{Common, entry, offer};
use super::cache::{Key, key_of};
use super::marks::Marks;
use super::world::World;
use crate::api::task::EcsTask;
use crate::domain::fleet::{Entries, Fleet};
use crate::domain::liveness::Presence;

/// What was concluded about each instance.
type Presences = BTreeMap<String, Presence>;

/// See the module.
#[derive(Default)]
pub struct Ledger {
    pub(super) tasks: Arc<Marks>,
    pub(super) revisions: Arc<Marks>,
    pub(super) instances: Arc<Marks>,
    pub(super) nodes: Arc<Marks>,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    fleet: Fleet,
    common: Common,
    /// What the offers were made with.
    presence: Arc<Presences>,
    /// Instances by node.
    on_node: BTreeMap<String, BTreeSet<String>>,
    node_of: BTreeMap<String, String>,
}

impl Ledger {
    /// Asks where tasks are to be found.
    pub(super) fn tasks<T>(&self, world: &World, ask: impl FnOnce(&Entries) -> T) -> T {
        let mut book = self.lock();
        self.enter_tasks(&mut book, world);
        ask(book.fleet.tasks())
    }

    /// Asks about the instances, given what was concluded about them.
    pub(super) fn fleet<T>(
        &self,
        world: &World,
        presence: &Arc<Presences>,
        ask: impl FnOnce(&mut Fleet) -> T,
    ) -> T {
        let mut book = self.lock();
        self.enter_tasks(&mut book, world);
        self.enter_offers(&mut book, world, presence);
        ask(&mut book.fleet)
    }

    fn enter_tasks(&self, book: &mut Book, world: &World) {
        let revisions = self.revisions.take();
        let mut marked = self.tasks.take();
        for (namespace, name) in &revisions.keys {
            let tasks = book.fleet.tasks().of_revision(namespace, name);
            marked.keys.extend(tasks.cloned());
        }
        if marked.all || revisions.all {
            marked.keys.extend(book.fleet.tasks().names().cloned());
            let known = world.tasks.all();
            marked.keys.extend(known.iter().map(|task| key_of(&**task)));
        }
        for key in marked.keys {
            let task = world.tasks.get(&key);
            let entry = task.map(|task| entry(world, &task, &mut book.common));
            book.fleet.enter(&key, entry);
        }
    }

    fn enter_offers(&self, book: &mut Book, world: &World, presence: &Arc<Presences>) {
        let (instances, nodes) = (self.instances.take(), self.nodes.take());
        let mut names: BTreeSet<String> =
            instances.keys.into_iter().map(|(_, name)| name).collect();
        for (_, node) in &nodes.keys {
            names.extend(book.on_node.get(node).into_iter().flatten().cloned());
        }
        if !Arc::ptr_eq(&book.presence, presence) {
            names.extend(differing(&book.presence, presence));
            book.presence = Arc::clone(presence);
        }
        if instances.all || nodes.all {
            names.extend(book.fleet.instances().map(ToOwned::to_owned));
            let known = world.instances.all();
            names.extend(known.iter().map(|instance| key_of(&**instance).1));
        }
        for name in names {
            let instance = world.instance(&name);
            let node = instance.as_ref().and_then(|it| it.spec.node_name.as_ref());
            book.found_on(&name, node.map(ToString::to_string));
            let offer = instance.map(|instance| offer(world, &instance, presence));
            book.fleet.offer(&name, offer);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// Remembers on which node an instance is.
    fn found_on(&mut self, instance: &str, node: Option<String>) {
        if self.node_of.get(instance) == node.as_ref() {
            return;
        }
        if let Some(before) = self.node_of.remove(instance)
            && let Some(instances) = self.on_node.get_mut(&before)
        {
            instances.remove(instance);
            if instances.is_empty() {
                self.on_node.remove(&before);
            }
        }
        if let Some(node) = node {
            let instances = self.on_node.entry(node.clone()).or_default();
            instances.insert(instance.to_owned());
            self.node_of.insert(instance.to_owned(), node);
        }
    }
}

/// Names of which something else was concluded than before.
fn differing(before: &Presences, now: &Presences) -> BTreeSet<String> {
    let names = before.keys().chain(now.keys());
    names
        .filter(|name| before.get(*name) != now.get(*name))
        .cloned()
        .collect()
}

/// Objects by their keys, without those that are gone.
pub(super) fn tasks_named<'a>(
    world: &World,
    names: impl IntoIterator<Item = &'a Key>,
) -> Vec<Arc<EcsTask>> {
    let names = names.into_iter();
    names.filter_map(|key| world.tasks.get(key)).collect()
}

#[cfg(test)]
mod tests;
