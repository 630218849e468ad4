//! The volumes of one task: made before the containers that mount them, removed after the last container is.
//!
//! # Guarantees
//! No container is created before its volumes were seen. Only volumes of the task's own are removed, and none that a
//! container of the task may still have. A shared volume is made only where its definition says so, and never removed.
//!
//! # Caveats
//! Docker itself makes a volume that somebody removes between our look and the create of the container; it then has
//! no labels, and nobody removes it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{Containers, Keep, Seen, TaskReport};
use crate::agent::wanted::Wanted;
use crate::domain::definition::Container;
use crate::domain::definition::volumes::Scope;
use crate::domain::task::TaskState;
use crate::runtime::{Error, VolumeView};

const FIRST_RETRY: SignedDuration = SignedDuration::from_secs(1);
const LONGEST_RETRY: SignedDuration = SignedDuration::from_secs(30);

/// A call to the engine about a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VolumeCall {
    /// Make it, or find it where it is shared.
    Provide,
    /// Remove it.
    Remove,
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq)]
pub enum VolumeOutcome {
    /// Of [`VolumeCall::Provide`].
    Provided(Result<VolumeView, Error>),
    /// Of [`VolumeCall::Remove`].
    Removed(Result<(), Error>),
}

/// A call to make for one volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeOrder {
    /// Name of the volume in the definition.
    pub volume: String,
    /// Name in the engine, where it is known already.
    pub engine_name: String,
    /// What to do.
    pub call: VolumeCall,
}

/// How the volumes of a task stand, by name in the definition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Volumes(BTreeMap<String, KnownVolume>);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct KnownVolume {
    engine_name: String,
    seen: SeenVolume,
    doing: Option<VolumeCall>,
    /// Why there can be none; final.
    failure: Option<String>,
    /// Calls in a row that came to nothing.
    tries: u32,
    /// No call before this time.
    retry_at: Option<Timestamp>,
    /// Number of the last change, to tell looks that began before it.
    changed: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum SeenVolume {
    #[default]
    Absent,
    Present,
    /// A call got no answer.
    Unknown,
}

impl Volumes {
    /// The next calls, at most one for each volume.
    #[must_use]
    pub fn orders(
        &self,
        wanted: &Wanted,
        containers: &Containers,
        report: &TaskReport,
        keep: Keep,
        now: Timestamp,
    ) -> Vec<VolumeOrder> {
        if keep == Keep::Nothing {
            return self.removals(wanted, containers, now);
        }
        if report.stop.is_some() || report.state == TaskState::Stopped {
            return Vec::new();
        }
        let to_come = wanted.definition.containers.iter().filter(|container| {
            let seen = containers.get(&container.name).map(|known| &known.seen);
            matches!(seen, Some(Seen::Absent { .. }))
                && !report.exists(&container.name)
                && !report.is_stopped(&container.name)
        });
        let needed: BTreeSet<&str> = to_come
            .flat_map(|container| mounted(wanted, container))
            .collect();
        let lacking = needed
            .into_iter()
            .filter(|name| self.0.get(*name).is_none_or(|known| known.can_provide(now)));
        lacking
            .map(|name| VolumeOrder {
                volume: name.to_owned(),
                engine_name: String::new(),
                call: VolumeCall::Provide,
            })
            .collect()
    }

    fn removals(
        &self,
        wanted: &Wanted,
        containers: &Containers,
        now: Timestamp,
    ) -> Vec<VolumeOrder> {
        let gone = |known: &super::Known| {
            known.doing.is_none() && matches!(known.seen, Seen::Absent { .. })
        };
        if !containers.values().all(gone) {
            return Vec::new();
        }
        let left = self
            .0
            .iter()
            .filter(|(name, known)| is_own(wanted, name) && known.can_remove(now));
        left.map(|(name, known)| VolumeOrder {
            volume: name.clone(),
            engine_name: known.engine_name.clone(),
            call: VolumeCall::Remove,
        })
        .collect()
    }

    /// Whether all that `container` mounts was seen.
    #[must_use]
    pub fn are_ready(&self, wanted: &Wanted, container: &Container) -> bool {
        mounted(wanted, container).all(|name| {
            let known = self.0.get(name);
            known.is_some_and(|known| known.seen == SeenVolume::Present && known.doing.is_none())
        })
    }

