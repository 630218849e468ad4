//! Keeps a service's tasks running. Liveness: as long as the API can be read and there is room, the number of healthy
//! tasks of the newest deployment becomes the desired count.

mod act;
mod balanced;
mod delete;
mod deployment;
mod events;
pub mod explain;
mod ground;
mod listed;
mod observe;
mod placed;
pub mod rehearse;
mod report;
mod revisions;
mod supposed;
mod verdict;
mod wanted;

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
use crate::domain::service::{self as scheduler, Plan, Wanted};

/// A task that found no instance is tried again when there is news of one, and at the latest after this time: an instance
/// that refused, or a port that failed, is passed over for a while.
const UNPLACED_AGAIN: Duration = Duration::from_secs(15);

/// What a pass over a service is about, from the look at it to the report.
struct Pass<'a> {
    service: &'a EcsService,
    scene: &'a observe::Scene,
    current: &'a deployment::Current,
    wanted: &'a Wanted,
    plan: &'a Plan,
}

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
    if let Some(obstacle) = balanced::ensure_names(&context, &service, &scene).await? {
        return report::obstacle(&context, &api, &service, &obstacle, now).await;
    }
    let mut current = match deployment::current(&context, &service, &scene, now).await? {
        deployment::Step::Settled(current) => *current,
        deployment::Step::Recorded(status) => {
            report::record(&context, &api, &service, status, &[], now).await?;
            return Ok(Action::requeue(Duration::ZERO));
        }
        deployment::Step::Blocked(obstacle) => {
            return report::obstacle(&context, &api, &service, &obstacle, now).await;
        }
    };
    let targets = [Some(&mut current.target), current.before.as_mut()];
    for target in targets.into_iter().flatten() {
        target.digests = revisions::pin(&context, &service, &scene, target).await?;
    }
    revisions::collect(&context, &service, &scene).await?;
    let uid = service.uid().unwrap_or_default();
    let burned = context.unreported(&uid, |unreported| unreported.burned.clone());
    let wanted = wanted::wanted(&service, &scene, &current);
    let plan = scheduler::plan(&wanted, &current.target.id, &scene.tasks, &burned, now);
    Span::current()
        .record("starts", plan.starts.len())
        .record("stops", plan.stops.len());
    if let Some(end) = deployment::end(&service, &current, &wanted, &plan) {
        let (status, happened) =
            deployment::fail(&context, &service, &scene, &current, end, now).await?;
        report::record(&context, &api, &service, status, &happened, now).await?;
        return Ok(Action::requeue(Duration::ZERO));
    }
    let pass = Pass {
        service: &service,
        scene: &scene,
        current: &current,
        wanted: &wanted,
        plan: &plan,
    };
    let done = act::act(&context, &pass).await;
    let action = report::report(&context, &api, &pass, &done, now).await?;
    if let Some(error) = done.failure {
        return Err(error);
    }
    let again = looks_again(&plan, done.unplaced.is_some(), now);
    let put_off = action.filter(|_| done.unplaced.is_none());
    Ok(put_off.unwrap_or_else(|| Action::requeue(again)))
}

/// After which time there is another pass although nothing changed.
fn looks_again(plan: &Plan, unplaced: bool, now: jiff::Timestamp) -> Duration {
    if unplaced {
        return UNPLACED_AGAIN;
    }
    let until =
        |at: jiff::Timestamp| Duration::try_from(at.duration_since(now)).unwrap_or_default();
    plan.wake_at.map_or(RESYNC, |at| until(at).min(RESYNC))
}
