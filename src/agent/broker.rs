//! The agent's way to the broker: asks for what a container needs, as the agent of its instance.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kube::{Client, Config};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::supply::{
    PATH, ROLE_TOKEN_PATH, RoleTokenAnswer, RoleTokenRequest, SupplyAnswer, SupplyRequest,
};
use crate::domain::secret::Secret;
use crate::domain::supply::Supply;

const DEADLINE: Duration = Duration::from_secs(15);

/// Makes a client of the broker.
type Connect = dyn Fn() -> Result<Client, String> + Send + Sync;

/// The broker, as an agent knows it. Each request is a connection of its own, so that a renewed token or certificate needs
/// no thought; they are as many as containers that start.
#[derive(Clone)]
pub struct Broker(Arc<Connect>);

/// Why nothing was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The broker says no, and will say so again.
    #[error("{0}")]
    Refused(String),
    /// Nobody answered, or not now.
    #[error("the broker cannot be asked: {0}")]
    Unavailable(String),
}

/// Where the broker is, and what the agent shows and trusts.
#[derive(Debug, Clone)]
pub struct Place {
    /// Such as `https://ecs-operator-broker.ecs-operator.svc`.
    pub url: http::Uri,
    /// File with the agent's token for the broker.
    pub token: PathBuf,
    /// File with the broker's authority.
    pub authority: PathBuf,
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Broker")
    }
}

impl Broker {
    /// The broker that these clients reach.
    pub fn new(connect: impl Fn() -> Result<Client, String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(connect))
    }

    /// The broker at a place.
    #[must_use]
    pub fn at(place: Place) -> Self {
        Self::new(move || connect(&place))
    }

    /// Asks for what a container needs.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn supply(&self, request: &SupplyRequest) -> Result<Supply, Error> {
        let answer: SupplyAnswer = self.ask(PATH, request).await?;
        Ok(answer.into())
    }

    /// Asks for another token of the role of a task.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn role_token(&self, request: &RoleTokenRequest) -> Result<Secret<String>, Error> {
        let answer: RoleTokenAnswer = self.ask(ROLE_TOKEN_PATH, request).await?;
        Ok(answer.into())
    }

    async fn ask<A: DeserializeOwned>(
        &self,
        path: &str,
        request: &impl Serialize,
    ) -> Result<A, Error> {
        let client = (self.0)().map_err(Error::Unavailable)?;
        let body = serde_json::to_vec(request).unwrap_or_default();
        let request = http::Request::post(path)
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(body)
            .map_err(|error| Error::Unavailable(error.to_string()))?;
        let answer = tokio::time::timeout(DEADLINE, client.request::<A>(request)).await;
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            // Not known: the token is being renewed, or the pod is newer than what the API server remembers.
            Ok(Err(kube::Error::Api(status)))
                if (400..500).contains(&status.code) && status.code != 401 =>
            {
                Err(Error::Refused(status.message.clone()))
            }
            Ok(Err(kube::Error::Api(status))) => Err(Error::Unavailable(status.message.clone())),
            Ok(Err(kube::Error::SerdeError(_))) => {
                // Its text would quote what was read.
                Err(Error::Unavailable("its answer cannot be read".to_owned()))
            }
            Ok(Err(error)) => Err(Error::Unavailable(chain(&error))),
            Err(_) => Err(Error::Unavailable(format!("no answer within {DEADLINE:?}"))),
        }
    }
}

fn connect(place: &Place) -> Result<Client, String> {
    let path = place.authority.display();
    let pem = std::fs::read(&place.authority).map_err(|error| format!("{path}: {error}"))?;
    let mut config = Config::new(place.url.clone());
    config.root_cert = Some(authorities(&pem).map_err(|error| format!("{path}: {error}"))?);
    config.auth_info.token_file = Some(place.token.display().to_string());
    Client::try_from(config).map_err(|error| chain(&error))
}

/// The certificates of a file of the form PEM.
fn authorities(pem: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    use tokio_rustls::rustls::pki_types::CertificateDer;
    use tokio_rustls::rustls::pki_types::pem::PemObject as _;
    let certificates = CertificateDer::pem_slice_iter(pem).map(|one| Ok(one?.to_vec()));
    let certificates: Result<Vec<_>, tokio_rustls::rustls::pki_types::pem::Error> =
        certificates.collect();
    certificates.map_err(|error| error.to_string())
}

/// An error with its causes, which is where TLS and sockets say what is wrong.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
