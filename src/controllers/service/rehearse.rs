//! A deployment before it happens: the forecast of a service as its controller would carry it out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;

use super::ground::Ground;
use super::placed;
use super::supposed::{Stage, stage};
use crate::api::service::EcsService;
use crate::api::task::{EcsTask, Stop, StopCode};
use crate::controllers::context::Context;
use crate::domain::definition::TaskDefinition;
use crate::domain::events;
use crate::domain::liveness::Presence;
use crate::domain::placement::ZONE;
use crate::domain::service::{
    Board, End, Forecast, Mark, Opening, Pace, Placed, Site, Start, Task, forecast,
};

/// How a service's deployment would go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsal {
    /// A new deployment begins; otherwise the newest one goes on.
    pub begins: bool,
    /// What runs now, where something does.
    pub from: Option<String>,
    /// What is to run.
    pub to: String,
    /// Why that is not even tried.
    pub failed_before: Option<String>,
    /// Why no later deployment could replace a task with these percents, where none could.
    pub cannot_move: Option<String>,
    /// Step by step.
    pub forecast: Forecast,
}

impl Rehearsal {
    /// All that is asked for would run.
    pub fn completes(&self) -> bool {
        self.forecast.end == End::Completed && self.failed_before.is_none()
    }
}

/// Why nothing can be played.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {message}")]
pub struct CannotBegin {
    /// One of the conditions' reasons.
    pub reason: &'static str,
    /// What to do about it.
    pub message: String,
}

/// Plays a service's deployment to its end, in a world of one's own, which is afterwards as the deployment leaves it.
pub(in crate::controllers) fn rehearse(
    context: &Context,
    presence: &Arc<BTreeMap<String, Presence>>,
    service: &EcsService,
    now: Timestamp,
) -> Result<Rehearsal, CannotBegin> {
    let runs = |service: &EcsService| {
        let status = service.status.as_ref()?;
        status.task_definition.as_ref().map(ToString::to_string)
    };
    let stage = stage(context, presence, service, now).map_err(|obstacle| CannotBegin {
        reason: obstacle.reason,
        message: obstacle.message,
    })?;
    let opening = Opening {
        wanted: &stage.wanted,
        deployment_id: &stage.current.target.id,
        tasks: &stage.scene.tasks,
        pace: pace(&stage.current.target.runs.definition),
        now,
    };
    let mut board = Copy {
        context,
        presence,
        stage: &stage,
        now,
        objects: stage.scene.objects.clone(),
    };
    let failed = stage.current.failed.as_ref();
    Ok(Rehearsal {
        begins: stage.begins,
        from: runs(service),
        to: stage.current.target.runs.name.clone(),
        failed_before: failed.map(|failed| {
            let definition = &failed.task_definition;
            format!("{definition} has failed for this service and is not tried again: change the definition, or set extensions.forceNewDeployment to another text")
        }),
        cannot_move: stage.wanted.cannot_move().map(|found| found.to_string()),
        forecast: forecast(opening, &mut board),
    })
}

/// Containers start and stop at once; Docker asks for the first time after the interval of a health check.
fn pace(definition: &TaskDefinition) -> Pace {
    let essential = definition.containers.iter();
    let checks = essential
        .filter(|container| container.essential)
        .filter_map(|container| Some(container.health_check.as_ref()?.interval));
    Pace {
        starts: Duration::ZERO,
        checks: checks.max(),
        stops: Duration::ZERO,
    }
}

/// The instances of the service's cluster, in a world of one's own.
struct Copy<'a> {
    context: &'a Context,
    presence: &'a Arc<BTreeMap<String, Presence>>,
    stage: &'a Stage,
    now: Timestamp,
    objects: BTreeMap<String, Arc<EcsTask>>,
}

impl Board for Copy<'_> {
    fn place(&mut self, starts: &[Start], deployment: i64) -> Placed {
        let Stage {
            service,
            scene,
            current,
            ..
        } = self.stage;
        let before = current.before.as_ref();
        let target = before
            .filter(|before| before.number == deployment)
            .unwrap_or(&current.target);
        let mut all = Placed::default();
        let context = self.context;
        let room = placed::room(context, service, scene, self.presence);
        for tried in placed::place_all(context, service, scene, target, starts, &room, self.now) {
            match tried.task {
                Ok(task) => {
                    let instance = task.instance().unwrap_or_default().to_owned();
                    let zone = room.instance(&instance, |known| {
                        known.and_then(|known| known.attributes.get(ZONE).cloned())
                    });
                    all.sites.push(Site {
                        start: tried.start.clone(),
                        task: task.name_any(),
                        zone,
                        instance,
                    });
                    self.objects.insert(task.name_any(), Arc::new(*task));
                }
                Err(explanation) => all.unplaced = all.unplaced.or(Some(explanation)),
            }
        }
        all
    }

    fn stop(&mut self, tasks: &[String]) {
        for name in tasks {
            if let Some(task) = self.objects.get(name) {
                let mut told = (**task).clone();
                told.spec.stop = Some(Stop {
                    code: StopCode::ServiceSchedulerInitiated,
                    reason: Some(
                        events::scaling_activity(&self.stage.current.target.id)
                            .as_str()
                            .into(),
                    ),
                });
                self.context.world.tasks.suppose(told);
            }
        }
    }

    fn release(&mut self, tasks: &[&Task]) {
        for task in tasks {
            if let Some(task) = self.objects.remove(&task.name) {
                self.context.world.tasks.removed(&task);
            }
        }
    }

    fn marks(&self, task: &Task) -> Vec<Mark> {
        let Stage { service, scene, .. } = self.stage;
        let ground = Ground::of(self.context, service, &scene.placement, self.presence);
        ground.marks(&task.instance, &task.name)
    }
}
