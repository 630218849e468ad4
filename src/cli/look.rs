//! How a person's command reaches the API server, and what it reads there: one list of each kind.

use std::fmt::Debug;

use anyhow::{Context as _, anyhow};
use kube::api::ListParams;
use kube::core::DeserializeGuard;
use kube::{Api, Client, Config, Resource};
use serde::de::DeserializeOwned;

use crate::api::names;
use crate::controllers::world::Lists;
use crate::controllers::writes::is_status;
use crate::platform::client::guarded;

/// A person at a cluster.
pub struct Connection {
    /// With the rights of the kubeconfig.
    pub client: Client,
    /// The namespace that was named, or the kubeconfig's.
    pub namespace: String,
}

/// Connects as `kubectl` does.
///
/// # Errors
/// Says where a kubeconfig is looked for.
pub async fn connect(namespace: Option<&str>) -> anyhow::Result<Connection> {
    let config = Config::infer()
        .await
        .context("cannot find the API server: set KUBECONFIG, or create ~/.kube/config")?;
    let namespace = namespace.unwrap_or(&config.default_namespace).to_owned();
    let client = guarded(config, None)?;
    Ok(Connection { client, namespace })
}

/// Everything that decisions about services and tasks are made from. All namespaces, because all tasks hold room.
///
/// # Errors
/// Says what cannot be read, and who can help.
pub async fn lists(client: &Client) -> anyhow::Result<Lists> {
    let all = || client.clone();
    Ok(Lists {
        clusters: list(&Api::all(all())).await?,
        instances: list(&Api::all(all())).await?,
        definitions: list(&Api::all(all())).await?,
        revisions: list(&Api::all(all())).await?,
        services: list(&Api::all(all())).await?,
        service_revisions: list(&Api::all(all())).await?,
        tasks: list(&Api::all(all())).await?,
        target_groups: list(&Api::all(all())).await?,
        slices: list_labelled(&Api::all(all()), names::TARGET_GROUP_LABEL).await?,
        nodes: list(&Api::all(all())).await?,
    })
}

/// All objects of a kind that can be read. One that cannot stops nobody else's, as in the controller.
///
/// # Errors
/// Says what cannot be read, and who can help.
pub async fn list<K>(api: &Api<DeserializeGuard<K>>) -> anyhow::Result<Vec<K>>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    list_labelled(api, "").await
}

/// As [`list`], of the objects with this label alone.
async fn list_labelled<K>(api: &Api<DeserializeGuard<K>>, label: &str) -> anyhow::Result<Vec<K>>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let found = api
        .list(&ListParams::default().labels(label))
        .await
        .map_err(|error| explained(error, &format!("list {}", K::plural(&()))))?;
    let readable = found.items.into_iter();
    Ok(readable
        .filter_map(|DeserializeGuard(object)| object.ok())
        .collect())
}

/// An error of the API server, with what to do about it.
pub fn explained(error: kube::Error, action: &str) -> anyhow::Error {
    let advice = if is_status(&error, 403) {
        "ask for the right to do so: placement looks at the tasks, instances and nodes of all namespaces"
    } else if is_status(&error, 404) {
        "is ecs-operator installed here?"
    } else if is_status(&error, 422) {
        "the API server refuses the change"
    } else {
        "is the API server there, and the kubeconfig the right one?"
    };
    anyhow!(error).context(format!("cannot {action}: {advice}"))
}
