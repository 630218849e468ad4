//! Parsed task definitions. A registered revision never changes, so each is parsed once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use kube::ResourceExt;

use super::cache::Key;
use super::world::World;
use crate::api::parse;
use crate::domain::definition::TaskDefinition;
use crate::domain::ids::{self, RevisionReference};

/// See the module. Keyed by UID of the revision's object.
#[derive(Default)]
pub struct Definitions(Mutex<BTreeMap<String, Option<Arc<TaskDefinition>>>>);

impl Definitions {
    /// The definition that `family:revision` names in `namespace`; `None` where there is none, or none that can run.
    pub fn get(&self, world: &World, namespace: &str, name: &str) -> Option<Arc<TaskDefinition>> {
        let reference = RevisionReference::parse(name).ok()?;
        let key: Key = (
            namespace.to_owned(),
            ids::revision_object(&reference.family, reference.revision?),
        );
        let revision = world.revisions.get(&key)?;
        let mut parsed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parsed
            .entry(revision.uid().unwrap_or_default())
            .or_insert_with(|| {
                parse::task_definition(&revision.spec.family, &revision.spec.definition)
                    .ok()
                    .map(Arc::new)
            })
            .clone()
    }

    /// Forgets revisions that are gone.
    pub fn retain(&self, exists: impl Fn(&str) -> bool) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|uid, _| exists(uid));
    }
}
