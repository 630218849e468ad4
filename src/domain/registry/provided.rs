//! What a credential provider answers (`CredentialProviderResponse` of the kubelet), and for how long and how much it counts.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::pattern::{ImagePattern, repository};
use super::{Credentials, split};
use crate::domain::secret::Secret;

/// Version of the protocol that is spoken.
pub const PROTOCOL: &str = "credentialprovider.kubelet.k8s.io/v1";

/// Answers that are kept of one provider; further ones are asked for anew each time.
const KEPT: usize = 256;

/// What an answer is good for beside the image that it was given for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Scope {
    Image,
    Registry,
    Global,
}

/// Credentials by the images that they are for, and for how long they may be used again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    scope: Scope,
    /// As the provider says; the configuration says where it does not.
    lasts: Option<SignedDuration>,
    by_image: Vec<(ImagePattern, Credentials)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    api_version: String,
    kind: String,
    cache_key_type: Scope,
    cache_duration: Option<String>,
    #[serde(default)]
    auth: Option<BTreeMap<String, Pair>>,
}

#[derive(Deserialize)]
struct Pair {
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
}

impl Answer {
    /// Reads what a provider wrote.
    ///
    /// # Errors
    /// What is wrong with it, without a word of it.
    pub fn read(text: &[u8]) -> Result<Self, &'static str> {
        let response: Response = serde_json::from_slice(text)
            .map_err(|_| "it is no CredentialProviderResponse with a cacheKeyType")?;
        if response.api_version != PROTOCOL || response.kind != "CredentialProviderResponse" {
            return Err("it is of another apiVersion or kind than was asked for");
        }
        let lasts = response.cache_duration.as_deref().map(|text| {
            let lasts = duration(text);
            lasts.ok_or("its cacheDuration is none")
        });
        let lasts = lasts.transpose()?;
        // As the kubelet: backwards, so that what is written out comes before what has a *, and longer before shorter.
        let by_image = response.auth.unwrap_or_default().into_iter().rev();
        let by_image = by_image.map(|(pattern, Pair { username, password })| {
            let pattern = pattern.parse().map_err(|_| "its auth names no image")?;
            let password = Secret::new(password);
            Ok((pattern, Credentials { username, password }))
        });
        Ok(Self {
            scope: response.cache_key_type,
            lasts,
            by_image: by_image.collect::<Result<_, &'static str>>()?,
        })
    }

    /// Those for an image, if there are any.
    #[must_use]
    pub fn credentials(&self, image: &str) -> Option<Credentials> {
        let mut fitting = self.by_image.iter();
        let found = fitting.find(|(pattern, _)| pattern.matches(image));
        found.map(|(_, credentials)| credentials.clone())
    }
}

/// A duration as Kubernetes writes it, such as `12h0m0s`; `None` of what is none.
#[must_use]
pub fn duration(text: &str) -> Option<SignedDuration> {
    if text == "0" {
        return Some(SignedDuration::ZERO);
    }
    text.parse().ok()
}

/// The answers of one provider that are still good.
#[derive(Debug, Default)]
pub struct Cache(BTreeMap<Key, (Answer, Timestamp)>);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Image(String),
    Registry(String),
    Global,
}

impl Key {
    fn of(scope: Scope, image: &str) -> Self {
        match scope {
            Scope::Image => Self::Image(repository(image)),
            Scope::Registry => Self::Registry(split(image).0.to_owned()),
            Scope::Global => Self::Global,
        }
    }
}

impl Cache {
    /// The answer that counts for an image.
    #[must_use]
    pub fn get(&self, image: &str, now: Timestamp) -> Option<&Answer> {
        let mut scopes = [Scope::Image, Scope::Registry, Scope::Global].into_iter();
        scopes.find_map(|scope| {
            let (answer, until) = self.0.get(&Key::of(scope, image))?;
            (*until > now).then_some(answer)
        })
    }

