//! Which objects changed since somebody last asked.
//!
//! # Guarantees
//! A change is marked after it can be read, so that whoever takes the marks and then reads sees it, now or when asking
//! again. Marks say nothing of what changed: they may come late, twice and in any order.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::cache::Key;

/// See the module.
#[derive(Debug, Default)]
pub struct Marks(Mutex<Marked>);

/// What is to be looked at again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marked {
    /// These objects.
    pub keys: BTreeSet<Key>,
    /// All: a new list may have left out some that were known.
    pub all: bool,
}

impl Marks {
    /// An object changed, came, or went.
    pub fn mark(&self, key: &Key) {
        let mut marked = self.lock();
        if !marked.all && !marked.keys.contains(key) {
            marked.keys.insert(key.clone());
        }
    }

    /// Any object may have changed.
    pub fn mark_all(&self) {
        *self.lock() = Marked {
            keys: BTreeSet::new(),
            all: true,
        };
    }

    /// What was marked since this was last called.
    pub fn take(&self) -> Marked {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Marked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
