//! Credentials of registries whose passwords expire, such as those of Amazon ECR: programs get them, each for the images that
//! a file says, and what they got is used for as long as it lasts.
//!
//! The file and the programs are those of the kubelet (`CredentialProviderConfig`, `credentialprovider.kubelet.k8s.io/v1`),
//! so that what cloud providers publish for nodes serves here ([decision 12]). A program runs as the broker, with all that
//! the broker may: whoever installs it trusts it as much.
//!
//! [decision 12]: ../../../docs/decisions/0012-the-broker-runs-the-kubelets-credential-providers.md

mod configuration;
mod program;

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::{info, warn};

use self::program::Program;
use super::Refusal;
use crate::domain::registry::provided::{Answer, Cache};
use crate::domain::registry::{Credentials, ImagePattern};
use crate::platform::clock::Clock;

/// For the turn of a request and the program's answer: less than an agent waits for the broker.
const DEADLINE: Duration = Duration::from_secs(10);

/// The programs of a broker, in the order of their file.
#[derive(Debug, Default)]
pub struct Providers(Vec<Provider>);

#[derive(Debug)]
struct Provider {
    program: Program,
    images: Vec<ImagePattern>,
    /// How long an answer counts that does not say so.
    default: SignedDuration,
    /// One call at a time: those that wait for it mostly find its answer, and the memory of one program is enough.
    turn: Semaphore,
    answers: Mutex<Cache>,
    clock: Clock,
}

impl Providers {
    /// Those of a file, whose programs are in a folder.
    ///
    /// # Errors
    /// What has to be mended, in the file or the folder.
    pub fn read(file: &Path, folder: &Path, clock: Clock) -> Result<Self, String> {
        let named = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        let text = std::fs::read_to_string(file).map_err(|error| named(&error))?;
        let read = configuration::read(&text, folder).map_err(|error| named(&error))?;
        let providers = read.into_iter().map(|(program, images, default)| Provider {
            program,
            images,
            default,
            turn: Semaphore::new(1),
            answers: Mutex::default(),
            clock,
        });
        Ok(Self(providers.collect()))
    }

    /// Names of the programs.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|provider| provider.program.name.as_str())
    }

    /// The first credentials for an image; `None` where the programs that are for it have none, so that anybody may pull it.
    ///
    /// # Errors
    /// When no program is for the image, or one failed.
    pub async fn credentials(&self, image: &str) -> Result<Option<Credentials>, Refusal> {
        let is_for = |provider: &&Provider| provider.images.iter().any(|it| it.matches(image));
        let mut fitting = self.0.iter().filter(is_for).peekable();
        if fitting.peek().is_none() {
            return Err(Refusal::Impossible(format!(
                "the cluster gives image {image} credentials, but the broker has no credential provider for it: broker.credentialProviders of the chart's values"
            )));
        }
        for provider in fitting {
            let answered = timeout(DEADLINE, provider.answer(image)).await;
            let answered = answered.unwrap_or_else(|_| Err(format!("no answer in {DEADLINE:?}")));
            let answer = answered.map_err(|error| {
                let name = &provider.program.name;
                warn!(provider = name, image, error, "no credentials");
                // What a program says may be meant for the platform team alone.
                Refusal::Later(format!(
                    "credential provider {name} fails for image {image}; the broker's log says why"
                ))
            })?;
            if let Some(found) = answer.credentials(image) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

impl Provider {
    /// One that still counts, else another.
    async fn answer(&self, image: &str) -> Result<Answer, String> {
        if let Some(known) = self.known(image) {
            return Ok(known);
        }
        let turn = self.turn.acquire().await;
        let _turn = turn.map_err(|error| error.to_string())?;
        if let Some(known) = self.known(image) {
            return Ok(known);
        }
        let answer = self.program.ask(image).await?;
        info!(provider = self.program.name, image, "credentials got");
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.keep(image, &answer, self.default, self.clock.now());
        Ok(answer)
    }

    fn known(&self, image: &str) -> Option<Answer> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(image, self.clock.now()).cloned()
    }
}

#[cfg(test)]
mod tests;
