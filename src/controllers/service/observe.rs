//! What a pass over a service looks at, read once: its cluster, what it should run, and its tasks.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;

use super::balanced;
use super::ground::{Ground, has_replicas};
use super::wanted::wanted_revision;
use crate::api::cluster::{DisconnectPolicy, DrainingProtectedTasks, EcsCluster};
use crate::api::conditions::reason;
use crate::api::parse;
use crate::api::service::EcsService;
use crate::api::shapes::Tag;
use crate::api::task::EcsTask;
use crate::controllers::context::Context;
use crate::controllers::daemons::is_daemon;
use crate::controllers::definitions::Definitions;
use crate::controllers::instance::{drains, zone};
use crate::controllers::ledger::tasks_named;
use crate::controllers::traffic;
use crate::domain::definition::TaskDefinition;
use crate::domain::definition::rules::Problem;
use crate::domain::events;
use crate::domain::fields::Body;
use crate::domain::liveness::Presence;
use crate::domain::placement::Rules;
use crate::domain::security::{self, Profile};
use crate::domain::service::{Ending, ReplacedWhen, Scheduling, Task};

/// A revision that tasks can be started with.
#[derive(Clone)]
pub(super) struct Runnable {
    /// `family:revision`
    pub(super) name: String,
    /// What it says.
    pub(super) definition: Arc<TaskDefinition>,
    /// Its tags.
    pub(super) tags: Vec<Tag>,
}

/// Everything that a pass decides on.
pub(super) struct Scene {
    /// What the service asks to run.
    pub(super) wanted: Runnable,
    /// How the service wants its tasks to be placed.
    pub(super) placement: Rules,
    /// How many tasks there are to be and where.
    pub(super) scheduling: Scheduling,
    /// Draining instances keep protected tasks.
    pub(super) draining_waits_for_protected: bool,
    /// What the cluster lets a task do.
    pub(super) profile: Profile,
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
    pub(super) fn waits(reason: &'static str, message: String) -> Self {
        Self {
            reason,
            message,
            stalled: false,
            passing: false,
        }
    }

    /// The record of the newest deployment is not there yet.
    pub(super) fn nothing_recorded() -> Self {
        Self {
            passing: true,
            ..Self::waits(
                reason::DEPLOYMENT_IN_PROGRESS,
                "a new deployment begins".to_owned(),
            )
        }
    }

