//! The objects, one version counter, and the history that watches replay.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::apply::Ownership;
use super::object::{Refusal, meta, not_found, owners, set_meta};
use super::route::{Collection, Route};
use super::selector::Selector;

/// Namespace and name.
pub(super) type Key = (String, String);

/// All objects and what became of them.
#[derive(Default)]
pub(super) struct Store {
    version: u64,
    /// Watches from before this version cannot be served any more.
    oldest: u64,
    objects: BTreeMap<Collection, BTreeMap<Key, Stored>>,
    history: BTreeMap<Collection, Vec<Change>>,
    made: u64,
    /// UIDs of objects that are gone, so that what they owned goes as well.
    gone: BTreeSet<String>,
}

/// An object and who applied what of it.
pub(super) struct Stored {
    pub(super) object: Value,
    pub(super) ownership: Ownership,
}

/// One commit.
pub(super) struct Change {
    pub(super) version: u64,
    /// The object before, if there was one.
    pub(super) before: Option<Value>,
    /// The object after; for a removal its last state, with the version of the removal.
    pub(super) after: Value,
    pub(super) removed: bool,
}

impl Store {
    /// Version of the newest commit.
    pub(super) const fn version(&self) -> u64 {
        self.version
    }

    /// The oldest version from which a watch can be served.
    pub(super) const fn oldest(&self) -> u64 {
        self.oldest
    }

    /// Forgets the history.
    pub(super) fn expire(&mut self) {
        // The compaction itself takes a version, so that "now" is never expired.
        self.oldest = self.version + 1;
        self.version = self.oldest;
        self.history.clear();
    }

    /// The object that a route names.
    pub(super) fn get(&self, route: &Route) -> Result<&Value, Refusal> {
        self.stored(route).map(|stored| &stored.object)
    }

    /// The object that a route names, with its ownership.
    pub(super) fn stored(&self, route: &Route) -> Result<&Stored, Refusal> {
        let stored = route.key().and_then(|key| {
            self.objects
                .get(&route.collection)
                .and_then(|all| all.get(&key))
        });
        stored.ok_or_else(|| not_found(route))
    }

    /// All objects of a collection that are selected, by namespace and name.
    pub(super) fn list<'a>(
        &'a self,
        collection: &Collection,
        selector: &'a Selector,
    ) -> impl Iterator<Item = (&'a Key, &'a Value)> {
        let all = self.objects.get(collection).into_iter().flatten();
        all.map(|(key, stored)| (key, &stored.object))
            .filter(|(_, object)| selector.matches(object))
    }

    /// The commits to a collection after `version`.
    pub(super) fn since(&self, collection: &Collection, version: u64) -> &[Change] {
        let all = self.history.get(collection).map_or(&[][..], Vec::as_slice);
        let first = all.partition_point(|change| change.version <= version);
        all.get(first..).unwrap_or_default()
    }

    /// The kind of the objects of a collection, as far as it was ever seen.
    pub(super) fn kind(&self, collection: &Collection) -> String {
        let last = self
            .history
            .get(collection)
            .and_then(|all| all.last())
            .map(|change| &change.after);
        let any = || {
            self.objects
                .get(collection)
                .and_then(|all| all.values().next())
                .map(|stored| &stored.object)
        };
        let kind = last
            .or_else(any)
            .and_then(|object| object.get("kind"))
            .and_then(Value::as_str);
        kind.unwrap_or("Unknown").to_owned()
    }

    /// A UID that no other object has: the same in every run.
    pub(super) fn new_uid(&mut self) -> String {
        self.made += 1;
        // Names derive from the first twelve digits.
        format!("{:08x}-0000-4000-8000-000000000000", self.made)
    }

    /// Stores `object`, and gives it the next version.
    pub(super) fn commit(
        &mut self,
        route: &Route,
        mut object: Value,
        ownership: Ownership,
    ) -> Value {
        let Some(key) = route.key() else {
            return object;
        };
        self.version += 1;
        set_meta(&mut object, "resourceVersion", self.version.to_string());
        let all = self.objects.entry(route.collection.clone()).or_default();
        let before = all.insert(
            key,
            Stored {
                object: object.clone(),
                ownership,
            },
        );
        self.history
            .entry(route.collection.clone())
            .or_default()
            .push(Change {
                version: self.version,
                before: before.map(|stored| stored.object),
                after: object.clone(),
                removed: false,
            });
        if self.is_garbage(&object) {
            self.collect();
        }
        object
    }

    /// Remembers who applied what, where the object itself did not change.
    pub(super) fn set_ownership(&mut self, route: &Route, ownership: Ownership) {
        let stored = route.key().and_then(|key| {
            self.objects
                .get_mut(&route.collection)
                .and_then(|all| all.get_mut(&key))
        });
        if let Some(stored) = stored {
            stored.ownership = ownership;
        }
    }

    /// Removes an object, and what has no other owner.
    pub(super) fn remove(&mut self, collection: &Collection, key: &Key) {
        self.remove_one(collection, key);
        self.collect();
    }

    fn remove_one(&mut self, collection: &Collection, key: &Key) {
        let Some(stored) = self
            .objects
            .get_mut(collection)
            .and_then(|all| all.remove(key))
        else {
            return;
        };
        self.version += 1;
        self.gone.insert(meta(&stored.object, "uid").to_owned());
        let mut after = stored.object.clone();
        set_meta(&mut after, "resourceVersion", self.version.to_string());
        self.history
            .entry(collection.clone())
            .or_default()
            .push(Change {
                version: self.version,
                before: Some(stored.object),
                after,
                removed: true,
            });
    }

    /// Deletes objects whose owners are all gone, until there are none.
    fn collect(&mut self) {
        while let Some((collection, key)) = self.garbage() {
            let finalized = self
                .objects
                .get(&collection)
                .and_then(|all| all.get(&key))
                .is_some_and(|stored| super::object::has_finalizers(&stored.object));
            if finalized {
                self.mark_deleted(&collection, &key);
            } else {
                self.remove_one(&collection, &key);
            }
        }
    }

    fn mark_deleted(&mut self, collection: &Collection, key: &Key) {
        let Some(stored) = self
            .objects
            .get_mut(collection)
            .and_then(|all| all.get_mut(key))
        else {
            return;
        };
        self.version += 1;
        let before = stored.object.clone();
        let created = meta(&before, "creationTimestamp").to_owned();
        set_meta(&mut stored.object, "deletionTimestamp", created);
        set_meta(
            &mut stored.object,
            "resourceVersion",
            self.version.to_string(),
        );
        let after = stored.object.clone();
        self.history
            .entry(collection.clone())
            .or_default()
            .push(Change {
                version: self.version,
                before: Some(before),
                after,
                removed: false,
            });
    }

    fn garbage(&self) -> Option<(Collection, Key)> {
        self.objects.iter().find_map(|(collection, all)| {
            let found = all
                .iter()
                .find(|(_, stored)| self.is_garbage(&stored.object));
            found.map(|(key, _)| (collection.clone(), key.clone()))
        })
    }

    /// It had owners, and all of them are gone. Owners that never were do not count, so that tests may invent some.
    fn is_garbage(&self, object: &Value) -> bool {
        let mut owners = owners(object).peekable();
        owners.peek().is_some()
            && meta(object, "deletionTimestamp").is_empty()
            && owners.all(|uid| self.gone.contains(uid))
    }
}
