//! Whether the engine answers, and what it is: asked every ten seconds, published to the rest of the agent.
//!
//! Liveness: an engine that hangs is known as not ready within 30 s, one that comes back within 5 s.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracing::{info, warn};

use super::limits::client::Client as Limiter;
use crate::runtime::{DiskLimits, Engine, EngineInfo, Error};

const INTERVAL: Duration = Duration::from_secs(10);
const DOUBTFUL_INTERVAL: Duration = Duration::from_secs(5);
const MISSES: u32 = 3;
const DEADLINE: Duration = Duration::from_secs(2);
/// Pings between two full descriptions.
const DESCRIBE_EVERY: u32 = 6;

/// How the engine is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EngineState {
    /// What it is, once it was heard of.
    pub info: Option<EngineInfo>,
    /// Why it cannot be asked; `None` when it can.
    pub trouble: Option<Trouble>,
    /// Why its containers get no network; `None` when they do.
    pub bridge_trouble: Option<Trouble>,
}

/// Why an engine takes no tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// One word.
    pub reason: &'static str,
    /// A sentence that names the fix.
    pub message: String,
}

impl EngineState {
    /// Whether the engine was described, answers, and connects containers.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        self.info.is_some() && self.why_not().is_none()
    }

    /// Why it takes no tasks; `None` when it does.
    #[must_use]
    pub const fn why_not(&self) -> Option<&Trouble> {
        match &self.trouble {
            Some(trouble) => Some(trouble),
            None => self.bridge_trouble.as_ref(),
        }
    }
}

/// Looks after the engine for ever.
pub async fn look_after(
    engine: Arc<dyn Engine>,
    socket: String,
    limiter: Option<Limiter>,
    state: watch::Sender<EngineState>,
) {
    let mut misses = 0;
    let mut until_description = 0;
    loop {
        match ask(engine.as_ref(), limiter.as_ref(), until_description == 0).await {
            Ok(described) => {
                misses = 0;
                until_description = if until_description == 0 {
                    DESCRIBE_EVERY
                } else {
                    until_description - 1
                };
                publish(&state, |state| {
                    state.trouble = None;
                    if described.is_some() {
                        state.info = described;
                    }
                });
            }
            Err(error) => {
                misses += 1;
                until_description = 0;
                let never_heard_of = state.borrow().info.is_none();
                if misses >= MISSES
                    || never_heard_of
                    || matches!(
                        error,
                        Error::Unreachable {
                            no_socket: true,
                            ..
                        }
                    )
                {
                    let trouble = Some(trouble(&error, &socket));
                    publish(&state, |state| state.trouble = trouble);
                }
            }
        }
        tokio::time::sleep(if misses == 0 {
            INTERVAL
        } else {
            DOUBTFUL_INTERVAL
        })
        .await;
    }
}

async fn ask(
    engine: &dyn Engine,
    limiter: Option<&Limiter>,
    describe: bool,
) -> Result<Option<EngineInfo>, Error> {
    match tokio::time::timeout(DEADLINE, engine.ping()).await {
        Ok(answer) => answer?,
        Err(_) => return Err(Error::Timeout { after: DEADLINE }),
    }
    if describe {
        let mut info = engine.info().await?;
        if let (DiskLimits::WithProjectQuotas, Some(limiter)) = (info.disk_limits, limiter)
            && limiter.quotas().await == Some(true)
        {
            info.disk_limits = DiskLimits::Always;
        }
        Ok(Some(info))
    } else {
        Ok(None)
    }
}

pub(super) fn publish(state: &watch::Sender<EngineState>, change: impl FnOnce(&mut EngineState)) {
    state.send_if_modified(|state| {
        let before = state.clone();
        change(state);
        let changed = *state != before;
        if changed {
            match state.why_not() {
                None => info!(engine = state.info.as_ref().map(|info| info.version.as_str()), "engine is ready"),
                Some(trouble) => warn!(reason = trouble.reason, message = %trouble.message, "engine is not ready"),
            }
        }
        changed
    });
}

fn trouble(error: &Error, socket: &str) -> Trouble {
    match error {
        Error::Unreachable {
            no_socket: true, ..
        } => Trouble {
            reason: "NoDockerSocket",
            message: no_socket(socket),
        },
        Error::Unreachable { message, .. } => Trouble {
            reason: "EngineUnreachable",
            message: format!(
                "nobody answers at the Docker socket ({message}): start the Docker Engine, and see its log"
            ),
        },
        Error::Timeout { .. } => Trouble {
            reason: "EngineNotResponding",
            message:
                "the Docker Engine does not answer in time: see its log, and restart it if it hangs"
                    .to_owned(),
        },
        Error::NotFound { message }
        | Error::Conflict { message }
        | Error::Refused { message, .. } => Trouble {
            reason: "EngineError",
            message: format!("the Docker Engine refuses: {message}"),
        },
    }
}

fn no_socket(socket: &str) -> String {
    if Path::new(socket).is_dir() {
        return format!(
            "{socket} is a folder: something that mounts the socket came before the engine had made it, and so it was made as a folder; stop the Docker Engine, remove the folder, and start the engine again"
        );
    }
    format!(
        "there is no Docker socket at {socket}: run a Docker Engine on this node and set nodes.dockerSocketDirectory of the EcsCluster to the folder of its docker.sock, or use a CapacityProvider, whose instances bring their own engine"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::clock::Clock;
    use crate::runtime::fake::Fake;
    use crate::runtime::model::ModelEngine;

    #[tokio::test]
    async fn a_socket_that_is_a_folder_is_told_from_one_that_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker.sock");
        let socket = path.display().to_string();
        for (made, words) in [(false, "there is no Docker socket"), (true, "is a folder")] {
            if made {
                std::fs::create_dir(&path).unwrap();
            }
            let (sender, mut state) = watch::channel(EngineState::default());
            let engine = crate::agent::engine_at(&path);
            let told = state.wait_for(|state| state.trouble.is_some());
            let trouble = tokio::select! {
                () = look_after(engine, socket.clone(), None, sender) => None,
                told = told => told.unwrap().trouble.clone(),
            };
            let trouble = trouble.unwrap();
            assert_eq!(trouble.reason, "NoDockerSocket");
            assert!(trouble.message.contains(words), "{}", trouble.message);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_engine_that_goes_silent_is_not_ready_within_thirty_seconds_and_comes_back() {
        let clock = Clock::system();
        let fake = Arc::new(Fake::new(ModelEngine::default(), move || clock.now()));
        let (sender, mut state) = watch::channel(EngineState::default());
        let engine: Arc<dyn Engine> = fake.clone();
        let watched = async {
            state.wait_for(EngineState::is_ready).await.unwrap();
            tokio::time::sleep(Duration::from_secs(61)).await;
            fake.set_reachable(false);
            let silent = state.wait_for(|state| state.trouble.is_some());
            let seen = tokio::time::timeout(Duration::from_secs(30), silent)
                .await
                .unwrap()
                .unwrap()
                .clone();
            assert_eq!(seen.trouble.unwrap().reason, "EngineUnreachable");
            assert!(seen.info.is_some(), "what it is stays known");
            fake.set_reachable(true);
            tokio::time::timeout(
                Duration::from_secs(6),
                state.wait_for(EngineState::is_ready),
            )
            .await
            .unwrap()
            .unwrap();
        };
        tokio::select! {
            () = look_after(engine, "/run/docker.sock".into(), None, sender) => {}
            () = watched => {}
        }
    }
}
