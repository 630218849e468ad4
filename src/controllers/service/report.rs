//! What a service shows of itself: counts, deployments, events and conditions, written when something other than time
//! changed.

use std::time::Duration;

use jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};

use super::act::Done;
use super::listed::counts;
use super::observe::Obstacle;
use super::verdict::{Verdict, verdict};
use super::wanted::{desired, percents};
use super::{Pass, events, listed};
use crate::api::conditions::{self, PERCENTS_CANNOT_MOVE, Progress, READY, reason};
use crate::api::names;
use crate::api::parse;
use crate::api::service::{EcsService, EcsServiceStatus, ServiceStatus};
use crate::controllers::context::Context;
use crate::controllers::daemons::is_daemon;
use crate::controllers::writes::{Error, apply_status_over};
use crate::domain::events::ServiceEvent as Happened;
use crate::domain::fields::Body;
use crate::domain::service::Rollout;

/// Counts that change often are written at most once in this time: each write costs the API server 5 ms.
const BETWEEN_WRITES: Duration = Duration::from_millis(500);

/// Writes what a pass saw and did. `Some` when the write was put off.
pub(super) async fn report(
    context: &Context,
    api: &Api<EcsService>,
    pass: &Pass<'_>,
    done: &Done,
    now: Timestamp,
) -> Result<Option<Action>, Error> {
    let service = pass.service;
    let mut status = service.status.clone().unwrap_or_default();
    let mut happened = done.events.clone();
    status.failed_deployment.clone_from(&pass.current.failed);
    status.deployments = listed::deployments(&status, pass, done, now, &mut happened).into();
    if pass.plan.steady {
        listed::complete(&mut status);
        if !was_steady(&status) {
            happened.push(Happened::SteadyState);
        }
    }
    if pass.plan.protected_surplus > 0 {
        happened.push(Happened::TooManyProtected {
            deployment: pass.current.target.id.clone(),
        });
    }
    if pass.plan.blocked {
        happened.push(Happened::BoundsLeaveNoRoom);
    }
    if pass.wanted.rollout != Rollout::Failed && pass.plan.failures.is_stalled(pass.wanted) {
        happened.push(Happened::CannotStartConsistently);
    }
    summarise(&mut status, pass);
    set_conditions(&mut status, service, &verdict(pass, done, now), now);
    events::add(context, service, &mut status, &happened, now).await;
    let urgent = pass.plan.steady || !happened.is_empty();
    write(context, api, service, status, urgent).await
}

/// Nothing was left to do when the conditions were written last.
fn was_steady(status: &EcsServiceStatus) -> bool {
    conditions::get(&status.conditions, READY).is_some_and(|ready| {
        [reason::STEADY_STATE, reason::DEPLOYMENT_ROLLED_BACK].contains(&ready.reason.as_str())
    })
}

/// Writes the record of a new deployment, or of the end of one, before anything is done for it.
pub(super) async fn record(
    context: &Context,
    api: &Api<EcsService>,
    service: &EcsService,
    mut status: Box<EcsServiceStatus>,
    happened: &[Happened],
    now: Timestamp,
) -> Result<(), Error> {
    let message = if happened.is_empty() {
        "a new deployment begins".to_owned()
    } else {
        let name = service.name_any();
        let told = happened.iter().map(|event| event.message(&name));
        told.collect::<Vec<_>>().join(" ")
    };
    let verdict = Verdict::working(reason::DEPLOYMENT_IN_PROGRESS, message);
    status.status = Some(ServiceStatus::Active);
    show_desired(&mut status, service);
    set_conditions(&mut status, service, &verdict, now);
    events::add(context, service, &mut status, happened, now).await;
    write(context, api, service, *status, true).await.map(drop)
}

