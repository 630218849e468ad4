//! Names of objects to reconcile. A name that waits already is not added again, so that a queue is never longer than
//! there are objects.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use futures::Stream;
use kube::Resource;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::Notify;

use super::cache::Key;

/// See the module.
#[derive(Clone, Default)]
pub struct Queue {
    waiting: Arc<Mutex<BTreeSet<Key>>>,
    filled: Arc<Notify>,
}

impl Queue {
    /// Adds a name.
    pub fn add(&self, key: Key) {
        self.lock().insert(key);
        self.filled.notify_one();
    }

    /// Adds several names.
    pub fn extend(&self, keys: impl IntoIterator<Item = Key>) {
        self.lock().extend(keys);
        self.filled.notify_one();
    }

    /// The names as they come, for ever. For one reader.
    pub fn stream<K>(&self) -> impl Stream<Item = ObjectRef<K>> + Send + 'static
    where
        K: Resource<DynamicType = ()> + Send + 'static,
    {
        futures::stream::unfold(self.clone(), |queue| async move {
            loop {
                if let Some((namespace, name)) = queue.lock().pop_first() {
                    let reference = ObjectRef::new(&name);
                    let reference = if namespace.is_empty() {
                        reference
                    } else {
                        reference.within(&namespace)
                    };
                    return Some((reference, queue.clone()));
                }
                queue.filled.notified().await;
            }
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<Key>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
