//! What the leader knows of one kind: what the watch showed, and over it what the leader itself wrote.
//!
//! # Expected flow
//! A watch fills the cache. A write's answer goes into the cache at once ([`Cache::wrote`]); before a create is sent
//! its place is taken ([`Cache::reserve`]), so that a decision made meanwhile counts it.
//!
//! # Guarantees
//! Decisions read their own writes: an object that this process wrote is never seen in an older version, and a created
//! one is never missing. Whatever may have changed is marked ([`Marks`]).
//!
//! # Assumptions
//! Resource versions of one kind can be compared as numbers (Kubernetes API concepts, "Resource versions").

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Resource, ResourceExt};

use super::marks::Marks;

/// Namespace (empty for cluster-scoped kinds) and name.
pub type Key = (String, String);

/// The key of an object.
pub fn key_of(object: &impl ResourceExt) -> Key {
    (object.namespace().unwrap_or_default(), object.name_any())
}

/// See the module.
pub struct Cache<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static,
{
    store: Store<K>,
    ours: Mutex<BTreeMap<Key, Ours<K>>>,
    marks: Option<Arc<Marks>>,
}

/// What this process did to an object that the watch has not shown yet.
#[derive(Clone)]
enum Ours<K> {
    /// A create is on its way.
    Reserved(Arc<K>),
    /// The answer to a write.
    Written(Arc<K>),
    /// It was deleted, or its last finalizer removed.
    Gone { version: u64 },
}

impl<K> Cache<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static,
{
    /// A cache over what a watch stores.
    pub fn new(store: Store<K>) -> Self {
        Self {
            store,
            ours: Mutex::default(),
            marks: None,
        }
    }

    /// A cache that marks whatever changes in it.
    pub fn marking(store: Store<K>, marks: &Arc<Marks>) -> Self {
        Self {
            marks: Some(Arc::clone(marks)),
            ..Self::new(store)
        }
    }

    /// What the watch alone has shown, for the controller that runs on it.
    pub fn store(&self) -> Store<K> {
        self.store.clone()
    }

    /// The newest known version of an object.
    pub fn get(&self, key: &Key) -> Option<Arc<K>> {
        match self.lock().get(key) {
            Some(Ours::Reserved(object) | Ours::Written(object)) => Some(Arc::clone(object)),
            Some(Ours::Gone { .. }) => None,
            None => self.store.get(&reference(key)),
        }
    }

    /// The newest known version of every object, in order of namespace and name.
    pub fn all(&self) -> Vec<Arc<K>> {
        let ours = self.lock().clone();
        let mut objects: BTreeMap<Key, Arc<K>> = self
            .store
            .state()
            .into_iter()
            .map(|object| (key_of(&*object), object))
            .collect();
        for (key, mine) in ours {
            match mine {
                Ours::Reserved(object) | Ours::Written(object) => objects.insert(key, object),
                Ours::Gone { .. } => objects.remove(&key),
            };
        }
        objects.into_values().collect()
    }

    /// The newest known versions of some objects, in no order.
    pub fn select(&self, wanted: impl Fn(&K) -> bool) -> Vec<Arc<K>> {
        let ours = self.lock();
        let seen = self.store.state();
        let seen = seen
            .into_iter()
            .filter(|object| wanted(object) && !ours.contains_key(&key_of(&**object)));
        let mine = ours.values().filter_map(|mine| match mine {
            Ours::Reserved(object) | Ours::Written(object) => Some(Arc::clone(object)),
            Ours::Gone { .. } => None,
        });
        seen.chain(mine.filter(|object| wanted(object))).collect()
    }

    /// Counts an object whose create is about to be sent.
    pub fn reserve(&self, object: K) {
        let key = key_of(&object);
        self.lock()
            .insert(key.clone(), Ours::Reserved(Arc::new(object)));
        self.mark(&key);
    }

    /// Takes this version for the newest, whatever was seen: in a world of one's own, to see what would follow.
    pub fn suppose(&self, object: K) {
        self.reserve(object);
    }

    /// The create of a reserved object came to nothing.
    pub fn release(&self, key: &Key) {
        let mut ours = self.lock();
        if matches!(ours.get(key), Some(Ours::Reserved(_))) {
            ours.remove(key);
        }
        drop(ours);
        self.mark(key);
    }

    /// Takes in the answer to a write. An answer that the watch has overtaken changes nothing.
    pub fn wrote(&self, object: K) {
        let key = key_of(&object);
        let overtaken = self
            .store
            .get(&reference(&key))
            .is_some_and(|seen| version(&*seen) >= version(&object));
        let mut ours = self.lock();
        let newer = match ours.get(&key) {
            Some(Ours::Written(mine)) => version(&**mine) > version(&object),
            Some(Ours::Gone { version: gone }) => *gone >= version(&object),
            Some(Ours::Reserved(_)) | None => false,
        };
        if overtaken {
            ours.remove(&key);
        } else if !newer {
            ours.insert(key.clone(), Ours::Written(Arc::new(object)));
        }
        drop(ours);
        self.mark(&key);
    }

