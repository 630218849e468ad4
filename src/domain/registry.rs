//! Credentials of image registries: in which forms a Secret holds them or a program gives them, and for which images they are.

pub mod pattern;
pub mod provided;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::secret::Secret;

pub use pattern::ImagePattern;

/// Docker Hub as people write it, and as Docker stores credentials for it.
const HUB: &str = "docker.io";
const HUB_NAMES: [&str; 4] = [
    "docker.io",
    "index.docker.io",
    "registry-1.docker.io",
    "registry.hub.docker.com",
];

/// Who pulls an image from its registry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Credentials {
    /// Name of the user.
    pub username: String,
    /// Password, or a token that stands for one.
    pub password: Secret<String>,
}

/// Why credentials could not be read from a Secret; never says what stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Neither of the two forms.
    #[error(
        "it holds neither {{\"username\": …, \"password\": …}}, as AWS Secrets Manager does, nor a Docker configuration with auths"
    )]
    Form,
    /// It speaks of other registries.
    #[error("its Docker configuration has no credentials for the image's registry")]
    OtherRegistry,
}

#[derive(Deserialize)]
struct Pair {
    username: String,
    password: String,
}

#[derive(Deserialize)]
struct DockerConfig {
    auths: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    username: Option<String>,
    password: Option<String>,
    /// Base64 of `user:password`.
    auth: Option<String>,
}

impl Credentials {
    /// Reads what a Secret holds for `image`: ECS's own `{"username", "password"}`, which is good for any image that names
    /// it, or a Docker configuration (`kubernetes.io/dockerconfigjson`), of which the longest match counts.
    pub fn read(text: &[u8], image: &str) -> Result<Self, Unreadable> {
        if let Ok(Pair { username, password }) = serde_json::from_slice(text) {
            let password = Secret::new(password);
            return Ok(Self { username, password });
        }
        let config: DockerConfig = serde_json::from_slice(text).map_err(|_| Unreadable::Form)?;
        let (registry, path) = split(image);
        let fitting = config.auths.into_iter().filter_map(|(key, entry)| {
            let prefix = covers(&key, registry, path)?;
            Some((prefix, entry.read()?))
        });
        fitting
            .max_by_key(|(prefix, _)| *prefix)
            .map(|(_, credentials)| credentials)
            .ok_or(Unreadable::OtherRegistry)
    }
}

impl Entry {
    fn read(self) -> Option<Credentials> {
        let decoded = || {
            let bytes = STANDARD.decode(self.auth.as_ref()?.trim()).ok()?;
            let text = String::from_utf8(bytes).ok()?;
            let (username, password) = text.split_once(':')?;
            Some((username.to_owned(), password.to_owned()))
        };
        let given = self.username.clone().zip(self.password.clone());
        let (username, password) = given.or_else(decoded)?;
        let password = Secret::new(password);
        Some(Credentials { username, password })
    }
}

/// The host of an image's registry, and the rest.
///
/// Example: `registry:5000/shop/web:1` gives `registry:5000` and `shop/web:1`; `nginx` gives Docker Hub's.
#[must_use]
pub fn split(image: &str) -> (&str, &str) {
    let is_host = |first: &str| first.contains(['.', ':']) || first == "localhost";
    let (host, path) = image
        .split_once('/')
        .filter(|(first, _)| is_host(first))
        .unwrap_or((HUB, image));
    (if HUB_NAMES.contains(&host) { HUB } else { host }, path)
}

/// How much of an image's path a key of `auths` names, if it is about its registry at all. Keys are hosts, or URLs as
/// Docker writes them; a path restricts them to repositories below it.
fn covers(key: &str, registry: &str, path: &str) -> Option<usize> {
    let key = key.split_once("://").map_or(key, |(_, rest)| rest);
    let (host, prefix) = key.split_once('/').unwrap_or((key, ""));
    let host = if HUB_NAMES.contains(&host) { HUB } else { host };
    // The versions of the protocol, which old configurations have in their keys.
    let prefix = prefix.trim_end_matches('/');
    let prefix = if matches!(prefix, "v1" | "v2") {
        ""
    } else {
        prefix
    };
    (host == registry && is_below(path, prefix)).then_some(prefix.len())
}

/// Whether an image's path begins with all parts of `prefix`.
fn is_below(path: &str, prefix: &str) -> bool {
    let is_end = |rest: &str| rest.is_empty() || rest.starts_with(['/', ':', '@']);
    prefix.is_empty() || path.strip_prefix(prefix).is_some_and(is_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, image: &str) -> Result<(String, String), Unreadable> {
        let found = Credentials::read(text.as_bytes(), image)?;
        Ok((found.username, found.password.expose().clone()))
    }

    fn pair(user: &str, password: &str) -> (String, String) {
        (user.to_owned(), password.to_owned())
    }

    #[test]
    fn ecs_own_form_is_good_for_any_image() {
        let text = r#"{"username": "shop", "password": "p?~"}"#;
        assert_eq!(read(text, "nginx"), Ok(pair("shop", "p?~")));
        assert_eq!(read(text, "registry:5000/web:1"), Ok(pair("shop", "p?~")));
    }

    #[test]
    fn of_a_docker_configuration_the_longest_match_counts() {
        // Docker writes the old address of its Hub, with the version of the protocol.
        let hub = format!("https://{}/v1/", HUB_NAMES[1]);
        // dXNlcjpwYXNz is user:pass.
        let text = serde_json::json!({"auths": {
            "registry:5000": {"auth": "dXNlcjpwYXNz"},
            "https://registry:5000/shop/": {"username": "shop", "password": "s"},
            (hub): {"username": "hub", "password": "h", "auth": "ignored"},
        }});
        let text = text.to_string();
        let text = text.as_str();
        assert_eq!(read(text, "registry:5000/web:1"), Ok(pair("user", "pass")));
        assert_eq!(read(text, "registry:5000/shop/web"), Ok(pair("shop", "s")));
        assert_eq!(
            read(text, "registry:5000/shopping/web"),
            Ok(pair("user", "pass"))
        );
        assert_eq!(read(text, "nginx"), Ok(pair("hub", "h")));
        assert_eq!(
            read(text, "docker.io/library/nginx:1"),
            Ok(pair("hub", "h"))
        );
        assert_eq!(read(text, "quay.io/web"), Err(Unreadable::OtherRegistry));
    }

    #[test]
    fn what_cannot_be_read_is_not_repeated() {
        let error = read("hunter2", "nginx").unwrap_err();
        assert_eq!(error, Unreadable::Form);
        assert!(!error.to_string().contains("hunter2"));
    }
}
