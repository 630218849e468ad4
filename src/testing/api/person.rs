//! What a person with all rights does, for tests.

use serde_json::{Value, json};

use super::FakeApi;

/// Whose requests these are, in the record.
const PERSON: &str = "person";

impl FakeApi {
    /// Creates or changes any object, its status included where it has one.
    pub async fn apply(&self, object: &Value) {
        self.send("PATCH", &path_of(object), object).await;
        if object.get("status").is_some() {
            self.apply_status(object).await;
        }
    }

    /// Changes the status of an object.
    pub async fn apply_status(&self, object: &Value) {
        let path = format!("{}/status", path_of(object));
        self.send("PATCH", &path, object).await;
    }

    /// Deletes the object at this path, in the background.
    pub async fn delete(&self, path: &str) {
        self.send("DELETE", path, &json!({})).await;
    }

    /// A refusal is an answer too: tests look at what became of it.
    async fn send(&self, method: &str, path: &str, body: &Value) {
        let (query, kind) = match method {
            "PATCH" => (
                "?fieldManager=person&force=true",
                "application/apply-patch+yaml",
            ),
            _ => ("", "application/json"),
        };
        let request = http::Request::builder()
            .method(method)
            .uri(format!("{path}{query}"))
            .header("content-type", kind)
            .body(body.to_string().into_bytes());
        if let Ok(request) = request {
            let _: Value = self
                .client_of(PERSON)
                .request(request)
                .await
                .unwrap_or_default();
        }
    }
}

/// Where an object of this kind and name is.
fn path_of(object: &Value) -> String {
    let text = |pointer: &str| {
        let found = object.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_default()
    };
    let group = match text("/apiVersion") {
        "v1" => "/api/v1".to_owned(),
        group => format!("/apis/{group}"),
    };
    let namespace = object
        .pointer("/metadata/namespace")
        .and_then(Value::as_str);
    let namespace = namespace.map(|name| format!("/namespaces/{name}"));
    format!(
        "{group}{}/{}s/{}",
        namespace.unwrap_or_default(),
        text("/kind").to_lowercase(),
        text("/metadata/name")
    )
}
