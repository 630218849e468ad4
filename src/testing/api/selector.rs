//! Which objects of a collection a list or watch is about.

use serde_json::Value;

use super::object::meta;
use super::route::{Query, Route};

/// A namespace, a label selector and a field selector.
#[derive(Debug, Clone, Default)]
pub(super) struct Selector {
    namespace: Option<String>,
    name: Option<String>,
    fields: Vec<Requirement>,
    labels: Vec<Requirement>,
}

/// One term of a selector.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    /// Label, or dotted path of a field.
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
}

impl Selector {
    /// Reads what a request selects.
    pub(super) fn of(route: &Route, query: &Query) -> Self {
        Self {
            namespace: route.namespace.clone(),
            name: route.name.clone(),
            fields: requirements(query.get("fieldSelector").unwrap_or("")),
            labels: requirements(query.get("labelSelector").unwrap_or("")),
        }
    }

    /// Whether it selects `object`.
    pub(super) fn matches(&self, object: &Value) -> bool {
        let label = |key: &str| text(object.get("metadata")?.get("labels")?.get(key)?);
        let field = |path: &str| {
            path.split('.')
                .try_fold(object, |value, key| value.get(key))
                .and_then(text)
        };
        self.namespace.as_ref().is_none_or(|namespace| meta(object, "namespace") == namespace)
            && self.name.as_ref().is_none_or(|name| meta(object, "name") == name)
            && self.labels.iter().all(|wanted| wanted.test.holds(label(&wanted.key)))
            // A field that is not there reads as the empty text.
            && self.fields.iter().all(|wanted| {
                wanted.test.holds(Some(field(&wanted.key).unwrap_or_default()))
            })
    }
}

impl Test {
    fn holds(&self, value: Option<String>) -> bool {
        match self {
            Self::In(values) => value.is_some_and(|value| values.contains(&value)),
            Self::NotIn(values) => value.is_none_or(|value| !values.contains(&value)),
            Self::Exists => value.is_some(),
            Self::Absent => value.is_none(),
        }
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn requirements(text: &str) -> Vec<Requirement> {
    terms(text)
        .into_iter()
        .map(|term| requirement(&term))
        .collect()
}

/// The terms between commas; commas in parentheses belong to a term.
fn terms(text: &str) -> Vec<String> {
    let mut terms = vec![String::new()];
    let mut inside = false;
    for c in text.chars() {
        inside = (inside || c == '(') && c != ')';
        match terms.last_mut() {
            Some(term) if c != ',' || inside => term.push(c),
            _ => terms.push(String::new()),
        }
    }
    terms.retain(|term| !term.trim().is_empty());
    terms
}

fn requirement(term: &str) -> Requirement {
    let list = |values: &str| {
        let values = values.trim().trim_start_matches('(').trim_end_matches(')');
        values
            .split(',')
            .map(|value| value.trim().to_owned())
            .collect()
    };
    let one = |value: &str| vec![value.trim().to_owned()];
    let (key, test) = if let Some((key, values)) = term.split_once(" notin ") {
        (key, Test::NotIn(list(values)))
    } else if let Some((key, values)) = term.split_once(" in ") {
        (key, Test::In(list(values)))
    } else if let Some((key, value)) = term.split_once("!=") {
        (key, Test::NotIn(one(value)))
    } else if let Some((key, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
        (key, Test::In(one(value)))
    } else if let Some(key) = term.trim().strip_prefix('!') {
        (key, Test::Absent)
    } else {
        (term, Test::Exists)
    };
    Requirement {
        key: key.trim().to_owned(),
        test,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn labels_and_fields_are_selected_as_kubernetes_does() {
        let object = json!({"metadata": {"name": "a", "namespace": "shop", "labels": {"app": "web", "tier": "x"}}, "spec": {"containerInstance": "i1"}});
        let matches = |fields: &str, labels: &str| {
            let selector = Selector {
                fields: requirements(fields),
                labels: requirements(labels),
                ..Selector::default()
            };
            selector.matches(&object)
        };
        assert!(matches(
            "spec.containerInstance=i1,metadata.name=a,metadata.namespace=shop",
            ""
        ));
        assert!(matches("spec.none=", "") && !matches("spec.containerInstance=", ""));
        assert!(!matches("spec.containerInstance!=i1", ""));
        assert!(matches(
            "",
            "app=web,tier in (x, y),!gone,tier,app notin (a,b)"
        ));
        assert!(!matches("", "gone") && !matches("", "app in (a,b)") && !matches("", "app!=web"));
        assert!(matches("", "gone!=web"));
    }
}
