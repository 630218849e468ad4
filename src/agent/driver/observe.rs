//! What the driver takes in: the watch of tasks, lists and hints of the engine, outcomes of its own work.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kube::core::DeserializeGuard;
use kube::runtime::watcher::Event;
use kube::{Resource, ResourceExt};
use tracing::{debug, info, warn};

use super::api::Failure;
use super::{Definition, Done, Driver, News, volumes};
use crate::agent::bridge;
use crate::agent::files::Files;
use crate::agent::step::Outcome;
use crate::agent::task::{Listed, Task};
use crate::agent::wanted::Wanted;
use crate::api::names;
use crate::api::task::{EcsTask, EcsTaskStatus, TaskProtection};
use crate::runtime::{ContainerSummary, Error as EngineError};

const RETRY: Duration = Duration::from_secs(2);

impl Driver {
    pub(super) fn watched(&mut self, event: Event<DeserializeGuard<EcsTask>>) {
        match event {
            Event::Init => self.fresh = Some(BTreeSet::new()),
            Event::InitApply(object) => {
                if let (Some(fresh), Some(uid)) = (&mut self.fresh, object.meta().uid.clone()) {
                    fresh.insert(uid);
                }
                self.apply(object);
            }
            Event::InitDone => {
                let fresh = self.fresh.take().unwrap_or_default();
                let known = self
                    .book
                    .iter()
                    .filter(|(_, entry)| entry.object.is_some())
                    .map(|(uid, _)| uid.clone());
                let gone: Vec<String> = known.filter(|uid| !fresh.contains(uid)).collect();
                self.unreadable.retain(|uid| fresh.contains(uid));
                for uid in gone {
                    self.gone(&uid);
                }
                if !self.synced {
                    info!(tasks = fresh.len(), "tasks listed");
                }
                self.synced = true;
            }
            Event::Apply(object) => self.apply(object),
            Event::Delete(object) => {
                if let Some(uid) = object.meta().uid.clone() {
                    self.unreadable.remove(&uid);
                    self.gone(&uid);
                }
            }
        }
    }

    fn apply(&mut self, object: DeserializeGuard<EcsTask>) {
        let Some(uid) = object.meta().uid.clone() else {
            return;
        };
        match object.0 {
            Ok(mut task) => {
                task.metadata.managed_fields = None;
                self.unreadable.remove(&uid);
                let entry = self.book.entry(uid.clone()).or_default();
                entry.apply(task);
                self.dirty.insert(uid);
            }
            Err(broken) => {
                warn!(task = broken.metadata.name.as_deref(), error = %broken.error, "cannot read a task: it is left alone");
                self.unreadable.insert(uid);
            }
        }
    }

    /// The task's object is gone: nothing of it stays.
    fn gone(&mut self, uid: &str) {
        let Some(entry) = self.book.get_mut(uid) else {
            return;
        };
        info!(
            task = entry.name(),
            "task is gone: its containers are removed"
        );
        entry.object = None;
        self.orphan(uid);
    }

    /// Containers of a task that does not exist are put down and removed.
    pub(super) fn orphan(&mut self, uid: &str) {
        let lines = of_task(&self.lines, uid);
        let entry = self.book.entry(uid.to_owned()).or_default();
        let task = entry.task.get_or_insert_with(|| {
            Task::new(
                Wanted::orphan(uid),
                crate::agent::step::TaskReport::default(),
                &lines,
            )
        });
        task.volumes_listed(&volumes::of_task(&self.volumes.found, uid), self.changes);
        task.object_is_gone(self.clock.now());
        task.discard();
        self.dirty.insert(uid.to_owned());
    }

    pub(super) fn heard(&mut self, news: &News) {
        match news {
            News::Begin => self.list_at = Duration::ZERO,
            News::Hint(hint) => {
                let tasks = self
                    .book
                    .iter_mut()
                    .filter_map(|(uid, entry)| Some((uid, entry.task.as_mut()?)));
                let hinted = tasks.filter_map(|(uid, task)| task.hinted(hint).then(|| uid.clone()));
                self.dirty.extend(hinted);
            }
        }
    }

