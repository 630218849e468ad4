//! Tokens by which agents know the gateway: for each instance others, so that whoever has taken over a node cannot show what it
//! was shown there to the agent of another.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::{Api, Client};

use crate::api::names;
use crate::domain::secret::Secret;
use crate::platform::clock::Clock;

/// Seconds for which a token is good: the fewest that Kubernetes makes one for.
const LIFE: i64 = 600;
/// So long before its end another is made.
const MARGIN: SignedDuration = SignedDuration::from_secs(120);

/// As whom the gateway runs.
#[derive(Debug, Clone)]
pub struct Account {
    /// Namespace of the ServiceAccount and the pod.
    pub namespace: String,
    /// Name of the ServiceAccount.
    pub name: String,
    /// Name of the pod, with which its tokens end.
    pub pod: Option<String>,
}

/// Makes tokens of the gateway's own account, and keeps them for as long as they are good.
pub struct Tokens {
    client: Client,
    clock: Clock,
    account: Account,
    /// By instance, and from when on another is made.
    made: Mutex<BTreeMap<String, (Secret<String>, Timestamp)>>,
}

impl Tokens {
    /// None made yet.
    #[must_use]
    pub fn new(client: Client, clock: Clock, account: Account) -> Self {
        Self {
            client,
            clock,
            account,
            made: Mutex::default(),
        }
    }

    /// One for the agent of an instance.
    ///
    /// # Errors
    /// Why the API server makes none.
    pub async fn of(&self, instance: &str) -> Result<Secret<String>, String> {
        if let Some(known) = self.known(instance) {
            return Ok(known);
        }
        let Account {
            namespace,
            name,
            pod,
        } = &self.account;
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                audiences: Some(vec![names::agent_audience(instance)]),
                expiration_seconds: Some(LIFE),
                bound_object_ref: pod.as_ref().map(|pod| BoundObjectReference {
                    api_version: Some("v1".to_owned()),
                    kind: Some("Pod".to_owned()),
                    name: Some(pod.clone()),
                    uid: None,
                }),
            }),
            ..TokenRequest::default()
        };
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        let made = accounts
            .create_token_request(name, &PostParams::default(), &request)
            .await
            .map_err(|error| error.to_string())?;
        let none = || "the API server has made none".to_owned();
        let token = made.status.and_then(|status| status.token);
        let token = Secret::new(token.ok_or_else(none)?);
        self.keep(instance, &token);
        Ok(token)
    }

    fn known(&self, instance: &str) -> Option<Secret<String>> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let (token, until) = made.get(instance)?;
        (*until > self.clock.now()).then(|| token.clone())
    }

    fn keep(&self, instance: &str, token: &Secret<String>) {
        let now = self.clock.now();
        let until = now.saturating_add(SignedDuration::from_secs(LIFE) - MARGIN);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.retain(|_, (_, until)| *until > now);
        made.insert(instance.to_owned(), (token.clone(), until.unwrap_or(now)));
    }
}
