//! The driver: one event loop that observes (API and engine), steps each task that something happened to, and makes
//! the calls that came out.
//!
//! **Expected flow.** Tasks come from a watch, containers from lists every 15 s; nothing is done before both are
//! there. Events of the engine are hints to look. Each dirty task is stepped; calls and status writes run beside the
//! loop and report back into it.
//!
//! **Guarantees.** One call at a time for each container; one status write at a time for each task, of the newest
//! report only; nothing of a task that a fresh list of the API knows is ever removed but by that task's own step.
//!
//! **Assumptions.** One agent for each instance, which [`super::lease`] sees to. Containers with this instance's label were made by its agents.
//!
//! **Caveats.** Calls that are under way when the agent ends may still take effect; the next agent finds out.

mod api;
mod cleanup;
mod done;
mod entry;
mod groups;
mod images;
mod lanes;
mod leases;
mod limits;
mod listen;
mod metadata;
mod observe;
mod perform;
mod roles;
mod tidy;
mod traffic;
mod volumes;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::Client;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::broker::Broker;
use super::engine::EngineState;
use super::files::Files;
use super::helper::Helpers;
use super::instance::{self, Size};
use super::limits::client::Client as Limiter;
use super::metadata::server::Ask;
use super::metrics::Metrics;
use super::pause::PauseImage;
use super::step::Reach;
use super::wanted::{Gpus, Ledger, Rules};
use crate::api::names;
use crate::domain::resources::Capacity;
use crate::platform::clock::Clock;
use crate::runtime::{ContainerSummary, Engine, Labels};
use api::Found;
use cleanup::Cleanup;
use done::Done;
use entry::Entry;
use lanes::{LIST_INTERVAL, Lanes};
use listen::News;
use roles::Roles;
use traffic::Traffic;
use volumes::VolumeList;

/// A watch is begun anew with a list after this time, whatever it has brought.
const API_RELIST: Duration = Duration::from_mins(10);
/// The loop looks around at least this often, which also bounds what a jump of the clock can do.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);
/// Status writes under way at once.
const WRITES: usize = 8;
/// As many as Docker itself replays; more are no use, because lists bring what was lost.
const HINTS: usize = 256;

/// What the driver is told from outside.
#[derive(Debug, Clone)]
pub struct Settings {
    /// For every task.
    pub rules: Rules,
    /// Address at which published ports are reachable.
    pub address: Option<String>,
    /// What the instance offers.
    pub size: Size,
    /// What the pause containers of its tasks run.
    pub pause: PauseImage,
    /// Stopped tasks whose containers are kept.
    pub stopped_tasks_kept: usize,
    /// Whom to ask for what definitions only name; without one no task gets any of it.
    pub broker: Option<Broker>,
    /// Where what tasks are given is; without it no task gets files or a role.
    pub files: Option<Files>,
    /// When unused images are removed; without rules they never are.
    pub image_cleanup: Option<super::images::Rules>,
    /// Unix socket of who bounds whole tasks; without it no task with bounds runs here.
    pub limits: Option<PathBuf>,
}

/// Why the driver ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A part of it panicked.
    #[error("a part of the driver failed")]
    Part(#[from] tokio::task::JoinError),
    /// The part that looks after the engine ended.
    #[error("nobody looks after the engine any more")]
    NoEngineState,
}

/// A definition that was asked for.
enum Definition {
    Asked,
    Failed { again_at: Duration },
    Found(Found),
}

pub(super) struct Driver {
    settings: Settings,
    client: Client,
    clock: Clock,
    lanes: Lanes,
    capacity: Capacity,
    labels: Labels,
    metrics: Metrics,
    cleanup: Cleanup,
    roles: Roles,
    traffic: Traffic,
    bridge_doubts: mpsc::Sender<String>,
    book: BTreeMap<String, Entry>,
    definitions: BTreeMap<(String, String), Definition>,
    ledger: Ledger,
    /// GPUs of the instance, and who holds them.
    gpu_ids: Vec<String>,
    gpus: Gpus,
    /// The newest list, and whether there was one.
    lines: Vec<ContainerSummary>,
    listed: bool,
    listing: bool,
    volumes: VolumeList,
    list_at: Duration,
    /// Tasks that the list under way has brought; `None` between lists.
    fresh: Option<BTreeSet<String>>,
    synced: bool,
    /// Tasks that stand in the API and cannot be read: their containers are left alone.
    unreadable: BTreeSet<String>,
    /// Tasks unknown to the API whose containers the last list showed.
    suspects: BTreeSet<String>,
    dirty: BTreeSet<String>,
    jobs: JoinSet<Done>,
    writing: usize,
    /// Numbers the calls that ended, to tell which lists began before.
    changes: u64,
}

