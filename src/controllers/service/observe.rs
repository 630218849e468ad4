//! What a pass over a service looks at, read once: its cluster, what it should run, and its tasks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;

use crate::api::cluster::{DisconnectPolicy, EcsCluster};
use crate::api::conditions::reason;
use crate::api::parse;
use crate::api::service::{EcsService, Follow};
use crate::api::task::EcsTask;
use crate::controllers::context::Context;
use crate::domain::definition::TaskDefinition;
use crate::domain::definition::rules::Problem;
use crate::domain::fields::Body;
use crate::domain::ids::{self, RevisionReference};
use crate::domain::liveness::Presence;
use crate::domain::placement::Rules;
use crate::domain::security;
use crate::domain::service::{HEALTHY_AFTER, Task, Wanted};

/// Everything that a pass decides on.
pub(super) struct Scene {
    /// `family:revision` that the service should run.
    pub(super) task_definition: String,
    /// That revision, parsed.
    pub(super) definition: Arc<TaskDefinition>,
    /// How the service wants its tasks to be placed.
    pub(super) placement: Rules,
    /// All its tasks, whatever their deployment.
    pub(super) tasks: Vec<Task>,
    /// The objects behind `tasks`, by name.
    pub(super) objects: BTreeMap<String, Arc<EcsTask>>,
    /// The cluster's name.
    pub(super) cluster: String,
}

/// Why a service cannot be worked on now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Obstacle {
    /// One of the conditions' reasons.
    pub(super) reason: &'static str,
    /// What to do about it.
    pub(super) message: String,
    /// Nothing but an edit of the service will help.
    pub(super) stalled: bool,
    /// It passes within moments and is worth no event.
    pub(super) passing: bool,
}

impl Obstacle {
    fn waits(reason: &'static str, message: String) -> Self {
        Self {
            reason,
            message,
            stalled: false,
            passing: false,
        }
    }

    fn stalls(reason: &'static str, message: String) -> Self {
        Self {
            reason,
            message,
            stalled: true,
            passing: false,
        }
    }
}

/// Looks at everything. Tasks that run are not touched while there is an obstacle.
pub(super) fn observe(
    context: &Context,
    service: &EcsService,
    presence: &BTreeMap<String, Presence>,
) -> Result<Scene, Obstacle> {
    let refused = parse::refused(Body::CreateService, &service.spec);
    if !refused.is_empty() {
        let list: Vec<String> = refused.iter().map(ToString::to_string).collect();
        return Err(Obstacle::stalls(reason::REFUSED, list.join("; ")));
    }
    let placement = parse::service_placement(&service.spec).map_err(invalid)?;
    let cluster = cluster_of(context, service)?;
    let (task_definition, definition) = definition_of(context, service)?;
    let denied = security::admit(&definition, cluster.spec.security_profile.into());
    if !denied.is_empty() {
        let list: Vec<String> = denied.iter().map(ToString::to_string).collect();
        return Err(Obstacle::stalls(reason::FORBIDDEN, list.join("; ")));
    }
    if let Some(problem) = parse::too_many_constraints(&placement, &definition) {
        return Err(invalid(vec![problem]));
    }
    let objects = tasks_of(context, service);
    let tasks = objects
        .values()
        .filter_map(|task| snapshot(context, task, presence, cluster.spec.disconnect_policy))
        .collect();
    Ok(Scene {
        task_definition,
        definition,
        placement,
        tasks,
        objects,
        cluster: cluster.name_any(),
    })
}

fn invalid(problems: Vec<Problem>) -> Obstacle {
    let list: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Obstacle::stalls(reason::INVALID, list.join("; "))
}

/// The tasks that the controller made for this very service, by name.
pub(super) fn tasks_of(context: &Context, service: &EcsService) -> BTreeMap<String, Arc<EcsTask>> {
    let (namespace, uid) = (service.namespace(), service.uid());
    context
        .world
        .tasks
        .all()
        .into_iter()
        .filter(|task| {
            task.namespace() == namespace && uid.is_some() && service_uid(task) == uid.as_deref()
        })
        .map(|task| (task.name_any(), task))
        .collect()
}

/// UID of the service that a task was made for.
pub(super) fn service_uid(task: &EcsTask) -> Option<&str> {
    task.service().map(|service| service.uid.as_str())
}

fn cluster_of(context: &Context, service: &EcsService) -> Result<Arc<EcsCluster>, Obstacle> {
    let name = service.cluster_name();
    let namespace = service.namespace().unwrap_or_default();
    let cluster = context
        .world
        .clusters
        .get(&(String::new(), name.to_owned()))
        .ok_or_else(|| {
            Obstacle::waits(
                reason::CLUSTER_NOT_FOUND,
                format!("cluster: there is no EcsCluster {name}: create it, or name another one"),
            )
        })?;
    if !cluster.spec.allowed_namespaces.allows(&namespace) {
        return Err(Obstacle::waits(
            reason::NAMESPACE_NOT_ALLOWED,
            format!(
                "cluster: EcsCluster {name} does not allow the namespace {namespace}: ask for it in its spec.allowedNamespaces"
            ),
        ));
    }
    Ok(cluster)
}

