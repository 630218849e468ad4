//! `ecs-operator connect`: tells by its exit code whether somebody accepts connections at an address.

use std::net::SocketAddr;
use std::process;

use clap::Args;

use crate::agent::reach;

/// The agent sets them.
#[derive(Debug, Clone, Args)]
pub struct ConnectArguments {
    /// Address and port to connect to.
    #[arg(long)]
    address: SocketAddr,
}

/// Tries once, and ends the process with what came of it.
///
/// # Errors
/// When the process has no room for a runtime.
pub fn run(arguments: &ConnectArguments) -> anyhow::Result<()> {
    super::single_threaded(async {
        let code = reach::connect(arguments.address).await;
        process::exit(code)
    })
}