/// With whom the driver has to do.
pub struct Surroundings {
    /// To the API server.
    pub client: Client,
    /// Who runs the containers.
    pub engine: Arc<dyn Engine>,
    /// How the engine is.
    pub state: watch::Receiver<EngineState>,
    /// What is counted.
    pub metrics: Metrics,
    /// What tasks ask.
    pub asks: mpsc::Receiver<Ask>,
    /// Where published ports are reached.
    pub reach: watch::Receiver<Reach>,
    /// Who finds things out where the agent cannot be.
    pub(super) helpers: Helpers,
    /// Who is told of starts that failed for lack of the engine's bridge.
    pub(super) bridge_doubts: mpsc::Sender<String>,
}

/// Runs the tasks of an instance until `shutdown`.
pub async fn run(
    settings: Settings,
    surroundings: Surroundings,
    clock: Clock,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    serve(settings, surroundings, clock, shutdown)
        .await
        .map(drop)
}

/// Does what [`run`] does, and hands over what it knows in the end, if it came to know anything.
async fn serve(
    mut settings: Settings,
    surroundings: Surroundings,
    clock: Clock,
    shutdown: CancellationToken,
) -> Result<Option<Driver>, Error> {
    let Surroundings {
        client,
        engine,
        mut state,
        metrics,
        asks,
        reach,
        helpers,
        bridge_doubts,
    } = surroundings;
    let described = tokio::select! {
        () = shutdown.cancelled() => return Ok(None),
        described = state.wait_for(|state| state.info.is_some()) => described.map_err(|_| Error::NoEngineState)?.info.clone(),
    };
    let description = described.unwrap_or_default();
    settings
        .rules
        .log_driver
        .clone_from(&description.log_driver);
    settings.rules.engine_root.clone_from(&description.root);
    let capacity = instance::capacity(&description, &settings.size);
    let lanes = Lanes::new(
        Arc::clone(&engine),
        description.cpus,
        settings.pause.clone(),
        settings.broker.clone(),
        settings.files.clone(),
        settings.limits.clone().map(Limiter::at),
    );
    let labels = Labels::from([(
        names::INSTANCE_DOCKER_LABEL.to_owned(),
        settings.rules.instance.clone(),
    )]);
    let cleanup = Cleanup::new(settings.image_cleanup);
    let (sender, news) = mpsc::channel(HINTS);
    let (needs, needed) = watch::channel(false);
    let (found, groups) = watch::channel(None);
    let watch_groups = groups::watch(client.clone(), needed, found);
    let mut driver = Driver {
        settings,
        client,
        clock,
        lanes,
        capacity,
        labels: labels.clone(),
        metrics,
        cleanup,
        roles: Roles::default(),
        traffic: Traffic::new(reach, groups, needs, helpers),
        bridge_doubts,
        book: BTreeMap::new(),
        definitions: BTreeMap::new(),
        ledger: Ledger::default(),
        gpu_ids: description.gpus,
        gpus: Gpus::default(),
        lines: Vec::new(),
        listed: false,
        listing: false,
        volumes: VolumeList::default(),
        list_at: Duration::ZERO,
        fresh: None,
        synced: false,
        unreadable: BTreeSet::new(),
        suspects: BTreeSet::new(),
        dirty: BTreeSet::new(),
        jobs: JoinSet::new(),
        writing: 0,
        changes: 0,
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = listen::listen(engine, labels, sender) => {}
        () = watch_groups => {}
        ended = driver.turn(news, asks, state) => ended?,
    }
    Ok(Some(driver))
}

