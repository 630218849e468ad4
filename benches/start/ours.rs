//! An EcsService of ours.

use std::fmt::Debug;

use ecs_operator::api::conditions::{READY, holds};
use ecs_operator::api::names;
use ecs_operator::api::service::EcsService;
use ecs_operator::api::target_group::TargetGroup;
use ecs_operator::api::task::EcsTask;
use ecs_operator::api::task_definition::TaskDefinition;
use futures::TryStreamExt;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::core::NamespaceResourceScope;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::engines::Engines;
use crate::{COUNT, IMAGE};

const NAMESPACE: &str = "default";
const NAME: &str = "bench";

/// Name of the target group, and so of its Service.
pub(crate) const FRONT: &str = "bench-front";
/// Who applies.
const MANAGER: &str = "bench";

/// Applies a definition and a service, of which all tasks are on `instance` if it is told, and waits until all run.
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

/// Applies a service of so many tasks of a version behind a target group with a port on each node.
pub(crate) async fn serve(client: &Client, count: usize, version: &str) -> anyhow::Result<()> {
    apply::<TargetGroup>(
        client,
        FRONT,
        json!({
            "apiVersion": "ecs-operator.io/v1alpha1", "kind": "TargetGroup", "metadata": {"name": FRONT},
            "spec": {
                "protocol": "HTTP", "port": 80, "deregistrationDelaySeconds": 15,
                "healthCheck": {"path": "/healthz", "intervalSeconds": 5},
                "service": {"type": "NodePort"},
            },
        }),
    )
    .await?;
    apply::<TaskDefinition>(
        client,
        NAME,
        json!({
            "apiVersion": "ecs-operator.io/v1alpha1", "kind": "TaskDefinition", "metadata": {"name": NAME},
            "spec": {"containerDefinitions": [{
                "name": "app", "image": IMAGE, "memory": 32,
                "portMappings": [{"containerPort": 8080}],
                "environment": [{"name": "VERSION", "value": version}],
            }]},
        }),
    )
    .await?;
    apply::<EcsService>(
        client,
        NAME,
        json!({
            "apiVersion": "ecs-operator.io/v1alpha1", "kind": "EcsService", "metadata": {"name": NAME},
            "spec": {
                "taskDefinition": NAME, "desiredCount": count,
                "loadBalancers": [{"targetGroupArn": FRONT, "containerName": "app", "containerPort": 8080}],
            },
        }),
    )
    .await
}

async fn apply<K>(client: &Client, name: &str, object: Value) -> anyhow::Result<()>
where
    K: Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
    K::DynamicType: Default,
{
    let api: Api<K> = Api::namespaced(client.clone(), NAMESPACE);
    let how = PatchParams::apply(MANAGER).force();
    api.patch(name, &how, &Patch::Apply(object)).await?;
    Ok(())
}

/// Waits until so many tasks of the newest revision get requests, and no other is left.
pub(crate) async fn served(client: &Client, count: usize) -> anyhow::Result<()> {
    let services: Api<EcsService> = Api::namespaced(client.clone(), NAMESPACE);
    let definitions: Api<TaskDefinition> = Api::namespaced(client.clone(), NAMESPACE);
    let tasks: Api<EcsTask> = Api::namespaced(client.clone(), NAMESPACE);
    loop {
        let service = services.get(NAME).await?;
        let status = service.status.unwrap_or_default();
        let definition = definitions.get(NAME).await?.status.unwrap_or_default();
        let is_done = holds(&status.conditions, READY) && holds(&definition.conditions, READY);
        let live = tasks.list(&ListParams::default()).await?;
        let live = live.iter().filter(|task| !task.is_stopped()).count();
        if is_done
            && Some(status.observed_generation) == service.metadata.generation
            && live == count
        {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

/// Deletes all that [`serve`] has made.
pub(crate) async fn withdraw(client: &Client) -> anyhow::Result<()> {
    remove(client).await?;
    let groups: Api<TargetGroup> = Api::namespaced(client.clone(), NAMESPACE);
    groups.delete(FRONT, &DeleteParams::default()).await?;
    Ok(())
}
