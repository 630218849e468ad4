//! `kubectl ecs`: what people type. Everything goes through the API server, with the rights of the kubeconfig.

mod connection;
mod cp;
mod exec;
mod forward;
mod logs;
mod output;
mod run;
mod stop;
mod tasks;
mod terminal;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// Amazon ECS's commands for tasks in a Kubernetes cluster.
#[derive(Debug, Parser)]
#[command(name = "kubectl-ecs", bin_name = "kubectl ecs", version, about)]
struct Arguments {
    #[command(flatten)]
    to: To,
    #[command(subcommand)]
    command: Command,
}

/// Which cluster and namespace.
#[derive(Debug, Clone, Args)]
struct To {
    /// Namespace; by default the kubeconfig's.
    #[arg(long, short, global = true)]
    namespace: Option<String>,
    /// Context of the kubeconfig; by default the current one.
    #[arg(long, global = true)]
    context: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows what the containers of a task or of a service write.
    #[command(after_help = logs::EXAMPLE)]
    Logs(logs::LogsArguments),
    /// Runs a command in a container of a task.
    #[command(after_help = exec::EXAMPLE)]
    Exec(exec::ExecArguments),
    /// Copies files and folders to and from a container.
    #[command(after_help = cp::EXAMPLE)]
    Cp(cp::CpArguments),
    /// Forwards a port of this machine to a port of a container.
    #[command(after_help = forward::EXAMPLE)]
    PortForward(forward::ForwardArguments),
    /// Runs one task of a task definition, shows its logs, and ends with its exit code.
    #[command(after_help = run::EXAMPLE)]
    Run(run::RunArguments),
    /// Stops a task, as `StopTask` does.
    #[command(after_help = stop::EXAMPLE)]
    Stop(stop::StopArguments),
    /// Lists tasks.
    #[command(after_help = tasks::EXAMPLE)]
    Tasks(tasks::TasksArguments),
}

/// Runs the subcommand that the arguments name.
///
/// # Errors
/// Says what went wrong, and what to do.
pub fn run() -> anyhow::Result<ExitCode> {
    let Arguments { to, command } = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let code = runtime.block_on(async {
        let connection = connection::connect(&to).await?;
        match command {
            Command::Logs(arguments) => logs::run(&connection, &arguments).await,
            Command::Exec(arguments) => exec::run(&connection, &arguments).await,
            Command::Cp(arguments) => cp::run(&connection, &arguments).await,
            Command::PortForward(arguments) => forward::run(&connection, &arguments).await,
            Command::Run(arguments) => run::run(&connection, &arguments).await,
            Command::Stop(arguments) => stop::run(&connection, &arguments).await,
            Command::Tasks(arguments) => tasks::run(&connection, &arguments).await,
        }
    });
    // A read of standard input that waits must not hold up the end.
    runtime.shutdown_background();
    code
}
