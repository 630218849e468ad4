//! Which deployment a service is in. A new one begins when what is wanted differs from what the newest one snapshot;
//! it is recorded before its first task.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use kube::api::ObjectMeta;
use kube::{Api, Resource, ResourceExt};

use super::observe::Scene;
use crate::api::service::{
    ContainerImage, DeploymentState, DeploymentStatus, EcsService, EcsServiceRevision,
    EcsServiceRevisionSpec, EcsServiceStatus, RolloutState,
};
use crate::controllers::context::Context;
use crate::controllers::writes::{Created, Error, api_of, create, delete, doing};
use crate::domain::ids;

/// Snapshots that are kept even if nothing refers to them.
const SNAPSHOTS_KEPT: usize = 20;

/// The deployment that tasks should belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Current {
    /// Its number.
    pub(super) number: i64,
    /// `ecs-svc/<digits>`
    pub(super) id: String,
    /// Name of its `EcsServiceRevision`.
    pub(super) service_revision: String,
}

/// What came of the question.
pub(super) enum Step {
    /// The newest deployment is what is wanted.
    Settled(Current),
    /// A new one begins: this status records it.
    Recorded(Box<EcsServiceStatus>),
}

/// The current deployment, or the record of a new one.
pub(super) async fn current(
    context: &Context,
    service: &EcsService,
    scene: &Scene,
    now: Timestamp,
) -> Result<Step, Error> {
    let uid = service.uid().unwrap_or_default();
    let status = service.status.clone().unwrap_or_default();
    let wanted = content(service, scene, &uid);
    if let Some(primary) = status
        .deployments
        .iter()
        .find(|d| d.status == DeploymentState::Primary)
    {
        let key = (
            service.namespace().unwrap_or_default(),
            primary.service_revision.to_string(),
        );
        let recorded = match context.world.service_revisions.get(&key) {
            Some(recorded) => Some(recorded),
            // Somebody deleted the snapshot. That is no wish for a deployment: it is made again.
            None if primary.task_definition == wanted.task_definition => {
                Some(snapshot(context, service, wanted.clone(), primary.number).await?)
            }
            None => None,
        };
        if recorded.is_some_and(|recorded| same(&recorded.spec, &wanted)) {
            return Ok(Step::Settled(Current {
                number: primary.number,
                id: primary.id.to_string(),
                service_revision: primary.service_revision.to_string(),
            }));
        }
    }
    let revision = snapshot(
        context,
        service,
        wanted,
        next_number(context, service, scene, &uid),
    )
    .await?;
    let number = revision.spec.number;
    let deployment = DeploymentStatus {
        id: ids::deployment_id(&uid, number).into(),
        number,
        status: DeploymentState::Primary,
        service_revision: revision.name_any().into(),
        task_definition: revision.spec.task_definition.clone(),
        desired_count: 0,
        pending_count: 0,
        running_count: 0,
        failed_tasks: 0,
        rollout_state: RolloutState::InProgress,
        rollout_state_reason: Some(
            super::report::in_progress(&ids::deployment_id(&uid, number)).into(),
        ),
        created_at: Some(Time(now)),
        updated_at: Some(Time(now)),
    };
    Ok(Step::Recorded(Box::new(begun(status, deployment))))
}

/// The status with a new deployment first; the others give up their place.
fn begun(mut status: EcsServiceStatus, deployment: DeploymentStatus) -> EcsServiceStatus {
    for older in status.deployments.iter_mut() {
        older.status = DeploymentState::Active;
    }
    status.last_deployment_number = deployment.number;
    status.task_definition = Some(deployment.task_definition.clone());
    status.deployments.insert(0, deployment);
    status
}

/// Higher than every number that any trace of this service shows, should its status have been wiped.
fn next_number(context: &Context, service: &EcsService, scene: &Scene, uid: &str) -> i64 {
    let recorded = service
        .status
        .as_ref()
        .map_or(0, |status| status.last_deployment_number);
    let revisions = context.world.service_revisions.all();
    let snapshots = revisions
        .iter()
        .filter(|revision| {
            revision.namespace() == service.namespace() && revision.spec.service_uid == uid
        })
        .map(|revision| revision.spec.number);
    let tasks = scene.tasks.iter().map(|task| task.deployment);
    snapshots.chain(tasks).chain([recorded]).max().unwrap_or(0) + 1
}

