//! Whether containers can be connected to the engine's bridge. Another engine that was started on the machine may have
//! removed it, and then no task with a network of its own starts until it is back.
//!
//! Nothing is asked while starts succeed. After one that failed for lack of the bridge the instance takes no tasks, and a
//! helper on the bridge is tried every quarter of a minute until it starts.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tracing::debug;

use super::engine::{EngineState, Trouble, publish};
use super::helper::Helpers;
use crate::domain::events;
use crate::runtime::{Error, Network};

const HELPER: &str = "ecs-operator-bridge-test";
/// Between two tries.
const RETRY: Duration = Duration::from_secs(15);

/// Whether a start failed because the bridge is gone.
#[must_use]
pub(super) fn is_missing(error: &Error) -> bool {
    match error {
        Error::Refused { message, .. } => events::tells_of_a_missing_bridge(message),
        Error::NotFound { .. }
        | Error::Conflict { .. }
        | Error::Unreachable { .. }
        | Error::Timeout { .. } => false,
    }
}

/// Keeps `state` true for ever; `doubts` are the words of starts that failed for lack of the bridge.
pub(super) async fn keep(
    helpers: Helpers,
    mut doubts: mpsc::Receiver<String>,
    state: watch::Sender<EngineState>,
) {
    while let Some(words) = doubts.recv().await {
        let message = format!(
            "the engine's bridge is gone ({words}): restart the Docker Engine, which makes it again, and see that no other engine on this node removes it"
        );
        let trouble = Trouble {
            reason: "NoBridge",
            message,
        };
        publish(&state, |state| state.bridge_trouble = Some(trouble));
        while let Err(error) = experiment(&helpers).await {
            debug!(%error, "the bridge is not back yet");
            sleep(RETRY).await;
        }
        // What failed before it was back says nothing of it now.
        while doubts.try_recv().is_ok() {}
        publish(&state, |state| state.bridge_trouble = None);
    }
}

async fn experiment(helpers: &Helpers) -> Result<(), Error> {
    let pause = ["pause".to_owned()];
    let started = helpers
        .start(HELPER, &pause, Network::Bridge, Vec::new())
        .await;
    helpers.remove(HELPER).await;
    started
}
