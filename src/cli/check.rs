//! `ecs-operator check-installation`: what `helm test` runs.

use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::ListParams;
use kube::core::PartialObjectMeta;
use kube::{Api, Config, Resource};
use serde::de::DeserializeOwned;

use super::output::line;
use crate::api::cluster::EcsCluster;
use crate::api::container_instance::ContainerInstance;
use crate::api::service::EcsService;
use crate::api::task::EcsTask;
use crate::api::task_definition::TaskDefinition;
use crate::platform::client::guarded;

/// Arguments of `check-installation`.
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// Namespace of the controller's Lease.
    #[arg(long, env = "POD_NAMESPACE", default_value = "ecs-operator")]
    lease_namespace: String,
    /// Seconds to wait for a leader.
    #[arg(long, default_value_t = 60)]
    timeout_seconds: u64,
}

/// Checks, and says what it found.
///
/// # Errors
/// Says what is missing and where to look.
pub fn run(arguments: &CheckArguments) -> anyhow::Result<()> {
    super::single_threaded(check(arguments))
}

async fn check(arguments: &CheckArguments) -> anyhow::Result<()> {
    let config = Config::infer()
        .await
        .context("cannot find the API server")?;
    let client = guarded(config, None)?;
    served::<EcsCluster>(&client).await?;
    served::<ContainerInstance>(&client).await?;
    served::<TaskDefinition>(&client).await?;
    served::<EcsService>(&client).await?;
    served::<EcsTask>(&client).await?;
    let leases: Api<Lease> = Api::namespaced(client.clone(), &arguments.lease_namespace);
    let leader = async {
        loop {
            let lease = leases.get_opt("ecs-operator-controller").await?;
            let holder = lease
                .and_then(|lease| lease.spec?.holder_identity)
                .filter(|holder| !holder.is_empty());
            if let Some(holder) = holder {
                return Ok::<_, kube::Error>(holder);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    match tokio::time::timeout(Duration::from_secs(arguments.timeout_seconds), leader).await {
        Ok(holder) => line(format_args!("the controller {} leads", holder?)),
        Err(_) => bail!(
            "no controller leads: see its pods in namespace {}",
            arguments.lease_namespace
        ),
    }
    Ok(())
}

async fn served<K>(client: &kube::Client) -> anyhow::Result<()>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned,
{
    let api: Api<PartialObjectMeta<K>> = Api::all(client.clone());
    let kind = K::kind(&());
    let found = api.list_metadata(&ListParams::default().limit(1)).await;
    found.with_context(|| {
        format!("{kind} is not served: is its CustomResourceDefinition installed?")
    })?;
    line(format_args!("{kind} is served"));
    Ok(())
}
