//! The command line: one file a subcommand.

pub mod agent;
pub mod broker;
pub mod check;
pub mod connect;
pub mod connections;
pub mod controller;
pub mod crds;
pub mod explain;
pub mod gateway;
pub mod kubectl;
pub mod look;
pub mod manifests;
pub mod output;
pub mod pause;
pub mod plan;
pub mod protect;
pub mod relay;
pub mod status;
pub mod uninstall;

use clap::{Parser, Subcommand};

use crate::platform::telemetry::{self, LogFormat};

/// Amazon ECS semantics inside any Kubernetes cluster.
#[derive(Debug, Parser)]
#[command(name = "ecs-operator", version, about, propagate_version = true)]
pub struct Arguments {
    /// How log lines look.
    #[arg(
        long,
        env = "LOG_FORMAT",
        value_enum,
        default_value = "text",
        global = true
    )]
    log_format: LogFormat,
    /// What is logged, in the syntax of `RUST_LOG`.
    #[arg(long, env = "RUST_LOG", default_value = "info", global = true)]
    log: String,
    #[command(subcommand)]
    command: Command,
}

/// What a process of ours does.
#[derive(Debug, Subcommand)]
enum Command {
    /// Watches clusters, task definitions, services and tasks, and keeps them as they should be.
    Controller(controller::ControllerArguments),
    /// Runs the tasks of one container instance through its Docker Engine.
    Agent(Box<agent::AgentArguments>),
    /// Serves logs, exec, attach, port-forward and stats of tasks to whoever may have them.
    Gateway(gateway::GatewayArguments),
    /// Gives agents the secrets and registry credentials that their tasks name.
    Broker(broker::BrokerArguments),
    /// Says why a service or task is as it is, and what the scheduler does next.
    #[command(after_help = explain::EXAMPLE)]
    Explain(explain::ExplainArguments),
    /// Says how the services of a manifest would be rolled out, step by step, without applying it.
    #[command(after_help = plan::EXAMPLE)]
    Plan(plan::PlanArguments),
    /// Shows how far services are, one line each, and waits for them if asked to.
    #[command(after_help = status::EXAMPLE)]
    Status(status::StatusArguments),
    /// Protects a task of a service from scale-in and deployments for a while (`UpdateTaskProtection`).
    #[command(after_help = protect::EXAMPLE)]
    Protect(protect::ProtectArguments),
    /// Writes the `CustomResourceDefinitions`, one file a kind.
    Crds(crds::CrdsArguments),
    /// Passes on what tasks ask for. Agents run it in a container of its own.
    #[command(hide = true)]
    Relay(relay::RelayArguments),
    /// Checks an installation: the resources are served and a controller leads. `helm test` runs it.
    CheckInstallation(check::CheckArguments),
    /// Tells whether somebody accepts connections. Agents run it in a container of its own.
    #[command(hide = true)]
    Connect(connect::ConnectArguments),
    /// Waits until nobody is connected to a task. Agents run it in the task's network.
    #[command(hide = true)]
    Connections(connections::ConnectionsArguments),
    /// Holds the namespaces that the containers of a task share.
    #[command(hide = true)]
    Pause,
    /// Holds an uninstallation back while services or tasks exist, or drains them first.
    UninstallCheck(uninstall::UninstallArguments),
}

/// Runs a command that needs no second thread.
fn single_threaded(command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(command)
}

/// Runs the subcommand that the arguments name.
///
/// # Errors
/// Whatever ended it, with its causes.
pub fn run() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    telemetry::start(arguments.log_format, &arguments.log)?;
    match arguments.command {
        Command::Controller(arguments) => controller::run(arguments),
        Command::Agent(arguments) => agent::run(*arguments),
        Command::Gateway(arguments) => gateway::run(arguments),
        Command::Broker(arguments) => broker::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Plan(arguments) => plan::run(&arguments),
        Command::Status(arguments) => status::run(&arguments),
        Command::Protect(arguments) => protect::run(&arguments),
        Command::Pause => pause::run(),
        Command::Crds(arguments) => crds::run(&arguments),
        Command::Connect(arguments) => connect::run(&arguments),
        Command::Connections(arguments) => connections::run(&arguments),
        Command::Relay(arguments) => relay::run(arguments),
        Command::CheckInstallation(arguments) => check::run(&arguments),
        Command::UninstallCheck(arguments) => uninstall::run(&arguments),
    }
}
