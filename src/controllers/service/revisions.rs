//! The snapshots of what deployments run: when they are made, when two say the same, and when they are collected.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::ObjectMeta;
use kube::{Api, Resource, ResourceExt};

use super::observe::Scene;
use crate::api::service::{ContainerImage, EcsService, EcsServiceRevision, EcsServiceRevisionSpec};
use crate::controllers::context::Context;
use crate::controllers::writes::{Created, Error, api_of, create, delete, doing};
use crate::domain::ids;

/// Snapshots that are kept even if nothing refers to them.
const SNAPSHOTS_KEPT: usize = 20;

/// The snapshot of this name, as far as it is known.
pub(super) fn recorded(
    context: &Context,
    service: &EcsService,
    name: &str,
) -> Option<Arc<EcsServiceRevision>> {
    let key = (service.namespace().unwrap_or_default(), name.to_owned());
    context.world.service_revisions.get(&key)
}

/// Higher than every number that any trace of this service shows, should its status have been wiped.
pub(super) fn next_number(context: &Context, service: &EcsService, scene: &Scene) -> i64 {
    let uid = service.uid().unwrap_or_default();
    let recorded = service
        .status
        .as_ref()
        .map_or(0, |status| status.last_deployment_number);
    let revisions = context.world.service_revisions.all();
    let snapshots = revisions
        .iter()
        .filter(|revision| {
            revision.namespace() == service.namespace() && revision.spec.service_uid == uid.as_str()
        })
        .map(|revision| revision.spec.number);
    let tasks = scene.tasks.iter().map(|task| task.deployment);
    snapshots.chain(tasks).chain([recorded]).max().unwrap_or(0) + 1
}

/// All that starts a deployment (ECS API Reference, `UpdateService`), with number 0.
pub(super) fn content(service: &EcsService, scene: &Scene) -> EcsServiceRevisionSpec {
    let spec = &service.spec;
    EcsServiceRevisionSpec {
        service: service.name_any().into(),
        service_uid: service.uid().unwrap_or_default().into(),
        number: 0,
        task_definition: scene.wanted.name.as_str().into(),
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
            .wanted
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

/// Whether two snapshots start the same, whatever their numbers.
pub(super) fn same(recorded: &EcsServiceRevisionSpec, content: &EcsServiceRevisionSpec) -> bool {
    *recorded
        == EcsServiceRevisionSpec {
            number: recorded.number,
            ..content.clone()
        }
}

/// Creates the snapshot. One that exists under its name is taken when it is the same, otherwise the next number is.
pub(super) async fn snapshot(
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
