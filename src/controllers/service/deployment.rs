//! Which deployment a service is in. A new one begins when what is wanted differs from what the newest one snapshot, or
//! when the newest one failed and the last completed one is to run again; it is recorded before its first task.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use super::balanced;
use super::observe::{Obstacle, Runnable, Scene, runnable};
use super::revisions::{content, next_number, recorded, same, snapshot};
use super::verdict::last_failure;
use crate::api::bounded::Str;
use crate::api::service::{
    DeploymentRecord, DeploymentState, DeploymentStatus, EcsService, EcsServiceRevision,
    EcsServiceRevisionSpec, EcsServiceStatus, RolloutState, StopType,
};
use crate::api::task::{ImageDigest, TaskLoadBalancer};
use crate::controllers::context::Context;
use crate::controllers::writes::Error;
use crate::domain::events::{self, ServiceEvent as Happened};
use crate::domain::ids;
use crate::domain::service::rollout::{Aftermath, Next, Remembered, Rollout};
use crate::domain::service::{Plan, Trips, Wanted};

/// Deployments that a status has room for.
const LISTED: usize = 50;

/// A deployment that tasks can be started for.
#[derive(Clone)]
pub(super) struct Target {
    /// Its number.
    pub(super) number: i64,
    /// `ecs-svc/<digits>`
    pub(super) id: String,
    /// Name of its `EcsServiceRevision`.
    pub(super) service_revision: String,
    /// What it runs.
    pub(super) runs: Runnable,
    /// Ports of its tasks that requests are sent to.
    pub(super) load_balancers: Vec<TaskLoadBalancer>,
    /// The digests of its images, once they are known.
    pub(super) digests: Vec<ImageDigest>,
}

/// The newest deployment.
pub(super) struct Current {
    /// The deployment that tasks should belong to.
    pub(super) target: Target,
    /// When it began.
    pub(super) deployed_at: Option<Timestamp>,
    /// How far it is.
    pub(super) rollout: Rollout,
    /// The deployment that failed, while it is what is wanted: the newest one, or that which it goes back from.
    pub(super) failed: Option<DeploymentRecord>,
    /// The one that completed last before it.
    pub(super) before: Option<Target>,
}

impl Current {
    /// It is the way back from one that failed.
    pub(super) fn goes_back(&self) -> bool {
        let failed = self.failed.as_ref();
        failed.is_some_and(|failed| failed.number != self.target.number)
    }
}

/// What came of the question.
pub(super) enum Step {
    /// The newest deployment stays.
    Settled(Box<Current>),
    /// A new one begins: this status records it.
    Recorded(Box<EcsServiceStatus>),
    /// What it runs cannot be started now.
    Blocked(Obstacle),
}

/// What is to become of the newest deployment.
pub(super) enum Asked {
    /// Something else is wanted.
    Begins,
    /// It stays.
    Stays {
        /// As the status records it.
        newest: Box<DeploymentStatus>,
        /// The one that failed, while it is what is wanted.
        failed: Option<DeploymentRecord>,
        /// Somebody deleted its snapshot.
        unrecorded: bool,
    },
}

/// Whether the newest deployment is what is wanted (`content`).
pub(super) fn asked(
    context: &Context,
    service: &EcsService,
    wanted: &EcsServiceRevisionSpec,
) -> Asked {
    let status = service.status.clone().unwrap_or_default();
    let remembered = remembered(&status);
    // A snapshot that somebody deleted is no wish for a deployment: it is made again.
    let is_wanted = |number| {
        record_of(&status, number).is_some_and(|(revision, task_definition)| {
            recorded(context, service, revision).map_or_else(
                || wanted.task_definition == task_definition.as_str(),
                |known| same(&known.spec, wanted),
            )
        })
    };
    match (remembered.next(is_wanted), primary(&status)) {
        (Next::Begin, _) | (_, None) => Asked::Begins,
        (Next::Keep, Some(newest)) => Asked::Stays {
            unrecorded: recorded(context, service, &newest.service_revision).is_none(),
            newest: Box::new(newest.clone()),
            failed: None,
        },
        (Next::KeepInsteadOfFailed, Some(newest)) => Asked::Stays {
            unrecorded: false,
            newest: Box::new(newest.clone()),
            failed: status.failed_deployment.clone(),
        },
    }
}

