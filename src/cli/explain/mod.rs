//! `ecs-operator explain NAME`: why a service or a task is as it is, and what the scheduler does next.

mod text;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use kube::Client;

use super::look::{connect, lists};
use super::output::line;
use crate::controllers::lookout::Lookout;
use crate::platform::clock::Clock;

/// What the help shows.
pub const EXAMPLE: &str = "Nothing is changed: the next pass of the scheduler is played on a copy of what the API server lists.

Examples:
  ecs-operator explain web --namespace shop
  ecs-operator explain task/report-7 --namespace shop --output json";

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArguments {
    /// A service: `NAME` or `service/NAME`; or a task: `task/NAME`.
    name: String,
    /// Its namespace; by default the kubeconfig's.
    #[arg(long, short)]
    namespace: Option<String>,
    /// How the answer looks.
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// How an answer looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Explains.
///
/// # Errors
/// When there is no such service or task, or the cluster cannot be read.
pub fn run(arguments: &ExplainArguments) -> anyhow::Result<()> {
    super::single_threaded(async {
        let connection = connect(arguments.namespace.as_deref()).await?;
        let (client, namespace) = (&connection.client, &connection.namespace);
        let clock = Clock::system();
        let answer = explain(client, clock, namespace, &arguments.name, arguments.output).await?;
        line(answer);
        Ok(())
    })
}

/// Explains a service or a task.
///
/// # Errors
/// When there is none of that name, or the cluster cannot be read.
pub async fn explain(
    client: &Client,
    clock: Clock,
    namespace: &str,
    name: &str,
    output: Output,
) -> anyhow::Result<String> {
    let lookout = Lookout::over(lists(client).await?, client.clone(), clock);
    let (kind, plain) = name.split_once('/').unwrap_or(("service", name));
    let key = (namespace.to_owned(), plain.to_owned());
    let missing = |kind: &str, plural: &str| {
        format!(
            "there is no {kind} {plain} in namespace {namespace}: kubectl --namespace {namespace} get {plural} shows those that are there"
        )
    };
    match kind {
        "task" | "ecstask" | "ecstasks" => {
            let answer = lookout
                .task(&key)
                .with_context(|| missing("EcsTask", "ecstasks"))?;
            match output {
                Output::Json => Ok(serde_json::to_string_pretty(&answer)?),
                Output::Text => Ok(text::of_task(&answer)?),
            }
        }
        "service" | "ecsservice" | "ecsservices" => {
            let answer = lookout
                .service(&key)
                .with_context(|| missing("EcsService", "ecsservices"))?;
            match output {
                Output::Json => Ok(serde_json::to_string_pretty(&answer)?),
                Output::Text => Ok(text::of_service(&answer)?),
            }
        }
        other => anyhow::bail!("{other} cannot be explained: name service/NAME or task/NAME"),
    }
}
