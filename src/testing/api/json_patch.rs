//! JSON merge patch (RFC 7396) and JSON patch (RFC 6902).

use serde_json::Value;

use super::object::fields;

/// Merges `patch` into `target`; null removes.
pub(super) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    let fields = fields(target);
    for (key, value) in patch {
        if value.is_null() {
            fields.remove(key);
        } else {
            merge(fields.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Carries out the operations of `patch` on `target`.
///
/// # Errors
/// Says which operation is wrong or did not hold; `target` is then of no use.
pub(super) fn apply(target: &mut Value, patch: &Value) -> Result<(), String> {
    let operations = patch.as_array().ok_or("a JSON patch is a list")?;
    operations
        .iter()
        .try_for_each(|operation| step(target, operation))
}

fn step(target: &mut Value, operation: &Value) -> Result<(), String> {
    let text = |key: &str| {
        operation
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let value = || {
        operation
            .get("value")
            .cloned()
            .ok_or("an operation without value")
    };
    let path = text("path");
    let missing = |path: &str| format!("the path {path} is missing");
    match text("op") {
        "add" => add(target, path, value()?),
        "remove" => remove(target, path).map(drop),
        "replace" => {
            *target.pointer_mut(path).ok_or_else(|| missing(path))? = value()?;
            Ok(())
        }
        "test" if target.pointer(path) == Some(&value()?) => Ok(()),
        "test" => Err(format!("testing path {path} failed")),
        "copy" => {
            let copied = target
                .pointer(text("from"))
                .cloned()
                .ok_or_else(|| missing(text("from")))?;
            add(target, path, copied)
        }
        "move" => {
            let moved = remove(target, text("from"))?;
            add(target, path, moved)
        }
        other => Err(format!("the operation {other:?} is unknown")),
    }
}

fn add(target: &mut Value, path: &str, value: Value) -> Result<(), String> {
    let (parent, last) = parent(target, path)?;
    match parent {
        Value::Array(items) => {
            let index = if last == "-" {
                Some(items.len())
            } else {
                last.parse().ok()
            };
            let index = index
                .filter(|index| *index <= items.len())
                .ok_or("no such index")?;
            items.insert(index, value);
        }
        Value::Object(fields) => {
            fields.insert(last, value);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            return Err(format!("nothing can be added at {path}"));
        }
    }
    Ok(())
}

fn remove(target: &mut Value, path: &str) -> Result<Value, String> {
    let (parent, last) = parent(target, path)?;
    let removed = match parent {
        Value::Array(items) => {
            let index = last.parse().ok().filter(|index| *index < items.len());
            index.map(|index: usize| items.remove(index))
        }
        Value::Object(fields) => fields.remove(&last),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    };
    removed.ok_or_else(|| format!("the path {path} is missing"))
}

fn parent<'a>(target: &'a mut Value, path: &str) -> Result<(&'a mut Value, String), String> {
    let missing = || format!("the path {path} is missing");
    let (parent, last) = path.rsplit_once('/').ok_or_else(missing)?;
    let parent = target.pointer_mut(parent).ok_or_else(missing)?;
    Ok((parent, last.replace("~1", "/").replace("~0", "~")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_merge_replaces_lists_and_null_removes() {
        let mut target = json!({"a": [1, 2], "b": {"c": 1, "d": 2}});
        merge(
            &mut target,
            &json!({"a": [3], "b": {"c": null}, "e": {"f": null, "g": 1}}),
        );
        assert_eq!(target, json!({"a": [3], "b": {"d": 2}, "e": {"g": 1}}));
    }

    #[test]
    fn operations_follow_the_standard() {
        let mut target = json!({"a": [1, 2], "b/c": {"d": 1}});
        let patch = json!([
            {"op": "test", "path": "/a/0", "value": 1},
            {"op": "add", "path": "/a/-", "value": 3},
            {"op": "remove", "path": "/a/0"},
            {"op": "replace", "path": "/b~1c/d", "value": 9},
            {"op": "copy", "from": "/b~1c/d", "path": "/e"},
            {"op": "move", "from": "/b~1c", "path": "/f"},
        ]);
        apply(&mut target, &patch).unwrap();
        assert_eq!(target, json!({"a": [2, 3], "e": 9, "f": {"d": 9}}));
        let failing = json!([{"op": "test", "path": "/e", "value": 1}]);
        assert!(apply(&mut target, &failing).is_err());
        assert!(apply(&mut target, &json!([{"op": "remove", "path": "/none"}])).is_err());
    }
}