/// Writes why nothing can be done now. What runs stays as it is.
pub(super) async fn obstacle(
    context: &Context,
    api: &Api<EcsService>,
    service: &EcsService,
    obstacle: &Obstacle,
    now: Timestamp,
) -> Result<Action, Error> {
    let mut status = service.status.clone().unwrap_or_default();
    status.status = Some(ServiceStatus::Active);
    show_desired(&mut status, service);
    let told = conditions::get(&status.conditions, READY)
        .is_some_and(|ready| ready.message == obstacle.message);
    let verdict = Verdict {
        ready: false,
        stalled: obstacle.stalled,
        reason: obstacle.reason,
        message: obstacle.message.clone(),
    };
    set_conditions(&mut status, service, &verdict, now);
    if !told && !obstacle.passing {
        context
            .tell(service, true, obstacle.reason, &obstacle.message)
            .await;
    }
    write(context, api, service, status, true).await?;
    Ok(Action::requeue(crate::controllers::context::RESYNC))
}

/// Writes that the service drains.
pub(super) async fn draining(
    context: &Context,
    api: &Api<EcsService>,
    service: &EcsService,
    message: String,
    now: Timestamp,
) -> Result<(), Error> {
    let mut status = service.status.clone().unwrap_or_default();
    status.status = Some(ServiceStatus::Draining);
    let verdict = Verdict::working(reason::DRAINING, message);
    set_conditions(&mut status, service, &verdict, now);
    write(context, api, service, status, true).await.map(drop)
}

async fn write(
    context: &Context,
    api: &Api<EcsService>,
    service: &EcsService,
    status: EcsServiceStatus,
    urgent: bool,
) -> Result<Option<Action>, Error> {
    if service.status.as_ref() == Some(&status) {
        return Ok(None);
    }
    let uid = service.uid().unwrap_or_default();
    if let Some(wait) = context.pace(service, BETWEEN_WRITES).filter(|_| !urgent) {
        return Ok(Some(Action::requeue(wait)));
    }
    // Over the version that was seen: what is remembered of deployments is never replaced by something older.
    apply_status_over(api, &context.world.services, service, &status).await?;
    context.unreported(&uid, |unreported| unreported.events.clear());
    Ok(None)
}

/// The count that the service asks for; that of daemons is known only once their instances were looked at.
fn show_desired(status: &mut EcsServiceStatus, service: &EcsService) {
    if !is_daemon(service) {
        status.desired_count = i32::try_from(desired(service)).unwrap_or(i32::MAX);
    }
}

fn summarise(status: &mut EcsServiceStatus, pass: &Pass<'_>) {
    status.status = Some(ServiceStatus::Active);
    status.desired_count = i32::try_from(pass.wanted.desired).unwrap_or(i32::MAX);
    (status.running_count, status.pending_count) = counts(pass.scene.tasks.iter());
    status.selector = Some(
        format!("{}={}", names::SERVICE_LABEL, pass.service.name_any())
            .as_str()
            .into(),
    );
}

fn set_conditions(
    status: &mut EcsServiceStatus,
    service: &EcsService,
    verdict: &Verdict,
    now: Timestamp,
) {
    let generation = service.metadata.generation;
    status.observed_generation = generation.unwrap_or(0);
    let progress = Progress {
        ready: verdict.ready,
        stalled: verdict.stalled,
        reason: verdict.reason,
        message: &verdict.message,
    };
    conditions::set_progress(&mut status.conditions, progress, generation, now);
    let desired = u32::try_from(status.desired_count).unwrap_or(0);
    let cannot_move = percents(service).cannot_move(desired);
    let cannot_move = cannot_move.map(|found| {
        if is_daemon(service) {
            found.of_daemons()
        } else {
            found
        }
    });
    let (reason, message) = match &cannot_move {
        Some(cannot_move) => (reason::PERCENTS_LEAVE_NO_ROOM, cannot_move.to_string()),
        None => (reason::PERCENTS_LEAVE_ROOM, String::new()),
    };
    let condition = conditions::condition(
        PERCENTS_CANNOT_MOVE,
        cannot_move.is_some(),
        reason,
        &message,
        generation,
        now,
    );
    conditions::set(&mut status.conditions, condition);
    let without_effect = parse::without_effect(Body::CreateService, &service.spec);
    conditions::set_without_effect(&mut status.conditions, &without_effect, generation, now);
    status.without_effect = parse::listed(&without_effect);
}
