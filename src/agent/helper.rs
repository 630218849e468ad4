//! Containers of the agent's own program that find something out where the agent itself cannot be, and go again.
//!
//! They carry no label of a task, so that nobody takes them for one. What an agent leaves behind that was killed, the next
//! one removes before it begins.

use std::sync::Arc;

use tracing::{debug, info};

use super::pause::PauseImage;
use crate::api::names;
use crate::domain::definition::settings::Settings;
use crate::runtime::{
    ContainerSpec, ContainerState, ContainerView, Engine, Error, Labels, Network, Pids, Publish,
};

/// MiB. Each takes three.
const MEMORY: u32 = 32;
const PIDS: u32 = 16;

/// Makes helpers. Cheap to clone.
#[derive(Clone)]
pub struct Helpers {
    engine: Arc<dyn Engine>,
    image: Arc<PauseImage>,
    labels: Labels,
}

impl Helpers {
    /// Those of an instance.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>, image: PauseImage, instance: &str) -> Self {
        let label = names::HELPER_DOCKER_LABEL.to_owned();
        Self {
            engine,
            image: Arc::new(image),
            labels: Labels::from([(label, instance.to_owned())]),
        }
    }

    /// Removes those of an agent before this one.
    ///
    /// # Errors
    /// When the engine does not.
    pub async fn sweep(&self) -> Result<(), Error> {
        for line in self.engine.list(&self.labels).await? {
            info!(container = line.name, "a helper that was left is removed");
            self.remove(&line.name).await;
        }
        Ok(())
    }

    /// Starts one that runs our program with these words.
    ///
    /// # Errors
    /// When the engine does not.
    pub async fn start(
        &self,
        name: &str,
        words: &[String],
        network: Network,
        ports: Vec<Publish>,
    ) -> Result<(), Error> {
        let spec = ContainerSpec {
            name: name.to_owned(),
            image: self.image.name(),
            labels: self.labels.clone(),
            entry_point: Some(vec![PauseImage::program()]),
            command: Some(words.to_vec()),
            memory: Some(MEMORY),
            pids: Pids(PIDS),
            network,
            ports,
            settings: Settings {
                dropped_capabilities: vec!["ALL".to_owned()],
                security_options: vec!["no-new-privileges".to_owned()],
                read_only_root: true,
                ..Settings::default()
            },
            ..ContainerSpec::default()
        };
        if self.engine.image(&spec.image).await?.is_none() {
            self.image.load(self.engine.as_ref()).await?;
        }
        self.engine.create(&spec).await?;
        self.engine.start(name).await
    }

    /// How one stands.
    ///
    /// # Errors
    /// When the engine does not say.
    pub async fn look(&self, name: &str) -> Result<ContainerView, Error> {
        self.engine.inspect(name).await
    }

    /// With which code one has ended, if it has.
    ///
    /// # Errors
    /// When the engine does not say.
    pub async fn ended(&self, name: &str) -> Result<Option<i64>, Error> {
        let view = self.look(name).await?;
        Ok(view
            .exit_code
            .filter(|_| view.state == ContainerState::Exited))
    }

    /// Removes one, whether or not it runs. What cannot be removed is swept later.
    pub async fn remove(&self, name: &str) {
        let gone = async {
            self.engine.kill(name).await.or_else(not_there)?;
            self.engine.remove(name).await
        };
        if let Err(error) = gone.await {
            debug!(name, %error, "a helper stays for now");
        }
    }
}

/// It has ended, or is gone.
fn not_there(error: Error) -> Result<(), Error> {
    match error {
        Error::NotFound { .. } | Error::Conflict { .. } => Ok(()),
        Error::Unreachable { .. } | Error::Timeout { .. } | Error::Refused { .. } => Err(error),
    }
}
