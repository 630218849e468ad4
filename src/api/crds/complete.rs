//! What every kind gets: bounds for types that are not ours, descriptions, and the status before the first look.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrBool,
};
use schemars::SchemaGenerator;

use super::{items, property, schema};
use crate::api::conditions;

/// Longest RFC 3339 time.
const TIME: i64 = 64;

/// Completes the definition of one kind.
pub(super) fn complete(crd: &mut CustomResourceDefinition) {
    let Some(root) = schema(crd) else {
        return;
    };
    if let Some(spec) = property(root, "spec") {
        spec.description
            .get_or_insert_with(|| "What is wanted.".to_owned());
    }
    if let Some(status) = property(root, "status") {
        status
            .description
            .get_or_insert_with(|| "What is.".to_owned());
        // Kinds whose readiness people and tools wait for.
        if property(status, "observedGeneration").is_some()
            && property(status, "conditions").is_some()
        {
            status.default = Some(JSON(conditions::pending_status()));
        }
    }
    bound(root);
}

/// The one schema of conditions, whatever type the field has.
fn conditions_schema(given: &JSONSchemaProps) -> JSONSchemaProps {
    let schema = conditions::schema(&mut SchemaGenerator::default());
    serde_json::from_value(schema.to_value()).unwrap_or_else(|_| given.clone())
}

/// Bounds times, and gives conditions their one schema, so that rules about the object can be estimated.
fn bound(schema: &mut JSONSchemaProps) {
    if schema.format.as_deref() == Some("date-time") {
        schema.max_length.get_or_insert(TIME);
    }
    for (name, child) in schema.properties.iter_mut().flatten() {
        if name == "conditions" {
            *child = conditions_schema(child);
        } else {
            bound(child);
        }
    }
    if let Some(item) = items(schema) {
        bound(item);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(value)) = schema.additional_properties.as_mut() {
        bound(value);
    }
}
