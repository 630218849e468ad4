//! Server-side apply: each manager's fields are those that it applied last.
//!
//! A simplification of the real thing: lists are merged by `name` or `type` where every item has one, all other lists
//! are one value; only applies own fields, updates never do.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::object::fields;

/// Who applied which fields.
pub(super) type Ownership = BTreeMap<Manager, BTreeSet<Path>>;

/// One field manager; its applies to different subresources are told apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Manager {
    pub(super) name: String,
    pub(super) subresource: Option<String>,
}

/// Where a value stands in an object.
type Path = Vec<Part>;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Field(String),
    /// The item of a list whose `name` or `type` is this.
    Item {
        key: &'static str,
        value: String,
    },
}

/// Fields that say which object is meant, and belong to nobody.
const IDENTITY: [&str; 2] = ["apiVersion", "kind"];

/// Applies `config` for `manager`: sets its fields, and removes those that it applied before and nobody else did.
///
/// # Errors
/// Names the field that another manager applied with another value, unless `force` takes it over.
pub(super) fn apply(
    object: &mut Value,
    ownership: &mut Ownership,
    manager: Manager,
    config: &Value,
    force: bool,
) -> Result<(), String> {
    let mut leaves = BTreeMap::new();
    collect(config, &mut Vec::new(), &mut leaves);
    leaves.retain(|path, _| is_ownable(path));
    let others = |ownership: &Ownership, path: &Path| {
        ownership
            .iter()
            .any(|(other, paths)| *other != manager && paths.contains(path))
    };
    for (path, value) in &leaves {
        if !holds(find(object, path), value) && others(ownership, path) {
            if !force {
                return Err(format!("Apply failed with a conflict: {path:?}"));
            }
            for (_, paths) in ownership.iter_mut().filter(|(other, _)| **other != manager) {
                paths.remove(path);
            }
        }
    }
    let before = ownership.get(&manager).cloned().unwrap_or_default();
    for path in before
        .iter()
        .filter(|path| !leaves.contains_key(*path) && !others(ownership, path))
    {
        remove(object, path);
    }
    for (path, value) in &leaves {
        if !holds(find(object, path), value) {
            set(object, path, value.clone());
        }
    }
    ownership.insert(manager, leaves.into_keys().collect());
    Ok(())
}

/// Whether `wanted` is already so. An empty object or merged list asks for nothing, and takes nothing from others.
fn holds(found: Option<&Value>, wanted: &Value) -> bool {
    match (found, wanted) {
        (Some(Value::Object(_)), Value::Object(wanted)) => wanted.is_empty(),
        (Some(Value::Array(found)), Value::Array(wanted)) if wanted.is_empty() => {
            found.is_empty() || merge_key(found).is_some()
        }
        (found, wanted) => found == Some(wanted),
    }
}

fn is_ownable(path: &Path) -> bool {
    match path.as_slice() {
        [] => false,
        [Part::Field(first)] => !IDENTITY.contains(&first.as_str()),
        [Part::Field(first), Part::Field(second)] if first == "metadata" => {
            !["name", "namespace", "uid", "resourceVersion"].contains(&second.as_str())
        }
        _ => true,
    }
}

/// All values of `config` that are neither objects nor merged lists, by path.
fn collect(config: &Value, path: &mut Path, leaves: &mut BTreeMap<Path, Value>) {
    match config {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                path.push(Part::Field(key.clone()));
                collect(value, path, leaves);
                path.pop();
            }
        }
        Value::Array(items) if merge_key(items).is_some() => {
            let Some(key) = merge_key(items) else { return };
            for item in items {
                path.push(Part::Item {
                    key,
                    value: key_of(item, key).to_owned(),
                });
                collect(item, path, leaves);
                path.pop();
            }
        }
        Value::Object(_)
        | Value::Array(_)
        | Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_) => {
            leaves.insert(path.clone(), config.clone());
        }
    }
}

/// The field that tells the items of a list apart, for a list that is merged.
fn merge_key(items: &[Value]) -> Option<&'static str> {
    let tells_apart = |key: &&str| {
        let mut keys = BTreeSet::new();
        let mut all = items.iter().map(|item| key_of(item, key));
        !items.is_empty() && all.all(|key| !key.is_empty() && keys.insert(key))
    };
    ["name", "type"].into_iter().find(tells_apart)
}

fn key_of<'a>(item: &'a Value, key: &str) -> &'a str {
    item.get(key).and_then(Value::as_str).unwrap_or("")
}

