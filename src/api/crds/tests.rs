//! The schemas against the tables, and against what every kind promises.

use std::collections::BTreeSet;

use super::*;

/// Paths of all fields that have no fields of their own.
fn leaves(schema: &mut JSONSchemaProps, path: &str, into: &mut BTreeSet<String>) {
    let names: Vec<String> = schema
        .properties
        .iter()
        .flatten()
        .map(|(name, _)| name.clone())
        .collect();
    for name in names {
        let here = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        let child = property(schema, &name).expect("it was listed");
        if child.properties.is_some() {
            leaves(child, &here, into);
        } else if let Some(item) = items(child).filter(|item| item.properties.is_some()) {
            leaves(item, &format!("{here}[]"), into);
        } else {
            into.insert(here);
        }
    }
}

fn fields(kind: &str) -> BTreeSet<String> {
    let mut crd = all()
        .into_iter()
        .find(|crd| crd.spec.names.kind == kind)
        .expect("a kind of ours");
    let mut found = BTreeSet::new();
    leaves(
        schema(&mut crd)
            .and_then(|root| property(root, "spec"))
            .expect("a spec"),
        "",
        &mut found,
    );
    found
}

const BODIES: [(&str, Body); 3] = [
    ("TaskDefinition", Body::RegisterTaskDefinition),
    ("EcsService", Body::CreateService),
    ("EcsTask", Body::RunTask),
];

#[test]
fn every_field_has_exactly_one_outcome() {
    for (kind, body) in BODIES {
        for field in fields(kind) {
            let covering = body
                .table()
                .iter()
                .filter(|entry| entry.covers(&field))
                .count();
            assert_eq!(
                covering, 1,
                "{kind} {field} is covered by {covering} entries of the table"
            );
        }
    }
}

#[test]
fn every_outcome_has_a_field() {
    for (kind, body) in BODIES {
        let fields = fields(kind);
        for entry in body.table() {
            assert!(
                fields.iter().any(|field| entry.covers(field)),
                "{kind} has no field {}",
                entry.path
            );
        }
    }
}

#[test]
fn every_refusal_is_a_rule_of_the_schema() {
    for (kind, body) in BODIES {
        let crd = all()
            .into_iter()
            .find(|crd| crd.spec.names.kind == kind)
            .expect("a kind of ours");
        let yaml = serde_json::to_string(&crd).expect("it is JSON");
        for message in body
            .table()
            .iter()
            .filter_map(crate::domain::fields::Entry::refusal)
        {
            assert!(
                yaml.contains(&message),
                "{kind} has no rule that says: {message}"
            );
        }
    }
}

#[test]
fn a_value_that_a_table_names_exists() {
    for (kind, body) in BODIES {
        let mut crd = all()
            .into_iter()
            .find(|crd| crd.spec.names.kind == kind)
            .expect("a kind of ours");
        for entry in body.table() {
            let mut at = schema(&mut crd)
                .and_then(|root| property(root, "spec"))
                .expect("a spec");
            for step in entry.path.split('.') {
                at = property(at, step.trim_end_matches("[]")).expect("a field");
                if at.items.is_some() {
                    at = items(at).expect("items");
                }
            }
            let known: Vec<_> = at
                .enum_
                .iter()
                .flatten()
                .filter_map(|value| value.0.as_str())
                .collect();
            for value in entry.accepted() {
                assert!(
                    known.contains(&value) || at.type_.as_deref() == Some("integer"),
                    "{} {value}",
                    entry.path
                );
            }
            if matches!(
                entry.outcome,
                crate::domain::fields::Outcome::ByValue { refused: "", .. }
            ) {
                assert_eq!(
                    known.len(),
                    entry.accepted().len(),
                    "{}: some value has no outcome",
                    entry.path
                );
            }
        }
    }
}
