//! A Kubernetes API server in memory, for the real kube client.
//!
//! # Expected flow
//! `FakeApi::new()`, then [`FakeApi::client`] (or [`FakeApi::client_of`], so that faults and records can tell actors
//! apart), then whatever a controller does: any group and kind, told apart by URL path alone.
//!
//! # Guarantees
//! One version counter for everything. A watch replays all that happened after its `resourceVersion`. Conflicts,
//! preconditions, finalizers, owner references, status as a subresource and server-side apply follow the real
//! server; a write that changes nothing does not move the version. All time is tokio's, so it can be paused.
//!
//! # Assumptions
//! Objects are legal: no schema is checked, nothing is defaulted or pruned.
//!
//! # Caveats
//! No managed fields, no scale subresource, no strategic merge patch, no discovery. Namespaces need not exist. Pages
//! of one list are not one snapshot, which a watch from the list's version makes good. Owned objects are collected
//! in the same moment as their last owner.

mod apply;
mod faults;
mod json_patch;
mod object;
mod person;
mod record;
mod review;
mod route;
mod selector;
mod serve;
mod store;
mod watch;
mod write;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use http::{Request as HttpRequest, Response};
use jiff::{SignedDuration, Timestamp};
use kube::Client;
use serde_json::Value;
use tokio::sync::watch as signal;
use tokio::time::Instant;

use faults::Faults;
use review::Reviews;
use route::Route;
use selector::Selector;
use store::Store;

use crate::testing::rights::Right;

pub use faults::Fault;
pub use record::{Request, Verb};

/// Where the clock of every fake server starts: 2026-01-01T00:00:00Z.
const EPOCH_SECONDS: i64 = 1_767_225_600;

/// An API server in memory. Clones are the same server.
#[derive(Clone)]
pub struct FakeApi {
    shared: Arc<Mutex<Shared>>,
    /// Moves whenever a waiting watch or request should look again.
    changed: signal::Sender<u64>,
    born: Instant,
}

/// All that clones share.
#[derive(Default)]
struct Shared {
    store: Store,
    faults: Faults,
    seen: Vec<Request>,
    reviews: Reviews,
}

impl Default for FakeApi {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeApi {
    /// An empty server.
    #[must_use]
    pub fn new() -> Self {
        let (changed, _) = signal::channel(0);
        Self {
            shared: Arc::default(),
            changed,
            born: Instant::now(),
        }
    }

    /// A client of this server without a name.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client_of("")
    }

    /// A client of this server whose requests are recorded as those of `actor`.
    #[must_use]
    pub fn client_of(&self, actor: &str) -> Client {
        let (api, actor) = (self.clone(), actor.to_owned());
        let serve = move |request: HttpRequest<kube::client::Body>| {
            let (api, actor) = (api.clone(), actor.clone());
            async move { api.serve(&actor, request).await }
        };
        Client::new(tower::service_fn(serve), "default")
    }

    /// The server's time: a fixed start, plus what tokio's clock has passed since.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.born.elapsed()).unwrap_or(SignedDuration::ZERO);
        let start = Timestamp::from_second(EPOCH_SECONDS).unwrap_or(Timestamp::UNIX_EPOCH);
        start.saturating_add(passed).unwrap_or(start)
    }

    /// Every request so far, in the order in which they were answered.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.lock().seen.clone()
    }

    /// Every request so far that would change something.
    #[must_use]
    pub fn writes(&self) -> Vec<Request> {
        self.lock()
            .seen
            .iter()
            .filter(|request| request.verb.is_write())
            .cloned()
            .collect()
    }

    /// What `actor` asked for, as a role would have to allow it.
    #[must_use]
    pub fn used_by(&self, actor: &str) -> BTreeSet<Right> {
        let requests = self.requests();
        let its = requests.iter().filter(|request| request.actor == actor);
        its.map(Request::right).collect()
    }

    /// Forgets all recorded requests.
    pub fn forget(&self) {
        self.lock().seen.clear();
    }

    /// The object at a URL path such as `/api/v1/namespaces/default/configmaps/a`, without a recorded request.
    #[must_use]
    pub fn object(&self, path: &str) -> Option<Value> {
        let route = Route::parse(path)?;
        self.lock().store.get(&route).ok().cloned()
    }

    /// Every object of the kind at a URL path such as `/api/v1/configmaps`, whatever its namespace, without a recorded
    /// request.
    #[must_use]
    pub fn all(&self, path: &str) -> Vec<Value> {
        let Some(route) = Route::parse(path) else {
            return Vec::new();
        };
        let shared = self.lock();
        let everything = Selector::default();
        let objects = shared.store.list(&route.collection, &everything);
        objects.map(|(_, object)| object.clone()).collect()
    }

    /// The newest version that any object has had.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.lock().store.version()
    }

    /// Gives `fault` as the answer to the next `times` requests for which `matching` holds.
    pub fn fail(
        &self,
        times: usize,
        fault: Fault,
        matching: impl Fn(&Request) -> bool + Send + 'static,
    ) {
        self.lock().faults.add(times, fault, Box::new(matching));
    }

    /// Ends what [`Self::fail`] began.
    pub fn mend(&self) {
        self.lock().faults.forget();
    }

    /// Ends every open watch, as a server that restarts does.
    pub fn cut_watches(&self) {
        self.lock().faults.cut();
        self.look_again();
    }

    /// Forgets the history: every watch from an older version, open ones included, is answered `410 Gone`.
    pub fn expire(&self) {
        self.lock().store.expire();
        self.look_again();
    }

    /// From now on requests hang and watches are silent.
    pub fn pause(&self) {
        self.lock().faults.pause();
    }

    /// Ends [`Self::pause`]: what hangs goes on.
    pub fn resume(&self) {
        self.lock().faults.resume();
        self.look_again();
    }

    /// As [`Self::pause`], for the requests and watches of one actor.
    pub fn isolate(&self, actor: &str) {
        self.lock().faults.isolate(actor);
    }

    /// Ends [`Self::isolate`].
    pub fn heal(&self, actor: &str) {
        self.lock().faults.heal(actor);
        self.look_again();
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look_again(&self) {
        self.changed.send_modify(|count| *count += 1);
    }
}

/// A reply, or a connection that broke before it.
type Reply = Result<Response<Body>, io::Error>;

/// A line of a watch.
type Line = Result<axum::body::Bytes, Infallible>;

/// How often a watch that allows it gets a bookmark.
const BOOKMARK_EVERY: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests;
