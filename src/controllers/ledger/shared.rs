//! Values that many hold, each kept once.

use std::collections::BTreeSet;
use std::sync::Arc;

/// See the module. Those that nobody holds any more are forgotten from time to time.
#[derive(Debug)]
pub(super) struct Shared<T: ?Sized> {
    known: BTreeSet<Arc<T>>,
    /// So many are worth looking for those that nobody holds.
    many: usize,
}

impl<T: ?Sized> Default for Shared<T> {
    fn default() -> Self {
        Self {
            known: BTreeSet::new(),
            many: 64,
        }
    }
}

impl<T: ?Sized + Ord> Shared<T> {
    /// The one that equals `value`.
    pub(super) fn of(&mut self, value: impl Into<Arc<T>>) -> Arc<T> {
        let value = value.into();
        if let Some(known) = self.known.get(&value) {
            return Arc::clone(known);
        }
        if self.known.len() >= self.many {
            self.known.retain(|known| Arc::strong_count(known) > 1);
            self.many = 64.max(self.known.len() * 2);
        }
        self.known.insert(Arc::clone(&value));
        value
    }
}