    /// Why `container`, if it was never created, can never be: for what it mounts, or for whose volumes it has.
    #[must_use]
    pub fn obstacle(
        &self,
        report: &TaskReport,
        wanted: &Wanted,
        container: &Container,
    ) -> Option<String> {
        if report.exists(&container.name) || report.is_stopped(&container.name) {
            return None;
        }
        let never = |name: &str| report.is_stopped(name) && !report.exists(name);
        let mut sources = container.volumes_from.iter();
        let missing = sources.find(|from| never(&from.container)).map(|from| {
            format!(
                "CannotCreateContainerError: its volumes come from container {}, which could not be created",
                from.container
            )
        });
        let mut failures =
            mounted(wanted, container).filter_map(|name| self.0.get(name)?.failure.clone());
        missing.or_else(|| failures.next())
    }

    /// A call is under way from now on.
    pub fn begin(&mut self, order: &VolumeOrder) {
        self.0.entry(order.volume.clone()).or_default().doing = Some(order.call);
    }

    /// Takes in the outcome of the call that was under way; `change` numbers it.
    pub fn done(
        &mut self,
        name: &str,
        engine_name: &str,
        outcome: VolumeOutcome,
        wanted: &Wanted,
        change: u64,
        now: Timestamp,
    ) {
        let known = self.0.entry(name.to_owned()).or_default();
        known.doing = None;
        known.changed = change;
        engine_name.clone_into(&mut known.engine_name);
        let again = match outcome {
            VolumeOutcome::Provided(Ok(view)) if wanted.owns_volume(&view, name) => {
                known.seen = SeenVolume::Present;
                false
            }
            VolumeOutcome::Provided(Ok(view)) => {
                known.failure = Some(format!(
                    "CannotCreateVolumeError: the name {} belongs to a volume that is not of this task",
                    view.name
                ));
                false
            }
            VolumeOutcome::Provided(Err(error)) if error.is_unknown() => {
                known.seen = SeenVolume::Unknown;
                true
            }
            VolumeOutcome::Provided(Err(error)) => {
                known.failure = Some(format!("CannotCreateVolumeError: {error}"));
                false
            }
            VolumeOutcome::Removed(Ok(())) => {
                known.seen = SeenVolume::Absent;
                false
            }
            VolumeOutcome::Removed(Err(_)) => true,
        };
        known.tries = if again { known.tries + 1 } else { 0 };
        known.retry_at = again.then(|| {
            let wait = FIRST_RETRY * (1 << (known.tries - 1).min(5));
            now.checked_add(wait.min(LONGEST_RETRY)).unwrap_or(now)
        });
    }

    /// Takes in the task's volumes of a list that began when `began` was the number of the newest change.
    pub fn listed(&mut self, listed: &BTreeMap<&str, &VolumeView>, wanted: &Wanted, began: u64) {
        for (name, view) in listed {
            let known = self.0.entry((*name).to_owned()).or_default();
            if known.engine_name.is_empty() {
                known.engine_name.clone_from(&view.name);
            }
        }
        for (name, known) in &mut self.0 {
            if known.doing.is_none() && known.changed <= began && is_own(wanted, name) {
                known.seen = if listed.contains_key(name.as_str()) {
                    SeenVolume::Present
                } else {
                    SeenVolume::Absent
                };
            }
        }
    }

    /// Whether none of the task's own is left, as far as anybody knows.
    #[must_use]
    pub fn are_gone(&self, wanted: &Wanted) -> bool {
        let gone = |known: &KnownVolume| known.doing.is_none() && known.seen == SeenVolume::Absent;
        let mut own = self.0.iter().filter(|(name, _)| is_own(wanted, name));
        own.all(|(_, known)| gone(known))
    }

    /// When calls that came to nothing are made again.
    pub fn retries(&self) -> impl Iterator<Item = Timestamp> {
        let waiting = self.0.values().filter(|known| known.doing.is_none());
        waiting.filter_map(|known| known.retry_at)
    }
}

impl KnownVolume {
    fn is_free(&self, now: Timestamp) -> bool {
        self.doing.is_none() && self.retry_at.is_none_or(|at| at <= now)
    }

    fn can_provide(&self, now: Timestamp) -> bool {
        self.is_free(now) && self.failure.is_none() && self.seen != SeenVolume::Present
    }

    fn can_remove(&self, now: Timestamp) -> bool {
        self.is_free(now) && self.seen != SeenVolume::Absent
    }
}

/// The engine's volumes that `container` mounts, by name in the definition.
fn mounted<'a>(wanted: &'a Wanted, container: &'a Container) -> impl Iterator<Item = &'a str> {
    let mounts = container.mount_points.iter();
    let names = mounts.map(|mount| mount.volume.as_str());
    names.filter(|name| wanted.definition.docker_volume(name).is_some())
}

/// Whether the volume comes and goes with its task. A list shows no others of a task.
fn is_own(wanted: &Wanted, name: &str) -> bool {
    let volume = wanted.definition.docker_volume(name);
    volume.is_none_or(|volume| volume.scope == Scope::Task)
}
