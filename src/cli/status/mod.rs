//! `ecs-operator status`: how far services are, in one view, and whether all of them are done.

mod line;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use jiff::SignedDuration;
use kube::{Api, Client};

use super::look::{connect, list};
use super::manifests;
use super::output::{line as say, progress};
use crate::controllers::cache::{Key, key_of};
pub use line::{RollUp, State, roll_up};

/// What the help shows.
pub const EXAMPLE: &str = "The exit code is 0 only if all services are steady.

Examples:
  ecs-operator status --namespace shop                       all services of a namespace
  ecs-operator status --filename shop.yaml --wait            those of a manifest, until they are steady or one failed
  ecs-operator status web api --namespace shop --wait --timeout 5m";

/// Between two looks of `--wait`.
const PERIOD: Duration = Duration::from_secs(2);

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct StatusArguments {
    /// Names of services; by default all of the namespace.
    names: Vec<String>,
    /// Namespace of the services; by default the kubeconfig's.
    #[arg(long, short, conflicts_with = "all_namespaces")]
    namespace: Option<String>,
    /// Services of all namespaces.
    #[arg(long, short = 'A', conflicts_with = "names")]
    all_namespaces: bool,
    /// Services of this manifest, YAML or JSON; `-` is standard input.
    #[arg(long, short, conflicts_with_all = ["names", "all_namespaces"])]
    filename: Option<PathBuf>,
    /// Waits until all are steady, or one has failed.
    #[arg(long)]
    wait: bool,
    /// How long it waits, such as 90s or 10m.
    #[arg(long, default_value = "10m", value_parser = duration, requires = "wait")]
    timeout: Duration,
}

fn duration(text: &str) -> Result<Duration, String> {
    let span: SignedDuration = text
        .parse()
        .map_err(|_| "write it as 90s, 10m or 1h".to_owned())?;
    Duration::try_from(span).map_err(|_| "it must not be negative".to_owned())
}

/// Which services are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// All of all namespaces.
    Everywhere,
    /// All of a namespace.
    Of(String),
    /// These.
    Named(Vec<Key>),
}

/// Shows, and waits if asked to.
///
/// # Errors
/// When something cannot be read, or not all services are steady.
pub fn run(arguments: &StatusArguments) -> anyhow::Result<()> {
    super::single_threaded(async {
        let connection = connect(arguments.namespace.as_deref()).await?;
        let which = which(arguments, &connection.namespace)?;
        let client = &connection.client;
        let seen = if arguments.wait {
            wait(client, &which, arguments.timeout, progress).await?
        } else {
            look(client, &which).await?
        };
        say(&seen);
        seen.verdict()
    })
}

fn which(arguments: &StatusArguments, namespace: &str) -> anyhow::Result<Which> {
    if let Some(path) = &arguments.filename {
        let manifests = manifests::read(path, namespace)?;
        return Ok(Which::Named(
            manifests.services.iter().map(key_of).collect(),
        ));
    }
    if arguments.all_namespaces {
        return Ok(Which::Everywhere);
    }
    if arguments.names.is_empty() {
        return Ok(Which::Of(namespace.to_owned()));
    }
    let names = arguments.names.iter();
    Ok(Which::Named(
        names
            .map(|name| (namespace.to_owned(), name.clone()))
            .collect(),
    ))
}

/// One look at the services.
///
/// # Errors
/// When they cannot be read.
pub async fn look(client: &Client, which: &Which) -> anyhow::Result<RollUp> {
    let one_namespace = match which {
        Which::Everywhere => None,
        Which::Of(namespace) => Some(namespace),
        Which::Named(keys) => {
            let first = keys.first().map(|(namespace, _)| namespace);
            first.filter(|first| keys.iter().all(|(namespace, _)| namespace == *first))
        }
    };
    let (services, definitions) = match one_namespace {
        Some(namespace) => (
            list(&Api::namespaced(client.clone(), namespace)).await?,
            list(&Api::namespaced(client.clone(), namespace)).await?,
        ),
        None => (
            list(&Api::all(client.clone())).await?,
            list(&Api::all(client.clone())).await?,
        ),
    };
    Ok(roll_up(which, &services, &definitions))
}

/// Looks until all services are steady or one has failed, and tells each change.
///
/// # Errors
/// When they cannot be read, or it takes too long.
pub async fn wait(
    client: &Client,
    which: &Which,
    timeout: Duration,
    tell: impl Fn(String),
) -> anyhow::Result<RollUp> {
    let mut last = None;
    let looking = async {
        loop {
            let seen = look(client, which).await?;
            if seen.is_settled() {
                return Ok::<_, anyhow::Error>(seen);
            }
            for line in seen.news(last.as_ref()) {
                tell(line);
            }
            last = Some(seen);
            tokio::time::sleep(PERIOD).await;
        }
    };
    match tokio::time::timeout(timeout, looking).await {
        Ok(seen) => seen,
        Err(_) => match look(client, which).await {
            Ok(seen) if seen.is_settled() => Ok(seen),
            Ok(seen) => bail!("not steady within {timeout:?}\n{seen}"),
            Err(error) => Err(error).context("not steady in time"),
        },
    }
}
