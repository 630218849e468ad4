//! The DaemonSet that puts an agent on each of a cluster's nodes.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::DaemonSet;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::owns;
use crate::api::cluster::{EcsCluster, NodeInstances};
use crate::api::names;
use crate::controllers::agent_pod::{self, TEMPLATE_ANNOTATION};
use crate::controllers::context::Context;
use crate::controllers::writes::{Error, delete, doing};
use crate::domain::ids;

/// Makes the DaemonSet what it should be; one that is already is not written.
pub(super) async fn ensure(context: &Context, cluster: &EcsCluster) -> Result<(), Error> {
    let Some(nodes) = &cluster.spec.nodes else {
        return remove(context, cluster).await;
    };
    let wanted = wanted(context, cluster, nodes);
    let template = ids::hash(&[&wanted.to_string()], 32);
    let key = (context.settings.agent_namespace.clone(), name(cluster));
    let found = context.world.daemon_sets.get(&key);
    let is_current = found.is_some_and(|found| {
        found.annotations().get(TEMPLATE_ANNOTATION) == Some(&template)
            && context.daemon_set_generation(&key.1) == found.metadata.generation
    });
    if is_current {
        return Ok(());
    }
    let mut wanted = wanted;
    if let Some(metadata) = wanted.get_mut("metadata") {
        metadata["annotations"] = json!({TEMPLATE_ANNOTATION: template});
    }
    let written = api(context)
        .patch(
            &name(cluster),
            &PatchParams::apply(names::CONTROLLER).force(),
            &Patch::Apply(&wanted),
        )
        .await
        .map_err(doing("write the agents' daemon set"))?;
    context.wrote_daemon_set(&key.1, written.metadata.generation);
    context.world.daemon_sets.wrote(written);
    Ok(())
}

/// Removes the DaemonSet where there is one.
pub(super) async fn remove(context: &Context, cluster: &EcsCluster) -> Result<(), Error> {
    let key = (context.settings.agent_namespace.clone(), name(cluster));
    match context.world.daemon_sets.get(&key) {
        Some(found) if found.metadata.deletion_timestamp.is_none() => {
            delete(&api(context), &context.world.daemon_sets, &found).await
        }
        Some(_) | None => Ok(()),
    }
}

fn api(context: &Context) -> Api<DaemonSet> {
    Api::namespaced(context.client.clone(), &context.settings.agent_namespace)
}

fn name(cluster: &EcsCluster) -> String {
    ids::fit(&format!("agent-{}", cluster.name_any()), ids::MAXIMUM_NAME)
}

fn wanted(context: &Context, cluster: &EcsCluster, nodes: &NodeInstances) -> Value {
    let labels = json!({names::AGENT_LABEL: "node", names::CLUSTER_LABEL: cluster.name_any()});
    let mut selector: BTreeMap<&str, &str> = BTreeMap::from([("kubernetes.io/os", "linux")]);
    selector.extend(
        nodes
            .node_selector
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str())),
    );
    let reserved = [
        format!("--reserved-cpu={}", nodes.reserved.cpu),
        format!("--reserved-memory={}", nodes.reserved.memory),
    ];
    let agent = agent_pod::container(
        &context.settings,
        cluster,
        "spec.nodeName",
        "status.hostIP",
        &nodes.docker_socket_directory,
        &reserved,
    );
    let mut volumes = agent_pod::volumes(&context.settings);
    volumes.push(json!({"name": "engine", "hostPath": {"path": nodes.docker_socket_directory}}));
    json!({
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {
            "name": name(cluster),
            "namespace": context.settings.agent_namespace,
            "labels": labels,
        },
        "spec": {
            "selector": {"matchLabels": labels},
            // Tasks run on while their agent is replaced.
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%"}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "serviceAccountName": context.settings.agent_node_service_account,
                    "priorityClassName": "system-node-critical",
                    "nodeSelector": selector,
                    "affinity": affinity(context, cluster),
                    "terminationGracePeriodSeconds": 10,
                    "containers": [agent],
                    "volumes": volumes,
                },
            },
        },
    })
}

/// Keeps away from nodes that an older cluster has.
fn affinity(context: &Context, cluster: &EcsCluster) -> Value {
    let taken: Vec<String> = context
        .world
        .nodes
        .all()
        .iter()
        .filter(|node| super::selects(cluster, node) && !owns(context, cluster, node))
        .map(|node| node.name_any())
        .collect();
    if taken.is_empty() {
        return json!({});
    }
    let expressions: Vec<Value> = taken
        .iter()
        .map(|name| json!({"key": "metadata.name", "operator": "NotIn", "values": [name]}))
        .collect();
    json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [{"matchFields": expressions}]
    }}})
}
