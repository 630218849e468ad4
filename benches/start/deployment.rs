//! Pods of the kubelet, from a Deployment of the same image.

use futures::TryStreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use crate::IMAGE;

const NAMESPACE: &str = "default";
/// Name of the Deployment, and of the Service before it.
pub(crate) const NAME: &str = "bench";

/// Creates the Deployment and waits until all its pods are ready.
pub(crate) async fn start(client: &Client, count: usize) -> anyhow::Result<()> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    let labels = json!({"app": NAME});
    let deployment = serde_json::from_value(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": NAME},
        "spec": {
            "replicas": count,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "terminationGracePeriodSeconds": 1,
                    "containers": [{"name": "app", "image": IMAGE, "imagePullPolicy": "Never"}],
                },
            },
        },
    }))?;
    deployments
        .create(&PostParams::default(), &deployment)
        .await?;
    let config = watcher::Config::default().fields(&format!("metadata.name={NAME}"));
    let mut changes = Box::pin(
        watcher(deployments, config)
            .default_backoff()
            .applied_objects(),
    );
    while let Some(deployment) = changes.try_next().await? {
        let ready = deployment
            .status
            .and_then(|status| status.ready_replicas)
            .unwrap_or(0);
        if usize::try_from(ready).is_ok_and(|ready| ready >= count) {
            return Ok(());
        }
    }
    anyhow::bail!("the watch ended")
}

/// Takes one pod away at once and waits until as many others are ready.
pub(crate) async fn kill_one(client: &Client, count: usize) -> anyhow::Result<()> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let ours = ListParams::default().labels(&format!("app={NAME}"));
    let victim = pods
        .list(&ours)
        .await?
        .items
        .into_iter()
        .find(is_ready)
        .ok_or_else(|| anyhow::anyhow!("no pod to kill"))?
        .name_any();
    pods.delete(&victim, &DeleteParams::default().grace_period(0))
        .await?;
    loop {
        let now = pods.list(&ours).await?;
        let others = now
            .iter()
            .filter(|pod| pod.name_any() != victim && is_ready(pod));
        if others.count() >= count {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    pod.metadata.deletion_timestamp.is_none()
        && conditions
            .into_iter()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// Deletes it and waits until its pods are gone.
pub(crate) async fn remove(client: &Client) -> anyhow::Result<()> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    deployments
        .delete(NAME, &DeleteParams::background())
        .await?;
    let ours = ListParams::default().labels(&format!("app={NAME}"));
    while !pods.list(&ours).await?.items.is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    Ok(())
}

/// Applies a Deployment of so many pods of a version behind a Service with a port on each node.
pub(crate) async fn serve(client: &Client, count: usize, version: &str) -> anyhow::Result<()> {
    let labels = json!({"app": NAME});
    let how = PatchParams::apply(NAME).force();
    let services: Api<Service> = Api::namespaced(client.clone(), NAMESPACE);
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME},
        "spec": {"type": "NodePort", "selector": labels, "ports": [{"port": 80, "targetPort": 8080}]},
    });
    services.patch(NAME, &how, &Patch::Apply(service)).await?;
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": NAME},
        "spec": {
            "replicas": count,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{
                    "name": "app", "image": IMAGE, "imagePullPolicy": "Never",
                    "env": [{"name": "VERSION", "value": version}],
                    "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 5},
                }]},
            },
        },
    });
    deployments
        .patch(NAME, &how, &Patch::Apply(deployment))
        .await?;
    Ok(())
}

/// Waits until so many pods of the newest version are ready, and no other is left.
pub(crate) async fn served(client: &Client, count: usize) -> anyhow::Result<()> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let ours = ListParams::default().labels(&format!("app={NAME}"));
    let all = i32::try_from(count)?;
    loop {
        let deployment = deployments.get(NAME).await?;
        let status = deployment.status.unwrap_or_default();
        let is_done = status.observed_generation == deployment.metadata.generation
            && status.updated_replicas == Some(all)
            && status.ready_replicas == Some(all);
        if is_done && pods.list(&ours).await?.items.len() == count {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

/// Deletes all that [`serve`] has made.
pub(crate) async fn withdraw(client: &Client) -> anyhow::Result<()> {
    let services: Api<Service> = Api::namespaced(client.clone(), NAMESPACE);
    services.delete(NAME, &DeleteParams::default()).await?;
    remove(client).await
}
