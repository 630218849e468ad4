//! One [`Identity`] for all replicas of a server: read from its Secret, made or renewed when that is due, its authority
//! published in a ConfigMap.
//!
//! Liveness: a replica that comes up serves as soon as one replica could write; every replica looks again every ten
//! minutes, which is often against the thirty days before the end at which a certificate is renewed.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::watch;
use tracing::{info, warn};

use super::identity::{self, Identity, Verdict, bundle, decide};
use crate::platform::clock::Clock;

const LOOK_AGAIN: Duration = Duration::from_mins(10);
const RETRY: Duration = Duration::from_secs(5);
/// Replicas that start together step on each other's writes once; more often means that something else is wrong.
const ATTEMPTS: usize = 3;

const AUTHORITY: &str = "ca.crt";
const AUTHORITY_KEY: &str = "ca.key";
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";

/// Whose identity it is, and where it is kept.
#[derive(Debug, Clone)]
pub struct Server {
    /// Namespace of the Secret and the ConfigMap.
    pub namespace: String,
    /// Name of the Secret, which nobody else may read.
    pub secret: String,
    /// Name of the ConfigMap whose `ca.crt` clients trust.
    pub config_map: String,
    /// DNS names under which clients call it.
    pub names: Vec<String>,
}

/// What a server has to show.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shown {
    /// Its certificates.
    pub identity: Identity,
    /// What clients trust: its authority, and earlier ones that have not ended.
    pub bundle: String,
}

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be made.
    #[error(transparent)]
    Identity(#[from] identity::Error),
    /// The API server does not answer, or refuses.
    #[error("cannot {action}")]
    Kube {
        /// What was tried.
        action: String,
        /// Why it failed.
        #[source]
        source: Box<kube::Error>,
    },
    /// Others wrote at the same time, again and again.
    #[error("others keep writing {0}")]
    Contended(String),
}

/// Keeps `shown` true for ever; it is `None` until there is an identity for the first time.
pub async fn keep(
    server: Server,
    client: Client,
    clock: Clock,
    shown: watch::Sender<Option<Shown>>,
) {
    loop {
        let pause = match look(&server, &client, clock).await {
            Ok(now) => {
                shown.send_if_modified(|before| {
                    let changed = before.as_ref() != Some(&now);
                    if changed {
                        *before = Some(now);
                    }
                    changed
                });
                LOOK_AGAIN
            }
            Err(error) => {
                let source = std::error::Error::source(&error).map(ToString::to_string);
                warn!(%error, source, secret = server.secret, "no certificate to serve with");
                RETRY
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Reads the identity, makes it good where that is due, and publishes its authority.
///
/// # Errors
/// When it cannot be read or written.
pub async fn look(server: &Server, client: &Client, clock: Clock) -> Result<Shown, Error> {
    let identity = settle_identity(server, client, clock).await?;
    let bundle = publish(server, client, &identity.authority, clock).await?;
    Ok(Shown { identity, bundle })
}

async fn settle_identity(
    server: &Server,
    client: &Client,
    clock: Clock,
) -> Result<Identity, Error> {
    let api: Api<Secret> = Api::namespaced(client.clone(), &server.namespace);
    let what = format!("Secret {}", server.secret);
    for _ in 0..ATTEMPTS {
        let current = get(&api, &server.secret, &what).await?;
        let found = current.as_ref().and_then(read);
        let now = clock.now();
        let wanted = match (decide(found.as_ref(), &server.names, now), found) {
            (Verdict::Keep, Some(found)) => return Ok(found),
            (Verdict::Renew, Some(found)) => found.renew(&server.names, now)?,
            (Verdict::Keep | Verdict::Renew | Verdict::Create, _) => {
                Identity::create(&server.names, now)?
            }
        };
        let secret = Secret {
            metadata: metadata(
                current.as_ref().map(|current| &current.metadata),
                &server.secret,
            ),
            data: Some(write(&wanted)),
            ..current.clone().unwrap_or_default()
        };
        if put(&api, &server.secret, current.is_some(), &secret, &what).await? {
            info!(secret = server.secret, "a certificate was made");
            return Ok(wanted);
        }
    }
    Err(Error::Contended(what))
}

async fn publish(
    server: &Server,
    client: &Client,
    authority: &str,
    clock: Clock,
) -> Result<String, Error> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), &server.namespace);
    let what = format!("ConfigMap {}", server.config_map);
    for _ in 0..ATTEMPTS {
        let current = get(&api, &server.config_map, &what).await?;
        let data = current.as_ref().and_then(|current| current.data.clone());
        let published = data.and_then(|mut data| data.remove(AUTHORITY));
        let published = published.unwrap_or_default();
        let wanted = bundle(authority, &published, clock.now());
        if wanted == published {
            return Ok(wanted);
        }
        let config_map = ConfigMap {
            metadata: metadata(
                current.as_ref().map(|current| &current.metadata),
                &server.config_map,
            ),
            data: Some(BTreeMap::from([(AUTHORITY.to_owned(), wanted.clone())])),
            ..ConfigMap::default()
        };
        if put(
            &api,
            &server.config_map,
            current.is_some(),
            &config_map,
            &what,
        )
        .await?
        {
            return Ok(wanted);
        }
    }
    Err(Error::Contended(what))
}

fn read(secret: &Secret) -> Option<Identity> {
    let data = secret.data.as_ref()?;
    let text = |key: &str| String::from_utf8(data.get(key)?.0.clone()).ok();
    Some(Identity {
        authority: text(AUTHORITY)?,
        authority_key: text(AUTHORITY_KEY)?,
        certificate: text(CERTIFICATE)?,
        key: text(KEY)?,
    })
}

fn write(identity: &Identity) -> BTreeMap<String, ByteString> {
    let Identity {
        authority,
        authority_key,
        certificate,
        key,
    } = identity;
    [
        (AUTHORITY, authority),
        (AUTHORITY_KEY, authority_key),
        (CERTIFICATE, certificate),
        (KEY, key),
    ]
    .into_iter()
    .map(|(name, text)| (name.to_owned(), ByteString(text.clone().into_bytes())))
    .collect()
}

/// The resource version in it guards a replacement against a race.
fn metadata(current: Option<&ObjectMeta>, name: &str) -> ObjectMeta {
    current.cloned().unwrap_or_else(|| ObjectMeta {
        name: Some(name.to_owned()),
        ..ObjectMeta::default()
    })
}

async fn get<K>(api: &Api<K>, name: &str, what: &str) -> Result<Option<K>, Error>
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    api.get_opt(name)
        .await
        .map_err(|source| failed("read", what, source))
}

/// Writes `object`; `false` when somebody else wrote first.
async fn put<K>(
    api: &Api<K>,
    name: &str,
    exists: bool,
    object: &K,
    what: &str,
) -> Result<bool, Error>
where
    K: Clone + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned,
{
    let parameters = PostParams::default();
    let written = if exists {
        api.replace(name, &parameters, object).await
    } else {
        api.create(&parameters, object).await
    };
    match written {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(false),
        Err(source) => Err(failed("write", what, source)),
    }
}

fn failed(action: &str, what: &str, source: kube::Error) -> Error {
    Error::Kube {
        action: format!("{action} {what}"),
        source: Box::new(source),
    }
}
