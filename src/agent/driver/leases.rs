//! Who needs which image: a task from when it is taken on until it is down, and a removal while it is under way.
//!
//! An image that a task holds is not removed; a task that wants an image which is being removed waits for the end of
//! that, and then pulls.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::runtime::full_reference;

/// The book of leases. Clones are the same book.
#[derive(Debug, Clone)]
pub(super) struct Leases {
    book: Arc<Mutex<Book>>,
    /// Moves whenever a removal has ended.
    ended: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Book {
    held: BTreeMap<String, usize>,
    removing: BTreeSet<String>,
}

/// Images that a task needs; dropping it gives them up.
#[derive(Debug)]
pub(super) struct Lease {
    leases: Leases,
    names: Vec<String>,
}

/// Images that are being removed; dropping it says that this is over.
#[derive(Debug)]
pub(super) struct Removing {
    leases: Leases,
    names: Vec<String>,
}

impl Default for Leases {
    fn default() -> Self {
        let (ended, _) = watch::channel(0);
        let book = Arc::default();
        Self { book, ended }
    }
}

impl Leases {
    /// A task is to run these images.
    pub(super) fn hold(&self, images: impl IntoIterator<Item = impl AsRef<str>>) -> Lease {
        let names = images.into_iter();
        let names: Vec<String> = names.map(|name| full_reference(name.as_ref())).collect();
        let mut book = self.lock();
        for name in &names {
            *book.held.entry(name.clone()).or_default() += 1;
        }
        let leases = self.clone();
        Lease { leases, names }
    }

    /// Whether a task is to run the image of this name.
    pub(super) fn is_held(&self, name: &str) -> bool {
        self.lock().held.contains_key(&full_reference(name))
    }

    /// Begins to remove an image with these names, unless a task needs one of them.
    pub(super) fn remove(&self, names: &[String]) -> Option<Removing> {
        let names: Vec<String> = names.iter().map(|name| full_reference(name)).collect();
        let mut book = self.lock();
        if names.iter().any(|name| book.held.contains_key(name)) {
            return None;
        }
        book.removing.extend(names.iter().cloned());
        let leases = self.clone();
        Some(Removing { leases, names })
    }

    /// How many images are held or being removed.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let book = self.lock();
        book.held.len() + book.removing.len()
    }

    /// Waits until nobody removes the image.
    pub(super) async fn settled(&self, image: &str) {
        let name = full_reference(image);
        let mut ended = self.ended.subscribe();
        while self.lock().removing.contains(&name) {
            if ended.changed().await.is_err() {
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut book = self.leases.lock();
        for name in &self.names {
            if let Some(count) = book.held.get_mut(name) {
                *count -= 1;
            }
        }
        book.held.retain(|_, count| *count > 0);
    }
}

impl Drop for Removing {
    fn drop(&mut self) {
        for name in &self.names {
            self.leases.lock().removing.remove(name);
        }
        self.leases.ended.send_modify(|count| *count += 1);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn what_a_task_needs_is_not_removed_and_what_is_removed_is_waited_for() {
        let leases = Leases::default();
        let nginx = ["docker.io/library/nginx:latest".to_owned()];
        let first = leases.hold(["nginx"]);
        let second = leases.hold(["nginx:latest", "other:1"]);
        drop(first);
        assert!(leases.is_held("docker.io/library/nginx"));
        assert!(leases.remove(&nginx).is_none());
        drop(second);
        let removing = leases.remove(&nginx).unwrap();
        assert_eq!(leases.settled("other:1").now_or_never(), Some(()));
        let waits = leases.settled("nginx");
        futures::pin_mut!(waits);
        assert_eq!((&mut waits).now_or_never(), None);
        drop(removing);
        waits.await;
    }
}
