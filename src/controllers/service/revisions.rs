//! The snapshots of what deployments run: when they are made, when two say the same, and when they are collected.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::ObjectMeta;
use kube::{Api, Resource, ResourceExt};

use super::deployment::Target;
use super::observe::Scene;
use crate::api::service::{
    ContainerImage, EcsService, EcsServiceRevision, EcsServiceRevisionSpec,
    EcsServiceRevisionStatus,
};
use crate::api::task::ImageDigest;
use crate::controllers::context::Context;
use crate::controllers::writes::{
    Created, Error, api_of, apply_status_over, create, delete, doing,
};
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

/// The number of a new deployment. A snapshot that says the same and that nothing was started for is taken up, because a
/// leader that ended may have made it; otherwise it is higher than every number that any trace of this service shows,
/// should its status have been wiped.
pub(super) fn next_number(
    context: &Context,
    service: &EcsService,
    scene: &Scene,
    wanted: &EcsServiceRevisionSpec,
) -> i64 {
    let uid = service.uid().unwrap_or_default();
    let recorded = service
        .status
        .as_ref()
        .map_or(0, |status| status.last_deployment_number);
    let tasks = scene.tasks.iter().map(|task| task.deployment);
    let started = tasks.chain([recorded]).max().unwrap_or(0);
    let newest = context
        .world
        .service_revisions
        .all()
        .into_iter()
        .filter(|revision| {
            revision.namespace() == service.namespace() && revision.spec.service_uid == uid.as_str()
        })
        .max_by_key(|revision| revision.spec.number);
    match newest {
        Some(newest) if newest.spec.number > started && same(&newest.spec, wanted) => {
            newest.spec.number
        }
        Some(newest) => newest.spec.number.max(started) + 1,
        None => started + 1,
    }
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
        let revision = object(service, &wanted, number);
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

/// The object of a snapshot.
pub(super) fn object(
    service: &EcsService,
    wanted: &EcsServiceRevisionSpec,
    number: i64,
) -> EcsServiceRevision {
    EcsServiceRevision {
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
    }
}

/// The digests that tasks of a revision run, by container: recorded from its first task that ran, so that all later ones
/// run the same whatever becomes of a tag (ECS Developer Guide, "Container image resolution"). A revision that starts a
/// deployment of the same definition without having been forced takes over those of the one before.
///
/// # Errors
/// When the record could not be written.
pub(super) async fn pin(
    context: &Context,
    service: &EcsService,
    scene: &Scene,
    target: &Target,
) -> Result<Vec<ImageDigest>, Error> {
    let Some(revision) = recorded(context, service, &target.service_revision) else {
        return Ok(Vec::new());
    };
    let known = pinned(&revision);
    if !known.is_empty() {
        return Ok(digests(&known));
    }
    let images = inherited(context, service, &revision)
        .or_else(|| established(scene, target))
        .unwrap_or_default();
    if images.is_empty() {
        return Ok(Vec::new());
    }
    let api: Api<EcsServiceRevision> = api_of(&context.client, service.namespace());
    let status = EcsServiceRevisionStatus {
        container_images: images.clone().into(),
    };
    let cache = &context.world.service_revisions;
    apply_status_over(&api, cache, &revision, &status).await?;
    Ok(digests(&images))
}

fn pinned(revision: &EcsServiceRevision) -> Vec<ContainerImage> {
    let status = revision.status.as_ref();
    status.map_or_else(Vec::new, |status| status.container_images.to_vec())
}

fn digests(images: &[ContainerImage]) -> Vec<ImageDigest> {
    let digests = images.iter().filter_map(|image| {
        Some(ImageDigest {
            container_name: image.container_name.clone(),
            image_digest: image.image_digest.clone()?,
        })
    });
    digests.collect()
}

/// What the newest older revision of the same definition and the same force nonce ran.
fn inherited(
    context: &Context,
    service: &EcsService,
    revision: &EcsServiceRevision,
) -> Option<Vec<ContainerImage>> {
    let all = context.world.service_revisions.all();
    all.iter()
        .filter(|other| {
            other.namespace() == service.namespace()
                && other.spec.service_uid == revision.spec.service_uid
                && other.spec.number < revision.spec.number
                && other.spec.task_definition == revision.spec.task_definition
                && other.spec.force_new_deployment == revision.spec.force_new_deployment
        })
        .max_by_key(|other| other.spec.number)
        .map(|other| pinned(other))
        .filter(|images| !images.is_empty())
}

/// What the first task ran. An image without a digest, as one that was built where it runs, stays as it is named.
fn established(scene: &Scene, target: &Target) -> Option<Vec<ContainerImage>> {
    let containers = &target.runs.definition.containers;
    let consistent: BTreeSet<&str> = containers
        .iter()
        .filter(|container| container.version_consistency)
        .map(|container| container.name.as_str())
        .collect();
    let (_, first) = scene
        .objects
        .values()
        .filter(|task| {
            let service = task.service();
            service.is_some_and(|service| service.deployment == target.number)
        })
        .filter_map(|task| Some((task.status.as_ref()?.started_at.as_ref()?.0, task)))
        .min_by_key(|(started, task)| (*started, task.name_any()))?;
    let ran = first.status.as_ref()?.containers.iter();
    let images = ran.filter_map(|container| {
        Some(ContainerImage {
            container_name: container.name.clone(),
            image: container.image.clone()?,
            image_digest: Some(container.image_digest.clone()?),
        })
    });
    let images = images.filter(|image| consistent.contains(image.container_name.as_str()));
    Some(images.collect())
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
