//! Who asks, as the API server says: it shows a certificate of its own for this, and names the user in headers.
//!
//! Which authority signs that certificate and which headers it uses stands in the ConfigMap
//! `extension-apiserver-authentication` of `kube-system`, for every aggregated API.

use std::collections::BTreeMap;

use http::HeaderMap;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Whom to believe about who asks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FrontProxy {
    /// PEM of the authorities that sign the API server's certificate.
    pub authorities: String,
    /// Common names of that certificate; any when empty.
    allowed_names: Vec<String>,
    username_headers: Vec<String>,
    uid_headers: Vec<String>,
    group_headers: Vec<String>,
    extra_header_prefixes: Vec<String>,
}

/// Whoever the API server says it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct User {
    /// Name.
    pub name: String,
    /// UID, if the user has one.
    pub uid: Option<String>,
    /// Groups.
    pub groups: Vec<String>,
    /// What else authorizers know of the user.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// Somebody who is not the API server, or an API server that names nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stranger {
    /// No certificate, or not one of the API server.
    #[error("only the API server is served: ask it for /apis/tasks.ecs-operator.io")]
    Certificate,
    /// No user's name.
    #[error("the API server does not say who asks")]
    User,
}

impl FrontProxy {
    /// From the data of the ConfigMap; `None` where the API server is set up without aggregation.
    #[must_use]
    pub fn read(data: &BTreeMap<String, String>) -> Option<Self> {
        let list = |key: &str| -> Vec<String> {
            let text = data.get(key).map(String::as_str).unwrap_or_default();
            serde_json::from_str(text).unwrap_or_default()
        };
        Some(Self {
            authorities: data.get("requestheader-client-ca-file")?.clone(),
            allowed_names: list("requestheader-allowed-names"),
            username_headers: list("requestheader-username-headers"),
            uid_headers: list("requestheader-uid-headers"),
            group_headers: list("requestheader-group-headers"),
            extra_header_prefixes: list("requestheader-extra-headers-prefix"),
        })
    }

    /// Who asks. `certificate` is the caller's, which was checked against [`Self::authorities`].
    ///
    /// # Errors
    /// When the caller is not the API server.
    pub fn identify(
        &self,
        certificate: Option<&[u8]>,
        headers: &HeaderMap,
    ) -> Result<User, Stranger> {
        let names = certificate.map(common_names).ok_or(Stranger::Certificate)?;
        let allowed = &self.allowed_names;
        if !allowed.is_empty() && !names.iter().any(|name| allowed.contains(name)) {
            return Err(Stranger::Certificate);
        }
        let name = values(headers, &self.username_headers).into_iter().next();
        Ok(User {
            name: name.ok_or(Stranger::User)?,
            uid: values(headers, &self.uid_headers).into_iter().next(),
            groups: values(headers, &self.group_headers),
            extra: self.extra(headers),
        })
    }

    fn extra(&self, headers: &HeaderMap) -> BTreeMap<String, Vec<String>> {
        let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in headers {
            let mut prefixes = self.extra_header_prefixes.iter();
            let key =
                prefixes.find_map(|prefix| name.as_str().strip_prefix(&prefix.to_lowercase()));
            if let (Some(key), Ok(value)) = (key, value.to_str()) {
                let key = percent_decoded(key);
                extra.entry(key).or_default().push(value.to_owned());
            }
        }
        extra
    }
}

/// All values of the headers called `names`, which are told in any case.
fn values(headers: &HeaderMap, names: &[String]) -> Vec<String> {
    let all = names.iter().flat_map(|name| headers.get_all(name));
    all.filter_map(|value| value.to_str().ok())
        .filter(|value| !value.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Keys of extra values are encoded, because they may hold what no header's name may.
fn percent_decoded(key: &str) -> String {
    let pair = format!("{}=", key.replace('+', "%2B"));
    let mut pairs = form_urlencoded::parse(pair.as_bytes());
    pairs
        .next()
        .map_or_else(|| key.to_owned(), |(key, _)| key.into_owned())
}

fn common_names(certificate: &[u8]) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
        return Vec::new();
    };
    let names = certificate.subject().iter_common_name();
    names
        .filter_map(|name| name.as_str().ok())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::platform::serving::Identity;

    fn front_proxy(allowed: &str) -> FrontProxy {
        let data = [
            ("requestheader-client-ca-file", "PEM"),
            ("requestheader-allowed-names", allowed),
            ("requestheader-username-headers", r#"["X-Remote-User"]"#),
            ("requestheader-group-headers", r#"["X-Remote-Group"]"#),
            (
                "requestheader-extra-headers-prefix",
                r#"["X-Remote-Extra-"]"#,
            ),
        ];
        let data = data.map(|(key, value)| (key.to_owned(), value.to_owned()));
        FrontProxy::read(&data.into()).unwrap()
    }

    /// The certificate of a caller called `name`.
    fn certificate(name: &str) -> Vec<u8> {
        let now = jiff::Timestamp::UNIX_EPOCH;
        let identity = Identity::alone(&[name.to_owned()], now).unwrap();
        let (_, pem) = x509_parser::pem::parse_x509_pem(identity.certificate.as_bytes()).unwrap();
        pem.contents
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn the_user_is_who_the_api_server_names() {
        let headers = headers(&[
            ("x-remote-user", "alice"),
            ("x-remote-group", "developers"),
            ("x-remote-group", "system:authenticated"),
            ("x-remote-extra-scopes%2fall", "view"),
        ]);
        let caller = certificate("front-proxy-client");
        let user = front_proxy(r#"["front-proxy-client"]"#).identify(Some(&caller), &headers);
        let user = user.unwrap();
        assert_eq!(user.name, "alice");
        assert_eq!(user.groups, ["developers", "system:authenticated"]);
        assert_eq!(user.extra["scopes/all"], ["view"]);
    }

    #[test]
    fn nobody_else_may_name_a_user() {
        let headers = headers(&[
            ("x-remote-user", "admin"),
            ("x-remote-group", "system:masters"),
        ]);
        let proxy = front_proxy(r#"["front-proxy-client"]"#);
        let refused = proxy.identify(None, &headers);
        assert_eq!(refused, Err(Stranger::Certificate));
        let refused = proxy.identify(Some(&certificate("somebody")), &headers);
        assert_eq!(refused, Err(Stranger::Certificate));
        assert!(
            front_proxy("[]")
                .identify(Some(&certificate("somebody")), &headers)
                .is_ok()
        );
    }

    #[test]
    fn a_request_without_a_user_is_refused() {
        let caller = certificate("a");
        let refused = front_proxy("[]").identify(Some(&caller), &HeaderMap::new());
        assert_eq!(refused, Err(Stranger::User));
        assert_eq!(FrontProxy::read(&BTreeMap::new()), None);
    }
}
