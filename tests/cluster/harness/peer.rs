//! What ecs-operator is compared with: a Deployment of the same image, two pods on each node, behind a Service.

use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use serde_json::json;

use super::engine::WORKLOAD;
use super::fixtures::object;
use super::{LATER, Scene};

/// Makes a Deployment and a Service with a port on each node, and waits until all pods are ready.
pub(crate) async fn deployment(scene: &Scene, name: &str, count: i32) {
    let labels = json!({"app": name});
    let spec = json!({
        "replicas": count,
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels},
            "spec": {
                "topologySpreadConstraints": [{
                    "maxSkew": 1, "topologyKey": "kubernetes.io/hostname",
                    "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": labels},
                }],
                "containers": [{
                    "name": "app", "image": WORKLOAD, "imagePullPolicy": "Never",
                    "ports": [{"containerPort": 8080}],
                    "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 2},
                }],
            },
        },
    });
    let mut deployment = object("Deployment", &scene.namespace, name, &spec);
    deployment["apiVersion"] = json!("apps/v1");
    scene.put(&deployment).await;
    let spec = json!({
        "type": "NodePort", "selector": labels, "ports": [{"port": 80, "targetPort": 8080}],
    });
    let mut service = object("Service", &scene.namespace, name, &spec);
    service["apiVersion"] = json!("v1");
    scene.put(&service).await;
    let api: Api<Deployment> = scene.api();
    scene
        .eventually(&format!("Deployment {name}"), LATER, async || {
            let found = api.get(name).await.map_err(|error| error.to_string())?;
            let ready = found.status.and_then(|status| status.ready_replicas);
            if ready == Some(count) {
                Ok(())
            } else {
                Err(format!("{ready:?} pods are ready"))
            }
        })
        .await;
}
