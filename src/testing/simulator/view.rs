//! What somebody who follows the model API knows: the log up to some point, and own writes over it.

use std::collections::BTreeMap;
use std::ops::RangeFrom;
use std::rc::Rc;

use super::api::Api;
use super::objects::{Instance, Key, Object, Revision, Service, TaskObject};
use super::random::Random;

/// What somebody who follows the log knows.
#[derive(Debug, Clone, Default)]
pub(super) struct View {
    pub(super) at: u64,
    objects: BTreeMap<Key, (u64, Object)>,
    /// Own writes that the log has not shown yet.
    ahead: BTreeMap<Key, (u64, Object)>,
}

impl View {
    /// Follows the log up to `version`.
    pub(super) fn follow(&mut self, api: &Api, version: u64) {
        for (version, commit) in api.since(self.at).take_while(|(at, _)| *at <= version) {
            self.at = version;
            match &commit.object {
                Some(object) => self
                    .objects
                    .insert(commit.key.clone(), (version, object.clone())),
                None => self.objects.remove(&commit.key),
            };
        }
        let at = self.at;
        self.ahead.retain(|_, (version, _)| *version > at);
    }

    /// Follows the log for a part of what is new.
    pub(super) fn follow_some(&mut self, api: &Api, random: &mut Random) {
        let behind = api.version().saturating_sub(self.at);
        if behind > 0 {
            let steps = random.below(
                usize::try_from(behind)
                    .unwrap_or(usize::MAX)
                    .saturating_add(2),
            );
            self.follow(
                api,
                self.at
                    .saturating_add(u64::try_from(steps).unwrap_or(behind)),
            );
        }
    }

    /// Counts an own write at once.
    pub(super) fn wrote(&mut self, key: Key, version: u64, object: Object) {
        if version > self.at {
            self.ahead.insert(key, (version, object));
        }
    }

    /// A new process knows nothing of what the old one wrote.
    pub(super) fn forget_own_writes(&mut self) {
        self.ahead.clear();
    }

    /// Counts an object whose create has had no answer, until [`Self::settle`].
    pub(super) fn reserve(&mut self, key: Key, object: Object) {
        self.ahead.insert(key, (u64::MAX, object));
    }

    /// What became of a write without an answer was read from the source.
    pub(super) fn settle(&mut self, key: Key, found: Option<(u64, Object)>) {
        self.ahead.remove(&key);
        if let Some((version, object)) = found {
            self.wrote(key, version, object);
        }
    }

    /// The objects whose names lie in a range, with their versions; own writes count first.
    fn of(&self, keys: RangeFrom<Key>, until: Key) -> impl Iterator<Item = (u64, &Object)> {
        let keys = keys.start..until;
        let known = self
            .objects
            .range(keys.clone())
            .filter(|(key, _)| self.ahead.is_empty() || !self.ahead.contains_key(key));
        known
            .chain(self.ahead.range(keys))
            .map(|(_, (version, object))| (*version, object))
    }

    /// All tasks with their versions.
    pub(super) fn tasks(&self) -> impl Iterator<Item = (u64, &Rc<TaskObject>)> {
        let tasks = self.of(Key::Task(String::new()).., Key::Last);
        tasks.filter_map(|(version, object)| match object {
            Object::Task(task) => Some((version, task)),
            Object::Instance(_) | Object::Revision(_) | Object::Service(_) => None,
        })
    }

    /// The instances.
    pub(super) fn instances(&self) -> impl Iterator<Item = &Rc<Instance>> {
        let revisions = Key::Revision(String::new(), i64::MIN);
        let instances = self.of(Key::Instance(String::new()).., revisions);
        instances.filter_map(|(_, object)| match object {
            Object::Instance(instance) => Some(instance),
            Object::Task(_) | Object::Revision(_) | Object::Service(_) => None,
        })
    }

    /// The services with their versions.
    pub(super) fn services(&self) -> impl Iterator<Item = (u64, &Rc<Service>)> {
        let services = self.of(Key::Service(String::new()).., Key::Task(String::new()));
        services.filter_map(|(version, object)| match object {
            Object::Service(service) => Some((version, service)),
            Object::Task(_) | Object::Revision(_) | Object::Instance(_) => None,
        })
    }

    /// What deployment numbers of a service stand for.
    pub(super) fn revisions(&self, service_uid: &str) -> impl Iterator<Item = &Rc<Revision>> {
        let first = Key::Revision(service_uid.to_owned(), i64::MIN);
        let last = Key::Revision(service_uid.to_owned(), i64::MAX);
        self.of(first.., last)
            .filter_map(|(_, object)| match object {
                Object::Revision(revision) => Some(revision),
                Object::Task(_) | Object::Instance(_) | Object::Service(_) => None,
            })
    }
}
