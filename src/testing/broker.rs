//! The real broker on an API server in memory, and the way of agents to it.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Request, Response, header};
use http_body_util::BodyExt as _;
use kube::Client;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::api::FakeApi;
use crate::agent::broker::Broker;
use crate::api::supply::AUDIENCE;
use crate::broker::{Context, Providers, Settings, router};

/// User name of agents on nodes.
pub const NODE_AGENT: &str = "system:serviceaccount:ecs-operator-agents:ecs-operator-agent-node";
/// User name of agents in instance pods.
pub const POD_AGENT: &str = "system:serviceaccount:ecs-operator-agents:ecs-operator-agent-pod";

/// A broker in memory. Clones are the same.
#[derive(Clone)]
pub struct FakeBroker {
    api: FakeApi,
    /// What the API server says of tokens.
    reviews: Arc<Mutex<BTreeMap<String, Value>>>,
    away: Arc<AtomicBool>,
    providers: Arc<Mutex<Arc<Providers>>>,
}

impl FakeBroker {
    /// A broker that asks this API server as `broker`.
    #[must_use]
    pub fn new(api: &FakeApi) -> Self {
        Self {
            api: api.clone(),
            reviews: Arc::default(),
            away: Arc::default(),
            providers: Arc::default(),
        }
    }

    /// Makes `token` that of the agent on a node.
    pub fn know_node(&self, token: &str, node: &str) {
        let extra = json!({"authentication.kubernetes.io/node-name": [node], "authentication.kubernetes.io/pod-name": ["agent-x"]});
        self.know(token, NODE_AGENT, &extra);
    }

    /// Makes `token` that of a user with these claims, for the broker.
    pub fn know(&self, token: &str, user: &str, extra: &Value) {
        let status = json!({"authenticated": true, "audiences": [AUDIENCE], "user": {"username": user, "extra": extra}});
        let mut reviews = self.reviews.lock().unwrap_or_else(PoisonError::into_inner);
        reviews.insert(token.to_owned(), status);
    }

    /// Gives it credential providers.
    pub fn set_providers(&self, providers: Providers) {
        let mut current = self
            .providers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(providers);
    }

    /// Whether nobody answers.
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }

    /// The broker as whoever shows `token` reaches it.
    #[must_use]
    pub fn as_seen_with(&self, token: &str) -> Broker {
        let (this, token) = (self.clone(), token.to_owned());
        Broker::new(move || {
            let (this, token) = (this.clone(), token.clone());
            let answer = move |mut request: Request<kube::client::Body>| {
                let this = this.clone();
                if let Ok(bearer) = format!("Bearer {token}").parse() {
                    request.headers_mut().insert(header::AUTHORIZATION, bearer);
                }
                async move { this.answer(request).await }
            };
            Ok(Client::new(tower::service_fn(answer), "default"))
        })
    }

    async fn answer(&self, request: Request<kube::client::Body>) -> io::Result<Response<Body>> {
        if self.away.load(Ordering::Relaxed) {
            return Err(io::Error::from(io::ErrorKind::ConnectionRefused));
        }
        let context = Context {
            settings: Settings {
                node_agent: NODE_AGENT.to_owned(),
                pod_agent: POD_AGENT.to_owned(),
                own_account: "ecs-operator:ecs-operator-broker".to_owned(),
            },
            client: self.client(),
            providers: self
                .providers
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        };
        let answered = router(context).oneshot(request.map(Body::new)).await;
        answered.map_err(|never| match never {})
    }

    /// The API server, which reviews tokens as well.
    fn client(&self) -> Client {
        let this = self.clone();
        let serve = move |request: Request<kube::client::Body>| {
            let this = this.clone();
            async move {
                let path = request.uri().path();
                if path.ends_with("/tokenreviews") {
                    this.review(request).await
                } else if path.contains("/serviceaccounts/") {
                    this.make_token(request).await
                } else {
                    let answered = this.api.client_of("broker").send(request).await;
                    let answered = answered.map_err(io::Error::other)?;
                    Ok(answered.map(Body::new))
                }
            }
        };
        Client::new(tower::service_fn(serve), "default")
    }

    /// A token of a ServiceAccount, good for as long as was asked; the name `nobody` is no ServiceAccount.
    async fn make_token(&self, request: Request<kube::client::Body>) -> io::Result<Response<Body>> {
        let path = request.uri().path().to_owned();
        let account = path.rsplit('/').nth(1).unwrap_or_default();
        if account == "nobody" {
            let status = json!({"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404, "message": ""});
            let mut missing = Response::new(Body::from(status.to_string()));
            *missing.status_mut() = http::StatusCode::NOT_FOUND;
            return Ok(missing);
        }
        let body = request.into_body().collect().await;
        let body = body.map_err(io::Error::other)?.to_bytes();
        let mut asked: Value = serde_json::from_slice(&body)?;
        let seconds = asked.pointer("/spec/expirationSeconds");
        let from = self.api.now().as_second();
        let until = from + seconds.and_then(Value::as_i64).unwrap_or_default();
        let claims = json!({
            "iat": from, "exp": until, "sub": account, "aud": asked.pointer("/spec/audiences"),
        });
        let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
        let made = json!({
            "token": format!("e30.{claims}.signature"),
            "expirationTimestamp": jiff::Timestamp::from_second(until).unwrap_or_default().to_string(),
        });
        if let Some(fields) = asked.as_object_mut() {
            fields.insert("status".to_owned(), made);
        }
        Ok(Response::new(Body::from(asked.to_string())))
    }

    async fn review(&self, request: Request<kube::client::Body>) -> io::Result<Response<Body>> {
        let body = request.into_body().collect().await;
        let body = body.map_err(io::Error::other)?.to_bytes();
        let mut review: Value = serde_json::from_slice(&body)?;
        let token = review.pointer("/spec/token").and_then(Value::as_str);
        let reviews = self.reviews.lock().unwrap_or_else(PoisonError::into_inner);
        let status = token.and_then(|token| reviews.get(token).cloned());
        let status = status.unwrap_or_else(|| json!({"authenticated": false}));
        if let Some(fields) = review.as_object_mut() {
            fields.insert("status".to_owned(), status);
        }
        Ok(Response::new(Body::from(review.to_string())))
    }
}
