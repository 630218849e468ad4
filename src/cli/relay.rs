//! `ecs-operator relay`: what runs on the instance itself, where the agent need not be: on its network for tasks that ask for
//! their metadata, and with its cgroups to bound tasks.

use std::future::pending;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Args;
use tracing::warn;

use crate::agent::limits::{Tree, hand};
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
    /// Unix socket at which the agent asks for cgroups of tasks.
    #[arg(long)]
    limits_socket: PathBuf,
    /// Where the instance's cgroups are mounted.
    #[arg(long)]
    cgroups: PathBuf,
    /// Folder of systemd's unit files, where systemd owns the cgroups.
    #[arg(long)]
    units: Option<PathBuf>,
}

/// Relays until no agent is there any more.
///
/// # Errors
/// When it cannot go on.
pub fn run(arguments: RelayArguments) -> anyhow::Result<()> {
    super::single_threaded(async {
        let address = SocketAddr::new(arguments.address, 80);
        let own = tokio::fs::read_to_string("/proc/self/cgroup").await?;
        let bounds = async {
            match Tree::find(&arguments.cgroups, arguments.units.as_deref(), &own) {
                Ok(tree) => hand::serve(&arguments.limits_socket, tree).await,
                Err(error) => {
                    warn!(%error, "tasks cannot be bounded here");
                    pending().await
                }
            }
        };
        tokio::select! {
            () = relay::run(address, arguments.socket) => {}
            served = bounds => served?,
        }
        Ok(())
    })
}
