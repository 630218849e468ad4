//! Rules that refuse what the tables of `domain::fields` refuse.
//!
//! Each rule stands at the object that has the field. It counts an empty text or list and `false` as absent, as
//! the tables do.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps,
};

use super::{items, property, rule, schema};
use crate::domain::fields::{Body, Entry};

/// Adds a rule for each entry of the body's table that refuses something.
pub(super) fn add(crd: &mut CustomResourceDefinition, body: Body) {
    let Some(spec) = schema(crd).and_then(|root| property(root, "spec")) else {
        return;
    };
    for entry in body.table() {
        if let Some(message) = entry.refusal() {
            refuse(spec, entry, message);
        }
    }
}

fn refuse(spec: &mut JSONSchemaProps, entry: &Entry, message: String) {
    let (parent, field) = entry.split();
    let Some(object) = descend(spec, parent) else {
        return;
    };
    let Some(leaf) = property(object, field) else {
        return;
    };
    let accepted = entry.accepted();
    let allowed = if accepted.is_empty() {
        absence(leaf, field)
    } else {
        Some(membership(leaf, field, &accepted))
    };
    let condition = allowed.map_or_else(String::new, |allowed| format!(" || {allowed}"));
    rule(
        object,
        format!("!has(self.{field}){condition}"),
        message,
        Some(field),
    );
}

fn descend<'a>(root: &'a mut JSONSchemaProps, path: &str) -> Option<&'a mut JSONSchemaProps> {
    path.split('.')
        .filter(|step| !step.is_empty())
        .try_fold(root, |object, step| match step.strip_suffix("[]") {
            Some(list) => items(property(object, list)?),
            None => property(object, step),
        })
}

/// When a value that is there says as much as none; `None` if it never does.
fn absence(leaf: &JSONSchemaProps, field: &str) -> Option<String> {
    match leaf.type_.as_deref()? {
        "array" => Some(format!("size(self.{field}) == 0")),
        "boolean" => Some(format!("!self.{field}")),
        "string" if leaf.enum_.is_none() => Some(format!("self.{field} == ''")),
        _ if leaf.additional_properties.is_some() => Some(format!("size(self.{field}) == 0")),
        _ => None,
    }
}

fn membership(leaf: &JSONSchemaProps, field: &str, accepted: &[&str]) -> String {
    let number = leaf.type_.as_deref() == Some("integer");
    let quoted = accepted.iter().map(|value| {
        if number {
            (*value).to_owned()
        } else {
            format!("'{value}'")
        }
    });
    let values = quoted.collect::<Vec<_>>().join(", ");
    if leaf.type_.as_deref() == Some("array") {
        format!("self.{field}.all(value, value in [{values}])")
    } else {
        format!("self.{field} in [{values}]")
    }
}
