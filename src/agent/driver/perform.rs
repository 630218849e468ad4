//! What the driver does: makes tasks of objects, steps them, and starts calls and writes.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use tokio::task::JoinSet;
use tracing::Instrument as _;
use tracing::{Level, debug, info, span, warn};

use super::api::{self, Found};
use super::entry::PATIENCE;
use super::lanes::Work;
use super::observe::{name_of, of_task};
use super::{Definition, Done, Driver, WRITES, volumes};
use crate::agent::progress::TOLD_AFTER;
use crate::agent::step::{Call, Order};
use crate::agent::task::Task;
use crate::agent::wanted::Wanted;
use crate::agent::{metadata, status};
use crate::api::names;
use crate::api::supply::SupplyRequest;
use crate::api::task::EcsTask;
use crate::domain::definition::namespaces::PAUSE;
use crate::domain::definition::{Container, NetworkMode};
use crate::domain::events;
use crate::domain::ids::{self, RevisionReference};
use crate::domain::task::TaskState;
use crate::runtime::ContainerSpec;

/// Turns for which a task that waits to start is not told of.
const MOST_TURNS: u32 = 5;

impl Driver {
    /// Makes tasks of the objects that have none yet: first those that run, so that they keep what they hold.
    pub(super) fn settle_definitions(&mut self) {
        let open = self.book.iter().filter(|(_, entry)| entry.task.is_none());
        let mut open: Vec<_> = open
            .filter_map(|(uid, entry)| {
                let object = Arc::clone(entry.object.as_ref()?);
                let has_containers = !of_task(&self.lines, uid).is_empty();
                let created = object.metadata.creation_timestamp.clone();
                Some((
                    !(entry.was_started() || has_containers),
                    created,
                    uid.clone(),
                    object,
                ))
            })
            .collect();
        open.sort_by(|a, b| (a.0, &a.1, &a.2).cmp(&(b.0, &b.1, &b.2)));
        for (is_new, _, uid, object) in open {
            self.settle(&uid, &object, is_new);
        }
    }

    fn settle(&mut self, uid: &str, object: &EcsTask, is_new: bool) {
        let rules = &self.settings.rules;
        let reported = object.status.as_ref().map(status::read).unwrap_or_default();
        let mut wanted = match RevisionReference::parse(object.revision_name()) {
            _ if reported.state == TaskState::Stopped => {
                Wanted::without_definition(object, 0, "", rules)
            }
            Ok(RevisionReference {
                family,
                revision: Some(revision),
            }) => {
                let key = (
                    object.namespace().unwrap_or_default(),
                    ids::revision_object(&family, revision),
                );
                match self.definitions.get(&key) {
                    Some(Definition::Found(Found::Definition(spec))) => {
                        Wanted::read(object, revision, &family, spec, rules)
                    }
                    Some(Definition::Found(Found::NotUnderstood(why))) => {
                        Wanted::refused(object, revision, &family, why.clone(), rules)
                    }
                    Some(Definition::Found(Found::Nothing)) => {
                        let why =
                            format!("task definition revision {family}:{revision} does not exist");
                        Wanted::refused(object, revision, &family, why, rules)
                    }
                    Some(Definition::Asked) => return,
                    Some(Definition::Failed { again_at }) if *again_at > self.clock.monotonic() => {
                        return;
                    }
                    Some(Definition::Failed { .. }) | None => {
                        self.ask_for(key);
                        return;
                    }
                }
            }
            Ok(RevisionReference {
                family,
                revision: None,
            }) => {
                let why = format!(
                    "taskDefinition: '{family}' names no revision: give {family}:<revision>"
                );
                Wanted::refused(object, 0, &family, why, rules)
            }
            Err(error) => Wanted::refused(object, 0, "", error.to_string(), rules),
        };
        if reported.state < TaskState::Stopped && wanted.refusal.is_none() {
            if is_new && wanted.end.is_none() {
                wanted.refusal = self.ledger.admit(&wanted, self.capacity).err();
            } else {
                self.ledger.enter(&wanted);
            }
            if wanted.refusal.is_none() {
                self.gpus
                    .adopt(uid, of_task(&self.lines, uid).into_values());
                if !self.gpus.give(&wanted, &self.gpu_ids) {
                    self.gpus.release(uid);
                    wanted.refusal = Some(format!("{}RESOURCE:GPU", events::REFUSED));
                }
            }
        }
        let lease = self.lanes.images.leases.hold(wanted.images());
        let mut task = Task::new(wanted, reported, &of_task(&self.lines, uid));
        task.volumes_listed(&volumes::of_task(&self.volumes.found, uid), self.changes);
        info!(
            task = name_of(object),
            uid,
            runs = object.revision_name(),
            refused = task.wanted().refusal,
            "task taken on"
        );
        if let Some(entry) = self.book.get_mut(uid) {
            entry.task = Some(task);
            entry.lease = Some(lease);
        }
        self.dirty.insert(uid.to_owned());
    }

