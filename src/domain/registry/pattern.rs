//! Which images something is about, in the words of the kubelet's `matchImages`.

use std::str::FromStr;

use super::{HUB, HUB_NAMES, is_below, split};

/// A pattern of images: a host in which `*` stands for any part of one label, a port, and the beginning of a path.
///
/// Example: `*.dkr.ecr.*.amazonaws.com/shop` is about `1234.dkr.ecr.eu-west-1.amazonaws.com/shop/web:1`. Unlike the
/// kubelet's, a path ends where a part of the image's does: `registry.example/shop` is not about `registry.example/shopping`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImagePattern {
    /// Labels of the host.
    labels: Vec<String>,
    port: Option<String>,
    /// Without slashes at its ends; any where it is empty.
    path: String,
}

impl FromStr for ImagePattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = text.split_once("://").map_or(text, |(_, rest)| rest);
        let (host, path) = plain.split_once('/').unwrap_or((plain, ""));
        let (labels, port) = labels_and_port(host);
        let is_label = |label: &String| {
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '*');
            !label.is_empty() && label.chars().all(fits)
        };
        if !labels.iter().all(is_label) {
            return Err(format!("{text} names no host of a registry"));
        }
        if path.contains('*') {
            return Err(format!("{text} has a * beyond its host"));
        }
        Ok(Self {
            labels,
            port,
            path: path.trim_matches('/').to_owned(),
        })
    }
}

impl ImagePattern {
    /// Whether it is about `image`, a reference as definitions have it.
    #[must_use]
    pub fn matches(&self, image: &str) -> bool {
        let repository = repository(image);
        let (host, path) = repository.split_once('/').unwrap_or((&repository, ""));
        let (labels, port) = labels_and_port(host);
        let same = |(pattern, label): (&String, &String)| covers_label(pattern, label);
        labels.len() == self.labels.len()
            && port == self.port
            && self.labels.iter().zip(&labels).all(same)
            && is_below(path, &self.path)
    }
}

/// The host of an image's registry with the path of its repository: no tag, no digest, and nothing left out.
///
/// Example: `nginx:1` is `docker.io/library/nginx`.
#[must_use]
pub fn repository(image: &str) -> String {
    let (host, path) = split(image);
    let path = path.split_once('@').map_or(path, |(path, _)| path);
    let path = match path.rsplit_once(':') {
        Some((before, tag)) if !tag.contains('/') => before,
        Some(_) | None => path,
    };
    if host == HUB && !path.contains('/') {
        return format!("{HUB}/library/{path}");
    }
    format!("{host}/{path}")
}

/// All addresses of Docker's Hub are one.
fn labels_and_port(host: &str) -> (Vec<String>, Option<String>) {
    let (name, port) = match host.split_once(':') {
        Some((name, port)) => (name, Some(port.to_owned())),
        None => (host, None),
    };
    let name = if HUB_NAMES.contains(&name) { HUB } else { name };
    let labels = name.split('.').map(str::to_ascii_lowercase);
    (labels.collect(), port)
}

/// Whether a label of a host is `pattern`, in which each `*` stands for any characters.
fn covers_label(pattern: &str, label: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == label;
    };
    let Some(label) = label.strip_prefix(first) else {
        return false;
    };
    let ends = label.char_indices().map(|(at, _)| at).chain([label.len()]);
    let mut rests = ends.filter_map(|at| label.get(at..));
    rests.any(|left| covers_label(rest, left))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, image: &str) -> bool {
        pattern.parse::<ImagePattern>().unwrap().matches(image)
    }

    #[test]
    fn a_pattern_is_about_the_images_of_the_kubelets_examples() {
        let ecr = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/web:1";
        for (pattern, image) in [
            ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", ecr),
            ("*.dkr.ecr.*.amazonaws.com", ecr),
            ("*.azurecr.io", "shop.azurecr.io/web"),
            ("gcr.io", "gcr.io/project/web@sha256:0123"),
            ("app*.k8s.io", "apps.k8s.io/web"),
            ("a*b*c.io", "axxbyyc.io/web"),
            ("registry.io:8080/path", "registry.io:8080/path/web:1"),
            ("https://registry.io/path/", "registry.io/path:1"),
            ("REGISTRY.io", "registry.io/web"),
            ("docker.io/library", "nginx:1"),
            ("docker.io", "index.docker.io/shop/web"),
        ] {
            assert!(matches(pattern, image), "{pattern} {image}");
        }
        for (pattern, image) in [
            ("*.io", "app.k8s.io/web"),
            ("*.k8s.io", "k8s.io/web"),
            ("registry.io", "registry.io:8080/web"),
            ("registry.io:8080", "registry.io/web"),
            ("registry.io/shop", "registry.io/shopping/web"),
            ("registry.io/shop/web", "registry.io/shop"),
            ("app*.k8s.io", "lapp.k8s.io/web"),
            ("docker.io", "registry.io/web"),
        ] {
            assert!(!matches(pattern, image), "{pattern} {image}");
        }
    }

    #[test]
    fn what_is_no_pattern_says_why() {
        for (wrong, why) in [
            ("", "no host"),
            ("/web", "no host"),
            ("a..io", "no host"),
            ("a b.io", "no host"),
            ("registry.io/*", "beyond its host"),
        ] {
            let message = wrong.parse::<ImagePattern>().unwrap_err();
            assert!(message.contains(why), "{message}");
        }
    }

    #[test]
    fn a_repository_is_named_in_full_and_without_its_tag() {
        for (image, expected) in [
            ("nginx", "docker.io/library/nginx"),
            ("shop/web:1", "docker.io/shop/web"),
            ("registry:5000/web:1", "registry:5000/web"),
            ("registry:5000/web:1@sha256:01", "registry:5000/web"),
        ] {
            assert_eq!(repository(image), expected);
        }
    }
}
