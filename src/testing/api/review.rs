//! Answers to `TokenReview` and `SubjectAccessReview`, which are questions and not objects.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::FakeApi;

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
    pub(super) fn answer(&self, body: &Value) -> Option<Value> {
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