    /// Does not count on an object that the watch will never show.
    pub fn forget(&self, key: &Key) {
        self.lock().remove(key);
        self.mark(key);
    }

    /// Takes in that an object is gone by a write of ours.
    pub fn removed(&self, object: &K) {
        let key = key_of(object);
        if self.store.get(&reference(&key)).is_some() {
            let version = version(object);
            self.lock().insert(key.clone(), Ours::Gone { version });
        } else {
            self.lock().remove(&key);
        }
        self.mark(&key);
    }

    /// The watch showed this version, or (`deleted`) that the object went with it: what we wrote before is confirmed.
    pub fn seen(&self, object: &K, deleted: bool) {
        let key = key_of(object);
        let mut ours = self.lock();
        let confirmed = match ours.get(&key) {
            None => false,
            Some(Ours::Reserved(_)) => !deleted,
            Some(Ours::Written(mine)) => version(&**mine) <= version(object),
            Some(Ours::Gone { version: gone }) => deleted || *gone < version(object),
        };
        if confirmed {
            ours.remove(&key);
        }
        drop(ours);
        self.mark(&key);
    }

    /// Keys of what we wrote and the watch has not shown, before a new list.
    pub fn unconfirmed(&self) -> BTreeSet<Key> {
        let written = |(key, ours): (&Key, &Ours<K>)| {
            (!matches!(ours, Ours::Reserved(_))).then(|| key.clone())
        };
        self.lock().iter().filter_map(written).collect()
    }

    /// A list that began after `before` was taken is complete: it showed all that was written by then.
    pub fn listed(&self, before: &BTreeSet<Key>) {
        self.lock()
            .retain(|key, ours| matches!(ours, Ours::Reserved(_)) || !before.contains(key));
        if let Some(marks) = &self.marks {
            marks.mark_all();
        }
    }

    fn mark(&self, key: &Key) {
        if let Some(marks) = &self.marks {
            marks.mark(key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Ours<K>>> {
        self.ours.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reference<K: Resource<DynamicType = ()>>((namespace, name): &Key) -> ObjectRef<K> {
    let reference = ObjectRef::new(name);
    if namespace.is_empty() {
        reference
    } else {
        reference.within(namespace)
    }
}

fn version(object: &impl ResourceExt) -> u64 {
    object
        .resource_version()
        .and_then(|version| version.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::runtime::reflector;
    use kube::runtime::watcher::Event;

    use super::*;

    fn object(name: &str, version: &str) -> ConfigMap {
        let mut object = ConfigMap::default();
        object.metadata.name = Some(name.into());
        object.metadata.namespace = Some("shop".into());
        object.metadata.resource_version = Some(version.into());
        object
    }

    fn key(name: &str) -> Key {
        ("shop".into(), name.into())
    }

    #[test]
    fn a_write_counts_until_the_watch_has_shown_it_or_something_newer() {
        let (store, mut writer) = reflector::store();
        let cache = Cache::new(store);
        cache.reserve(object("a", ""));
        assert_eq!(cache.all().len(), 1);
        cache.wrote(object("a", "10"));
        writer.apply_watcher_event(&Event::Apply(object("a", "9")));
        cache.seen(&object("a", "9"), false);
        assert_eq!(
            cache.get(&key("a")).unwrap().resource_version().unwrap(),
            "10"
        );
        writer.apply_watcher_event(&Event::Apply(object("a", "11")));
        cache.seen(&object("a", "11"), false);
        assert_eq!(
            cache.get(&key("a")).unwrap().resource_version().unwrap(),
            "11"
        );
        cache.wrote(object("a", "10"));
        assert_eq!(
            cache.get(&key("a")).unwrap().resource_version().unwrap(),
            "11"
        );
    }

    #[test]
    fn a_failed_create_leaves_nothing_and_a_delete_hides_at_once() {
        let (store, mut writer) = reflector::store();
        let cache = Cache::new(store);
        cache.reserve(object("a", ""));
        cache.release(&key("a"));
        assert!(cache.all().is_empty());
        writer.apply_watcher_event(&Event::Apply(object("b", "5")));
        cache.removed(&object("b", "6"));
        assert!(cache.get(&key("b")).is_none());
        // Made anew under the same name.
        writer.apply_watcher_event(&Event::Apply(object("b", "8")));
        cache.seen(&object("b", "8"), false);
        assert!(cache.get(&key("b")).is_some());
    }

    #[test]
    fn a_new_list_confirms_what_was_written_before_it_and_nothing_else() {
        let (store, _writer) = reflector::store::<ConfigMap>();
        let cache = Cache::new(store);
        cache.wrote(object("old", "5"));
        let before = cache.unconfirmed();
        cache.wrote(object("new", "9"));
        cache.listed(&before);
        assert_eq!(cache.all().len(), 1);
        assert!(cache.get(&key("new")).is_some());
    }
}
