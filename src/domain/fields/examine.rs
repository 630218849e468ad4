//! Walks a body and says what of it is without effect and what is refused, naming the place.

use serde_json::Value;

use super::{Body, Entry, Outcome};

/// Something to say about one field of a body.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Where: `containerDefinitions[app].links`. Items of a list are named, or numbered where they have no name.
    pub path: String,
    /// What to tell the user; it begins with the path.
    pub message: String,
}

/// All there is to say about a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What is accepted and changes nothing.
    pub without_effect: Vec<Finding>,
    /// What cannot be accepted.
    pub refused: Vec<Finding>,
}

/// Says what of `value`, the JSON of `body`, is without effect and what is refused, in the order of the body.
///
/// `null`, `false`, an empty text, list or object count as absent, because AWS's own descriptions are full of them.
/// A field that the table does not know is refused: it comes from a newer version.
#[must_use]
pub fn examine(body: Body, value: &Value) -> Findings {
    let mut walk = Walk {
        table: body.table(),
        findings: Findings::default(),
    };
    walk.visit(value, "", "");
    walk.findings
}

/// Whether a value says as much as leaving the field out.
#[must_use]
pub fn is_absent(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) | Value::Number(_) => false,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.values().all(is_absent),
    }
}

struct Walk {
    table: &'static [Entry],
    findings: Findings,
}

impl Walk {
    /// `pattern` is the path as the table has it, `path` as the user knows it.
    fn visit(&mut self, value: &Value, pattern: &str, path: &str) {
        if is_absent(value) {
            return;
        }
        if let Some(entry) = self.table.iter().find(|entry| entry.path == pattern) {
            return self.judge(entry.outcome, value, path);
        }
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    self.visit(member, &join(pattern, name), &join(path, name));
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let name = item.get("name").and_then(Value::as_str);
                    // An empty name counts as absent, as everywhere.
                    let name = name.filter(|name| !name.is_empty());
                    let place = name.map_or_else(|| index.to_string(), str::to_owned);
                    self.visit(item, &format!("{pattern}[]"), &format!("{path}[{place}]"));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                self.refuse(
                    path,
                    &format!("{path} is not a field that this version knows: leave it out"),
                );
            }
        }
    }

    fn judge(&mut self, outcome: Outcome, value: &Value, path: &str) {
        match outcome {
            Outcome::CarriedOut => {}
            Outcome::WithoutEffect(reason) => {
                self.note(path, &format!("{path} has no effect: {reason}"));
            }
            Outcome::Refused(alternative) => {
                self.refuse(path, &format!("{path} is not supported yet: {alternative}"));
            }
            Outcome::ByValue {
                carried_out,
                without_effect,
                refused,
            } => {
                let one = std::slice::from_ref(value);
                let given = value.as_array().map_or(one, Vec::as_slice);
                for given in given.iter().filter(|given| !is_absent(given)).map(shown) {
                    if carried_out.contains(&given.as_str()) {
                        continue;
                    }
                    match without_effect.iter().find(|(value, _)| *value == given) {
                        Some((_, why)) => {
                            self.note(path, &format!("{path} {given} has no effect: {why}"));
                        }
                        None => self.refuse(
                            path,
                            &format!("{path} {given} is not supported yet: {refused}"),
                        ),
                    }
                }
            }
        }
    }

    fn note(&mut self, path: &str, message: &str) {
        self.findings.without_effect.push(Finding {
            path: path.to_owned(),
            message: message.to_owned(),
        });
    }

    fn refuse(&mut self, path: &str, message: &str) {
        self.findings.refused.push(Finding {
            path: path.to_owned(),
            message: message.to_owned(),
        });
    }
}

/// A value as the tables write it.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Object(_) => "of this shape".to_owned(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() {
        name.to_owned()
    } else {
        format!("{parent}.{name}")
    }
}
