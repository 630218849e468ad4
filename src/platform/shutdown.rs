//! One signal that ends a process: SIGTERM, SIGINT, or a part that must not end but did.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

/// Waits for SIGTERM or SIGINT and cancels `token`, which every part of the process watches.
///
/// # Errors
/// When the process may not install signal handlers.
pub async fn on_signal(token: CancellationToken) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => info!(signal = "SIGTERM", "shutting down"),
        _ = interrupt.recv() => info!(signal = "SIGINT", "shutting down"),
        () = token.cancelled() => {}
    }
    token.cancel();
    Ok(())
}
