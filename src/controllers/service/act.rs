//! Carries out a plan: stops first, then starts, each start placed and reserved before its create is sent.

use std::sync::Arc;

use futures::{StreamExt, stream};
use kube::{Api, ResourceExt};
use serde_json::json;

use super::Pass;
use super::deployment::Target;
use super::observe::{Scene, service_uid};
use super::placed;
use crate::api::service::EcsService;
use crate::api::task::{self, EcsTask, HealthStatus, TargetHealth, TaskService};
use crate::controllers::cache::key_of;
use crate::controllers::context::Context;
use crate::controllers::writes::{Created, Error, api_of, create, doing, is_status, patch};
use crate::domain::events::ServiceEvent;
use crate::domain::placement::Explanation;
use crate::domain::service::{Cause, Place, Start, StopTask};

/// Creates and stops that are sent side by side: the API server takes about 600 creates a second from that many.
const IN_FLIGHT: usize = 16;

/// What was carried out.
#[derive(Default)]
pub(super) struct Done {
    /// What happened, for the service's events.
    pub(super) events: Vec<ServiceEvent>,
    /// Why a task could not be placed.
    pub(super) unplaced: Option<Explanation>,
    /// The first error; what came before it was done.
    pub(super) failure: Option<Error>,
}

/// Every step is idempotent: names and preconditions make a repeated one harmless.
pub(super) async fn act(context: &Context, pass: &Pass<'_>) -> Done {
    let Pass {
        service,
        scene,
        current,
        plan,
        ..
    } = *pass;
    let mut done = Done::default();
    let known = service.status.as_ref().map(|status| status.desired_count);
    let scaled = known != i32::try_from(pass.wanted.desired).ok();
    stop_all(context, service, scene, &plan.stops, scaled, &mut done).await;
    let starts = [
        (Some(&current.target), &plan.starts),
        (current.before.as_ref(), &plan.restarts),
    ];
    for (target, starts) in starts {
        if let Some(target) = target.filter(|_| done.failure.is_none() && !starts.is_empty()) {
            start_all(context, service, scene, target, starts, &mut done).await;
        }
    }
    let moves = plan.starts.iter().find_map(|start| match &start.place {
        Place::Zone(zone) => Some(zone.clone()),
        Place::Anywhere | Place::Instance(_) => None,
    });
    if let Some(zone) = moves {
        tell_of_rebalancing(zone, &plan.zones, &mut done);
    }
    done
}

/// Says that a task was started for the sake of the zones, and why.
fn tell_of_rebalancing(zone: String, zones: &[(String, usize)], done: &mut Done) {
    let started = done.events.iter().find_map(|event| {
        if let ServiceEvent::Started(tasks) = event {
            Some(tasks.clone())
        } else {
            None
        }
    });
    if let Some(tasks) = started {
        done.events.push(ServiceEvent::ZonesUneven(zones.to_vec()));
        done.events
            .push(ServiceEvent::StartedInZone { zone, tasks });
    }
}

async fn stop_all(
    context: &Context,
    service: &EcsService,
    scene: &Scene,
    stops: &[StopTask],
    scaled: bool,
    done: &mut Done,
) {
    let api: Api<EcsTask> = api_of(&context.client, service.namespace());
    // Owned, because a stream of futures over borrowed items is not Send.
    let known: Vec<(StopTask, Arc<EcsTask>)> = stops
        .iter()
        .filter_map(|stop| Some((stop.clone(), Arc::clone(scene.objects.get(&stop.name)?))))
        .collect();
    let answers: Vec<_> = stream::iter(known)
        .map(|(stop, task)| {
            let api = api.clone();
            async move {
                let answer = stop_task(context, &api, &task, &stop.stop).await;
                (stop, task, answer)
            }
        })
        .buffered(IN_FLIGHT)
        .collect()
        .await;
    let mut stopped = Vec::new();
    for (stop, task, answer) in answers {
        match answer {
            Ok(()) => {
                context.metrics.tasks_stopped.inc();
                let zone = zone_of(scene, &stop.name);
                if !(scaled && stop.cause == Cause::Rebalanced) {
                    done.events.extend(told(stop.cause, &task, zone));
                }
                if stop.cause != Cause::InstanceLost {
                    stopped.push(task.task_id());
                }
            }
            Err(error) => done.failure = Some(error),
        }
    }
    if !stopped.is_empty() {
        done.events.push(ServiceEvent::Stopped(stopped));
    }
}

fn zone_of(scene: &Scene, task: &str) -> String {
    let task = scene.tasks.iter().find(|known| known.name == task);
    task.and_then(|task| task.zone.clone()).unwrap_or_default()
}

