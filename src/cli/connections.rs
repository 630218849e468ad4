//! `ecs-operator connections`: waits, inside the network of a task, until nobody is connected to it any more.

use std::collections::BTreeSet;
use std::path::Path;

use clap::Args;

use crate::agent::connections;

/// The agent sets them.
#[derive(Debug, Clone, Args)]
pub struct ConnectionsArguments {
    /// Ports on which the task listens.
    #[arg(long, required = true, value_delimiter = ',')]
    ports: Vec<u16>,
}

/// Waits until no connection is left.
///
/// # Errors
/// When the kernel does not show them.
pub fn run(arguments: &ConnectionsArguments) -> anyhow::Result<()> {
    let ports: BTreeSet<u16> = arguments.ports.iter().copied().collect();
    super::single_threaded(async {
        connections::until_none(Path::new("/proc/self"), &ports).await?;
        Ok(())
    })
}
