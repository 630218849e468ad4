//! The driver's part with volumes: lists them beside the containers, and makes the calls that the step orders.

use std::collections::BTreeMap;
use std::sync::Arc;

use tracing::debug;

use super::{Done, Driver};
use crate::agent::step::{VolumeCall, VolumeOrder, VolumeOutcome};
use crate::api::names;
use crate::domain::definition::volumes::Scope;
use crate::runtime::{Engine, Error, VolumeSpec, VolumeView};

/// The volumes of this instance's tasks.
#[derive(Debug, Default)]
pub(super) struct VolumeList {
    /// As the newest list shows them.
    pub(super) found: Vec<VolumeView>,
    /// A list is under way.
    asked: bool,
}

impl Driver {
    /// Looks at all volumes of this instance's tasks. A driver that hangs holds up no look at containers.
    pub(super) fn list_volumes(&mut self) {
        if std::mem::replace(&mut self.volumes.asked, true) {
            return;
        }
        let engine = self.lanes.engine();
        let labels = self.labels.clone();
        let began = self.changes;
        self.jobs.spawn(async move {
            let volumes = engine.list_volumes(&labels).await;
            Done::VolumesListed { began, volumes }
        });
    }

    pub(super) fn volumes_listed(&mut self, began: u64, volumes: Result<Vec<VolumeView>, Error>) {
        self.volumes.asked = false;
        match volumes {
            Ok(volumes) => self.volumes.found = volumes,
            Err(error) => return debug!(%error, "cannot list volumes"),
        }
        for (uid, entry) in &mut self.book {
            if let Some(task) = &mut entry.task {
                task.volumes_listed(&of_task(&self.volumes.found, uid), began);
                self.dirty.insert(uid.clone());
            }
        }
    }

    pub(super) fn start_volumes(&mut self, uid: &str, orders: Vec<VolumeOrder>) {
        let Some(task) = self.book.get(uid).and_then(|entry| entry.task.as_ref()) else {
            return;
        };
        for VolumeOrder {
            volume,
            engine_name,
            call,
        } in orders
        {
            let wanted = task.wanted().volume(&volume, &self.settings.rules);
            let engine = self.lanes.engine();
            let uid = uid.to_owned();
            debug!(uid, volume, ?call, "call");
            self.jobs.spawn(async move {
                let (engine_name, outcome) = match (call, wanted) {
                    (VolumeCall::Provide, Some((spec, scope))) => {
                        let provided = provide(engine, &spec, scope).await;
                        (spec.name, VolumeOutcome::Provided(provided))
                    }
                    (VolumeCall::Remove, _) | (VolumeCall::Provide, None) => {
                        let removed = engine.remove_volume(&engine_name).await;
                        (engine_name, VolumeOutcome::Removed(removed))
                    }
                };
                Done::Volume {
                    uid,
                    volume,
                    engine_name,
                    outcome,
                }
            });
        }
    }
}

/// Makes a volume, or finds it where it is shared.
async fn provide(
    engine: Arc<dyn Engine>,
    spec: &VolumeSpec,
    scope: Scope,
) -> Result<VolumeView, Error> {
    let Scope::Shared { autoprovision } = scope else {
        return engine.create_volume(spec).await;
    };
    match engine.volume(&spec.name).await? {
        Some(found) => Ok(found),
        None if autoprovision => engine.create_volume(spec).await,
        None => Err(Error::NotFound {
            message: format!(
                "the instance has no volume {}: create it there, or set autoprovision to true",
                spec.name
            ),
        }),
    }
}

/// The volumes of one task in a list, by name in its definition.
pub(super) fn of_task<'a>(
    volumes: &'a [VolumeView],
    uid: &str,
) -> BTreeMap<&'a str, &'a VolumeView> {
    let of_uid = |volume: &&VolumeView| {
        let label = volume.labels.get(names::TASK_UID_DOCKER_LABEL);
        label.is_some_and(|label| label == uid)
    };
    let named = volumes.iter().filter(of_uid).filter_map(|volume| {
        let name = volume.labels.get(names::VOLUME_DOCKER_LABEL)?;
        Some((name.as_str(), volume))
    });
    named.collect()
}
