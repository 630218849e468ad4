//! Why a service is as it is, and what its next pass does: the same look, plan and placement that the controller makes, and
//! what follows from them, as one answer.

mod answer;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

pub use answer::{
    Bounds, BreakerAnswer, Draining, PassAnswer, Protected, ServiceAnswer, StartAnswer, StopAnswer,
    Unplaced,
};

use super::act::Done;
use super::observe::tasks_of;
use super::supposed::{Stage, stage};
use super::verdict::verdict;
use super::{Pass, listed, looks_again, placed};
use crate::api::service::EcsService;
use crate::controllers::context::Context;
use crate::controllers::ended::Ended;
use crate::domain::liveness::Presence;
use crate::domain::placement::Explanation;
use crate::domain::service::{self as scheduler, Place, Plan, Rollout, Start, Trips};

/// Tasks that ended lately which are told of.
const ENDED: usize = 20;

/// Explains a service, in a world of one's own: what the pass would write is supposed there.
pub(in crate::controllers) fn explain(
    context: &Context,
    presence: &Arc<BTreeMap<String, Presence>>,
    service: &EcsService,
    now: Timestamp,
) -> ServiceAnswer {
    let mut stopped: Vec<Ended> = tasks_of(context, service)
        .values()
        .filter_map(|task| Ended::of(task))
        .collect();
    stopped.sort_by_key(|ended| std::cmp::Reverse(ended.stopped_at));
    stopped.truncate(ENDED);
    let (reason, message, pass) = match stage(context, presence, service, now) {
        Ok(stage) => {
            let (reason, message, pass) = next_pass(context, presence, &stage, now);
            (reason, message, Some(Box::new(pass)))
        }
        Err(obstacle) => (obstacle.reason, obstacle.message, None),
    };
    ServiceAnswer {
        namespace: service.namespace().unwrap_or_default(),
        service: service.name_any(),
        cluster: service.cluster_name().to_owned(),
        reason: reason.to_owned(),
        message,
        pass,
        stopped,
    }
}

fn next_pass(
    context: &Context,
    presence: &Arc<BTreeMap<String, Presence>>,
    stage: &Stage,
    now: Timestamp,
) -> (&'static str, String, PassAnswer) {
    let Stage {
        service,
        scene,
        current,
        wanted,
        ..
    } = stage;
    let plan = scheduler::plan(
        wanted,
        &current.target.id,
        &scene.tasks,
        &BTreeMap::new(),
        now,
    );
    let stops = stops(context, stage, &plan);
    let (starts, unplaced, first) = starts(context, presence, stage, &plan, now);
    let done = Done {
        unplaced: first,
        ..Done::default()
    };
    let pass = Pass {
        service,
        scene,
        current,
        wanted,
        plan: &plan,
    };
    let verdict = verdict(&pass, &done, now);
    let status = service.status.clone().unwrap_or_default();
    let again = looks_again(&plan, done.unplaced.is_some(), now);
    let again = SignedDuration::try_from(again).unwrap_or_default();
    let (running, pending) = listed::counts(scene.tasks.iter());
    let tasks = || scene.tasks.iter();
    let answer = PassAnswer {
        desired: wanted.desired,
        running,
        pending,
        healthy: tasks()
            .filter(|task| task.is_healthy(wanted.healthy_after, now))
            .count(),
        bounds: Bounds {
            minimum_healthy_percent: wanted.minimum_healthy_percent,
            maximum_percent: wanted.maximum_percent,
            keeps: wanted.lower_bound(),
            allows: wanted.upper_bound(),
            cannot_move: wanted.cannot_move().map(|found| found.to_string()),
        },
        deployments: listed::deployments(&status, &pass, &done, now, &mut Vec::new()),
        breaker: breaker(stage, &plan),
        throttled_until: plan.failures.not_before.filter(|until| *until > now),
        stops,
        starts,
        unplaced,
        looks_again_at: now.saturating_add(again).unwrap_or(now),
        protected: tasks()
            .filter(|task| task.is_active() && task.is_protected(now))
            .filter_map(|task| {
                Some(Protected {
                    task: task.name.clone(),
                    until: task.protected_until?,
                })
            })
            .collect(),
        draining: tasks()
            .filter(|task| task.is_live() && task.draining)
            .map(|task| Draining {
                task: task.name.clone(),
                instance: task.instance.clone(),
            })
            .collect(),
    };
    (verdict.reason, verdict.message, answer)
}

