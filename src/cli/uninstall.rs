//! `ecs-operator uninstall-check`: what runs before `helm uninstall`. The controller must outlive what it has to end.

use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use kube::api::{DeleteParams, ListParams};
use kube::core::{ClusterResourceScope, NamespaceResourceScope};
use kube::{Api, Client, Config, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::output::line;
use crate::api::capacity_provider::CapacityProvider;
use crate::api::cluster::EcsCluster;
use crate::api::container_instance::ContainerInstance;
use crate::api::service::EcsService;
use crate::api::task::EcsTask;
use crate::platform::client::guarded;

/// Arguments of `uninstall-check`.
#[derive(Debug, Args)]
pub struct UninstallArguments {
    /// Delete services, tasks, capacity providers and clusters first, and wait until nothing of them runs.
    #[arg(long)]
    drain: bool,
    /// Seconds to wait for the drain.
    #[arg(long, default_value_t = 600)]
    timeout_seconds: u64,
}

/// Checks or drains.
///
/// # Errors
/// Says what still exists, and what to do about it.
pub fn run(arguments: &UninstallArguments) -> anyhow::Result<()> {
    super::single_threaded(check(arguments))
}

async fn check(arguments: &UninstallArguments) -> anyhow::Result<()> {
    let config = Config::infer()
        .await
        .context("cannot find the API server")?;
    let client = guarded(config, None)?;
    if arguments.drain {
        let limit = Duration::from_secs(arguments.timeout_seconds);
        return tokio::time::timeout(limit, drain(&client))
            .await
            .with_context(|| {
                format!("not drained within {limit:?}: see the conditions of what is left")
            })?;
    }
    let services = names::<EcsService>(&Api::all(client.clone())).await?;
    let tasks: Vec<String> = Api::<EcsTask>::all(client.clone())
        .list(&ListParams::default())
        .await?
        .iter()
        .filter(|task| !task.is_stopped())
        .map(full_name)
        .collect();
    let providers = names::<CapacityProvider>(&Api::all(client.clone())).await?;
    let clusters = names::<EcsCluster>(&Api::all(client)).await?;
    if [&services, &tasks, &providers, &clusters]
        .iter()
        .all(|left| left.is_empty())
    {
        line("no services, tasks or clusters: nothing holds the uninstallation back");
        return Ok(());
    }
    bail!(
        "ClusterContainsServicesException: held back, because containers would run on without their controller.\n\
         services: {}\nrunning tasks: {}\ncapacity providers: {}\nclusters: {}\n\
         Delete them and uninstall again. To have them drained first: helm rollback RELEASE \
         with the newest number of helm history RELEASE, then \
         helm upgrade RELEASE --reuse-values --set uninstall.drain=true, then helm uninstall RELEASE",
        list(&services),
        list(&tasks),
        list(&providers),
        list(&clusters)
    )
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

async fn drain(client: &Client) -> anyhow::Result<()> {
    delete_namespaced::<EcsService>(client).await?;
    gone::<EcsService>(client, "services").await?;
    delete_namespaced::<EcsTask>(client).await?;
    gone::<EcsTask>(client, "tasks").await?;
    delete_cluster_wide::<CapacityProvider>(client).await?;
    gone::<CapacityProvider>(client, "capacity providers").await?;
    delete_cluster_wide::<EcsCluster>(client).await?;
    gone::<EcsCluster>(client, "clusters").await?;
    gone::<ContainerInstance>(client, "container instances").await
}

async fn delete_namespaced<K>(client: &Client) -> anyhow::Result<()>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    for object in Api::<K>::all(client.clone())
        .list(&ListParams::default())
        .await?
    {
        let api: Api<K> = Api::namespaced(client.clone(), &object.namespace().unwrap_or_default());
        line(format_args!(
            "deleting {} {}",
            K::kind(&()),
            full_name(&object)
        ));
        api.delete(&object.name_any(), &DeleteParams::background())
            .await?;
    }
    Ok(())
}

async fn delete_cluster_wide<K>(client: &Client) -> anyhow::Result<()>
where
    K: Resource<DynamicType = (), Scope = ClusterResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    let api: Api<K> = Api::all(client.clone());
    for name in names(&api).await? {
        line(format_args!("deleting {} {name}", K::kind(&())));
        api.delete(&name, &DeleteParams::background()).await?;
    }
    Ok(())
}

async fn gone<K>(client: &Client, what: &str) -> anyhow::Result<()>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned,
{
    let api: Api<K> = Api::all(client.clone());
    let mut said = 0;
    loop {
        let left = names(&api).await?;
        if left.is_empty() {
            line(format_args!("no {what} left"));
            return Ok(());
        }
        if left.len() != said {
            line(format_args!(
                "waiting for {} {what}: {}",
                left.len(),
                left.join(", ")
            ));
            said = left.len();
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn names<K>(api: &Api<K>) -> anyhow::Result<Vec<String>>
where
    K: Resource + Clone + std::fmt::Debug + DeserializeOwned,
{
    Ok(api
        .list(&ListParams::default())
        .await?
        .iter()
        .map(full_name)
        .collect())
}

fn full_name(object: &impl ResourceExt) -> String {
    match object.namespace() {
        Some(namespace) => format!("{namespace}/{}", object.name_any()),
        None => object.name_any(),
    }
}
