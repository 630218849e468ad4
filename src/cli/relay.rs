//! `ecs-operator relay`: what runs on the instance's network for tasks that ask for their metadata.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Args;

use crate::agent::metadata::relay;

/// The agent sets them.
#[derive(Debug, Clone, Args)]
pub struct RelayArguments {
    /// Address to listen at, on port 80.
    #[arg(long)]
    address: IpAddr,
    /// Unix socket of the agent.
    #[arg(long)]
    socket: PathBuf,
}

/// Relays until no agent is there any more.
///
/// # Errors
/// When it cannot go on.
pub fn run(arguments: RelayArguments) -> anyhow::Result<()> {
    super::single_threaded(async {
        let address = SocketAddr::new(arguments.address, 80);
        relay::run(address, arguments.socket).await;
        Ok(())
    })
}
