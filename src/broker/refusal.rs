//! Why nothing is given, sorted by whether asking again helps.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// An answer that gives nothing. No text of it comes from a Secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The token is not that of an agent.
    #[error("{0}")]
    Unknown(String),
    /// The task is not one that this agent may start.
    #[error("{0}")]
    NotYours(String),
    /// Something that the definition names is not there, or not for the broker.
    #[error("{0}")]
    Impossible(String),
    /// The API server does not answer: ask again.
    #[error("{0}")]
    Later(String),
}

impl Refusal {
    /// One word for metrics and logs.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "Unauthorized",
            Self::NotYours(_) => "Forbidden",
            Self::Impossible(_) => "Invalid",
            Self::Later(_) => "ServiceUnavailable",
        }
    }

    const fn status(&self) -> StatusCode {
        match self {
            // A token of an agent is refused only while the API server knows its pod no more, or not yet.
            Self::Unknown(_) => StatusCode::UNAUTHORIZED,
            Self::NotYours(_) => StatusCode::FORBIDDEN,
            Self::Impossible(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Later(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl IntoResponse for Refusal {
    /// A Kubernetes `Status`, which clients of Kubernetes read.
    fn into_response(self) -> Response {
        let body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "reason": self.kind(), "message": self.to_string(), "code": self.status().as_u16(),
        });
        (self.status(), Json(body)).into_response()
    }
}