fn find<'a>(object: &'a Value, path: &[Part]) -> Option<&'a Value> {
    path.iter().try_fold(object, |value, part| match part {
        Part::Field(key) => value.get(key),
        Part::Item { key, value: wanted } => value
            .as_array()?
            .iter()
            .find(|item| key_of(item, key) == wanted),
    })
}

fn set(object: &mut Value, path: &[Part], value: Value) {
    match path {
        [] => *object = value,
        [Part::Field(key), rest @ ..] => {
            set(
                fields(object).entry(key.clone()).or_insert(Value::Null),
                rest,
                value,
            );
        }
        [Part::Item { key, value: wanted }, rest @ ..] => {
            if !object.is_array() {
                *object = Value::Array(Vec::new());
            }
            let Value::Array(items) = object else { return };
            if !items.iter().any(|item| key_of(item, key) == wanted) {
                let named = Map::from_iter([((*key).to_owned(), Value::from(wanted.clone()))]);
                items.push(Value::Object(named));
            }
            if let Some(item) = items.iter_mut().find(|item| key_of(item, key) == wanted) {
                set(item, rest, value);
            }
        }
    }
}

/// Removes the value at `path`, and what is empty without it.
fn remove(object: &mut Value, path: &[Part]) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    match (first, object) {
        (Part::Field(key), Value::Object(map)) => {
            if let Some(value) = map.get_mut(key).filter(|_| !rest.is_empty()) {
                remove(value, rest);
            }
            if rest.is_empty() || map.get(key).is_some_and(is_empty) {
                map.remove(key);
            }
        }
        (Part::Item { key, value: wanted }, Value::Array(items)) => {
            let position = items.iter().position(|item| key_of(item, key) == wanted);
            // The key of an item goes last, because it is how the item is found.
            let is_key = matches!(rest, [Part::Field(field)] if field == key);
            if let Some(item) = position.and_then(|at| items.get_mut(at)) {
                if !is_key {
                    remove(item, rest);
                }
                let keys = item.as_object().map_or(0, Map::len);
                if let Some(at) = position.filter(|_| keys <= 1) {
                    items.remove(at);
                }
            }
        }
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Null => true,
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manager(name: &str) -> Manager {
        Manager {
            name: name.into(),
            subresource: None,
        }
    }

    #[test]
    fn a_field_that_is_no_longer_applied_goes_and_those_of_others_stay() {
        let (mut object, mut owned) = (json!({}), Ownership::new());
        let mut applied = |object: &mut Value, who: &str, config: Value, force| {
            apply(object, &mut owned, manager(who), &config, force)
        };
        applied(
            &mut object,
            "a",
            json!({"status": {"x": 1, "y": 2, "l": [1, 2]}}),
            false,
        )
        .unwrap();
        applied(&mut object, "b", json!({"status": {"z": 3}}), false).unwrap();
        applied(
            &mut object,
            "a",
            json!({"status": {"x": 5, "l": [3]}}),
            false,
        )
        .unwrap();
        assert_eq!(object, json!({"status": {"x": 5, "l": [3], "z": 3}}));
        assert!(applied(&mut object, "b", json!({"status": {"x": 6}}), false).is_err());
        applied(&mut object, "b", json!({"status": {"x": 6}}), true).unwrap();
        applied(&mut object, "a", json!({"other": 1}), false).unwrap();
        assert_eq!(object, json!({"status": {"x": 6}, "other": 1}));
        applied(&mut object, "b", json!({}), false).unwrap();
        assert_eq!(object, json!({"other": 1}));
    }

    #[test]
    fn lists_with_names_or_types_are_merged_item_by_item() {
        let (mut object, mut owned) = (json!({}), Ownership::new());
        let mut applied = |object: &mut Value, who: &str, config: Value| {
            apply(object, &mut owned, manager(who), &config, true).unwrap();
        };
        applied(
            &mut object,
            "a",
            json!({"c": [{"type": "Ready", "s": 1}, {"type": "Old", "s": 1}]}),
        );
        applied(&mut object, "b", json!({"c": [{"type": "Mine", "s": 2}]}));
        applied(&mut object, "a", json!({"c": [{"type": "Ready", "s": 0}]}));
        assert_eq!(
            object,
            json!({"c": [{"type": "Ready", "s": 0}, {"type": "Mine", "s": 2}]})
        );
    }
}
