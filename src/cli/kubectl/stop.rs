//! `kubectl ecs stop`: `StopTask`.

use std::process::ExitCode;

use clap::Args;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::connection::{Connection, explained};
use crate::cli::output::line;

pub(super) const EXAMPLE: &str = "Example:
  kubectl ecs stop web-1f3a9c2e-0-1 --reason 'it answers slowly'

A service starts another task in its place.";

/// Arguments of `stop`.
#[derive(Debug, Args)]
pub(super) struct StopArguments {
    /// Name of the task.
    task: String,
    /// Why; it becomes part of the task's stoppedReason.
    #[arg(long, default_value = "Task stopped by user")]
    reason: String,
}

pub(super) async fn run(
    connection: &Connection,
    arguments: &StopArguments,
) -> anyhow::Result<ExitCode> {
    let task = connection.task(&arguments.task).await?;
    let name = &arguments.task;
    if task.spec.stop.is_some() || task.is_stopped() {
        line(format_args!("{name} has ended, or was told to"));
        return Ok(ExitCode::SUCCESS);
    }
    // Of this very task, and only as it was just seen: the first stop counts.
    let change = json!({
        "metadata": {"uid": task.uid(), "resourceVersion": task.resource_version()},
        "spec": {"stop": {"code": "UserInitiated", "reason": arguments.reason}},
    });
    let patched = connection
        .tasks()
        .patch(name, &PatchParams::default(), &Patch::Merge(&change))
        .await;
    patched.map_err(|error| explained(error, "stop the task: try again"))?;
    line(format_args!("{name} was told to stop"));
    Ok(ExitCode::SUCCESS)
}