impl Driver {
    async fn turn(
        &mut self,
        mut news: mpsc::Receiver<News>,
        mut asks: mpsc::Receiver<Ask>,
        state: watch::Receiver<EngineState>,
    ) -> Result<(), Error> {
        let watch = |driver: &Self| {
            api::watch_tasks(driver.client.clone(), &driver.settings.rules.instance)
        };
        let mut tasks = watch(self);
        let mut relist_at = self.clock.monotonic() + API_RELIST;
        loop {
            let pause = self
                .next_wake()
                .saturating_sub(self.clock.monotonic())
                .min(LONGEST_SLEEP);
            tokio::select! {
                event = tasks.next() => match event {
                    Some(Ok(event)) => self.watched(event),
                    Some(Err(error)) => warn!(%error, "cannot watch tasks"),
                    None => tasks = watch(self),
                },
                Some(news) = news.recv() => self.heard(&news),
                Some(ask) = asks.recv() => self.asked(ask),
                Ok(()) = self.traffic.reach.changed() => self.traffic_changed(),
                Ok(()) = self.traffic.groups.changed() => self.traffic_changed(),
                Some(done) = self.jobs.join_next() => self.finished(done?),
                () = tokio::time::sleep(pause) => {}
            }
            if let Some(info) = &state.borrow().info {
                self.capacity = instance::capacity(info, &self.settings.size);
                self.gpu_ids.clone_from(&info.gpus);
            }
            if self.clock.monotonic() >= relist_at {
                tasks = watch(self);
                relist_at = self.clock.monotonic() + API_RELIST;
            }
            self.act();
        }
    }

    /// Steps whatever something happened to, and starts what is due.
    fn act(&mut self) {
        let now = self.clock.monotonic();
        if !self.listing && self.list_at <= now {
            self.list();
        }
        if self.knows_all() {
            self.settle_definitions();
            self.step_dirty();
            self.start_checks();
            self.tidy();
            self.renew_tokens();
            self.clean();
        }
        self.write_due();
        self.metrics
            .tasks
            .set(i64::try_from(self.book.len()).unwrap_or(i64::MAX));
    }

    /// Both sides have been heard: before, nothing is done.
    const fn knows_all(&self) -> bool {
        self.synced && self.listed
    }

    fn next_wake(&self) -> Duration {
        let now = self.clock.now();
        let monotonic = self.clock.monotonic();
        let tasks = self.book.values().filter_map(|entry| entry.task.as_ref());
        let calls = tasks.flat_map(|task| task.wake(now).into_iter().chain(task.next_check()));
        let calls = calls
            .filter_map(|at| Duration::try_from(at.duration_since(now)).ok())
            .map(|wait| monotonic + wait);
        // What could not be done at its time is woken by what it waits for, not by the time.
        let may_write = self.writing < WRITES;
        let patience = self.patience();
        let writes = self.book.values().filter(|_| may_write);
        let writes = writes.filter_map(|entry| entry.wake(patience));
        let definitions = self
            .definitions
            .values()
            .filter_map(|definition| match definition {
                Definition::Failed { again_at } => Some(*again_at),
                Definition::Asked | Definition::Found(_) => None,
            });
        let list = (!self.listing).then_some(self.list_at);
        calls
            .chain(writes)
            .chain(definitions)
            .chain(list)
            .chain(self.cleanup.wake().filter(|_| self.knows_all()))
            .chain(self.roles.wake().filter(|_| self.knows_all()))
            .min()
            .unwrap_or(monotonic + LONGEST_SLEEP)
    }

    /// Looks at all containers of this instance.
    fn list(&mut self) {
        self.listing = true;
        self.list_volumes();
        self.list_bounded();
        self.list_at = self.clock.monotonic() + LIST_INTERVAL;
        let engine = self.lanes.engine();
        let labels = self.labels.clone();
        let began = self.changes;
        self.jobs.spawn(async move {
            let lines = engine.list(&labels).await;
            Done::Listed { began, lines }
        });
    }
}

#[cfg(test)]
mod tests;
