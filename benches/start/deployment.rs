//! Pods of the kubelet, from a Deployment of the same image.

use futures::TryStreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use crate::IMAGE;

const NAMESPACE: &str = "default";
const NAME: &str = "bench";

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
