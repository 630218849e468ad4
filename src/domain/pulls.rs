//! Why an image could not be pulled, sorted by what to do about it.
//!
//! Engines and registries tell it only in words. The words are those of Docker and of the registry protocol; what is not
//! recognised is final.

/// What kept an image from being pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// The registry does not have it.
    NotFound,
    /// The registry does not give it to these credentials, or to nobody without.
    Denied,
    /// The registry gives no more for now.
    RateLimited,
    /// The engine's disk is full.
    DiskFull,
    /// The registry does not answer.
    Unreachable,
    /// Anything else.
    Other,
}

/// Words of each problem, in lower case; the first that match decide. Docker Hub says of an image that does not exist
/// that access is denied, so that credentials are the better advice.
const WORDS: [(Problem, &[&str]); 5] = [
    (
        Problem::DiskFull,
        &["no space left on device", "disk quota exceeded"],
    ),
    (
        Problem::RateLimited,
        &["toomanyrequests", "too many requests", "rate limit", "429 "],
    ),
    (
        Problem::Denied,
        &[
            "access denied",
            "no basic auth credentials",
            "unauthorized",
            "authentication required",
            "incorrect username or password",
            "denied:",
            "401 ",
            "403 ",
        ],
    ),
    (
        Problem::NotFound,
        &[
            "manifest unknown",
            "not found",
            "no such image",
            "name unknown",
        ],
    ),
    (
        Problem::Unreachable,
        &[
            "dial tcp",
            "connection refused",
            "connection reset",
            "no such host",
            "timeout",
            "timed out",
            "request canceled",
            "deadline exceeded",
            "unexpected eof",
            "502 ",
            "503 ",
            "504 ",
        ],
    ),
];

impl Problem {
    /// Sorts what an engine said.
    #[must_use]
    pub fn of(message: &str) -> Self {
        let said = message.to_lowercase();
        let matches = |words: &[&str]| words.iter().any(|word| said.contains(word));
        let found = WORDS.iter().find(|(_, words)| matches(words));
        found.map_or(Self::Other, |(problem, _)| *problem)
    }

    /// How often a pull is tried before it fails its container. Amazon's agent tries five times within some seconds,
    /// whatever the problem; a service waits longer and longer between tasks that fail, so little is won by more.
    #[must_use]
    pub const fn tries(self) -> u32 {
        match self {
            Self::RateLimited | Self::DiskFull => 5,
            Self::Unreachable => 2,
            Self::NotFound | Self::Denied | Self::Other => 1,
        }
    }

    /// What a person can do about it; empty where the engine's words say it.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Denied => {
                "; give the credentials of a private registry with repositoryCredentials or extensions.imagePullSecrets, or let the broker get them (registryAccess of the EcsCluster)"
            }
            Self::RateLimited => {
                "; give credentials, which have a higher limit, or use a mirror of the registry"
            }
            Self::DiskFull => {
                "; images that no container uses are being removed: make the instance's disk larger if that is not enough"
            }
            Self::NotFound | Self::Unreachable | Self::Other => "",
        }
    }
}

/// The reason of a container whose image could not be pulled, in ECS's words. A registry that does not answer names its
/// address and not the image that was asked for, so the image is always named.
#[must_use]
pub fn reason(image: &str, message: &str) -> String {
    let advice = Problem::of(message).advice();
    format!("CannotPullContainerError: {message} (image {image}){advice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_docker_and_registries_say_is_sorted_by_what_to_do() {
        let said = [
            (
                "pull access denied for shop/web, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
                Problem::Denied,
            ),
            (
                "Get \"https://10.90.0.1:5000/v2/web/manifests/1\": no basic auth credentials",
                Problem::Denied,
            ),
            (
                "Get \"https://registry/v2/\": unauthorized: incorrect username or password",
                Problem::Denied,
            ),
            (
                "manifest for nginx:none not found: manifest unknown: manifest unknown",
                Problem::NotFound,
            ),
            (
                "toomanyrequests: You have reached your pull rate limit. You may increase the limit by authenticating",
                Problem::RateLimited,
            ),
            (
                "write /var/lib/docker/tmp/GetImageBlob111: no space left on device",
                Problem::DiskFull,
            ),
            (
                "failed to register layer: Error processing tar file(exit status 1): write /x: no space left on device",
                Problem::DiskFull,
            ),
            (
                "Get \"https://10.90.0.1:5000/v2/\": dial tcp 10.90.0.1:5000: connect: connection refused",
                Problem::Unreachable,
            ),
            (
                "Get \"https://registry-1.docker.io/v2/\": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)",
                Problem::Unreachable,
            ),
            (
                "no matching manifest for linux/arm64 in the manifest list entries",
                Problem::Other,
            ),
        ];
        for (message, problem) in said {
            assert_eq!(Problem::of(message), problem, "{message}");
        }
    }

    #[test]
    fn the_reason_keeps_the_engines_words_and_names_the_image() {
        let full = reason("web:1", "write /x: no space left on device");
        assert!(full.starts_with(
            "CannotPullContainerError: write /x: no space left on device (image web:1); "
        ));
        assert_eq!(
            reason("web:1", "manifest unknown"),
            "CannotPullContainerError: manifest unknown (image web:1)"
        );
    }
}
