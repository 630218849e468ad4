//! What a URL means: which collection, which object, which options.

use std::collections::BTreeMap;
use std::fmt;

/// All objects of one kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Collection {
    /// API group, empty for the core group.
    pub(super) group: String,
    /// Plural name of the kind.
    pub(super) resource: String,
}

/// The path of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    /// `v1` or `<group>/<version>`.
    pub(super) api_version: String,
    pub(super) collection: Collection,
    /// `None` for what has no namespace, and for lists over all.
    pub(super) namespace: Option<String>,
    pub(super) name: Option<String>,
    pub(super) subresource: Option<String>,
}

impl Route {
    /// Reads a path; `None` for one that names no resource.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let mut parts = path
            .trim_matches('/')
            .split('/')
            .map(str::to_owned)
            .peekable();
        let (group, api_version) = match parts.next()?.as_str() {
            "api" => (String::new(), parts.next()?),
            "apis" => {
                let group = parts.next()?;
                let version = format!("{group}/{}", parts.next()?);
                (group, version)
            }
            _ => return None,
        };
        let rest: Vec<String> = parts.collect();
        let named = |resource: &str, namespace: Option<&String>, rest: &[String]| Self {
            api_version: api_version.clone(),
            collection: Collection {
                group: group.clone(),
                resource: resource.to_owned(),
            },
            namespace: namespace.cloned(),
            name: rest.first().cloned(),
            subresource: rest.get(1).cloned(),
        };
        match rest.as_slice() {
            [] => None,
            [first, name, last]
                if first == "namespaces" && group.is_empty() && is_of_namespace(last) =>
            {
                Some(named(first, None, &[name.clone(), last.clone()]))
            }
            [first, namespace, resource, rest @ ..] if first == "namespaces" => {
                Some(named(resource, Some(namespace), rest))
            }
            [resource, rest @ ..] => Some(named(resource, None, rest)),
        }
    }

    /// The key of the object, or `None` for a collection.
    pub(super) fn key(&self) -> Option<(String, String)> {
        Some((
            self.namespace.clone().unwrap_or_default(),
            self.name.clone()?,
        ))
    }
}

/// For example `ecstasks.ecs-operator.io "web-1"`.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.collection.resource)?;
        if !self.collection.group.is_empty() {
            write!(f, ".{}", self.collection.group)?;
        }
        self.name
            .as_ref()
            .map_or(Ok(()), |name| write!(f, " {name:?}"))
    }
}

/// Subresources of a Namespace, which look like collections in it.
fn is_of_namespace(word: &str) -> bool {
    matches!(word, "status" | "finalize")
}

/// The options behind the question mark.
#[derive(Debug, Clone, Default)]
pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    /// Reads a query.
    pub(super) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key), decode(value))
        });
        Self(pairs.collect())
    }

    /// The value of `key`, `None` when absent or empty.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0
            .get(key)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// Whether `key` is true.
    pub(super) fn is(&self, key: &str) -> bool {
        self.get(key)
            .is_some_and(|value| value == "true" || value == "1")
    }

    /// The value of `key` as a number.
    pub(super) fn number(&self, key: &str) -> Option<u64> {
        self.get(key)?.parse().ok()
    }
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                let value = high.unwrap_or(0) * 16 + low.unwrap_or(0);
                u8::try_from(value).unwrap_or(b'?')
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_all_forms_are_understood() {
        let parsed = |path| {
            let route = Route::parse(path).unwrap();
            let Collection { group, resource } = route.collection;
            let some = |part: Option<String>| part.unwrap_or_default();
            [
                group,
                resource,
                some(route.namespace),
                some(route.name),
                some(route.subresource),
            ]
            .join("|")
        };
        assert_eq!(parsed("/api/v1/nodes"), "|nodes|||");
        assert_eq!(parsed("/api/v1/namespaces/shop"), "|namespaces||shop|");
        assert_eq!(
            parsed("/api/v1/namespaces/shop/status"),
            "|namespaces||shop|status"
        );
        assert_eq!(parsed("/api/v1/namespaces/shop/pods/a"), "|pods|shop|a|");
        assert_eq!(parsed("/apis/a.b/v1/tasks"), "a.b|tasks|||");
        assert_eq!(
            parsed("/apis/a.b/v1/namespaces/shop/tasks/t/status"),
            "a.b|tasks|shop|t|status"
        );
        assert_eq!(Route::parse("/version"), None);
        assert_eq!(Route::parse("/apis/a.b/v1"), None);
    }

    #[test]
    fn a_query_is_decoded() {
        let query = Query::parse("watch=true&fieldSelector=spec.a%3Dx%2Cb%21%3D&force=&n=7");
        assert!(query.is("watch"));
        assert_eq!(query.get("fieldSelector"), Some("spec.a=x,b!="));
        assert_eq!((query.get("force"), query.number("n")), (None, Some(7)));
    }
}
