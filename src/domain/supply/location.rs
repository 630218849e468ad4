//! Where the value is that a `valueFrom` names: a key of a Secret or ConfigMap in the task's namespace.

/// How people name a key: `secret:<name>:<key>`, `configmap:<name>:<key>`.
const SCHEMES: [(&str, Source); 2] = [
    ("secret:", Source::Secret),
    ("configmap:", Source::ConfigMap),
];

/// What holds a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A Kubernetes Secret.
    Secret,
    /// A Kubernetes ConfigMap.
    ConfigMap,
}

impl Source {
    /// The kind, as Kubernetes spells it.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
        }
    }
}

/// Where the value is that a `valueFrom` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// What holds it.
    pub source: Source,
    /// Name of the Secret or ConfigMap, in the task's namespace.
    pub name: String,
    /// Key in it.
    pub key: String,
    /// Field of the JSON object that stands there; all of the value where it is absent.
    pub field: Option<String>,
}

/// One line of a cluster's table (`EcsCluster.spec.secretMappings`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// A `valueFrom`, or how some begin, with `*` at its end.
    pub value_from: String,
    /// What holds the value.
    pub source: Source,
    /// Name of the Secret or ConfigMap.
    pub name: String,
    /// Key in it; without one, what the AWS name says.
    pub key: Option<String>,
}

/// A `valueFrom`, taken apart.
struct Named<'a> {
    /// Without what Secrets Manager has behind the name of a secret.
    base: &'a str,
    /// Field of a JSON secret (`…:secret:name-AbCdEf:field::`).
    field: Option<&'a str>,
}

/// Finds the value that `value_from` names: a Secret or ConfigMap itself, anything of AWS by the first of `mappings` that fits.
///
/// # Errors
/// A sentence that says what to do.
pub fn resolve(value_from: &str, mappings: &[Mapping]) -> Result<Location, String> {
    let schemes = SCHEMES.iter();
    let mut named = schemes.filter_map(|(scheme, source)| {
        let rest = value_from.strip_prefix(scheme)?;
        Some((scheme, *source, rest))
    });
    if let Some((scheme, source, rest)) = named.next() {
        return match rest.split_once(':') {
            Some((name, key)) if !name.is_empty() && is_key(key) => Ok(Location {
                source,
                name: name.to_owned(),
                key: key.to_owned(),
                field: None,
            }),
            Some(_) | None => Err(format!(
                "{value_from} names no key of a {}: write {scheme}<name>:<key>",
                source.kind()
            )),
        };
    }
    let named = take_apart(value_from)?;
    let fitting = mappings
        .iter()
        .find_map(|mapping| Some((mapping, rest(&mapping.value_from, named.base)?)));
    let Some((mapping, rest)) = fitting else {
        return Err(format!(
            "{value_from} is nothing of this Kubernetes cluster: write secret:<name>:<key> or configmap:<name>:<key>, or have the platform team map it with spec.secretMappings of the EcsCluster"
        ));
    };
    let derived = || {
        named
            .field
            .map_or_else(|| key_of(rest, named.base), str::to_owned)
    };
    let field = named.field.filter(|_| mapping.key.is_some());
    let key = mapping.key.clone().unwrap_or_else(derived);
    if !is_key(&key) {
        return Err(format!(
            "{value_from} gives no name of a key: name the key in spec.secretMappings of the EcsCluster"
        ));
    }
    Ok(Location {
        source: mapping.source,
        name: mapping.name.clone(),
        key,
        field: field.map(str::to_owned),
    })
}

/// Versions cannot be chosen: a Secret has one value.
fn take_apart(value_from: &str) -> Result<Named<'_>, String> {
    let Some(at) = value_from
        .find(":secret:")
        .filter(|_| value_from.starts_with("arn:"))
    else {
        let (base, field) = (value_from, None);
        return Ok(Named { base, field });
    };
    let name = at + ":secret:".len();
    let mut parts = value_from.get(name..).unwrap_or_default().split(':');
    let length = parts.next().map_or(0, str::len);
    let field = parts.next().filter(|field| !field.is_empty());
    if parts.any(|version| !version.is_empty()) {
        return Err(format!(
            "{value_from} names a version, and a Secret has only one: leave version-stage and version-id empty"
        ));
    }
    let base = value_from.get(..name + length).unwrap_or(value_from);
    Ok(Named { base, field })
}

