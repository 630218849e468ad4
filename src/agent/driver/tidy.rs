//! What the driver lets go of: the room of tasks that are down, containers of old tasks, and tasks that are gone.

use std::collections::BTreeSet;

use kube::ResourceExt;

use super::Driver;
use crate::api::task::EcsTask;
use crate::domain::ids::{self, RevisionReference};

impl Driver {
    /// Lets go of what is over: room of tasks that are down, containers of old tasks, tasks that are gone.
    pub(super) fn tidy(&mut self) {
        let mut kept: Vec<_> = Vec::new();
        let mut over: Vec<String> = Vec::new();
        let mut down: Vec<String> = Vec::new();
        for (uid, entry) in &self.book {
            let Some(task) = &entry.task else {
                if entry.object.is_none() {
                    over.push(uid.clone());
                }
                continue;
            };
            if task.is_down() || task.is_discarded() {
                self.ledger.release(uid);
                down.push(uid.clone());
                self.gpus.release(uid);
            }
            let is_gone = task.is_discarded() && task.volumes_are_gone();
            if entry.object.is_none() && is_gone && !entry.writing {
                over.push(uid.clone());
            } else if entry.is_accepted_as_stopped() && task.is_down() && task.has_remains() {
                kept.push((entry.stopped_at(), uid.clone()));
            }
        }
        kept.sort();
        let most = if std::mem::take(&mut self.cleanup.sheds) {
            0
        } else {
            self.settings.stopped_tasks_kept
        };
        let surplus = kept.len().saturating_sub(most);
        for (_, uid) in kept.into_iter().take(surplus) {
            if let Some(task) = self
                .book
                .get_mut(&uid)
                .and_then(|entry| entry.task.as_mut())
            {
                task.discard();
                self.dirty.insert(uid);
            }
        }
        for uid in down {
            if let Some(entry) = self.book.get_mut(&uid)
                && entry.lease.take().is_some()
            {
                self.forget_files(&uid);
            }
        }
        if over.is_empty() {
            return;
        }
        for uid in over {
            self.book.remove(&uid);
        }
        let objects = self
            .book
            .values()
            .filter_map(|entry| entry.object.as_deref());
        let needed: BTreeSet<_> = objects.filter_map(definition_of).collect();
        self.definitions.retain(|key, _| needed.contains(key));
    }
}

/// The definition that a task runs, by namespace and name.
fn definition_of(object: &EcsTask) -> Option<(String, String)> {
    let runs = RevisionReference::parse(object.revision_name()).ok()?;
    let name = ids::revision_object(&runs.family, runs.revision?);
    Some((object.namespace().unwrap_or_default(), name))
}
