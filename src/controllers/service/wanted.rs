//! What a service asks for: which revision is to run, and how its newest deployment is to be carried out.

use std::time::Duration;

use kube::ResourceExt;

use super::deployment::Current;
use super::observe::{Obstacle, Scene, missing};
use crate::api::conditions::reason;
use crate::api::service::{EcsService, Follow};
use crate::controllers::context::Context;
use crate::controllers::daemons::is_daemon;
use crate::controllers::definition::newest;
use crate::domain::ids::{self, RevisionReference};
use crate::domain::service::{Breaker, HEALTHY_AFTER, Percents, Wanted};

/// What the service wants of its newest deployment. Defaults: ECS API Reference, `DeploymentConfiguration`.
pub(super) fn wanted(service: &EcsService, scene: &Scene, current: &Current) -> Wanted {
    let healthy_after = service
        .spec
        .extensions
        .as_ref()
        .and_then(|extensions| u64::try_from(extensions.healthy_after_seconds?).ok());
    let percents = percents(service);
    let grace = service.spec.health_check_grace_period_seconds;
    let daemons = scene.scheduling.daemons(&scene.tasks);
    Wanted {
        scheduling: scene.scheduling.clone(),
        desired: daemons.unwrap_or_else(|| desired(service)),
        minimum_healthy_percent: percents.minimum_healthy,
        maximum_percent: percents.maximum,
        healthy_after: healthy_after.map_or(HEALTHY_AFTER, Duration::from_secs),
        health_check_grace_period: Duration::from_secs(
            grace
                .and_then(|grace| u64::try_from(grace).ok())
                .unwrap_or(0),
        ),
        draining_waits_for_protected: scene.draining_waits_for_protected,
        deployment: current.target.number,
        deployed_at: current.deployed_at,
        rollout: current.rollout,
        breaker: breaker(service),
        completed_before: current.before.as_ref().map(|before| before.number),
    }
}

/// How far a deployment may go below and above the desired count.
pub(super) fn percents(service: &EcsService) -> Percents {
    let spec = service.spec.deployment_configuration.as_ref();
    let percent = |value: Option<i32>, default| {
        value
            .and_then(|value| u32::try_from(value).ok())
            .unwrap_or(default)
    };
    let (minimum_healthy, maximum) = if is_daemon(service) {
        (0, 100)
    } else {
        (100, 200)
    };
    Percents {
        minimum_healthy: percent(
            spec.and_then(|spec| spec.minimum_healthy_percent),
            minimum_healthy,
        ),
        maximum: percent(spec.and_then(|spec| spec.maximum_percent), maximum),
    }
}

/// When a deployment is given up.
pub(super) fn breaker(service: &EcsService) -> Breaker {
    let spec = service.spec.deployment_configuration.as_ref();
    spec.and_then(|spec| spec.deployment_circuit_breaker.as_ref())
        .map_or_else(Breaker::default, Into::into)
}

/// Tasks that a REPLICA service wants; one where it does not say, so that a scaler may own the number.
pub(super) fn desired(service: &EcsService) -> u32 {
    service
        .spec
        .desired_count
        .map_or(1, |count| u32::try_from(count).unwrap_or(0))
}

/// The revision that the service should run: the one it names, or the newest ACTIVE one of the family.
pub(super) fn wanted_revision(context: &Context, service: &EcsService) -> Result<String, Obstacle> {
    let namespace = service.namespace().unwrap_or_default();
    let reference = RevisionReference::parse(service.task_definition_text())
        .map_err(|error| Obstacle::stalls(reason::INVALID, error.to_string()))?;
    let family = &reference.family;
    if let Some(number) = reference.revision {
        return Ok(ids::revision_name(family, number));
    }
    if keeps_its_revision(service) {
        return Ok(wanted_last(service).unwrap_or_default());
    }
    let known = context
        .world
        .definitions
        .get(&(namespace.clone(), family.clone()));
    if let Some(definition) = &known
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
    let found = newest(&context.world, &namespace, family)
        .ok_or_else(|| missing(&format!("there is no TaskDefinition {family} with a registered revision in namespace {namespace}: create it, or see its conditions")))?;
    // A cache may not show yet the revision that failed: an older one is no new wish.
    let failed = failed_number(service, family).unwrap_or(found);
    Ok(ids::revision_name(family, found.max(failed)))
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
        && wanted_last(service).is_some()
}

/// What the service asked to run when it was looked at last: what failed, where that is still what is wanted.
fn wanted_last(service: &EcsService) -> Option<String> {
    let status = service.status.as_ref()?;
    let failed = status.failed_deployment.as_ref();
    let wanted = failed.map(|failed| &failed.task_definition);
    wanted
        .or(status.task_definition.as_ref())
        .map(ToString::to_string)
}

/// Revision of the family that failed for this service.
fn failed_number(service: &EcsService, family: &str) -> Option<i64> {
    let failed = service.status.as_ref()?.failed_deployment.as_ref()?;
    let failed = RevisionReference::parse(&failed.task_definition).ok()?;
    failed.revision.filter(|_| failed.family == *family)
}
