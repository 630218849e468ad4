//! The engine's events, passed on as hints to look; where they break off they are listened for again.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use tokio::sync::mpsc;
use tracing::info;

use crate::runtime::{Engine, Hint, Labels};

/// Before events are listened for again; doubles with each failure.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// Longest pause between two failures.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// News from the engine's events.
#[derive(Debug)]
pub(super) enum News {
    /// Look at this container.
    Hint(Hint),
    /// Events begin now: what came before may be lost.
    Begin,
}

/// Passes the engine's events on for ever.
pub(super) async fn listen(engine: Arc<dyn Engine>, labels: Labels, news: mpsc::Sender<News>) {
    let mut fails = 0_u32;
    loop {
        let mut events = engine.events(&labels);
        if news.send(News::Begin).await.is_err() {
            return;
        }
        while let Some(event) = events.next().await {
            match event {
                Ok(hint) => {
                    fails = 0;
                    if news.send(News::Hint(hint)).await.is_err() {
                        return;
                    }
                }
                Err(error) if fails == 0 => {
                    info!(%error, "engine events broke off");
                    break;
                }
                Err(_) => break,
            }
        }
        fails += 1;
        tokio::time::sleep(
            FIRST_PAUSE
                .saturating_mul(1 << fails.min(6))
                .min(LONGEST_PAUSE),
        )
        .await;
    }
}
