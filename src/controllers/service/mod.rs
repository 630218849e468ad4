//! Keeps a service's tasks running. Liveness: as long as the API can be read and there is room, the number of healthy
//! tasks of the newest deployment becomes the desired count.

mod act;
mod delete;
mod deployment;
mod events;
mod observe;
mod report;

use std::sync::Arc;
use std::time::Duration;

use kube::runtime::controller::Action;
use kube::{Api, Resource, ResourceExt};
use tracing::{Span, field, instrument};

use super::cache::key_of;
use super::context::{Context, RESYNC};
use super::writes::{Error, api_of, set_finalizer};
use crate::api::names;
use crate::api::service::EcsService;
use crate::domain::service as scheduler;

/// A task that found no instance is tried again when there is news of one, and at the latest after this time.
const UNPLACED_AGAIN: Duration = Duration::from_secs(15);

/// One pass over one service.
///
/// # Errors
/// When a write failed; the next pass goes on where this one ended.
#[instrument(skip_all, fields(service = %service.name_any(), namespace = service.namespace(), starts = field::Empty, stops = field::Empty))]
pub async fn reconcile(service: Arc<EcsService>, context: Arc<Context>) -> Result<Action, Error> {
    let Some(service) = context.world.services.get(&key_of(&*service)) else {
        return Ok(Action::await_change());
    };
    let api: Api<EcsService> = api_of(&context.client, service.namespace());
    if service.meta().deletion_timestamp.is_some() {
        return delete::drain(&context, &api, &service).await;
    }
    if !service
        .finalizers()
        .iter()
        .any(|name| name == names::SERVICE_FINALIZER)
    {
        set_finalizer(
            &api,
            &context.world.services,
            &service,
            names::SERVICE_FINALIZER,
            true,
        )
        .await?;
        return Ok(Action::requeue(Duration::ZERO));
    }
    let presence = context.presence().await;
    let now = context.clock.now();
    let scene = match observe::observe(&context, &service, &presence) {
        Ok(scene) => scene,
        Err(obstacle) => return report::obstacle(&context, &api, &service, &obstacle, now).await,
    };
    let current = match deployment::current(&context, &service, &scene, now).await? {
        deployment::Step::Settled(current) => current,
        deployment::Step::Recorded(status) => {
            report::record(&context, &api, &service, status).await?;
            return Ok(Action::requeue(Duration::ZERO));
        }
    };
    deployment::collect(&context, &service, &scene).await?;
    let uid = service.uid().unwrap_or_default();
    let burned = context.unreported(&uid, |unreported| unreported.burned.clone());
    let wanted = observe::wanted(&service, current.number);
    let plan = scheduler::plan(&wanted, &current.id, &scene.tasks, &burned, now);
    Span::current()
        .record("starts", plan.starts.len())
        .record("stops", plan.stops.len());
    let done = act::act(&context, &service, &scene, &current, &plan).await;
    let action = report::report(
        &context, &api, &service, &scene, &current, &plan, &done, now,
    )
    .await?;
    match done.failure {
        Some(error) => Err(error),
        // An instance that refused, or a port that failed, is passed over for a while and then tried again.
        None if done.unplaced.is_some() => Ok(Action::requeue(UNPLACED_AGAIN)),
        None => Ok(action.unwrap_or_else(|| next(&plan, now))),
    }
}

/// When time alone will ask for another pass.
fn next(plan: &scheduler::Plan, now: jiff::Timestamp) -> Action {
    let until =
        |at: jiff::Timestamp| Duration::try_from(at.duration_since(now)).unwrap_or_default();
    Action::requeue(plan.wake_at.map_or(RESYNC, |at| until(at).min(RESYNC)))
}
