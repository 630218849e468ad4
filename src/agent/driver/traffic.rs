//! The driver's part with traffic: makes the checks that are due, looks at connections where a task waits for their end,
//! and passes on what target groups say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{debug, info, warn};

use super::groups::Groups;
use super::{Done, Driver};
use crate::agent::helper::Helpers;
use crate::agent::probe;
use crate::agent::step::{GroupFound, Reach};
use crate::agent::task::{CheckOrder, Task};
use crate::domain::ids;
use crate::domain::traffic::check::Failure;
use crate::runtime::{Error, Network};

/// Checks at once: most take a millisecond, and a hanging one no longer than its timeout.
const CHECKS: usize = 32;
/// Between looks at a helper.
const LOOK: Duration = Duration::from_millis(500);

/// With what the driver does its part.
pub(super) struct Traffic {
    pub(super) reach: watch::Receiver<Reach>,
    pub(super) groups: watch::Receiver<Groups>,
    /// Whether anybody needs the groups.
    needs: watch::Sender<bool>,
    helpers: Helpers,
    checks: Arc<Semaphore>,
}

impl Traffic {
    pub(super) fn new(
        reach: watch::Receiver<Reach>,
        groups: watch::Receiver<Groups>,
        needs: watch::Sender<bool>,
        helpers: Helpers,
    ) -> Self {
        Self {
            reach,
            groups,
            needs,
            helpers,
            checks: Arc::new(Semaphore::new(CHECKS)),
        }
    }

    /// Tells a task all that is known of its traffic.
    pub(super) fn tell(&self, task: &mut Task) {
        if task.wanted().targets.is_empty() {
            return;
        }
        task.reached(&self.reach.borrow());
        let namespace = task.wanted().namespace.clone();
        let groups = self.groups.borrow().clone();
        task.find_groups(|name| match &groups {
            None => {
                self.needs
                    .send_if_modified(|needs| !std::mem::replace(needs, true));
                GroupFound::Unknown
            }
            Some(groups) => {
                let found = groups.get(&(namespace.clone(), name.to_owned()));
                found
                    .cloned()
                    .map_or(GroupFound::Missing, GroupFound::Found)
            }
        });
    }
}

/// Keeps looking at the connections of a task until it is dropped.
#[derive(Debug)]
pub(super) struct Looking {
    _until_dropped: DropGuard,
}

impl Driver {
    /// Something is new that concerns every task with targets.
    pub(super) fn traffic_changed(&mut self) {
        let all = self.book.iter();
        let with_targets = all.filter(|(_, entry)| {
            let task = entry.task.as_ref();
            task.is_some_and(|task| !task.wanted().targets.is_empty())
        });
        self.dirty.extend(with_targets.map(|(uid, _)| uid.clone()));
    }

    /// Makes the checks that are due.
    pub(super) fn start_checks(&mut self) {
        let now = self.clock.now();
        for (uid, entry) in &mut self.book {
            let Some(task) = &mut entry.task else {
                continue;
            };
            for order in task.checks_due(now) {
                let room = Arc::clone(&self.traffic.checks);
                let uid = uid.clone();
                self.jobs.spawn(async move {
                    // The room is never closed.
                    let _place = room.acquire().await;
                    let answer = probe::ask(&order).await;
                    Done::Checked { uid, order, answer }
                });
            }
        }
    }

    pub(super) fn checked(&mut self, uid: String, order: &CheckOrder, answer: Result<(), Failure>) {
        self.metrics.checked(answer.is_ok());
        let now = self.clock.now();
        let entry = self.book.get_mut(&uid);
        if let Some(task) = entry.and_then(|entry| entry.task.as_mut()) {
            debug!(uid, target = order.target, ?answer, "target checked");
            task.checked(order, answer, now);
            self.dirty.insert(uid);
        }
    }

    /// Looks at the connections of a task for as long as it waits for their end.
    pub(super) fn look_at_connections(&mut self, uid: &str) {
        let Some(entry) = self.book.get_mut(uid) else {
            return;
        };
        let Some(task) = &entry.task else {
            return;
        };
        if !task.looks_at_connections() {
            entry.looking = None;
            return;
        }
        // What an agent before this one left is swept before the reach is known.
        if entry.looking.is_some() || *self.traffic.reach.borrow() == Reach::Unknown {
            return;
        }
        let stop = CancellationToken::new();
        entry.looking = Some(Looking {
            _until_dropped: stop.clone().drop_guard(),
        });
        let helpers = self.traffic.helpers.clone();
        let places = places(task);
        let uid = uid.to_owned();
        self.jobs.spawn(async move {
            let looks = places
                .into_iter()
                .map(|(name, network, ports)| none_left(&helpers, name, network, ports, &stop));
            let none = join_all(looks).await.into_iter().all(|none| none);
            Done::Connections { uid, none }
        });
    }

    pub(super) fn connections(&mut self, uid: String, none: bool) {
        let entry = self.book.get_mut(&uid);
        if let (true, Some(task)) = (none, entry.and_then(|entry| entry.task.as_mut())) {
            info!(uid, "no connection to the task is left");
            task.has_no_connections();
            self.dirty.insert(uid);
        }
    }
}

/// Networks in which a task's targets listen, with the ports there and a name for who looks.
fn places(task: &Task) -> Vec<(String, Network, Vec<u16>)> {
    let wanted = task.wanted();
    let mut places: BTreeMap<String, (Network, BTreeSet<u16>)> = BTreeMap::new();
    for target in &wanted.targets {
        let Some(container) = wanted.container(&target.spec.container_name) else {
            continue;
        };
        let (holder, network) = match wanted.network(container) {
            Network::Bridge => {
                let name = task.engine_name(&container.name).unwrap_or_default();
                (name.to_owned(), Network::Container(name.to_owned()))
            }
            Network::Container(name) => (name.clone(), Network::Container(name)),
            Network::Host => (wanted.uid.clone(), Network::Host),
            Network::None => continue,
        };
        let (_, ports) = places
            .entry(holder)
            .or_insert_with(|| (network, BTreeSet::new()));
        ports.insert(target.container_port);
    }
    let named = |(holder, (network, ports)): (String, (Network, BTreeSet<u16>))| {
        let name = format!("ecs-operator-connections-{}", ids::hash(&[&holder], 16));
        (name, network, ports.into_iter().collect())
    };
    places.into_iter().map(named).collect()
}

/// Whether no connection was left in a network before anybody said stop.
async fn none_left(
    helpers: &Helpers,
    name: String,
    network: Network,
    ports: Vec<u16>,
    stop: &CancellationToken,
) -> bool {
    let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
    let words = ["connections", "--ports", &ports.join(",")].map(str::to_owned);
    let looks = async {
        helpers.start(&name, &words, network, Vec::new()).await?;
        loop {
            if let Some(code) = helpers.ended(&name).await? {
                return Ok::<_, Error>(code);
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let none = tokio::select! {
        () = stop.cancelled() => false,
        ended = looks => match ended {
            Ok(code) => code == 0,
            Err(error) => {
                warn!(name, %error, "cannot look at connections: the whole deregistration delay passes");
                false
            }
        },
    };
    helpers.remove(&name).await;
    none
}
