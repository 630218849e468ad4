//! `ecs-operator protect TASK`: task scale-in protection, as `UpdateTaskProtection` sets it.

use anyhow::{Context as _, bail};
use clap::Args;
use jiff::SignedDuration;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use super::look::{connect, explained};
use super::output::line;
use crate::api::task::EcsTask;
use crate::domain::task::{PROTECTION_DEFAULT, PROTECTION_MINUTES};
use crate::platform::clock::Clock;

/// What the help shows.
pub const EXAMPLE: &str = "Example:
  ecs-operator protect web-1f3a9c2e-0-1 --namespace shop --expires-in-minutes 60
  ecs-operator protect web-1f3a9c2e-0-1 --namespace shop --off";

/// Arguments of `protect`.
#[derive(Debug, Args)]
pub struct ProtectArguments {
    /// Name of the task.
    task: String,
    /// Namespace of the task; by default the kubeconfig's.
    #[arg(long, short)]
    namespace: Option<String>,
    /// Minutes after which the protection ends, 1 to 2880.
    #[arg(long, default_value_t = PROTECTION_DEFAULT, value_parser = clap::value_parser!(i64).range(PROTECTION_MINUTES))]
    expires_in_minutes: i64,
    /// Ends the protection now.
    #[arg(long, conflicts_with = "expires_in_minutes")]
    off: bool,
}

/// Protects, or ends the protection.
///
/// # Errors
/// Says why the task cannot be protected.
pub fn run(arguments: &ProtectArguments) -> anyhow::Result<()> {
    super::single_threaded(async {
        let connection = connect(arguments.namespace.as_deref()).await?;
        let minutes = (!arguments.off).then_some(arguments.expires_in_minutes);
        let (namespace, task) = (&connection.namespace, &arguments.task);
        let said = protect(
            &connection.client,
            Clock::system(),
            namespace,
            task,
            minutes,
        )
        .await?;
        line(said);
        Ok(())
    })
}

/// Protects a task for so many minutes; `None` ends its protection.
///
/// # Errors
/// Says why the task cannot be protected.
pub async fn protect(
    client: &Client,
    clock: Clock,
    namespace: &str,
    task: &str,
    minutes: Option<i64>,
) -> anyhow::Result<String> {
    let api: Api<EcsTask> = Api::namespaced(client.clone(), namespace);
    let found = api
        .get_opt(task)
        .await
        .map_err(|error| explained(error, "read the task"))?
        .with_context(|| {
            format!("there is no EcsTask {task} in namespace {namespace}: kubectl --namespace {namespace} get ecstasks shows those that are there")
        })?;
    if found.service().is_none() {
        bail!(
            "TASK_NOT_VALID: {task} belongs to no service, so that neither scale-in nor a deployment stops it"
        );
    }
    if found.is_stopped() || found.is_stopping() {
        bail!("TASK_NOT_VALID: {task} has ended, or was told to: protect one that runs");
    }
    let (protection, said) = match minutes {
        Some(minutes) => {
            let time = SignedDuration::from_mins(minutes);
            let until = clock.now().checked_add(time)?;
            let until = until.round(jiff::Unit::Second)?;
            (
                json!({"protectionEnabled": true, "expirationDate": until}),
                format!("{task} is protected until {until}"),
            )
        }
        None => (
            json!({"protectionEnabled": false, "expirationDate": null}),
            format!("{task} is not protected"),
        ),
    };
    // For this very task: one that was replaced meanwhile has another name.
    let change = json!({"metadata": {"uid": found.uid()}, "spec": {"protection": protection}});
    api.patch(task, &PatchParams::default(), &Patch::Merge(&change))
        .await
        .map_err(|error| explained(error, "change the task"))?;
    Ok(said)
}
