//! Answers to `TokenReview`, `SubjectAccessReview` and `TokenRequest`, which are questions and not objects.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::FakeApi;
use super::route::Route;

/// Who may do what, and whose tokens are whose.
#[derive(Debug, Default)]
pub(super) struct Reviews {
    /// By token, its user and its audience.
    tokens: BTreeMap<String, (String, String)>,
    /// User, verb, and resource with its subresource.
    grants: BTreeSet<(String, String, String)>,
}

impl FakeApi {
    /// From now on `token` is one of `user`, for `audience`.
    pub fn issue(&self, token: &str, user: &str, audience: &str) {
        let owner = (user.to_owned(), audience.to_owned());
        self.lock().reviews.tokens.insert(token.to_owned(), owner);
    }

    /// From now on `user` may do this, such as `get` on `ecstasks/log`, everywhere.
    pub fn grant(&self, user: &str, verb: &str, resource: &str) {
        let grant = (user.to_owned(), verb.to_owned(), resource.to_owned());
        self.lock().reviews.grants.insert(grant);
    }
}

impl Reviews {
    /// The question with its answer; `None` for what is no question.
    pub(super) fn answer(&mut self, route: &Route, body: &Value, now: Timestamp) -> Option<Value> {
        let text = |path: &str| body.pointer(path).and_then(Value::as_str).unwrap_or("");
        let status = match text("/kind") {
            "TokenReview" => match self.tokens.get(text("/spec/token")) {
                Some((user, audience)) if asks_for(body, audience) => json!({
                    "authenticated": true, "user": {"username": user}, "audiences": [audience],
                }),
                Some(_) | None => json!({"authenticated": false, "error": "not a token for this"}),
            },
            "SubjectAccessReview" => {
                let of = |field: &str| text(&format!("/spec/resourceAttributes/{field}"));
                let resource = format!("{}/{}", of("resource"), of("subresource"));
                let asked = (
                    text("/spec/user").to_owned(),
                    of("verb").to_owned(),
                    resource,
                );
                json!({"allowed": self.grants.contains(&asked)})
            }
            "TokenRequest" => {
                let (namespace, name) = route.key()?;
                let audience = text("/spec/audiences/0").to_owned();
                let seconds = body.pointer("/spec/expirationSeconds");
                let until = now.as_second() + seconds.and_then(Value::as_i64)?;
                let token = format!("token-{}-of-{name}", self.tokens.len());
                let user = format!("system:serviceaccount:{namespace}:{name}");
                self.tokens.insert(token.clone(), (user, audience));
                let until = Timestamp::from_second(until).ok()?;
                json!({"token": token, "expirationTimestamp": until.to_string()})
            }
            _ => return None,
        };
        let mut answered = body.clone();
        super::object::fields(&mut answered).insert("status".to_owned(), status);
        Some(answered)
    }
}

/// Whether a token for `audience` is one that the question would take.
fn asks_for(body: &Value, audience: &str) -> bool {
    let audiences = body.pointer("/spec/audiences").and_then(Value::as_array);
    audiences.is_none_or(|audiences| audiences.iter().any(|wanted| wanted == audience))
}
