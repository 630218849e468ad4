//! The endpoint slices of a target group: read, arranged, and written where they differ.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::discovery::v1 as discovery;
use k8s_openapi::api::discovery::v1::{EndpointConditions, EndpointPort, EndpointSlice};
use kube::api::ObjectMeta;
use kube::{Api, Resource, ResourceExt};
use serde_json::json;
use tracing::warn;

use super::front::{app_protocol, owner, port_name, protocol};
use super::targets::{endpoints, tasks_of};
use crate::api::names;
use crate::api::target_group::TargetGroup;
use crate::api::task::EcsTask;
use crate::controllers::cache::{Key, key_of};
use crate::controllers::context::Context;
use crate::controllers::traffic::offers::Pending;
use crate::controllers::writes::{
    Created, Error, api_of, create, delete, doing, is_refusal, patch,
};
use crate::domain::liveness::Presence;
use crate::domain::traffic::{Change, Endpoint, Slice, arrange};

/// Label by which Kubernetes tells whose slice it is; its own controller leaves those of others alone.
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
/// Label with the name of the Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// UIDs of the tasks that a slice lists.
pub(super) fn uids(slice: &EndpointSlice) -> impl Iterator<Item = &str> {
    let endpoints = slice.endpoints.iter().flatten();
    endpoints.filter_map(|endpoint| endpoint.target_ref.as_ref()?.uid.as_deref())
}

/// The writes that the slices of a group need now.
pub(super) fn plan(
    context: &Context,
    group: &TargetGroup,
    presence: &BTreeMap<String, Presence>,
) -> Vec<Change> {
    let known = of_group(context, group);
    let slices: Vec<Slice> = known.iter().map(|slice| read(slice)).collect();
    let mut changes = arrange(
        &group.name_any(),
        &slices,
        &endpoints(context, group, presence),
    );
    let touched: BTreeSet<String> = changes
        .iter()
        .map(|change| name_of(change).to_owned())
        .collect();
    // What somebody else changed is made good.
    let tampered = known.iter().zip(slices).filter(|(object, slice)| {
        !touched.contains(&slice.name) && !is_as_written(object, &render(group, slice))
    });
    changes.extend(tampered.map(|(_, slice)| Change::Update(slice)));
    changes
}

/// Carries out what [`plan`] says, decided anew together with what is offered; goes on after an error, so that one slice
/// holds up no other, and returns the first.
pub(super) async fn write(
    context: &Context,
    group: &TargetGroup,
    presence: &BTreeMap<String, Presence>,
) -> Result<(), Error> {
    let before = listed(context, group);
    let namespace = group.namespace().unwrap_or_default();
    let key = |name: &str| (namespace.clone(), name.to_owned());
    let now = context.clock.monotonic();
    let changes = context.offers.with(|offers| {
        settle_those_over(context, offers);
        let changes = plan(context, group, presence);
        for change in &changes {
            match change {
                Change::Create(slice) | Change::Update(slice) => {
                    let uids = slice.endpoints.iter().map(|it| it.uid.clone());
                    let key = key(&slice.name);
                    let base = version(context, &key);
                    offers.offer(key, uids, base, now);
                }
                Change::Delete(_) => {}
            }
        }
        changes
    });
    if changes.is_empty() {
        return Ok(());
    }
    let api: Api<EndpointSlice> = api_of(&context.client, group.namespace());
    let mut failed = None;
    for change in &changes {
        let written = carry_out(context, &api, group, change).await;
        let name = key(name_of(change));
        let known = match written {
            Ok(()) => true,
            Err(error) => {
                let conflict = is_definite(&error);
                let known = conflict && refresh(context, &api, &name).await;
                failed.get_or_insert(error);
                known
            }
        };
        if known {
            context.offers.with(|offers| offers.settle(&name));
        }
    }
    tell(context, group, &before, &listed(context, group));
    failed.map_or(Ok(()), Err)
}

fn version(context: &Context, key: &Key) -> Option<String> {
    context.world.slices.get(key)?.resource_version()
}

/// Forgets the writes that are over.
pub(super) fn settle_those_over(context: &Context, offers: &mut Pending) {
    let now = context.clock.monotonic();
    offers.settle_those_over(now, |key| version(context, key));
}

/// The API server said that the write did not and will not happen. Whether an earlier one without an answer did shows in what
/// is read then: all go by the same version.
fn is_definite(error: &Error) -> bool {
    match error {
        Error::Kube { source, .. } => is_refusal(source),
        Error::Json(_) => true,
    }
}

/// Takes in what the API server has of a slice.
async fn refresh(context: &Context, api: &Api<EndpointSlice>, key: &Key) -> bool {
    match api.get_opt(&key.1).await {
        Ok(Some(found)) => {
            context.world.slices.wrote(found);
            true
        }
        Ok(None) => {
            if let Some(known) = context.world.slices.get(key) {
                context.world.slices.removed(&known);
            }
            true
        }
        Err(error) => {
            warn!(%error, slice = key.1, "cannot read an endpoint slice");
            false
        }
    }
}

async fn carry_out(
    context: &Context,
    api: &Api<EndpointSlice>,
    group: &TargetGroup,
    change: &Change,
) -> Result<(), Error> {
    let cache = &context.world.slices;
    let namespace = group.namespace().unwrap_or_default();
    match change {
        Change::Create(slice) => {
            let object = render(group, slice);
            let answer = create(api, cache, &object)
                .await
                .map_err(doing("create endpoint slice"))?;
            if let Created::Exists(found) = answer
                && !is_as_written(&found, &object)
            {
                let change = content(&object);
                patch(api, cache, &found, "write endpoint slice", change).await?;
            }
            Ok(())
        }
        Change::Update(slice) => {
            let Some(known) = cache.get(&(namespace, slice.name.clone())) else {
                return Ok(());
            };
            let change = content(&render(group, slice));
            patch(api, cache, &known, "write endpoint slice", change)
                .await
                .map(drop)
        }
        Change::Delete(name) => match cache.get(&(namespace, name.clone())) {
            Some(known) => delete(api, cache, &known).await,
            None => Ok(()),
        },
    }
}