/// The revision that the service should run: the one it names, or the newest ACTIVE one of the family.
fn definition_of(
    context: &Context,
    service: &EcsService,
) -> Result<(String, Arc<TaskDefinition>), Obstacle> {
    let namespace = service.namespace().unwrap_or_default();
    let reference = RevisionReference::parse(service.task_definition_text())
        .map_err(|error| Obstacle::stalls(reason::INVALID, error.to_string()))?;
    let family = &reference.family;
    let missing = |what: &str| {
        Obstacle::waits(
            reason::TASK_DEFINITION_NOT_FOUND,
            format!("taskDefinition: {what}"),
        )
    };
    let number = match reference.revision {
        Some(number) => number,
        None if keeps_its_revision(service) => return kept(context, service, &namespace, &missing),
        None => {
            let wanted = context
                .world
                .definitions
                .get(&(namespace.clone(), family.clone()));
            if let Some(definition) = &wanted
                && definition
                    .status
                    .as_ref()
                    .map(|status| status.observed_generation)
                    != definition.metadata.generation
            {
                let obstacle = missing(&format!(
                    "the newest version of TaskDefinition {family} is not registered yet"
                ));
                return Err(Obstacle {
                    passing: true,
                    ..obstacle
                });
            }
            super::super::definition::newest(&context.world, &namespace, family)
                .ok_or_else(|| missing(&format!("there is no TaskDefinition {family} with a registered revision in namespace {namespace}: create it, or see its conditions")))?
        }
    };
    let name = ids::revision_name(family, number);
    let definition = context
        .definitions
        .get(&context.world, &namespace, &name)
        .ok_or_else(|| missing(&format!("revision {name} does not exist in namespace {namespace}: name one that `kubectl get tdr` shows")))?;
    Ok((name, definition))
}

/// Under `follow: OnChange` the family is resolved only when the service itself changes, as ECS does.
fn keeps_its_revision(service: &EcsService) -> bool {
    let follow = service
        .spec
        .extensions
        .as_ref()
        .and_then(|extensions| extensions.follow);
    let observed = service
        .status
        .as_ref()
        .map(|status| status.observed_generation);
    follow == Some(Follow::OnChange)
        && observed == service.metadata.generation
        && running(service).is_some()
}

fn running(service: &EcsService) -> Option<String> {
    service
        .status
        .as_ref()?
        .task_definition
        .as_ref()
        .map(ToString::to_string)
}

fn kept(
    context: &Context,
    service: &EcsService,
    namespace: &str,
    missing: &impl Fn(&str) -> Obstacle,
) -> Result<(String, Arc<TaskDefinition>), Obstacle> {
    let name = running(service).unwrap_or_default();
    let definition = context.definitions.get(&context.world, namespace, &name);
    definition
        .map(|definition| (name.clone(), definition))
        .ok_or_else(|| missing(&format!("revision {name} does not exist any more")))
}

/// A task as the scheduler sees it; `None` for one that is not bound, which the controller never makes.
fn snapshot(
    context: &Context,
    task: &EcsTask,
    presence: &BTreeMap<String, Presence>,
    policy: DisconnectPolicy,
) -> Option<Task> {
    let service = task.service()?;
    let instance = task.instance()?;
    let status = task.status.as_ref();
    let definition = context.definitions.get(
        &context.world,
        &task.namespace().unwrap_or_default(),
        task.revision_name(),
    );
    let known = context.presence_in(presence, instance);
    let zone = context
        .world
        .instances
        .get(&(String::new(), instance.to_owned()));
    Some(Task {
        name: task.name_any(),
        deployment: service.deployment,
        slot: service.slot,
        attempt: service.attempt,
        state: task.state(),
        stopping: task.is_stopping(),
        checked: definition.is_some_and(|definition| definition.has_health_check()),
        health: status
            .and_then(|status| status.health_status)
            .map(Into::into)
            .unwrap_or_default(),
        instance: instance.to_owned(),
        zone: zone.and_then(|instance| super::super::instance::zone(context, &instance)),
        presence: match (known, policy) {
            (Presence::Lost, DisconnectPolicy::Wait) => Presence::Disconnected,
            (known, _) => known,
        },
        created_at: task
            .creation_timestamp()
            .map_or(Timestamp::UNIX_EPOCH, |time| time.0),
        started_at: status.and_then(|status| Some(status.started_at.as_ref()?.0)),
        stopped_at: status.and_then(|status| Some(status.stopped_at.as_ref()?.0)),
        stop_code: status.and_then(|status| status.stop_code).map(Into::into),
        refused: task.was_refused(),
    })
}

/// What the service wants of `deployment`. Defaults: ECS API Reference, `DeploymentConfiguration`.
pub(super) fn wanted(service: &EcsService, deployment: i64) -> Wanted {
    let percents = service.spec.deployment_configuration.as_ref();
    let percent = |value: Option<i32>, default| {
        value
            .and_then(|value| u32::try_from(value).ok())
            .unwrap_or(default)
    };
    let healthy_after = service
        .spec
        .extensions
        .as_ref()
        .and_then(|extensions| u64::try_from(extensions.healthy_after_seconds?).ok());
    Wanted {
        desired: desired(service),
        minimum_healthy_percent: percent(percents.and_then(|p| p.minimum_healthy_percent), 100),
        maximum_percent: percent(percents.and_then(|p| p.maximum_percent), 200),
        healthy_after: healthy_after.map_or(HEALTHY_AFTER, Duration::from_secs),
        deployment,
    }
}

/// Tasks that the service wants; one where it does not say, so that a scaler may own the number.
pub(super) fn desired(service: &EcsService) -> u32 {
    service
        .spec
        .desired_count
        .map_or(1, |count| u32::try_from(count).unwrap_or(0))
}