/// What people are told of a stop, beyond that it happened.
fn told(cause: Cause, object: &EcsTask, zone: String) -> Option<ServiceEvent> {
    let instance = || object.instance().unwrap_or_default().to_owned();
    let task = object.task_id();
    match cause {
        Cause::InstanceLost => Some(ServiceEvent::InstanceLost {
            task,
            instance: instance(),
        }),
        Cause::ConstraintViolated => Some(ServiceEvent::ConstraintViolated {
            task,
            instance: instance(),
        }),
        Cause::Unhealthy => Some(unhealthy(object, task)),
        Cause::Rebalanced => Some(ServiceEvent::StoppedInZone {
            zone,
            tasks: vec![task],
        }),
        Cause::ScaleIn | Cause::Replaced => None,
    }
}

/// Which check of a task failed.
fn unhealthy(object: &EcsTask, task: String) -> ServiceEvent {
    let checked = object.status.as_ref().and_then(|it| it.health_status);
    let failing = object
        .targets()
        .iter()
        .find(|target| target.health == TargetHealth::Unhealthy)
        .filter(|_| checked != Some(HealthStatus::Unhealthy));
    failing.map_or_else(
        || ServiceEvent::FailedHealthChecks { task: task.clone() },
        |failing| ServiceEvent::TargetUnhealthy {
            task: task.clone(),
            instance: object.instance().unwrap_or_default().to_owned(),
            port: failing.host_port.unwrap_or(failing.container_port),
            group: failing.target_group.to_string(),
            reason: failing.description.as_deref().cloned().unwrap_or_default(),
        },
    )
}

/// Tells a task to stop, once: a task that was told already is left alone.
pub(super) async fn stop_task(
    context: &Context,
    api: &Api<EcsTask>,
    task: &EcsTask,
    stop: &crate::domain::task::Stop,
) -> Result<(), Error> {
    if task.spec.stop.is_some() {
        return Ok(());
    }
    let change = json!({"spec": {"stop": task::Stop::from(stop)}});
    match patch(api, &context.world.tasks, task, "stop task", change).await {
        Ok(_) => Ok(()),
        Err(Error::Kube { source, .. }) if is_status(&source, 404) => Ok(()),
        Err(error) => Err(error),
    }
}

async fn start_all(
    context: &Context,
    service: &EcsService,
    scene: &Scene,
    target: &Target,
    starts: &[Start],
    done: &mut Done,
) {
    let reserved = {
        let _placing = context.placing.lock().await;
        reserve(context, service, scene, target, starts, done).await
    };
    let api: Api<EcsTask> = api_of(&context.client, service.namespace());
    let answers: Vec<_> = stream::iter(reserved)
        .map(|task| {
            let api = api.clone();
            async move {
                let answer = create(&api, &context.world.tasks, &task).await;
                (task, answer)
            }
        })
        .buffered(IN_FLIGHT)
        .collect()
        .await;
    let mut started = Vec::new();
    for (task, answer) in answers {
        match answer {
            Ok(Created::New(made)) => {
                context.metrics.tasks_started.inc();
                started.push(made.task_id());
            }
            Ok(Created::Exists(found)) => adopt_or_report(context, service, &task, &found, done),
            Err(error) => {
                context.world.tasks.release(&key_of(&task));
                done.failure = Some(doing("create task")(error));
            }
        }
    }
    if !started.is_empty() {
        done.events.push(ServiceEvent::Started(started));
    }
}

/// Places each start and counts it at once; what fits nowhere is left out and explained.
async fn reserve(
    context: &Context,
    service: &EcsService,
    scene: &Scene,
    target: &Target,
    starts: &[Start],
    done: &mut Done,
) -> Vec<EcsTask> {
    let presence = context.presence().await;
    let room = placed::room(context, service, scene, &presence);
    let now = context.clock.now();
    let mut reserved = Vec::new();
    for tried in placed::place_all(context, service, scene, target, starts, &room, now) {
        match tried.task {
            Ok(task) => reserved.push(*task),
            Err(explanation) => {
                context.metrics.placement_failures.inc();
                match &tried.start.place {
                    // The service has all its tasks: it is only less even than it could be.
                    Place::Zone(zone) => {
                        let zone = zone.clone();
                        done.events.push(ServiceEvent::NoRoomInZone { zone });
                    }
                    Place::Anywhere | Place::Instance(_) => {
                        done.events
                            .push(ServiceEvent::Unplaced(explanation.clone()));
                        done.unplaced = Some(explanation);
                    }
                }
            }
        }
    }
    reserved
}

/// A task of this name exists. Ours is adopted; somebody else's is reported, and its name passed over.
fn adopt_or_report(
    context: &Context,
    service: &EcsService,
    wanted: &EcsTask,
    found: &EcsTask,
    done: &mut Done,
) {
    let ours = service_uid(found) == service.uid().as_deref();
    if ours {
        return;
    }
    if let Some(TaskService { slot, attempt, .. }) = wanted.service() {
        let uid = service.uid().unwrap_or_default();
        context.unreported(&uid, |unreported| unreported.burned.insert(*slot, *attempt));
    }
    done.events.push(ServiceEvent::NameTaken {
        name: wanted.name_any(),
    });
}