    /// Keeps the answer for an image for as long as it says, or for `default` where it does not.
    pub fn keep(&mut self, image: &str, answer: &Answer, default: SignedDuration, now: Timestamp) {
        self.0.retain(|_, (_, until)| *until > now);
        let until = now.saturating_add(answer.lasts.unwrap_or(default));
        let until = until.unwrap_or(Timestamp::MAX);
        if until > now && self.0.len() < KEPT {
            let key = Key::of(answer.scope, image);
            self.0.insert(key, (answer.clone(), until));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ECR: &str = "1.dkr.ecr.eu-west-1.amazonaws.com";
    const HOUR: SignedDuration = SignedDuration::from_hours(1);

    fn answer(scope: &str, lasts: &Value, auth: &Value) -> Answer {
        let text = json!({
            "apiVersion": PROTOCOL, "kind": "CredentialProviderResponse",
            "cacheKeyType": scope, "cacheDuration": lasts, "auth": auth,
        });
        Answer::read(text.to_string().as_bytes()).unwrap()
    }

    fn user(answer: &Answer, image: &str) -> Option<String> {
        answer.credentials(image).map(|it| it.username)
    }

    #[test]
    fn the_most_precise_of_the_credentials_counts() {
        let auth = json!({
            "*.example": {"username": "any", "password": "p"},
            "a.example": {"username": "host", "password": "p"},
            "a.example/shop": {"username": "path", "password": "p"},
        });
        let answer = answer("Image", &json!(null), &auth);
        assert_eq!(user(&answer, "a.example/shop/web:1").unwrap(), "path");
        assert_eq!(user(&answer, "a.example/web").unwrap(), "host");
        assert_eq!(user(&answer, "b.example/web").unwrap(), "any");
        assert_eq!(user(&answer, "c.elsewhere/web"), None);
    }

    #[test]
    fn an_answer_counts_for_as_long_and_as_much_as_it_says() {
        let now = Timestamp::UNIX_EPOCH;
        let none = json!({});
        let kept = |scope: &str, lasts: Value| {
            let mut cache = Cache::default();
            let image = format!("{ECR}/web:1");
            cache.keep(&image, &answer(scope, &lasts, &none), HOUR, now);
            cache
        };
        let hits = |cache: &Cache, image: &str, minutes: i64| {
            let at = now + SignedDuration::from_mins(minutes);
            cache.get(image, at).is_some()
        };
        let (same, other) = (format!("{ECR}/web:2"), format!("{ECR}/other"));
        let image = kept("Image", json!("30m0s"));
        assert!(hits(&image, &same, 29) && !hits(&image, &same, 30));
        assert!(!hits(&image, &other, 0));
        let registry = kept("Registry", json!(null));
        assert!(hits(&registry, &other, 59) && !hits(&registry, &other, 60));
        assert!(!hits(&registry, "nginx", 0));
        assert!(hits(&kept("Global", json!("6h0m0s")), "nginx", 359));
        for never in ["0s", "0", "-1s"] {
            assert!(!hits(&kept("Global", json!(never)), "nginx", 0), "{never}");
        }
    }

    #[test]
    fn no_more_answers_are_kept_than_there_is_room_for_and_old_ones_make_room() {
        let now = Timestamp::UNIX_EPOCH;
        let answer = answer("Image", &json!(null), &json!({}));
        let mut cache = Cache::default();
        for number in 0..=KEPT {
            cache.keep(&format!("{ECR}/{number}"), &answer, HOUR, now);
        }
        assert_eq!(cache.0.len(), KEPT);
        cache.keep("nginx", &answer, HOUR, now + HOUR);
        assert_eq!(cache.0.len(), 1);
    }

    #[test]
    fn what_cannot_be_read_is_not_repeated() {
        let good = json!({
            "apiVersion": PROTOCOL, "kind": "CredentialProviderResponse", "cacheKeyType": "Global",
        });
        assert!(Answer::read(good.to_string().as_bytes()).is_ok());
        for (field, wrong) in [
            (
                "apiVersion",
                json!("credentialprovider.kubelet.k8s.io/v1beta1"),
            ),
            ("kind", json!("hunter2")),
            ("cacheKeyType", json!("hunter2")),
            ("cacheDuration", json!("hunter2")),
            ("auth", json!({"hunter2*/*": {"password": "hunter2"}})),
            ("auth", json!("hunter2")),
        ] {
            let mut text = good.clone();
            text[field] = wrong;
            let error = Answer::read(text.to_string().as_bytes()).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
