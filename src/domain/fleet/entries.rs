//! What was entered of each task, and where to find the tasks of an instance, a service or a revision.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::placement::{Group, Holding};
use crate::domain::resources::Demand;

/// Namespace and name of a task.
pub type TaskName = (String, String);

/// What is known of a task.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// UID of the service that it was made for.
    pub service: Option<Arc<str>>,
    /// What it runs: namespace and `family:revision`.
    pub revision: (Arc<str>, Arc<str>),
    /// Instance that it is bound to.
    pub instance: Option<Arc<str>>,
    /// What it holds there; `None` once it is STOPPED.
    pub holding: Option<Holding>,
    /// Nothing of it runs any more.
    pub stopped: bool,
}

/// Stands for a task of a daemon that is still to come on an instance. It is in no namespace, as no task is.
pub fn kept_for(daemon: &str, instance: &str) -> TaskName {
    (String::new(), format!("{daemon}/{instance}"))
}

const fn is_kept((namespace, _): &TaskName) -> bool {
    namespace.is_empty()
}

impl Entry {
    /// Room that is kept on an instance: it counts as what a task holds there, and in no group.
    pub fn kept(instance: Arc<str>, demand: Arc<Demand>) -> Self {
        let nobody = Group {
            namespace: String::new(),
            name: String::new(),
        };
        Self {
            instance: Some(instance),
            holding: Some(Holding {
                demand,
                ports: Vec::new(),
                group: Arc::new(nobody),
                spread_group: None,
                running: false,
                ending: true,
            }),
            ..Self::default()
        }
    }

    /// What it holds, and of which instance.
    pub(super) fn held(&self) -> Option<(&str, &Holding)> {
        Some((self.instance.as_deref()?, self.holding.as_ref()?))
    }

    /// It waits for an instance.
    fn is_unbound(&self) -> bool {
        self.instance.is_none() && !self.stopped
    }
}

/// Tasks by something that several have in common.
#[derive(Debug, Clone)]
struct Index<K>(BTreeMap<K, BTreeSet<Arc<TaskName>>>);

impl<K> Default for Index<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Clone> Index<K> {
    fn insert(&mut self, key: &K, task: &Arc<TaskName>) {
        let tasks = self.0.entry(key.clone()).or_default();
        tasks.insert(Arc::clone(task));
    }

    fn remove(&mut self, key: &K, task: &Arc<TaskName>) {
        if let Some(tasks) = self.0.get_mut(key) {
            tasks.remove(task);
            if tasks.is_empty() {
                self.0.remove(key);
            }
        }
    }
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Entries {
    all: BTreeMap<Arc<TaskName>, Entry>,
    unbound: BTreeSet<Arc<TaskName>>,
    by_service: Index<Arc<str>>,
    by_revision: Index<(Arc<str>, Arc<str>)>,
    by_instance: Index<Arc<str>>,
}

impl Entries {
    /// What was entered of a task.
    pub fn get(&self, task: &TaskName) -> Option<&Entry> {
        self.all.get(task)
    }

    /// All tasks, those that are STOPPED included.
    pub fn names(&self) -> impl Iterator<Item = &TaskName> {
        let names = self.all.keys().map(|name| &**name);
        names.filter(|name| !is_kept(name))
    }

    /// Tasks that were made for the service with this UID.
    pub fn of_service(&self, uid: &str) -> impl Iterator<Item = &TaskName> {
        let tasks = self.by_service.0.get(uid).into_iter().flatten();
        tasks.map(|name| &**name)
    }

    /// Tasks that run this `family:revision`.
    pub fn of_revision(&self, namespace: &str, name: &str) -> impl Iterator<Item = &TaskName> {
        let key = (Arc::from(namespace), Arc::from(name));
        let tasks = self.by_revision.0.get(&key).into_iter().flatten();
        tasks.map(|name| &**name)
    }

    /// Tasks that wait for an instance.
    pub fn unbound(&self) -> impl Iterator<Item = &TaskName> {
        self.unbound.iter().map(|name| &**name)
    }

    /// Tasks that are bound to this instance, those that are STOPPED included.
    pub fn on(&self, instance: &str) -> impl Iterator<Item = &TaskName> {
        self.held_on(instance).filter(|name| !is_kept(name))
    }

    /// Instances of which tasks hold something.
    pub fn holders(&self) -> impl Iterator<Item = &str> {
        let instances = self.by_instance.0.keys().map(|name| &**name);
        instances.filter(|name| self.holdings_on(name).next().is_some())
    }

    /// What tasks hold of this instance.
    pub fn holdings_on(&self, instance: &str) -> impl Iterator<Item = &Holding> {
        let tasks = self.on(instance);
        tasks.filter_map(|name| self.all.get(name)?.holding.as_ref())
    }

    /// What is held of this instance, by tasks or for them.
    pub(super) fn all_on(&self, instance: &str) -> impl Iterator<Item = &Holding> {
        let held = self.held_on(instance);
        held.filter_map(|name| self.all.get(name)?.holding.as_ref())
    }

    fn held_on(&self, instance: &str) -> impl Iterator<Item = &TaskName> {
        let held = self.by_instance.0.get(instance).into_iter().flatten();
        held.map(|name| &**name)
    }

    pub(super) fn set(&mut self, task: &TaskName, entry: Option<Entry>) {
        let known = self.all.get_key_value(task);
        let name = known.map_or_else(|| Arc::new(task.clone()), |(name, _)| Arc::clone(name));
        if let Some(before) = self.all.remove(&name) {
            self.by_revision.remove(&before.revision, &name);
            if let Some(service) = &before.service {
                self.by_service.remove(service, &name);
            }
            if let Some(instance) = &before.instance {
                self.by_instance.remove(instance, &name);
            }
            self.unbound.remove(&name);
        }
        let Some(entry) = entry else {
            return;
        };
        self.by_revision.insert(&entry.revision, &name);
        if let Some(service) = &entry.service {
            self.by_service.insert(service, &name);
        }
        if let Some(instance) = &entry.instance {
            self.by_instance.insert(instance, &name);
        }
        if entry.is_unbound() {
            self.unbound.insert(Arc::clone(&name));
        }
        self.all.insert(name, entry);
    }
}
