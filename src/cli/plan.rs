//! `ecs-operator plan -f FILE`: how the services of a manifest would be rolled out, without applying it.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use kube::{Client, ResourceExt};

use super::look::{connect, lists};
use super::manifests::{self, Manifests};
use super::output::line;
use crate::controllers::lookout::Lookout;
use crate::controllers::service::rehearse::{CannotBegin, Rehearsal};
use crate::domain::service::End;
use crate::platform::clock::Clock;

/// What the help shows.
pub const EXAMPLE: &str = "Every task is taken to start and stop at once, and to be healthy after its time: 40 seconds without a
health check, one interval with one. Services come one after the other, in the order of the file.
The exit code is 1 if one of them would not complete.

Example:
  ecs-operator plan --filename web.yaml --namespace shop";

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub struct PlanArguments {
    /// Manifest with `EcsServices` and perhaps their `TaskDefinitions`, YAML or JSON; `-` is standard input.
    #[arg(long, short)]
    filename: PathBuf,
    /// Namespace of objects that name none; by default the kubeconfig's.
    #[arg(long, short)]
    namespace: Option<String>,
}

/// Plans.
///
/// # Errors
/// When the manifest or the cluster cannot be read, or a service would not complete.
pub fn run(arguments: &PlanArguments) -> anyhow::Result<()> {
    super::single_threaded(async {
        let connection = connect(arguments.namespace.as_deref()).await?;
        let manifests = manifests::read(&arguments.filename, &connection.namespace)?;
        let planned = plan(&connection.client, Clock::system(), manifests).await?;
        line(planned.text);
        if planned.incomplete > 0 {
            bail!("{} services would not complete", planned.incomplete);
        }
        Ok(())
    })
}

/// What is said of a manifest.
#[derive(Debug)]
pub struct Planned {
    /// For people.
    pub text: String,
    /// Services that would not complete.
    pub incomplete: usize,
}

/// How the services of a manifest would be rolled out.
///
/// # Errors
/// When a definition says something that cannot be, or the cluster cannot be read.
pub async fn plan(client: &Client, clock: Clock, manifests: Manifests) -> anyhow::Result<Planned> {
    let lookout = Lookout::over(lists(client).await?, client.clone(), clock);
    for definition in manifests.definitions {
        let name = definition.name_any();
        if let Err(problems) = lookout.register(definition) {
            let list: Vec<String> = problems.iter().map(ToString::to_string).collect();
            bail!("TaskDefinition {name}: {}", list.join("; "));
        }
    }
    let (mut text, mut completed, all) = (String::new(), 0, manifests.services.len());
    for service in manifests.services {
        let name = format!(
            "{}/{}",
            service.namespace().unwrap_or_default(),
            service.name_any()
        );
        let rehearsal = lookout.rehearse(service);
        completed += usize::from(rehearsal.as_ref().is_ok_and(Rehearsal::completes));
        writeln!(text, "service {name}: {}\n", told(rehearsal))?;
    }
    write!(text, "{completed} of {all} services would complete")?;
    Ok(Planned {
        text,
        incomplete: all - completed,
    })
}

fn told(rehearsal: Result<Rehearsal, CannotBegin>) -> String {
    let rehearsal = match rehearsal {
        Ok(rehearsal) => rehearsal,
        Err(cannot) => return format!("nothing would be done\n{cannot}"),
    };
    let to = &rehearsal.to;
    let head = match (rehearsal.begins, &rehearsal.from) {
        (true, Some(from)) if from != to => format!("a new deployment, from {from} to {to}"),
        (true, Some(_)) => format!("a new deployment of {to}"),
        (true, None) => format!("a first deployment, of {to}"),
        (false, _) => format!("no new deployment, {to} stays"),
    };
    let failed = rehearsal
        .failed_before
        .map_or_else(String::new, |failed| format!("{failed}\n"));
    let later = rehearsal
        .cannot_move
        .filter(|_| rehearsal.forecast.end == End::Completed)
        .map_or_else(String::new, |why| format!("\nPercentsCannotMove: {why}"));
    format!("{head}\n{failed}{}{later}", rehearsal.forecast)
}
