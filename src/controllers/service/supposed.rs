//! A service as its next pass will find it, without a write: a deployment that the pass would record is supposed to be.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::deployment::{Asked, Current, asked, primary, recording, settled};
use super::observe::{Obstacle, Scene, observe};
use super::revisions::{content, next_number, object};
use super::wanted;
use crate::api::service::EcsService;
use crate::controllers::context::Context;
use crate::domain::liveness::Presence;
use crate::domain::service::Wanted;

/// What a pass plans from.
pub(super) struct Stage {
    /// The service, with the deployment that it should be in.
    pub(super) service: EcsService,
    /// A new deployment begins.
    pub(super) begins: bool,
    /// What is there.
    pub(super) scene: Scene,
    /// The newest deployment.
    pub(super) current: Current,
    /// What is wanted of it.
    pub(super) wanted: Wanted,
}

/// Looks at a service in a world of one's own.
pub(super) fn stage(
    context: &Context,
    presence: &Arc<BTreeMap<String, Presence>>,
    service: &EcsService,
    now: Timestamp,
) -> Result<Stage, Obstacle> {
    let scene = observe(context, service, presence)?;
    let mut service = service.clone();
    let wish = content(&service, &scene);
    let begins = matches!(asked(context, &service, &wish), Asked::Begins);
    if begins {
        let number = next_number(context, &service, &scene, &wish);
        let revision = object(&service, &wish, number);
        service.status = Some(recording(&service, &revision, now));
        context.world.service_revisions.suppose(revision);
        context.world.services.suppose(service.clone());
    }
    let (newest, failed) = match asked(context, &service, &wish) {
        Asked::Stays { newest, failed, .. } => (Some(*newest), failed),
        Asked::Begins => (service.status.as_ref().and_then(primary).cloned(), None),
    };
    let newest = newest.ok_or_else(Obstacle::nothing_recorded)?;
    let current = settled(context, &service, &scene, &newest, failed)?;
    let wanted = wanted::wanted(&service, &scene, &current);
    Ok(Stage {
        service,
        begins,
        scene,
        current,
        wanted,
    })
}