/// All that starts a deployment (ECS API Reference, `UpdateService`), with number 0.
fn content(service: &EcsService, scene: &Scene, uid: &str) -> EcsServiceRevisionSpec {
    let spec = &service.spec;
    EcsServiceRevisionSpec {
        service: service.name_any().into(),
        service_uid: uid.into(),
        number: 0,
        task_definition: scene.task_definition.as_str().into(),
        force_new_deployment: spec
            .extensions
            .as_ref()
            .and_then(|extensions| extensions.force_new_deployment.clone()),
        network_configuration: spec.network_configuration.clone(),
        load_balancers: spec.load_balancers.clone(),
        service_registries: spec.service_registries.clone(),
        service_connect_configuration: spec.service_connect_configuration.clone(),
        volume_configurations: spec.volume_configurations.clone(),
        vpc_lattice_configurations: spec.vpc_lattice_configurations.clone(),
        platform_version: spec.platform_version.clone(),
        capacity_provider_strategy: None,
        container_images: scene
            .definition
            .containers
            .iter()
            .map(|container| ContainerImage {
                container_name: container.name.as_str().into(),
                image: container.image.as_str().into(),
                image_digest: None,
            })
            .collect::<Vec<_>>()
            .into(),
    }
}

fn same(recorded: &EcsServiceRevisionSpec, content: &EcsServiceRevisionSpec) -> bool {
    *recorded
        == EcsServiceRevisionSpec {
            number: recorded.number,
            ..content.clone()
        }
}

/// Creates the snapshot. One that exists under its name is taken when it is the same, otherwise the next number is.
async fn snapshot(
    context: &Context,
    service: &EcsService,
    wanted: EcsServiceRevisionSpec,
    first: i64,
) -> Result<Arc<EcsServiceRevision>, Error> {
    let api: Api<EcsServiceRevision> = api_of(&context.client, service.namespace());
    let mut number = first;
    loop {
        let revision = EcsServiceRevision {
            metadata: ObjectMeta {
                name: Some(ids::service_revision_object(&service.name_any(), number)),
                namespace: service.namespace(),
                owner_references: Some(vec![owner(service)]),
                ..ObjectMeta::default()
            },
            spec: EcsServiceRevisionSpec {
                number,
                ..wanted.clone()
            },
            status: None,
        };
        match create(&api, &context.world.service_revisions, &revision)
            .await
            .map_err(doing("create service revision"))?
        {
            Created::New(made) => return Ok(Arc::new(made)),
            Created::Exists(found) if same(&found.spec, &revision.spec) => {
                return Ok(Arc::new(found));
            }
            Created::Exists(_) => number += 1,
        }
    }
}

/// Deletes old snapshots that no deployment, record or task refers to. The newest are kept.
pub(super) async fn collect(
    context: &Context,
    service: &EcsService,
    scene: &Scene,
) -> Result<(), Error> {
    let uid = service.uid().unwrap_or_default();
    let mut known: Vec<_> = context
        .world
        .service_revisions
        .all()
        .into_iter()
        .filter(|revision| {
            revision.namespace() == service.namespace() && revision.spec.service_uid == uid.as_str()
        })
        .collect();
    let surplus = known.len().saturating_sub(SNAPSHOTS_KEPT);
    if surplus == 0 {
        return Ok(());
    }
    known.sort_by_key(|revision| revision.spec.number);
    let status = service.status.clone().unwrap_or_default();
    let records = [
        status.last_completed_deployment.as_ref(),
        status.failed_deployment.as_ref(),
    ];
    let recorded = records
        .into_iter()
        .flatten()
        .map(|record| record.service_revision.to_string());
    let deployed = status
        .deployments
        .iter()
        .map(|deployment| deployment.service_revision.to_string());
    let running = scene
        .objects
        .values()
        .filter_map(|task| Some(task.service()?.service_revision.to_string()));
    let used: BTreeSet<String> = recorded.chain(deployed).chain(running).collect();
    let api: Api<EcsServiceRevision> = api_of(&context.client, service.namespace());
    for revision in known
        .iter()
        .take(surplus)
        .filter(|revision| !used.contains(&revision.name_any()))
    {
        delete(&api, &context.world.service_revisions, revision).await?;
    }
    Ok(())
}

/// Makes an object go with its service.
pub(super) fn owner(service: &EcsService) -> OwnerReference {
    OwnerReference {
        api_version: EcsService::api_version(&()).into_owned(),
        kind: EcsService::kind(&()).into_owned(),
        name: service.name_any(),
        uid: service.uid().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(false),
    }
}
