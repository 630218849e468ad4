//! Image references: `repository[:tag][@digest]` (Docker's `distribution/reference`).

/// The reference that names exactly the content with this digest in the image's repository, whatever becomes of its tag;
/// `None` for an image that is named by a digest already.
///
/// Example: `registry:5000/shop/web:1` and `sha256:0f3a` give `registry:5000/shop/web@sha256:0f3a`.
pub(crate) fn pinned(image: &str, digest: &str) -> Option<String> {
    (!image.contains('@')).then(|| format!("{}@{digest}", repository(image)))
}

/// Of digests as an engine lists them, `repository@digest`, that of the image's own repository: an image may have come
/// from several, and a digest is good only where it came from.
pub(super) fn digest_of<'a>(
    image: &str,
    listed: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let own = familiar(repository(image));
    listed
        .into_iter()
        .filter_map(|one| one.split_once('@'))
        .find(|(repository, _)| familiar(repository) == own)
        .map(|(_, digest)| digest)
}

/// One spelling for all that name the same image: as Docker shows it, and with its tag.
///
/// Example: `docker.io/library/nginx` gives `nginx:latest`.
#[must_use]
pub fn full_reference(image: &str) -> String {
    let short = familiar(image);
    let has_tag = short.len() > repository(short).len();
    let tag = if has_tag { "" } else { ":latest" };
    format!("{short}{tag}")
}

/// The reference without tag and digest.
fn repository(image: &str) -> &str {
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    let tag = name.get(last..).and_then(|rest| rest.find(':'));
    tag.and_then(|tag| name.get(..last + tag)).unwrap_or(name)
}

/// As Docker shows it: without the parts that stand for Docker Hub.
fn familiar(repository: &str) -> &str {
    let short = repository.strip_prefix("docker.io/").unwrap_or(repository);
    short.strip_prefix("library/").unwrap_or(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_takes_the_place_of_the_tag() {
        let pin = |image| pinned(image, "sha256:1");
        assert_eq!(pin("web").unwrap(), "web@sha256:1");
        assert_eq!(pin("shop/web:v1").unwrap(), "shop/web@sha256:1");
        assert_eq!(pin("host:5000/web").unwrap(), "host:5000/web@sha256:1");
        assert_eq!(pin("host:5000/web:v1").unwrap(), "host:5000/web@sha256:1");
        assert_eq!(pin("web@sha256:2"), None);
    }

    #[test]
    fn one_image_has_one_full_reference() {
        for same in [
            "nginx",
            "nginx:latest",
            "docker.io/library/nginx",
            "docker.io/nginx:latest",
        ] {
            assert_eq!(full_reference(same), "nginx:latest");
        }
        assert_eq!(full_reference("host:5000/web"), "host:5000/web:latest");
        assert_eq!(full_reference("web@sha256:1"), "web@sha256:1");
    }

    #[test]
    fn only_the_digest_of_the_images_own_repository_counts() {
        let listed = ["mirror/web@sha256:1", "web@sha256:2"];
        assert_eq!(
            digest_of("docker.io/library/web:v1", listed),
            Some("sha256:2")
        );
        assert_eq!(digest_of("mirror/web", listed), Some("sha256:1"));
        assert_eq!(digest_of("other/web:v1", listed), None);
    }
}