/// The current deployment, or the record of a new one.
pub(super) async fn current(
    context: &Context,
    service: &EcsService,
    scene: &Scene,
    now: Timestamp,
) -> Result<Step, Error> {
    let wanted = content(service, scene);
    match asked(context, service, &wanted) {
        Asked::Begins => {
            let number = next_number(context, service, scene, &wanted);
            let revision = snapshot(context, service, wanted, number).await?;
            Ok(Step::Recorded(Box::new(recording(service, &revision, now))))
        }
        Asked::Stays {
            newest,
            failed,
            unrecorded,
        } => {
            if unrecorded {
                snapshot(context, service, wanted, newest.number).await?;
            }
            let settled = settled(context, service, scene, &newest, failed);
            Ok(settled.map_or_else(Step::Blocked, |current| Step::Settled(Box::new(current))))
        }
    }
}

/// The status with a new deployment of this revision, because something else is wanted.
pub(super) fn recording(
    service: &EcsService,
    revision: &EcsServiceRevision,
    now: Timestamp,
) -> EcsServiceStatus {
    let status = service.status.clone().unwrap_or_default();
    let mut status = begun(status, service, revision, None, now);
    status.failed_deployment = None;
    status
}

/// The newest deployment, as tasks are started for it.
pub(super) fn settled(
    context: &Context,
    service: &EcsService,
    scene: &Scene,
    newest: &DeploymentStatus,
    failed: Option<DeploymentRecord>,
) -> Result<Current, Obstacle> {
    let target = |number, revision: &Str<96>, task_definition: &Str<96>| {
        let runs = if scene.wanted.name == task_definition.as_str() {
            Ok(scene.wanted.clone())
        } else {
            runnable(context, service, task_definition, scene.profile)
        };
        runs.map(|runs| Target {
            load_balancers: balanced::ports(context, service, revision, &runs.definition),
            number,
            id: ids::deployment_id(&service.uid().unwrap_or_default(), number),
            service_revision: revision.to_string(),
            runs,
            digests: Vec::new(),
        })
    };
    let now_wanted = target(
        newest.number,
        &newest.service_revision,
        &newest.task_definition,
    )?;
    let status = service.status.as_ref();
    let before = status
        .and_then(|status| status.last_completed_deployment.as_ref())
        .filter(|completed| completed.number != newest.number)
        .and_then(|record| {
            target(
                record.number,
                &record.service_revision,
                &record.task_definition,
            )
            .ok()
        });
    Ok(Current {
        target: now_wanted,
        deployed_at: newest.created_at.as_ref().map(|time| time.0),
        rollout: newest.rollout_state.into(),
        failed,
        before,
    })
}

/// How a deployment ends that does not complete.
#[derive(Clone, Copy)]
pub(super) struct End {
    /// What follows.
    trips: Trips,
    /// A person asked for it.
    by_hand: bool,
}

/// Whether the newest deployment ends now: the circuit breaker gives it up, or a person stops it
/// (`StopServiceDeployment`).
pub(super) fn end(
    service: &EcsService,
    current: &Current,
    wanted: &Wanted,
    plan: &Plan,
) -> Option<End> {
    if plan.tripped {
        return Some(End {
            trips: wanted.breaker.trips,
            by_hand: false,
        });
    }
    let extensions = service.spec.extensions.as_ref();
    let stop = extensions.and_then(|extensions| extensions.stop_service_deployment.as_ref())?;
    let is_meant =
        stop.deployment == current.target.id.as_str() && current.rollout == Rollout::InProgress;
    is_meant.then(|| End {
        trips: match stop.stop_type.unwrap_or_default() {
            StopType::Abort => Trips::Stops,
            StopType::Rollback => Trips::RollsBack,
        },
        by_hand: true,
    })
}

