//! An EcsService of ours.

use ecs_operator::api::names;
use ecs_operator::api::service::EcsService;
use ecs_operator::api::task::EcsTask;
use ecs_operator::api::task_definition::TaskDefinition;
use futures::TryStreamExt;
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use crate::engines::Engines;
use crate::{COUNT, IMAGE};

const NAMESPACE: &str = "default";
const NAME: &str = "bench";

/// Applies a definition and a service, and waits until all its tasks run.
pub(crate) async fn start(client: &Client, count: usize) -> anyhow::Result<()> {
    start_on(client, count, None).await
}

/// The same, with all tasks on one instance.
pub(crate) async fn start_on(
    client: &Client,
    count: usize,
    instance: Option<&str>,
) -> anyhow::Result<()> {
    let definitions: Api<TaskDefinition> = Api::namespaced(client.clone(), NAMESPACE);
    let services: Api<EcsService> = Api::namespaced(client.clone(), NAMESPACE);
    let definition = serde_json::from_value(json!({
        "apiVersion": "ecs-operator.io/v1alpha1", "kind": "TaskDefinition", "metadata": {"name": NAME},
        "spec": {"containerDefinitions": [{"name": "app", "image": IMAGE, "memory": 32}]},
    }))?;
    let on = |instance| json!({"type": "memberOf", "expression": format!("ec2InstanceId == {instance}")});
    let constraints: Vec<_> = instance.map(on).into_iter().collect();
    let service = serde_json::from_value(json!({
        "apiVersion": "ecs-operator.io/v1alpha1", "kind": "EcsService", "metadata": {"name": NAME},
        "spec": {"taskDefinition": NAME, "desiredCount": count, "placementConstraints": constraints},
    }))?;
    definitions
        .create(&PostParams::default(), &definition)
        .await?;
    services.create(&PostParams::default(), &service).await?;
    all_running(client, count).await
}

/// Waits until this many tasks run, as the API shows them.
async fn all_running(client: &Client, count: usize) -> anyhow::Result<()> {
    let tasks: Api<EcsTask> = Api::namespaced(client.clone(), NAMESPACE);
    let config = watcher::Config::default().labels(&format!("{}={NAME}", names::SERVICE_LABEL));
    let mut changes = Box::pin(
        watcher(tasks.clone(), config)
            .default_backoff()
            .applied_objects(),
    );
    let mut running = std::collections::BTreeSet::new();
    while let Some(task) = changes.try_next().await? {
        let is_running =
            task.state() == ecs_operator::domain::task::TaskState::Running && !task.is_stopping();
        if is_running {
            running.insert(task.name_any());
        } else {
            running.remove(&task.name_any());
        }
        if running.len() >= count {
            return Ok(());
        }
    }
    anyhow::bail!("the watch ended")
}

/// Kills a container behind our back and waits until as many tasks run as before.
pub(crate) async fn kill_one(client: &Client, engines: &Engines) -> anyhow::Result<()> {
    let tasks: Api<EcsTask> = Api::namespaced(client.clone(), NAMESPACE);
    let before = tasks.list(&ListParams::default()).await?.items.len();
    anyhow::ensure!(
        engines
            .kill_one(names::CONTAINER_DOCKER_LABEL, "app")
            .await?,
        "no container to kill"
    );
    loop {
        let now = tasks.list(&ListParams::default()).await?;
        let running = now
            .iter()
            .filter(|task| task.state() == ecs_operator::domain::task::TaskState::Running)
            .count();
        if now.items.len() > before && running >= COUNT {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// Deletes both and waits until no task is left.
pub(crate) async fn remove(client: &Client) -> anyhow::Result<()> {
    let definitions: Api<TaskDefinition> = Api::namespaced(client.clone(), NAMESPACE);
    let services: Api<EcsService> = Api::namespaced(client.clone(), NAMESPACE);
    let tasks: Api<EcsTask> = Api::namespaced(client.clone(), NAMESPACE);
    services.delete(NAME, &DeleteParams::default()).await?;
    definitions.delete(NAME, &DeleteParams::default()).await?;
    while !tasks.list(&ListParams::default()).await?.items.is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    Ok(())
}