    pub(super) fn stalls(reason: &'static str, message: String) -> Self {
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
    presence: &Arc<BTreeMap<String, Presence>>,
) -> Result<Scene, Obstacle> {
    let refused = parse::refused(Body::CreateService, &service.spec);
    if !refused.is_empty() {
        let list: Vec<String> = refused.iter().map(ToString::to_string).collect();
        return Err(Obstacle::stalls(reason::REFUSED, list.join("; ")));
    }
    let placement = parse::service_placement(&service.spec).map_err(invalid)?;
    let cluster = cluster_of(context, service)?;
    let profile = cluster.spec.security_profile.into();
    let wanted = runnable(
        context,
        service,
        &wanted_revision(context, service)?,
        profile,
    )?;
    if let Some(problem) = parse::too_many_constraints(&placement, &wanted.definition) {
        return Err(invalid(vec![problem]));
    }
    balanced::check(context, service, &wanted.definition)?;
    let objects = tasks_of(context, service);
    let ground = Ground::of(context, service, &placement, presence);
    let scheduling = ground.scheduling(context, &wanted);
    let tasks = objects
        .values()
        .filter_map(|task| {
            let policy = cluster.spec.disconnect_policy;
            let seen = snapshot(context, task, presence, policy)?;
            Some(Task {
                draining: seen.draining
                    && !(is_daemon(service) && has_replicas(context, &seen.instance)),
                marks: ground.marks(&seen.instance, &seen.name),
                ..seen
            })
        })
        .collect();
    drop(ground);
    Ok(Scene {
        scheduling,
        draining_waits_for_protected: cluster.spec.draining_protected_tasks
            == DrainingProtectedTasks::Wait,
        placement,
        wanted,
        profile,
        tasks,
        objects,
        cluster: cluster.name_any(),
    })
}

pub(super) fn invalid(problems: Vec<Problem>) -> Obstacle {
    let list: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Obstacle::stalls(reason::INVALID, list.join("; "))
}

/// The tasks that the controller made for this very service, by name.
pub(super) fn tasks_of(context: &Context, service: &EcsService) -> BTreeMap<String, Arc<EcsTask>> {
    let (namespace, uid) = (service.namespace(), service.uid().unwrap_or_default());
    let world = &context.world;
    let tasks = world
        .ledger
        .tasks(world, |tasks| tasks_named(world, tasks.of_service(&uid)));
    tasks
        .into_iter()
        .filter(|task| task.namespace() == namespace && service_uid(task) == Some(&uid))
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

/// A revision that tasks of the service may be started with.
pub(super) fn runnable(
    context: &Context,
    service: &EcsService,
    name: &str,
    profile: Profile,
) -> Result<Runnable, Obstacle> {
    let namespace = service.namespace().unwrap_or_default();
    let definition = context
        .definitions
        .get(&context.world, &namespace, name)
        .ok_or_else(|| missing(&format!("revision {name} does not exist in namespace {namespace}: name one that `kubectl get tdr` shows")))?;
    let denied = security::admit(&definition, profile);
    if !denied.is_empty() {
        let list: Vec<String> = denied.iter().map(ToString::to_string).collect();
        return Err(Obstacle::stalls(reason::FORBIDDEN, list.join("; ")));
    }
    Ok(Runnable {
        name: name.to_owned(),
        definition,
        tags: Definitions::tags(&context.world, &namespace, name),
    })
}

/// A revision that is not there, or not yet.
pub(super) fn missing(what: &str) -> Obstacle {
    Obstacle::waits(
        reason::TASK_DEFINITION_NOT_FOUND,
        format!("taskDefinition: {what}"),
    )
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
    let checked = definition.is_some_and(|definition| definition.has_health_check());
    let known = context.presence_in(presence, instance);
    let object = context.world.instance(instance);
    let target = traffic::target_of(context, task);
    Some(Task {
        name: task.name_any(),
        deployment: service.deployment,
        slot: service.slot,
        attempt: service.attempt,
        state: task.state(),
        stopping: task.is_stopping(),
        checked,
        health: status
            .and_then(|status| status.health_status)
            .map(Into::into)
            .unwrap_or_default(),
        target: target.as_ref().map(|(target, _)| *target),
        failing_group: target.and_then(|(_, group)| group),
        instance: instance.to_owned(),
        marks: Vec::new(),
        protected_until: task.protected_until(),
        draining: object
            .as_ref()
            .is_some_and(|instance| drains(&context.world, instance).is_some()),
        zone: object.and_then(|instance| zone(&context.world, &instance)),
        presence: match (known, policy) {
            (Presence::Lost, DisconnectPolicy::Wait) => Presence::Disconnected,
            (known, _) => known,
        },
        replaced_when: match policy {
            DisconnectPolicy::AtMostOnce => ReplacedWhen::Fenced,
            DisconnectPolicy::Replace | DisconnectPolicy::Wait => ReplacedWhen::Lost,
        },
        created_at: task
            .creation_timestamp()
            .map_or(Timestamp::UNIX_EPOCH, |time| time.0),
        started_at: status.and_then(|status| Some(status.started_at.as_ref()?.0)),
        healthy_since: healthy_since(task, checked),
        stopped_at: status.and_then(|status| Some(status.stopped_at.as_ref()?.0)),
        stop_code: status.and_then(|status| status.stop_code).map(Into::into),
        ending: ending(task),
    })
}

/// When it came to pass all its checks: a target does so first when it is registered.
fn healthy_since(task: &EcsTask, checked: bool) -> Option<Timestamp> {
    let status = task.status.as_ref();
    let own = status.and_then(|status| Some(status.healthy_since.as_ref()?.0));
    if task.target_groups().next().is_none() {
        return own;
    }
    let registered = task.traffic().registered_at?.0;
    if checked {
        Some(own?.max(registered))
    } else {
        Some(registered)
    }
}

fn ending(task: &EcsTask) -> Ending {
    let told = task
        .spec
        .stop
        .as_ref()
        .and_then(|stop| stop.reason.as_ref());
    if task.was_refused() {
        Ending::Refused
    } else if told.is_some_and(|reason| events::tells_of_failed_checks(reason)) {
        Ending::Unhealthy
    } else {
        Ending::AsCoded
    }
}