/// The newest deployment has failed: the status that says so, with the way back as the newest one where there is one.
pub(super) async fn fail(
    context: &Context,
    service: &EcsService,
    scene: &Scene,
    current: &Current,
    end: End,
    now: Timestamp,
) -> Result<(Box<EcsServiceStatus>, Vec<Happened>), Error> {
    let mut status = service.status.clone().unwrap_or_default();
    let number = current.target.number;
    let failing = recorded(context, service, &current.target.service_revision);
    let completed = completed_before(&status).and_then(|record| {
        let revision = recorded(context, service, &record.service_revision)?;
        Some((record.number, revision))
    });
    let same_again = |revision: &EcsServiceRevision| {
        let failing = failing.as_ref();
        failing.is_some_and(|failing| same(&failing.spec, &revision.spec))
    };
    let can_return = |_| {
        let known = completed.as_ref();
        known.is_some_and(|(_, revision)| !same_again(revision))
    };
    let remembered = Remembered {
        failed: current.failed.as_ref().map(|failed| failed.number),
        ..remembered(&status)
    };
    let aftermath = remembered.aftermath(end.trips, can_return);
    let deployments = status.deployments.iter_mut();
    for failed in deployments.filter(|deployment| deployment.number == number) {
        failed.rollout_state = RolloutState::Failed;
        failed.rollout_state_reason = Some(if end.by_hand {
            events::DEPLOYMENT_STOPPED.into()
        } else {
            events::DEPLOYMENT_FAILED.into()
        });
        failed.waiting_for = None;
        failed.updated_at = Some(Time(now));
    }
    if !current.goes_back() {
        status.failed_deployment = Some(DeploymentRecord {
            number,
            service_revision: current.target.service_revision.as_str().into(),
            task_definition: current.target.runs.name.as_str().into(),
            reason: if end.by_hand {
                Some(events::DEPLOYMENT_STOPPED.into())
            } else {
                last_failure(scene, number).map(|reason| Str::cut(&reason))
            },
        });
    }
    let deployment = current.target.id.clone();
    let mut happened = vec![if end.by_hand {
        Happened::DeploymentStopped { deployment }
    } else {
        Happened::DeploymentFailed { deployment }
    }];
    match (aftermath, completed) {
        (Aftermath::RollsBack, Some((completed, revision))) => {
            let number = next_number(context, service, scene, &revision.spec);
            let back = snapshot(context, service, revision.spec.clone(), number).await?;
            let completed = ids::deployment_id(&service.uid().unwrap_or_default(), completed);
            let reason = if end.by_hand {
                events::rolling_back_by_hand(&completed)
            } else {
                events::rolling_back(&completed)
            };
            status = begun(status, service, &back, Some(reason), now);
            happened.push(Happened::RollingBack {
                deployment: completed,
            });
        }
        (Aftermath::NothingCompleted, _) => happened.push(Happened::NothingToRollBackTo),
        (Aftermath::RollbackFailed, _) => happened.push(Happened::RollbackFailed),
        (Aftermath::Stays | Aftermath::RollsBack, _) => {}
    }
    Ok((Box::new(status), happened))
}

/// The newest deployment, as the status records it.
pub(super) fn primary(status: &EcsServiceStatus) -> Option<&DeploymentStatus> {
    status
        .deployments
        .iter()
        .find(|deployment| deployment.status == DeploymentState::Primary)
}

/// What decides which deployment comes next.
fn remembered(status: &EcsServiceStatus) -> Remembered {
    let number = |record: &DeploymentRecord| record.number;
    Remembered {
        newest: primary(status).map(|newest| (newest.number, newest.rollout_state.into())),
        completed: status.last_completed_deployment.as_ref().map(number),
        failed: status.failed_deployment.as_ref().map(number),
    }
}

/// What the newest deployment, or the one that failed, ran: its service revision and its task definition.
fn record_of(status: &EcsServiceStatus, number: i64) -> Option<(&Str<96>, &Str<96>)> {
    let failed = status.failed_deployment.as_ref();
    let failed = failed.filter(|failed| failed.number == number);
    let newest = primary(status).filter(|newest| newest.number == number);
    failed
        .map(|failed| (&failed.service_revision, &failed.task_definition))
        .or_else(|| newest.map(|newest| (&newest.service_revision, &newest.task_definition)))
}

/// The deployment that completed last, unless it is the newest one.
fn completed_before(status: &EcsServiceStatus) -> Option<&DeploymentRecord> {
    remembered(status).completed_before()?;
    status.last_completed_deployment.as_ref()
}

/// The status with a new deployment first, which supersedes the others.
fn begun(
    mut status: EcsServiceStatus,
    service: &EcsService,
    revision: &EcsServiceRevision,
    reason: Option<String>,
    now: Timestamp,
) -> EcsServiceStatus {
    for older in status.deployments.iter_mut() {
        older.status = DeploymentState::Active;
    }
    let number = revision.spec.number;
    let id = ids::deployment_id(&service.uid().unwrap_or_default(), number);
    let reason = reason.unwrap_or_else(|| events::deployment_in_progress(&id));
    status.last_deployment_number = number;
    status.task_definition = Some(revision.spec.task_definition.clone());
    let deployment = DeploymentStatus {
        id: id.into(),
        number,
        status: DeploymentState::Primary,
        service_revision: revision.name_any().into(),
        task_definition: revision.spec.task_definition.clone(),
        desired_count: 0,
        pending_count: 0,
        running_count: 0,
        failed_tasks: 0,
        rollout_state: RolloutState::InProgress,
        rollout_state_reason: Some(reason.into()),
        waiting_for: None,
        created_at: Some(Time(now)),
        updated_at: Some(Time(now)),
    };
    status.deployments.insert(0, deployment);
    status.deployments.truncate(LISTED);
    status
}