/// What of `text` is left behind the pattern; nothing but an equal text fits a pattern without `*`.
pub(super) fn rest<'a>(pattern: &str, text: &'a str) -> Option<&'a str> {
    match pattern.strip_suffix('*') {
        Some(prefix) => text.strip_prefix(prefix),
        None => (pattern == text).then_some(""),
    }
}

/// The name behind the prefix, or the last part of a name that was given in full; what a key may not have becomes `-`.
fn key_of(rest: &str, whole: &str) -> String {
    let name = if rest.is_empty() {
        whole.rsplit([':', '/']).next().unwrap_or_default()
    } else {
        rest
    };
    let safe = |c: char| if is_key_character(c) { c } else { '-' };
    name.trim_matches('/').chars().map(safe).collect()
}

fn is_key_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

fn is_key(key: &str) -> bool {
    !key.is_empty() && key.len() <= 253 && key.chars().all(is_key_character)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANAGER: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:";
    const STORE: &str = "arn:aws:ssm:eu-west-1:123456789012:parameter";

    fn mapping(value_from: &str, secret: &str, key: Option<&str>) -> Mapping {
        Mapping {
            value_from: value_from.into(),
            source: Source::Secret,
            name: secret.into(),
            key: key.map(str::to_owned),
        }
    }

    fn at(secret: &str, key: &str, field: Option<&str>) -> Location {
        Location {
            source: Source::Secret,
            name: secret.into(),
            key: key.into(),
            field: field.map(str::to_owned),
        }
    }

    #[test]
    fn a_key_of_a_secret_is_named_as_such() {
        assert_eq!(
            resolve("secret:db:password", &[]),
            Ok(at("db", "password", None))
        );
        for wrong in [
            "secret:db",
            "secret::password",
            "secret:db:",
            "secret:db:a/b",
        ] {
            let message = resolve(wrong, &[]).unwrap_err();
            assert!(message.contains("secret:<name>:<key>"), "{message}");
        }
        let found = resolve("configmap:web:log.level", &[]).unwrap();
        assert_eq!(
            (found.source, found.name.as_str()),
            (Source::ConfigMap, "web")
        );
        let message = resolve("configmap:web", &[]).unwrap_err();
        assert!(message.contains("configmap:<name>:<key>"), "{message}");
    }

    #[test]
    fn what_is_in_aws_is_found_by_the_clusters_table_the_first_line_that_fits() {
        let table = [
            mapping(&format!("{MANAGER}db-AbCdEf"), "db", Some("password")),
            mapping(&format!("{STORE}/shop/*"), "shop", None),
            mapping(&format!("{STORE}/*"), "all", None),
            mapping("token", "app", None),
            mapping(&format!("{MANAGER}json-*"), "json", None),
        ];
        let find = |value_from: &str| resolve(value_from, &table);
        assert_eq!(
            find(&format!("{MANAGER}db-AbCdEf")),
            Ok(at("db", "password", None))
        );
        assert_eq!(
            find(&format!("{STORE}/shop/db/url")),
            Ok(at("shop", "db-url", None))
        );
        assert_eq!(
            find(&format!("{STORE}/other")),
            Ok(at("all", "other", None))
        );
        assert_eq!(find("token"), Ok(at("app", "token", None)));
        assert_eq!(
            find(&format!("{MANAGER}json-AbCdEf:user::")),
            Ok(at("json", "user", None))
        );
        assert_eq!(
            find(&format!("{MANAGER}db-AbCdEf:user::")),
            Ok(at("db", "password", Some("user"))),
            "a field of the JSON that stands under the key"
        );
    }

    #[test]
    fn what_is_not_mapped_or_names_a_version_says_what_to_do() {
        let unmapped = resolve(&format!("{STORE}/x"), &[]).unwrap_err();
        assert!(unmapped.contains("spec.secretMappings"), "{unmapped}");
        let version = format!("{MANAGER}db-AbCdEf:user:AWSPREVIOUS:");
        let version = resolve(&version, &[mapping("*", "db", None)]).unwrap_err();
        assert!(version.contains("version-stage"), "{version}");
    }
}