/// The plan's stops, supposed to be told: what starts is placed beside tasks that end.
fn stops(context: &Context, stage: &Stage, plan: &Plan) -> Vec<StopAnswer> {
    let mut stops = Vec::new();
    for stop in &plan.stops {
        let Some(task) = stage.scene.objects.get(&stop.name) else {
            continue;
        };
        let mut told = (**task).clone();
        told.spec.stop = Some((&stop.stop).into());
        context.world.tasks.suppose(told);
        stops.push(StopAnswer {
            task: stop.name.clone(),
            instance: task.instance().unwrap_or_default().to_owned(),
            cause: stop.cause.as_str(),
            reason: stop.stop.reason.clone(),
        });
    }
    stops
}

/// The plan's starts where they are placed, and those that are not with their reasons; of the latter, that which the
/// service reports.
fn starts(
    context: &Context,
    presence: &Arc<BTreeMap<String, Presence>>,
    stage: &Stage,
    plan: &Plan,
    now: Timestamp,
) -> (Vec<StartAnswer>, Vec<Unplaced>, Option<Explanation>) {
    let Stage {
        service,
        scene,
        current,
        ..
    } = stage;
    let (mut placed_tasks, mut unplaced, mut reported) = (Vec::new(), Vec::new(), None);
    let deployments: [(_, &Vec<Start>); 2] = [
        (Some(&current.target), &plan.starts),
        (current.before.as_ref(), &plan.restarts),
    ];
    for (target, starts) in deployments {
        let Some(target) = target.filter(|_| !starts.is_empty()) else {
            continue;
        };
        let room = placed::room(context, service, scene, presence);
        let all = placed::place_all(context, service, scene, target, starts, &room, now);
        let not_tried = starts.len().saturating_sub(all.len());
        for tried in all {
            match tried.task {
                Ok(task) => placed_tasks.push(StartAnswer {
                    task: task.name_any(),
                    task_definition: target.runs.name.clone(),
                    instance: task.instance().unwrap_or_default().to_owned(),
                }),
                Err(explanation) => {
                    let anywhere = tried.start.place == Place::Anywhere;
                    unplaced.push(Unplaced {
                        task: placed::task_name(service, target, tried.start),
                        tasks: if anywhere { 1 + not_tried } else { 1 },
                        why: placed::summary(
                            service,
                            scene,
                            target,
                            tried.start,
                            &explanation,
                            &room,
                            now,
                        ),
                    });
                    if !matches!(tried.start.place, Place::Zone(_)) {
                        reported = Some(explanation);
                    }
                }
            }
        }
    }
    (placed_tasks, unplaced, reported)
}

fn breaker(stage: &Stage, plan: &Plan) -> BreakerAnswer {
    let (wanted, current) = (&stage.wanted, &stage.current);
    let (failed_tasks, threshold) = (plan.failures.count, wanted.threshold());
    let back = match (&current.before, current.goes_back()) {
        (_, true) => "FAILED: a rollback is not rolled back".to_owned(),
        (Some(before), false) => format!("FAILED, and rolled back to {}", before.runs.name),
        (None, false) => "FAILED: no deployment has completed that it could go back to".to_owned(),
    };
    let then = match wanted.breaker.trips {
        Trips::Never => None,
        Trips::Stops => Some("FAILED, and nothing more is started for it".to_owned()),
        Trips::RollsBack => Some(back),
    };
    let message = match (then, wanted.rollout) {
        (_, Rollout::Failed) => "the deployment has FAILED already".to_owned(),
        (None, _) => "off: tasks that fail are tried again, ever more slowly".to_owned(),
        (Some(_), Rollout::Completed) => {
            "the deployment has COMPLETED: only another one can fail".to_owned()
        }
        (Some(then), Rollout::InProgress) if plan.tripped => {
            format!("trips now: the deployment is {then}")
        }
        (Some(then), Rollout::InProgress) => {
            let more = threshold.saturating_sub(failed_tasks);
            let tasks = if more == 1 {
                "task that fails"
            } else {
                "tasks that fail"
            };
            format!("trips after {more} more {tasks}: the deployment is then {then}")
        }
    };
    BreakerAnswer {
        failed_tasks,
        threshold,
        message,
    }
}