    pub(super) fn finished(&mut self, done: Done) {
        match done {
            Done::Call {
                uid,
                container,
                outcome,
            } => {
                self.changes += 1;
                self.note_image(&uid, &outcome);
                self.note_bridge(&outcome);
                let now = self.clock.now();
                if let Some(task) = self
                    .book
                    .get_mut(&uid)
                    .and_then(|entry| entry.task.as_mut())
                {
                    task.done(&container, outcome, self.changes, now);
                    self.dirty.insert(uid);
                }
            }
            Done::Listed { began, lines } => self.listed(began, lines),
            Done::VolumesListed { began, volumes } => self.volumes_listed(began, volumes),
            Done::Volume {
                uid,
                volume,
                engine_name,
                outcome,
            } => {
                self.changes += 1;
                let now = self.clock.now();
                let entry = self.book.get_mut(&uid);
                if let Some(task) = entry.and_then(|entry| entry.task.as_mut()) {
                    task.volume_done(&volume, &engine_name, outcome, self.changes, now);
                    self.dirty.insert(uid);
                }
            }
            Done::Bounded(tasks) => self.bounded(tasks),
            Done::Unbounded => {}
            Done::Definition { key, found } => {
                let definition = match found {
                    Ok(found) => Definition::Found(found),
                    Err(error) => {
                        warn!(definition = %key.1, %error, "cannot get a task definition");
                        Definition::Failed {
                            again_at: self.clock.monotonic() + RETRY,
                        }
                    }
                };
                self.definitions.insert(key, definition);
            }
            Done::Pulling {
                uid,
                container,
                times,
            } => self.tell_progress(&uid, &container, times),
            Done::Renewed { uid, renewed } => self.renewed(&uid, renewed),
            Done::ImagesListed(look) => self.images_listed(look),
            Done::ImagesRemoved => self.images_removed(),
            Done::Checked { uid, order, answer } => self.checked(uid, &order, answer),
            Done::Connections { uid, none } => self.connections(uid, none),
            Done::Wrote {
                uid,
                status,
                result,
            } => self.wrote(&uid, *status, result),
        }
    }

    /// A start that failed for lack of the bridge concerns the whole instance.
    fn note_bridge(&self, outcome: &Outcome) {
        let Outcome::Started(Err(error)) = outcome else {
            return;
        };
        // Where nobody takes it in, one is waiting already.
        if bridge::is_missing(error) && self.bridge_doubts.try_send(error.to_string()).is_err() {
            debug!(%error, "the bridge is known to be gone");
        }
    }

    fn listed(&mut self, began: u64, lines: Result<Vec<ContainerSummary>, EngineError>) {
        self.listing = false;
        let lines = match lines {
            Ok(lines) => lines,
            Err(error) => {
                debug!(%error, "cannot list containers");
                self.list_at = self.clock.monotonic() + RETRY;
                return;
            }
        };
        self.lines = lines;
        if !self.listed {
            info!(containers = self.lines.len(), "containers listed");
        }
        self.listed = true;
        self.note_containers();
        for (uid, entry) in &mut self.book {
            if let Some(task) = &mut entry.task {
                task.listed(&of_task(&self.lines, uid), began);
                self.dirty.insert(uid.clone());
            }
        }
        self.suspect();
    }

    /// A container or volume whose task two lists in a row found nowhere in the API is an orphan.
    fn suspect(&mut self) {
        if !self.synced || self.fresh.is_some() {
            return;
        }
        let containers = self.lines.iter().map(|line| &line.labels);
        let labels = containers.chain(self.volumes.found.iter().map(|volume| &volume.labels));
        let uids = labels.filter_map(|labels| labels.get(names::TASK_UID_DOCKER_LABEL));
        let unknown: BTreeSet<String> = uids
            .filter(|uid| !self.book.contains_key(*uid) && !self.unreadable.contains(*uid))
            .cloned()
            .collect();
        self.forget_strangers(&unknown);
        let orphans: Vec<String> = unknown.intersection(&self.suspects).cloned().collect();
        for uid in orphans {
            info!(uid, "what is left of a task that does not exist is removed");
            self.orphan(&uid);
        }
        self.suspects = unknown;
    }

    /// Removes what tasks were given that nobody knows any more and that have no containers.
    fn forget_strangers(&self, unknown: &BTreeSet<String>) {
        let files = self.settings.files.iter();
        for uid in files.flat_map(Files::tasks) {
            let is_known = self.book.contains_key(&uid)
                || self.unreadable.contains(&uid)
                || unknown.contains(&uid);
            if !is_known {
                self.forget_files(&uid);
            }
        }
    }

    fn wrote(&mut self, uid: &str, status: EcsTaskStatus, result: Result<(), Failure>) {
        self.writing -= 1;
        let now = self.clock.monotonic();
        let Some(entry) = self.book.get_mut(uid) else {
            return;
        };
        match result {
            Ok(()) => {
                info!(task = entry.name(), status = ?status.last_status, "task reported");
                self.metrics.writes.inc();
                let protected = status.protection.as_ref().and_then(TaskProtection::until);
                entry.wrote(status);
                entry.protection_written(protected);
            }
            Err(error) => {
                self.metrics.write_failures.inc();
                let pause = entry.failed(now);
                warn!(task = entry.name(), %error, retry_in = ?pause, "cannot report a task");
            }
        }
    }
}

/// The containers of one task in a list, by name in its definition.
pub(super) fn of_task<'a>(lines: &'a [ContainerSummary], uid: &str) -> Listed<'a> {
    let ours = lines.iter().filter(|line| {
        line.labels
            .get(names::TASK_UID_DOCKER_LABEL)
            .is_some_and(|label| label == uid)
    });
    ours.filter_map(|line| {
        Some((
            line.labels.get(names::CONTAINER_DOCKER_LABEL)?.as_str(),
            line,
        ))
    })
    .collect::<BTreeMap<_, _>>()
}

/// For logs of tasks that are only an object yet.
pub(super) fn name_of(task: &EcsTask) -> String {
    format!(
        "{}/{}",
        task.namespace().unwrap_or_default(),
        task.name_any()
    )
}