    fn ask_for(&mut self, key: (String, String)) {
        self.definitions.insert(key.clone(), Definition::Asked);
        let client = self.client.clone();
        self.jobs.spawn(async move {
            let found = api::definition(client, key.0.clone(), key.1.clone()).await;
            Done::Definition { key, found }
        });
    }

    /// Steps the tasks that something happened to, and those whose time has come.
    pub(super) fn step_dirty(&mut self) {
        let now = self.clock.now();
        let mut dirty = std::mem::take(&mut self.dirty);
        // Retries are few: a look at all tasks is cheaper than keeping a second order of them.
        let waiting = self
            .book
            .iter()
            .filter(|(_, entry)| entry.task.as_ref().is_some_and(Task::waits));
        dirty.extend(waiting.map(|(uid, _)| uid.clone()));
        for uid in dirty {
            let Some(entry) = self.book.get_mut(&uid) else {
                continue;
            };
            let Some(task) = &mut entry.task else {
                continue;
            };
            if let Some(object) = &entry.object {
                task.tell_to_end(Wanted::end_of(object));
                if object.metadata.deletion_timestamp.is_some() {
                    task.discard();
                }
                let traffic = object.status.as_ref().and_then(|it| it.traffic.as_ref());
                if let Some(traffic) = traffic {
                    task.told_of_traffic(traffic, now);
                }
            }
            self.traffic.tell(task);
            let before = task.report().state;
            let orders = task.step(now);
            let volume_orders = task.volume_orders(now);
            let after = task.report().state;
            if before != after {
                info!(task = entry.name(), uid, from = %before, to = %after, "task moved");
            }
            self.start(&uid, orders);
            self.start_volumes(&uid, volume_orders);
            self.look_at_connections(&uid);
        }
    }

    fn start(&mut self, uid: &str, orders: Vec<Order>) {
        let Some(task) = self.book.get(uid).and_then(|entry| entry.task.as_ref()) else {
            return;
        };
        let wanted = task.wanted();
        let object = self.book.get(uid).and_then(|entry| entry.object.as_ref());
        let name = object.map(|object| object.name_any()).unwrap_or_default();
        for Order { container, call } in orders {
            let work = Work {
                engine_name: task.engine_name(&container).unwrap_or_default().to_owned(),
                call,
                spec: wanted
                    .container(&container)
                    .map(|found| self.spec(task, found, call)),
                pull: wanted.pull,
                request: SupplyRequest {
                    namespace: wanted.namespace.clone(),
                    task: name.clone(),
                    uid: wanted.uid.clone(),
                    container: container.clone(),
                },
                supply: task.supply(&container).cloned(),
                files: wanted
                    .container(&container)
                    .map(|found| found.files.clone())
                    .unwrap_or_default(),
                has_role: wanted.definition.task_role.is_some() && container != PAUSE,
                limits: wanted
                    .definition
                    .limits()
                    .map(|limits| (wanted.uid.clone(), limits)),
            };
            debug!(uid, container, call = call.as_str(), "call");
            if call == Call::Pull {
                watch_pull(&mut self.jobs, uid, &container, 0);
            }
            let span = span!(Level::DEBUG, "call", uid, container, call = call.as_str());
            self.metrics.call(call.as_str());
            let lanes = self.lanes.clone();
            let uid = uid.to_owned();
            let job = async move {
                let outcome = lanes.carry_out(work).await;
                Done::Call {
                    uid,
                    container,
                    outcome,
                }
            };
            self.jobs.spawn(job.instrument(span));
        }
    }

