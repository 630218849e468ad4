//! Tasks that a write may be about to list: from before it is sent until it is known what came of it.
//!
//! A write goes by the version of its slice. So one without an answer is over once the slice has another version, whoever
//! wrote that, and at the latest when the API server would have given it up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::controllers::cache::Key;

/// How long the API server works on a request (its `--request-timeout`).
const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);

/// See the module. Whoever decides on endpoints, or that a task has none, decides while it holds this.
#[derive(Default)]
pub struct Offers(Mutex<Pending>);

/// By slice, what its writes may come to.
#[derive(Default)]
pub struct Pending(BTreeMap<Key, Offer>);

struct Offer {
    /// UIDs of the tasks that the slice may list.
    uids: BTreeSet<String>,
    /// The version that the last write goes by; none of a slice that is created.
    base: Option<String>,
    /// When it was sent, on the leader's monotonic clock.
    sent: Duration,
}

impl Offers {
    /// Looks, and decides.
    pub fn with<T>(&self, decide: impl FnOnce(&mut Pending) -> T) -> T {
        decide(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Pending {
    /// A write of this slice is about to be sent.
    pub fn offer(
        &mut self,
        slice: Key,
        uids: impl IntoIterator<Item = String>,
        base: Option<String>,
        sent: Duration,
    ) {
        // An earlier write without an answer may still arrive.
        let before = self.0.remove(&slice).map(|before| before.uids);
        let uids = uids.into_iter().chain(before.unwrap_or_default());
        let uids = uids.collect();
        self.0.insert(slice, Offer { uids, base, sent });
    }

    /// The API server has answered, and what came of all writes of this slice is known.
    pub fn settle(&mut self, slice: &Key) {
        self.0.remove(slice);
    }

    /// Forgets the writes that are over, going by the versions that the slices have `now`.
    pub fn settle_those_over(&mut self, now: Duration, version: impl Fn(&Key) -> Option<String>) {
        self.0.retain(|slice, offer| {
            let overtaken = version(slice).is_some_and(|known| Some(known) != offer.base);
            !overtaken && now.saturating_sub(offer.sent) < REQUEST_TIMEOUT
        });
    }

    /// Whether a slice may come to list the task.
    pub fn lists(&self, uid: &str) -> bool {
        self.0.values().any(|offer| offer.uids.contains(uid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    #[test]
    fn a_task_is_listed_until_every_write_that_lists_it_is_over() {
        let offers = Offers::default();
        let slice = ("shop".to_owned(), "web-8080".to_owned());
        let listed = |uid: &str| offers.with(|pending| pending.lists(uid));
        let offer = |uid: &str| {
            offers.with(|pending| {
                pending.offer(slice.clone(), [uid.to_owned()], Some("7".into()), at(10));
            });
        };
        let look = |second, version: &str| {
            let version = Some(version.to_owned());
            offers.with(|pending| pending.settle_those_over(at(second), |_| version.clone()));
        };
        offer("a");
        // No answer came, and the next write lists another.
        offer("b");
        look(11, "7");
        assert!(listed("a") && listed("b"));
        offers.with(|pending| pending.settle(&slice));
        assert!(!listed("a") && !listed("b"));
        offer("a");
        look(11, "8");
        assert!(
            !listed("a"),
            "whichever write made the new version, ours is over"
        );
        offer("a");
        look(69, "7");
        assert!(listed("a"));
        look(70, "7");
        assert!(!listed("a"));
    }
}
