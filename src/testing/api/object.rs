//! Small readers and writers of objects as JSON, and the refusals of the server.

use kube::core::Status;
use kube::core::response::{StatusDetails, StatusSummary};
use serde_json::{Map, Value};

use super::route::Route;

/// Why a request was refused.
pub(super) type Refusal = Box<Status>;

/// A refusal in the server's form.
pub(super) fn refuse(
    route: &Route,
    code: u16,
    reason: &str,
    message: impl Into<String>,
) -> Refusal {
    Box::new(Status {
        status: Some(StatusSummary::Failure),
        code,
        message: message.into(),
        metadata: None,
        reason: reason.into(),
        details: Some(StatusDetails {
            name: route.name.clone().unwrap_or_default(),
            group: route.collection.group.clone(),
            kind: route.collection.resource.clone(),
            uid: String::new(),
            causes: Vec::new(),
            retry_after_seconds: u32::from(code == 429),
        }),
    })
}

/// The refusal of something that is not there.
pub(super) fn not_found(route: &Route) -> Refusal {
    refuse(route, 404, "NotFound", format!("{route} not found"))
}

/// The refusal of a write that knows too little.
pub(super) fn conflict(route: &Route, why: &str) -> Refusal {
    let message = format!("Operation cannot be fulfilled on {route}: {why}");
    refuse(route, 409, "Conflict", message)
}

/// A text in `metadata`, empty without one.
pub(super) fn meta<'a>(object: &'a Value, field: &str) -> &'a str {
    object
        .get("metadata")
        .and_then(|meta| meta.get(field))
        .and_then(Value::as_str)
        .unwrap_or("")
}

/// Sets a field of `metadata`.
pub(super) fn set_meta(object: &mut Value, field: &str, value: impl Into<Value>) {
    fields(entry(object, "metadata")).insert(field.to_owned(), value.into());
}

/// Whether the object has finalizers.
pub(super) fn has_finalizers(object: &Value) -> bool {
    finalizers(object).next().is_some()
}

/// The object's finalizers.
pub(super) fn finalizers(object: &Value) -> impl Iterator<Item = &str> {
    list(object, "finalizers").filter_map(Value::as_str)
}

/// UIDs of the object's owners.
pub(super) fn owners(object: &Value) -> impl Iterator<Item = &str> {
    list(object, "ownerReferences").filter_map(|owner| owner.get("uid").and_then(Value::as_str))
}

fn list<'a>(object: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    let list = object
        .get("metadata")
        .and_then(|meta| meta.get(field))
        .and_then(Value::as_array);
    list.into_iter().flatten()
}

/// A refusal as JSON.
pub(super) fn status_json(status: &Status) -> Value {
    let mut value = serde_json::to_value(status).unwrap_or_default();
    fields(&mut value).insert("kind".into(), "Status".into());
    fields(&mut value).insert("apiVersion".into(), "v1".into());
    value
}

/// The value under `key`, null at first.
pub(super) fn entry<'a>(object: &'a mut Value, key: &str) -> &'a mut Value {
    fields(object).entry(key).or_insert(Value::Null)
}

/// The fields of `value`, which becomes an object if it was none.
pub(super) fn fields(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            unreachable!("made an object above")
        }
    }
}

/// Gives `object` the value that `from` has under `key`, or none.
pub(super) fn copy(object: &mut Value, from: &Value, key: &str) {
    match from.get(key).filter(|value| !value.is_null()) {
        Some(value) => fields(object).insert(key.to_owned(), value.clone()),
        None => fields(object).remove(key),
    };
}

/// `value` without fields that are null.
pub(super) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key, without_nulls(value)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}
