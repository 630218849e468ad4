//! Fields that this agent does not know. A task that relies on one would silently run without it, so it is refused.

use serde_json::Value;

/// Path of a field that stands in `stored` and was lost in `understood`, what our types made of it.
///
/// Empty values say nothing and may be lost.
#[must_use]
pub fn unknown_field(stored: &Value, understood: &Value) -> Option<String> {
    match (stored, understood) {
        (Value::Object(stored), understood) => stored
            .iter()
            .filter(|(_, value)| !is_empty(value))
            .find_map(|(name, value)| match understood.get(name) {
                None => Some(name.clone()),
                Some(inner) => unknown_field(value, inner).map(|path| format!("{name}.{path}")),
            }),
        (Value::Array(stored), Value::Array(understood)) => stored
            .iter()
            .zip(understood)
            .enumerate()
            .find_map(|(index, (value, inner))| {
                unknown_field(value, inner).map(|path| format!("[{index}].{path}"))
            }),
        _ => None,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_of_a_newer_release_is_named_with_its_path() {
        let stored =
            json!({"a": 1, "list": [{"b": 1}, {"b": 2, "new": true}], "none": null, "empty": []});
        let understood = json!({"a": 1, "list": [{"b": 1}, {"b": 2}]});
        assert_eq!(
            unknown_field(&stored, &understood).as_deref(),
            Some("list.[1].new")
        );
        assert_eq!(
            unknown_field(&stored["list"][0], &understood["list"][0]),
            None
        );
    }
}