    /// What a call is made with. Each container that is created is told an id of its own by which it asks for its metadata.
    fn spec(&self, task: &Task, container: &Container, call: Call) -> ContainerSpec {
        let wanted = task.wanted();
        let mut spec = wanted.spec(container, &self.settings.rules);
        let router = wanted.router_variables(container, task.router_address());
        spec.environment.extend(router);
        spec.gpus = self.gpus.of(&wanted.uid, &container.name);
        if !spec.gpus.is_empty() {
            let label = names::GPUS_DOCKER_LABEL.to_owned();
            spec.labels.insert(label, spec.gpus.join(","));
        }
        if call == Call::Create
            && self.settings.rules.metadata
            && wanted.definition.network_mode != NetworkMode::None
        {
            match metadata::new_id() {
                Ok(id) => {
                    let variables =
                        metadata::variables(&id).map(|(name, value)| (name.to_owned(), value));
                    spec.environment.extend(variables);
                    if wanted.definition.task_role.is_some() && !container.is_pause() {
                        let (name, uri) = metadata::credentials_variable(&id);
                        spec.environment.insert(name.to_owned(), uri);
                    }
                }
                Err(error) => warn!(%error, "a container cannot ask for its metadata"),
            }
        }
        spec
    }

    /// Takes up how far a pull is, if it still runs.
    pub(super) fn tell_progress(&mut self, uid: &str, container: &str, times: usize) {
        let rules = &self.settings.rules;
        let task = self.book.get_mut(uid).and_then(|entry| entry.task.as_mut());
        let told = task.and_then(|task| {
            let wanted = task.wanted();
            let spec = wanted.spec(wanted.container(container)?, rules);
            let text = self.lanes.images.progress(&spec);
            task.pulling(container, text).then_some(())
        });
        if told.is_some() {
            self.dirty.insert(uid.to_owned());
            watch_pull(&mut self.jobs, uid, container, times + 1);
        }
    }

    /// What a task was given goes once none of its containers can run any more.
    pub(super) fn forget_files(&self, uid: &str) {
        if let Some(Err(error)) = self.settings.files.as_ref().map(|files| files.forget(uid)) {
            warn!(uid, %error, "the files of a task cannot be removed");
        }
    }

    /// How long a task waits to start before that is told: a moment, and as much again for each turn that others have before
    /// it, because each write takes from what they all wait for.
    pub(super) fn patience(&self) -> Duration {
        let starting = self.book.values().filter(|entry| entry.is_starting());
        let turns = starting.count().div_ceil(self.lanes.launches_at_once());
        let turns = u32::try_from(turns).unwrap_or(u32::MAX);
        PATIENCE * turns.clamp(1, MOST_TURNS)
    }

    /// Starts the writes that are due.
    pub(super) fn write_due(&mut self) {
        let now = self.clock.monotonic();
        let patience = self.patience();
        for (uid, entry) in &mut self.book {
            if self.writing >= WRITES {
                return;
            }
            let due = entry.due(self.settings.address.as_deref(), patience, now);
            let (Some(status), Some(object)) = (due, entry.object.clone()) else {
                continue;
            };
            entry.writing = true;
            self.writing += 1;
            let client = self.client.clone();
            let uid = uid.clone();
            self.jobs.spawn(async move {
                let result = api::write_status(client, &object, &status).await;
                Done::Wrote {
                    uid,
                    status: Box::new(status),
                    result,
                }
            });
        }
    }
}

/// Has the driver look at a pull once it has taken long enough to be told of.
fn watch_pull(jobs: &mut JoinSet<Done>, uid: &str, container: &str, times: usize) {
    let before = times.checked_sub(1).and_then(|last| TOLD_AFTER.get(last));
    let Some(wait) = TOLD_AFTER.get(times) else {
        return;
    };
    let wait = wait.saturating_sub(before.copied().unwrap_or_default());
    let (uid, container) = (uid.to_owned(), container.to_owned());
    jobs.spawn(async move {
        tokio::time::sleep(wait).await;
        Done::Pulling {
            uid,
            container,
            times,
        }
    });
}
