//! Who may ask: the gateway, known by a token of its ServiceAccount that was made for this agent only.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus};
use kube::api::PostParams;
use kube::{Api, Client};
use sha2::{Digest, Sha256};
use tracing::warn;

use super::Settings;
use crate::api::names;
use crate::platform::clock::Clock;

/// How long an answer of the API server counts. A token that is withdrawn is refused after this time.
const REMEMBERED: Duration = Duration::from_secs(30);
/// Tokens whose answers are remembered: those of two replicas, old and new ones, with room to spare.
const TOKENS: usize = 16;
const DEADLINE: Duration = Duration::from_secs(5);

/// Why somebody is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Denial {
    /// No token, or not one of the gateway.
    #[error("only the gateway is served")]
    Stranger,
    /// The API server does not say whose token it is.
    #[error("the API server cannot be asked whose token this is: try again")]
    Unknown,
}

/// Tells the gateway from everybody else.
pub(super) struct Callers {
    client: Client,
    clock: Clock,
    /// User name of the gateway's ServiceAccount.
    gateway: String,
    /// Audience of the tokens that are for this agent.
    audience: String,
    known: Mutex<BTreeMap<[u8; 32], (bool, Duration)>>,
}

impl Callers {
    pub(super) fn new(client: Client, clock: Clock, settings: &Settings) -> Self {
        Self {
            client,
            clock,
            gateway: settings.gateway.clone(),
            audience: names::agent_audience(&settings.instance),
            known: Mutex::default(),
        }
    }

    /// Whether `token` is one of the gateway.
    pub(super) async fn check(&self, token: &str) -> Result<(), Denial> {
        let key: [u8; 32] = Sha256::digest(token).into();
        let now = self.clock.monotonic();
        let known = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.retain(|_, (_, until)| *until > now);
            known.get(&key).map(|(welcome, _)| *welcome)
        };
        let welcome = match known {
            Some(welcome) => welcome,
            None => self.ask(token, key).await?,
        };
        if welcome {
            Ok(())
        } else {
            Err(Denial::Stranger)
        }
    }

    async fn ask(&self, token: &str, key: [u8; 32]) -> Result<bool, Denial> {
        let review = TokenReview {
            spec: TokenReviewSpec {
                audiences: Some(vec![self.audience.clone()]),
                token: token.to_owned(),
            },
            ..TokenReview::default()
        };
        let api: Api<TokenReview> = Api::all(self.client.clone());
        let parameters = PostParams::default();
        let answer = tokio::time::timeout(DEADLINE, api.create(&parameters, &review)).await;
        let status = match answer {
            Ok(Ok(review)) => review.status.unwrap_or_default(),
            Ok(Err(error)) => {
                warn!(%error, "cannot review a token");
                return Err(Denial::Unknown);
            }
            Err(_) => return Err(Denial::Unknown),
        };
        let welcome = is_gateway(&status, &self.gateway, &self.audience);
        let until = self.clock.monotonic() + REMEMBERED;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() < TOKENS {
            known.insert(key, (welcome, until));
        }
        Ok(welcome)
    }
}

/// Whether a token is one of `gateway` for `audience`.
fn is_gateway(status: &TokenReviewStatus, gateway: &str, audience: &str) -> bool {
    let user = status.user.as_ref();
    let audiences = status.audiences.as_deref().unwrap_or_default();
    status.authenticated == Some(true)
        && audiences.iter().any(|one| one == audience)
        && user.and_then(|user| user.username.as_deref()) == Some(gateway)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::authentication::v1::UserInfo;

    use super::*;

    #[test]
    fn only_a_token_of_the_gateway_that_was_made_for_this_agent_is_welcome() {
        let gateway = "system:serviceaccount:ecs-operator:ecs-operator-gateway";
        let status = |authenticated, audience: &str, name: &str| TokenReviewStatus {
            authenticated: Some(authenticated),
            audiences: Some(vec![audience.to_owned()]),
            user: Some(UserInfo {
                username: Some(name.to_owned()),
                ..UserInfo::default()
            }),
            ..TokenReviewStatus::default()
        };
        let ours = names::agent_audience("node-1");
        let welcome = |status: &TokenReviewStatus| is_gateway(status, gateway, &ours);
        assert!(welcome(&status(true, &ours, gateway)));
        for refused in [
            status(false, &ours, gateway),
            status(true, "https://kubernetes", gateway),
            status(true, &names::agent_audience("node-2"), gateway),
            status(true, &ours, "system:admin"),
            TokenReviewStatus::default(),
        ] {
            assert!(!welcome(&refused), "{refused:?}");
        }
    }
}