fn name_of(change: &Change) -> &str {
    match change {
        Change::Create(slice) | Change::Update(slice) => &slice.name,
        Change::Delete(name) => name,
    }
}

/// The slices of a group, in order of their names.
fn of_group(context: &Context, group: &TargetGroup) -> Vec<Arc<EndpointSlice>> {
    let (namespace, name) = (group.namespace(), group.name_any());
    let mut slices = context.world.slices.select(|slice| {
        slice.namespace() == namespace
            && slice.labels().get(names::TARGET_GROUP_LABEL) == Some(&name)
    });
    slices.sort_by_key(|slice| slice.name_any());
    slices
}

fn listed(context: &Context, group: &TargetGroup) -> BTreeSet<String> {
    let slices = of_group(context, group);
    let all = slices.iter().flat_map(|slice| uids(slice));
    all.map(ToOwned::to_owned).collect()
}

/// Counts who came and who went, for the events of their services.
fn tell(
    context: &Context,
    group: &TargetGroup,
    before: &BTreeSet<String>,
    after: &BTreeSet<String>,
) {
    let name = group.name_any();
    let tasks = tasks_of(context, group);
    let count = |task: &EcsTask, more: usize, fewer: usize| {
        let Some(service) = task.service() else {
            return;
        };
        context.unreported(&service.uid, |unreported| {
            let counts = unreported.targets.entry(name.clone()).or_default();
            *counts = (counts.0 + more, counts.1 + fewer);
        });
        let namespace = task.namespace().unwrap_or_default();
        let key = (namespace, service.name.to_string());
        context.queues.services.add(key);
        context.queues.tasks.add(key_of(task));
    };
    for task in tasks {
        let uid = task.uid().unwrap_or_default();
        match (before.contains(&uid), after.contains(&uid)) {
            (false, true) => count(&task, 1, 0),
            (true, false) => count(&task, 0, 1),
            (true, true) | (false, false) => {}
        }
    }
}

/// What a slice says, as far as it is ours to say.
fn read(slice: &EndpointSlice) -> Slice {
    let mut ports = slice.ports.iter().flatten();
    let port = ports.find_map(|port| u16::try_from(port.port?).ok());
    let port = port.unwrap_or(0);
    let endpoint = |endpoint: &discovery::Endpoint| {
        let task = endpoint.target_ref.clone().unwrap_or_default();
        Endpoint {
            uid: task.uid.unwrap_or_default(),
            task: task.name.unwrap_or_default(),
            address: endpoint.addresses.first().cloned().unwrap_or_default(),
            port,
            node: endpoint.node_name.clone(),
            zone: endpoint.zone.clone(),
        }
    };
    Slice {
        name: slice.name_any(),
        port,
        endpoints: slice.endpoints.iter().flatten().map(endpoint).collect(),
    }
}

fn render(group: &TargetGroup, slice: &Slice) -> EndpointSlice {
    let name = group.name_any();
    let endpoints = slice.endpoints.iter().map(|endpoint| discovery::Endpoint {
        addresses: vec![endpoint.address.clone()],
        conditions: Some(EndpointConditions {
            ready: Some(true),
            serving: Some(true),
            terminating: Some(false),
        }),
        node_name: endpoint.node.clone(),
        zone: endpoint.zone.clone(),
        target_ref: Some(ObjectReference {
            api_version: Some(EcsTask::api_version(&()).into_owned()),
            kind: Some(EcsTask::kind(&()).into_owned()),
            name: Some(endpoint.task.clone()),
            namespace: group.namespace(),
            uid: Some(endpoint.uid.clone()),
            ..ObjectReference::default()
        }),
        ..discovery::Endpoint::default()
    });
    EndpointSlice {
        metadata: ObjectMeta {
            name: Some(slice.name.clone()),
            namespace: group.namespace(),
            labels: Some(BTreeMap::from([
                (SERVICE_NAME.to_owned(), name.clone()),
                (MANAGED_BY.to_owned(), names::GROUP.to_owned()),
                (names::TARGET_GROUP_LABEL.to_owned(), name),
            ])),
            owner_references: Some(vec![owner(group)]),
            ..ObjectMeta::default()
        },
        address_type: "IPv4".to_owned(),
        endpoints: Some(endpoints.collect()),
        ports: Some(vec![EndpointPort {
            name: Some(port_name(group).to_owned()),
            port: Some(slice.port.into()),
            protocol: Some(protocol(group).to_owned()),
            app_protocol: app_protocol(group).map(ToOwned::to_owned),
        }]),
    }
}

/// Whether the API server has a slice as it was rendered; what it adds is its own affair.
fn is_as_written(found: &EndpointSlice, rendered: &EndpointSlice) -> bool {
    let labels = rendered.labels().iter();
    found.endpoints == rendered.endpoints
        && found.ports == rendered.ports
        && found.owner_references() == rendered.owner_references()
        && labels
            .into_iter()
            .all(|(key, value)| found.labels().get(key) == Some(value))
}

fn content(slice: &EndpointSlice) -> serde_json::Value {
    json!({
        "metadata": {
            "labels": slice.labels(),
            "ownerReferences": slice.owner_references(),
        },
        "endpoints": slice.endpoints,
        "ports": slice.ports,
    })
}
