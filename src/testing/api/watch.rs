//! Watches: everything after a version, in order, then what comes.

use std::collections::VecDeque;
use std::time::Duration;

use futures::{Stream, stream};
use serde_json::{Value, json};
use tokio::sync::watch as signal;
use tokio::time::{Instant, sleep_until};

use super::object::{entry, set_meta, status_json};
use super::route::Route;
use super::selector::Selector;
use super::serve::{Asked, expired, present};
use super::store::{Change, Store};
use super::{BOOKMARK_EVERY, FakeApi, Line};

/// How long a watch lives that names no time.
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(30);

/// One open watch.
pub(super) struct Watch {
    api: FakeApi,
    actor: String,
    route: Route,
    selector: Selector,
    metadata_only: bool,
    /// Version up to which all was told.
    told: u64,
    /// How often watches had been cut when this one was opened.
    cuts: u64,
    changed: signal::Receiver<u64>,
    ends: Instant,
    next_bookmark: Option<Instant>,
    lines: VecDeque<Value>,
    over: bool,
}

impl Watch {
    /// Opens a watch. A version that is too old is told in its first line, as the real server's watch cache does.
    pub(super) fn open(api: &FakeApi, actor: &str, asked: &Asked) -> Self {
        let (route, query) = (asked.route.clone(), &asked.query);
        let shared = api.lock();
        let from = query.number("resourceVersion").unwrap_or(0);
        let initial = query.is("sendInitialEvents") || from == 0;
        let now = Instant::now();
        let timeout = query
            .number("timeoutSeconds")
            .map_or(DEFAULT_TIMEOUT, Duration::from_secs);
        let mut watch = Self {
            api: api.clone(),
            actor: actor.to_owned(),
            selector: Selector::of(&route, query),
            route,
            metadata_only: asked.metadata_only,
            told: from,
            cuts: shared.faults.cuts(),
            changed: api.changed.subscribe(),
            ends: now + timeout,
            next_bookmark: query
                .is("allowWatchBookmarks")
                .then(|| now + BOOKMARK_EVERY),
            lines: VecDeque::new(),
            over: false,
        };
        if initial {
            watch.start(&shared.store, query.is("sendInitialEvents"));
        }
        drop(shared);
        watch
    }

    /// The lines of the answer.
    pub(super) fn lines(self) -> impl Stream<Item = Line> + Send {
        stream::unfold(self, |mut watch| async {
            let mut line = watch.next().await?.to_string().into_bytes();
            line.push(b'\n');
            Some((Ok(line.into()), watch))
        })
    }

    async fn next(&mut self) -> Option<Value> {
        loop {
            self.changed.borrow_and_update();
            if !self.look() {
                return None;
            }
            if let Some(line) = self.lines.pop_front() {
                return Some(line);
            }
            if self.over {
                return None;
            }
            let bookmark = self.next_bookmark.unwrap_or(self.ends);
            tokio::select! {
                changed = self.changed.changed() => changed.ok()?,
                () = sleep_until(self.ends) => return None,
                () = sleep_until(bookmark), if self.next_bookmark.is_some() => self.bookmark(),
            }
        }
    }

    /// Takes in what is new. False when the watch was cut.
    fn look(&mut self) -> bool {
        let api = self.api.clone();
        let shared = api.lock();
        if shared.faults.cuts() != self.cuts {
            return false;
        }
        if shared.faults.blocks(&self.actor) || self.over {
            return true;
        }
        let store = &shared.store;
        if self.told < store.oldest() {
            let status = status_json(&expired(&self.route));
            self.lines
                .push_back(json!({"type": "ERROR", "object": status}));
            self.over = true;
            return true;
        }
        let events: Vec<Value> = store
            .since(&self.route.collection, self.told)
            .iter()
            .filter_map(|change| self.event(change))
            .collect();
        self.lines.extend(events);
        self.told = store.version();
        true
    }

    /// How a commit looks through the selector.
    fn event(&self, change: &Change) -> Option<Value> {
        let before = change
            .before
            .as_ref()
            .is_some_and(|object| self.selector.matches(object));
        let after = !change.removed && self.selector.matches(&change.after);
        let word = match (before, after) {
            (false, false) => return None,
            (false, true) => "ADDED",
            (true, true) => "MODIFIED",
            (true, false) => "DELETED",
        };
        let mut object = change.after.clone();
        if let Some(last) = change.before.clone().filter(|_| word == "DELETED") {
            // Its last state that was selected, with the version of the change.
            let version = object.pointer("/metadata/resourceVersion").cloned();
            object = last;
            set_meta(&mut object, "resourceVersion", version.unwrap_or_default());
        }
        Some(json!({"type": word, "object": present(object, self.metadata_only)}))
    }

    /// Tells all that is there; `marked` closes it with the bookmark that streaming lists wait for.
    fn start(&mut self, store: &Store, marked: bool) {
        for (_, object) in store.list(&self.route.collection, &self.selector) {
            let object = present(object.clone(), self.metadata_only);
            self.lines
                .push_back(json!({"type": "ADDED", "object": object}));
        }
        self.told = store.version();
        if marked {
            let mut line = self.mark(store);
            let annotations = json!({"k8s.io/initial-events-end": "true"});
            set_meta(entry(&mut line, "object"), "annotations", annotations);
            self.lines.push_back(line);
        }
    }

    fn bookmark(&mut self) {
        self.next_bookmark = Some(Instant::now() + BOOKMARK_EVERY);
        let api = self.api.clone();
        let shared = api.lock();
        if !shared.faults.blocks(&self.actor) {
            self.lines.push_back(self.mark(&shared.store));
        }
    }

    fn mark(&self, store: &Store) -> Value {
        let object = json!({
            "apiVersion": self.route.api_version, "kind": store.kind(&self.route.collection),
            "metadata": {"resourceVersion": self.told.to_string()},
        });
        json!({"type": "BOOKMARK", "object": object})
    }
}
