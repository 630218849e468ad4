//! `ecs-operator pause`: what runs in a pause container. It holds the namespaces that the containers of a task share, and
//! buries the processes that they leave behind, because in a shared process namespace it is the first process.

use rustix::process::{WaitOptions, wait};
use tokio::signal::unix::{SignalKind, signal};

/// Waits for SIGTERM or SIGINT.
///
/// # Errors
/// When the process cannot listen to signals.
///
/// # Panics
/// When the machine has no room for a runtime.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut child = signal(SignalKind::child())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            // One signal may stand for several.
            _ = child.recv() => while matches!(wait(WaitOptions::NOHANG), Ok(Some(_))) {},
        }
    }
}
