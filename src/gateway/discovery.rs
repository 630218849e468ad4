//! What Kubernetes asks of every API server: which groups, which versions, which resources. Anybody may know.

use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::api::names::TASKS_GROUP;

const VERSION: &str = "v1alpha1";

/// The routes.
pub(super) fn router() -> Router {
    Router::new()
        .route("/apis", get(|| async { Json(groups()) }))
        .route(
            "/apis/tasks.ecs-operator.io",
            get(|| async { Json(group()) }),
        )
        .route(
            "/apis/tasks.ecs-operator.io/v1alpha1",
            get(|| async { Json(resources()) }),
        )
        .route("/healthz", get(|| async { "ok\n" }))
}

fn groups() -> Value {
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": [group()]})
}

/// The group, which says its kind in a list as well.
fn group() -> Value {
    let version = json!({"groupVersion": format!("{TASKS_GROUP}/{VERSION}"), "version": VERSION});
    json!({
        "kind": "APIGroup", "apiVersion": "v1",
        "name": TASKS_GROUP, "versions": [version], "preferredVersion": version,
    })
}

/// Only subresources: the tasks themselves are in the group `ecs-operator.io`.
fn resources() -> Value {
    let resource = |name: &str, verbs: &[&str]| {
        json!({
            "name": format!("ecstasks/{name}"), "singularName": "", "namespaced": true,
            "kind": "EcsTask", "verbs": verbs,
        })
    };
    json!({
        "kind": "APIResourceList", "apiVersion": "v1",
        "groupVersion": format!("{TASKS_GROUP}/{VERSION}"),
        "resources": [
            resource("attach", &["create", "get"]),
            resource("exec", &["create", "get", "update"]),
            resource("log", &["get"]),
            resource("portforward", &["create", "get"]),
            resource("stats", &["get"]),
        ],
    })
}
