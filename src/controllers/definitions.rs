//! Parsed task definitions. A registered revision never changes, so each is parsed once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use kube::ResourceExt;

use super::cache::Key;
use super::world::World;
use crate::api::parse;
use crate::api::shapes::{Tag, TaskOverride};
use crate::api::task::EcsTask;
use crate::domain::definition::TaskDefinition;
use crate::domain::definition::rules::Problem;
use crate::domain::ids::{self, RevisionReference};

/// What a revision, perhaps with a task's overrides, comes to.
type Parsed = Result<Arc<TaskDefinition>, Vec<Problem>>;

/// See the module. Keyed by UID of the revision's object.
#[derive(Default)]
pub struct Definitions(Mutex<BTreeMap<String, Parsed>>);

impl Definitions {
    /// The definition that `family:revision` names in `namespace`; `None` where there is none, or none that can run.
    pub fn get(&self, world: &World, namespace: &str, name: &str) -> Option<Arc<TaskDefinition>> {
        self.overridden(world, namespace, name, None)?.ok()
    }

    /// What a task runs: the definition with the task's overrides.
    pub fn of_task(&self, world: &World, task: &EcsTask) -> Option<Arc<TaskDefinition>> {
        let namespace = task.namespace().unwrap_or_default();
        let overrides = task.spec.overrides.as_ref();
        self.overridden(world, &namespace, task.revision_name(), overrides)?
            .ok()
    }

    /// The tags of the definition that `family:revision` names.
    pub fn tags(world: &World, namespace: &str, name: &str) -> Vec<Tag> {
        let revision = RevisionReference::parse(name).ok().and_then(|reference| {
            let object = ids::revision_object(&reference.family, reference.revision?);
            world.revisions.get(&(namespace.to_owned(), object))
        });
        let tags = revision.and_then(|revision| revision.spec.definition.tags.clone());
        tags.map_or_else(Vec::new, |tags| tags.to_vec())
    }

    /// The definition that `family:revision` names, with overrides; `None` where there is none.
    pub fn overridden(
        &self,
        world: &World,
        namespace: &str,
        name: &str,
        overrides: Option<&TaskOverride>,
    ) -> Option<Parsed> {
        let reference = RevisionReference::parse(name).ok()?;
        let key: Key = (
            namespace.to_owned(),
            ids::revision_object(&reference.family, reference.revision?),
        );
        let revision = world.revisions.get(&key)?;
        let parse = || {
            let spec = &revision.spec;
            parse::task_definition_of_task(&spec.family, &spec.definition, overrides).map(Arc::new)
        };
        // Every task may override something else: only what many share is kept.
        if overrides.is_some() {
            return Some(parse());
        }
        let mut parsed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let uid = revision.uid().unwrap_or_default();
        Some(parsed.entry(uid).or_insert_with(parse).clone())
    }

    /// Forgets revisions that are gone.
    pub fn retain(&self, exists: impl Fn(&str) -> bool) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|uid, _| exists(uid));
    }
}
