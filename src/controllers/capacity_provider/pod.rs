//! An instance pod: a Docker Engine and an agent beside it, which talk through a folder that both mount.

use k8s_openapi::api::core::v1::Pod;
use kube::{Resource, ResourceExt};
use serde_json::{Value, json};

use crate::api::capacity_provider::CapacityProvider;
use crate::api::cluster::EcsCluster;
use crate::api::names;
use crate::controllers::agent_pod::{self, SOCKET_DIRECTORY};
use crate::controllers::context::Settings;
use crate::controllers::writes::Error;

/// What the engine itself takes beside the tasks, measured: dockerd and containerd, about 140 MiB.
const ENGINE_MEMORY_MIB: u32 = 256;

/// Thousandths of a core for the same.
const ENGINE_CPU_MILLI: u32 = 100;

/// The pod of a new instance. Its name is drawn by the API server, because an instance's name is never used twice.
pub(super) fn instance_pod(
    settings: &Settings,
    cluster: &EcsCluster,
    provider: &CapacityProvider,
) -> Result<Pod, Error> {
    let template = &provider.spec.launch_template;
    let size = [
        format!("--cpu={}", template.cpu),
        format!("--memory={}", template.memory),
    ];
    let agent = agent_pod::container(
        settings,
        cluster,
        "metadata.name",
        "status.podIP",
        SOCKET_DIRECTORY,
        &size,
    );
    let name: String = provider.name_any().chars().take(50).collect();
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": format!("{name}-"),
            "namespace": settings.agent_namespace,
            "labels": {
                names::AGENT_LABEL: "pod",
                names::CLUSTER_LABEL: cluster.name_any(),
                names::CAPACITY_PROVIDER_LABEL: provider.name_any(),
            },
            "ownerReferences": [{
                "apiVersion": CapacityProvider::api_version(&()),
                "kind": CapacityProvider::kind(&()),
                "name": provider.name_any(),
                "uid": provider.uid(),
                "controller": true,
            }],
        },
        "spec": {
            "serviceAccountName": settings.agent_pod_service_account,
            "nodeSelector": template.node_selector,
            "terminationGracePeriodSeconds": 60,
            "containers": [engine(provider), agent],
            "volumes": volumes(settings, provider),
            // Instances of one provider keep away from each other where they can.
            "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{
                "weight": 100,
                "podAffinityTerm": {
                    "topologyKey": "kubernetes.io/hostname",
                    "labelSelector": {"matchLabels": {names::CAPACITY_PROVIDER_LABEL: provider.name_any()}},
                },
            }]}},
        },
    });
    Ok(serde_json::from_value(pod)?)
}

/// The engine. It is privileged, because it starts containers; only this namespace may hold such pods.
fn engine(provider: &CapacityProvider) -> Value {
    let template = &provider.spec.launch_template;
    let cpu = format!(
        "{}m",
        u64::from(template.cpu) * 1000 / 1024 + u64::from(ENGINE_CPU_MILLI)
    );
    let memory = format!("{}Mi", template.memory.saturating_add(ENGINE_MEMORY_MIB));
    let mut mounts = vec![
        json!({"name": "engine", "mountPath": SOCKET_DIRECTORY}),
        json!({"name": "storage", "mountPath": "/var/lib/docker"}),
    ];
    if template.preload_directory.is_some() {
        mounts.push(json!({"name": "preload", "mountPath": "/preload", "readOnly": true}));
    }
    json!({
        "name": "engine",
        "image": template.image,
        "imagePullPolicy": "IfNotPresent",
        // Named in full so that the image adds no listener of its own.
        "args": ["dockerd", format!("--host=unix://{SOCKET_DIRECTORY}/docker.sock")],
        "env": [{"name": "DOCKER_TLS_CERTDIR", "value": ""}],
        "securityContext": {"privileged": true},
        "resources": {
            "requests": {"cpu": cpu, "memory": memory},
            "limits": {"memory": memory},
        },
        "volumeMounts": mounts,
    })
}

fn volumes(settings: &Settings, provider: &CapacityProvider) -> Value {
    let template = &provider.spec.launch_template;
    let mut volumes = agent_pod::volumes(settings);
    volumes.extend([
        // In memory, because what tasks are given is there too.
        json!({"name": "engine", "emptyDir": {"medium": "Memory"}}),
        json!({"name": "storage", "emptyDir": {"sizeLimit": format!("{}Gi", template.storage)}}),
    ]);
    if let Some(directory) = &template.preload_directory {
        volumes.push(json!({"name": "preload", "hostPath": {"path": directory}}));
    }
    json!(volumes)
}
