//! `kubectl ecs exec`: ECS Exec, with the command's own exit code.

use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use futures::SinkExt;
use futures::channel::mpsc::Sender;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::api::{AttachParams, AttachedProcess, TerminalSize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::signal::unix::{SignalKind, signal};

use super::connection::{Connection, explained};
use super::{output, terminal};
use crate::cli::output::progress;

pub(super) const EXAMPLE: &str =
    "The task needs enableExecuteCommand: true in its EcsService or EcsTask, as in Amazon ECS.

Examples:
  kubectl ecs exec -it web-1f3a9c2e-0-1 -- sh
  kubectl ecs exec web-1f3a9c2e-0-1 -c proxy -- cat /etc/hosts
  tar c folder | kubectl ecs exec -i web-1f3a9c2e-0-1 -- tar x -C /tmp";

/// Arguments of `exec`.
#[derive(Debug, Args)]
pub(super) struct ExecArguments {
    /// Name of the task.
    task: String,
    /// Container; the only one needs no name.
    #[arg(long, short)]
    container: Option<String>,
    /// Passes standard input on.
    #[arg(long, short = 'i')]
    interactive: bool,
    /// Gives the command a terminal.
    #[arg(long, short)]
    tty: bool,
    /// The command.
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

pub(super) async fn run(
    connection: &Connection,
    arguments: &ExecArguments,
) -> anyhow::Result<ExitCode> {
    let tty = arguments.tty && terminal::is_interactive();
    if arguments.tty && !tty {
        progress("standard input or output is not a terminal: the command gets none either");
    }
    let parameters = AttachParams {
        container: arguments.container.clone(),
        stdin: arguments.interactive,
        stdout: true,
        stderr: !tty,
        tty,
        ..AttachParams::default()
    };
    let started = connection
        .streams()
        .exec(&arguments.task, &arguments.command, &parameters)
        .await;
    let process = started.map_err(|error| explained(error, "run the command"))?;
    let raw = tty.then(terminal::Raw::take).transpose()?;
    let status = converse(process).await;
    drop(raw);
    code(status?.as_ref())
}

/// Carries all ends until the process has ended, and says how it did.
async fn converse(mut process: AttachedProcess) -> anyhow::Result<Option<Status>> {
    let stdin = process.stdin();
    let (stdout, stderr) = (process.stdout(), process.stderr());
    let sizes = process.terminal_size();
    let status = process.take_status();
    let input = async {
        if let Some(mut stdin) = stdin {
            tokio::io::copy(&mut tokio::io::stdin(), &mut stdin).await?;
            // The process is told that there is no more.
            stdin.shutdown().await?;
        }
        std::future::pending::<anyhow::Result<()>>().await
    };
    let outputs = async {
        tokio::try_join!(show(stdout, false), show(stderr, true))?;
        match status {
            Some(status) => Ok(status.await),
            None => Ok(None),
        }
    };
    tokio::select! {
        ended = outputs => ended,
        failed = input => failed.map(|()| None),
        failed = resize(sizes) => failed.map(|()| None),
    }
}

async fn show(from: Option<impl AsyncRead + Unpin>, errors: bool) -> anyhow::Result<()> {
    let Some(mut from) = from else { return Ok(()) };
    let mut part = vec![0; 16 * 1024];
    loop {
        let count = from.read(&mut part).await?;
        match part.get(..count) {
            Some([]) | None => return Ok(()),
            Some(read) if errors => output::errors(read)?,
            Some(read) => output::bytes(read)?,
        }
    }
}

/// Tells the size of the terminal at first and whenever it changes.
async fn resize(sizes: Option<Sender<TerminalSize>>) -> anyhow::Result<()> {
    let mut changes = signal(SignalKind::window_change())?;
    if let Some(mut sizes) = sizes {
        while let Some((width, height)) = terminal::size() {
            if sizes.send(TerminalSize { width, height }).await.is_err() {
                break;
            }
            changes.recv().await;
        }
    }
    std::future::pending().await
}

/// The exit code of the command, in Kubernetes' words.
fn code(status: Option<&Status>) -> anyhow::Result<ExitCode> {
    let Some(status) = status else {
        bail!(
            "the connection broke off: the command may still run, in a task that may have stopped"
        );
    };
    if status.status.as_deref() == Some("Success") {
        return Ok(ExitCode::SUCCESS);
    }
    let causes = status
        .details
        .iter()
        .flat_map(|details| details.causes.iter().flatten());
    let code: Option<u8> = causes
        .filter(|cause| cause.reason.as_deref() == Some("ExitCode"))
        .find_map(|cause| cause.message.as_ref()?.parse().ok());
    match code {
        Some(code) => Ok(ExitCode::from(code)),
        None => bail!(
            "the command failed: {}",
            status.message.as_deref().unwrap_or_default()
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_exit_code_of_the_command_is_that_of_the_plugin() {
        let status = |value| serde_json::from_value::<Status>(value).unwrap();
        let failed = status(json!({
            "status": "Failure", "reason": "NonZeroExitCode",
            "details": {"causes": [{"reason": "ExitCode", "message": "7"}]},
        }));
        assert_eq!(code(Some(&failed)).unwrap(), ExitCode::from(7));
        let ended = status(json!({"status": "Success"}));
        assert_eq!(code(Some(&ended)).unwrap(), ExitCode::SUCCESS);
        assert!(code(None).is_err());
    }
}
