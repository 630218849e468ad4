//! Binds a task that a person made, as `RunTask` does: to an instance that has room, at once, or not at all.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};
use serde_json::json;

use super::write_stopped;
use crate::api::parse;
use crate::api::task::{EcsTask, TaskExtensions};
use crate::api::{names, tags};
use crate::controllers::context::{Context, RESYNC};
use crate::controllers::definitions::Definitions;
use crate::controllers::writes::{Error, patch};
use crate::controllers::{daemons, definition, placing};
use crate::domain::definition::rules;
use crate::domain::fields::Body;
use crate::domain::ids::{self, RevisionReference};
use crate::domain::liveness::Presence;
use crate::domain::placement::Summary;
use crate::domain::security;
use crate::domain::service::Place;
use crate::domain::task::{Stop, StopCode};

/// What keeps a task from being bound.
pub(super) enum Obstacle {
    /// It will go away by itself: the definition is not registered yet.
    Waits,
    /// It will not.
    Fails(String),
    /// No instance can take it now.
    Unplaced(Box<Summary>),
}

impl Obstacle {
    /// What becomes the task's `stoppedReason`, where it ends for it.
    pub(super) fn ends(&self) -> Option<String> {
        match self {
            Self::Waits => None,
            Self::Fails(reason) => Some(reason.clone()),
            Self::Unplaced(summary) => Some(format!("TaskFailedToStart: {}", summary.message)),
        }
    }
}

/// Binds, or writes STOPPED / `TaskFailedToStart` with the reason.
pub(super) async fn bind(
    context: &Context,
    api: &Api<EcsTask>,
    task: &EcsTask,
) -> Result<Action, Error> {
    if task.is_stopped() {
        return super::retire::collect(context, api, task).await;
    }
    let placing = context.placing.lock().await;
    match choose(context, task, &context.presence().await) {
        Ok((extensions, instance)) => {
            let namespace = task.namespace().unwrap_or_default();
            let revision = extensions
                .task_definition
                .as_deref()
                .map_or("", |name| name);
            let definition = Definitions::tags(&context.world, &namespace, revision);
            let tags = tags::of_task(&task.spec, task.cluster_name(), &definition);
            let mut finalizers = task.finalizers().to_vec();
            if !finalizers.iter().any(|name| name == names::TASK_FINALIZER) {
                finalizers.push(names::TASK_FINALIZER.to_owned());
            }
            let change = json!({
                "metadata": {"finalizers": finalizers},
                "spec": {"containerInstance": instance, "extensions": extensions, "tags": tags},
            });
            patch(api, &context.world.tasks, task, "bind task", change).await?;
            Ok(Action::await_change())
        }
        Err(obstacle) => {
            let Some(reason) = obstacle.ends() else {
                return Ok(Action::requeue(RESYNC));
            };
            drop(placing);
            context.tell(task, true, "TaskFailedToStart", &reason).await;
            write_stopped(
                context,
                api,
                task,
                &Stop {
                    code: StopCode::TaskFailedToStart,
                    reason,
                },
            )
            .await?;
            Ok(Action::requeue(RESYNC))
        }
    }
}

/// The instance on which a task is to run, with what is written beside it.
pub(super) fn choose(
    context: &Context,
    task: &EcsTask,
    presence: &Arc<BTreeMap<String, Presence>>,
) -> Result<(TaskExtensions, String), Obstacle> {
    let namespace = task.namespace().unwrap_or_default();
    let fails = |problems: Vec<rules::Problem>| {
        Obstacle::Fails(
            problems
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("; "),
        )
    };
    let refused = parse::refused(Body::RunTask, &task.spec);
    if !refused.is_empty() {
        return Err(fails(refused));
    }
    let rules = parse::task_placement(&task.spec).map_err(fails)?;
    let name = task.cluster_name();
    let cluster = context
        .world
        .clusters
        .get(&(String::new(), name.to_owned()))
        .ok_or_else(|| Obstacle::Fails(format!("cluster: there is no EcsCluster {name}")))?;
    if !cluster.spec.allowed_namespaces.allows(&namespace) {
        return Err(Obstacle::Fails(format!(
            "cluster: EcsCluster {name} does not allow the namespace {namespace}"
        )));
    }
    let reference = RevisionReference::parse(&task.spec.task_definition)
        .map_err(|error| Obstacle::Fails(error.to_string()))?;
    let number = match reference.revision {
        Some(number) => number,
        None => definition::newest(&context.world, &namespace, &reference.family)
            .ok_or(Obstacle::Waits)?,
    };
    let revision = ids::revision_name(&reference.family, number);
    let overrides = task.spec.overrides.as_ref();
    let definition = context
        .definitions
        .overridden(&context.world, &namespace, &revision, overrides)
        .ok_or_else(|| {
            Obstacle::Fails(format!(
                "taskDefinition: revision {revision} does not exist in namespace {namespace}"
            ))
        })?
        .map_err(fails)?;
    let denied = security::admit(&definition, cluster.spec.security_profile.into());
    if !denied.is_empty() {
        return Err(fails(denied));
    }
    if let Some(problem) = parse::too_many_constraints(&rules, &definition) {
        return Err(fails(vec![problem]));
    }
    let mut room = placing::Room::of(context, name, presence);
    daemons::keep_room(context, &mut room, name);
    let wish = placing::Wish {
        definition: &definition,
        group: &task.placement_group(),
        spread_group: None,
        rules: &rules,
    };
    let (at, history) = (Place::Anywhere, placing::History::default());
    let placement = room
        .place(&wish, &at, &task.name_any(), &history)
        .map_err(|explanation| {
            let summary = room.summary(&wish, &at, &history, &explanation);
            Obstacle::Unplaced(Box::new(summary))
        })?;
    let extensions = TaskExtensions {
        service: None,
        task_definition: Some(revision.as_str().into()),
        host_ports: placing::host_ports(&definition, &placement),
        ..TaskExtensions::default()
    };
    Ok((extensions, placement.instance))
}
