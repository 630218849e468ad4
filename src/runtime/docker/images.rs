//! Docker's JSON of images: pulls, their progress and who asks for them, and lists.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use serde::Deserialize;
use serde_json::{Value, json};

use super::wire::text;
use crate::domain::registry::{self, Credentials};
use crate::runtime::reference::digest_of;
use crate::runtime::{Error, Image, LocalImage, PullProgress};

/// What Docker shows for an image without a name.
const NONE: &str = "<none>";

/// Query of a pull: `fromImage`, and the tag, without which Docker would pull every tag there is.
pub(super) fn pull_query(image: &str) -> String {
    use super::http::encode;
    let last = image.rfind('/').map_or(0, |slash| slash + 1);
    let has_tag = image.contains('@') || image.get(last..).is_some_and(|name| name.contains(':'));
    let tag = if has_tag { "" } else { "&tag=latest" };
    format!("fromImage={}{tag}", encode(image))
}

/// Value of the header `X-Registry-Auth`. Docker wants the URL-safe alphabet, and takes a value in the other one for
/// nobody's: the pull would go on without credentials.
pub(super) fn registry_auth(image: &str, credentials: &Credentials) -> String {
    let (server, _) = registry::split(image);
    let auth = json!({
        "username": credentials.username,
        "password": credentials.password.expose(),
        "serveraddress": server,
    });
    URL_SAFE.encode(auth.to_string())
}

/// Answer of an image inspect that asked for `reference`.
pub(super) fn image(reference: &str, body: &Value) -> Image {
    let listed = body.get("RepoDigests").and_then(Value::as_array);
    let listed = listed.into_iter().flatten().filter_map(Value::as_str);
    Image {
        id: text(body, "Id"),
        digest: digest_of(reference, listed).map(ToOwned::to_owned),
    }
}

/// One line of a pull. Errors come as lines, too, after a status of 200.
pub(super) fn pull_progress(line: &Value) -> Result<PullProgress, Error> {
    if let Some(message) = line.get("error").and_then(Value::as_str) {
        return Err(Error::Refused {
            status: 500,
            message: message.to_owned(),
        });
    }
    let status = text(line, "status");
    let bytes = |name: &str| line.pointer(&format!("/progressDetail/{name}"))?.as_u64();
    // Unpacking counts bytes as well, the same ones once more.
    let downloaded = bytes("current")
        .zip(bytes("total"))
        .filter(|_| status == "Downloading");
    let layer = line.get("id").and_then(Value::as_str);
    Ok(PullProgress {
        layer: layer.map(str::to_owned),
        downloaded,
        status,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LineJson {
    id: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    repo_digests: Option<Vec<String>>,
    #[serde(default)]
    size: Option<i64>,
}

/// Answer of a list of images.
pub(super) fn images(body: Value) -> Result<Vec<LocalImage>, serde_json::Error> {
    let found: Vec<LineJson> = serde_json::from_value(body)?;
    let named = |names: Option<Vec<String>>| -> Vec<String> {
        let names = names.unwrap_or_default().into_iter();
        names.filter(|name| !name.contains(NONE)).collect()
    };
    let lines = found.into_iter().map(|line| LocalImage {
        id: line.id,
        tags: named(line.repo_tags),
        digests: named(line.repo_digests),
        size: line
            .size
            .and_then(|size| u64::try_from(size).ok())
            .unwrap_or(0),
    });
    Ok(lines.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::secret::Secret;

    #[test]
    fn an_image_without_tag_is_pulled_as_latest_only() {
        assert_eq!(pull_query("nginx"), "fromImage=nginx&tag=latest");
        assert_eq!(
            pull_query("reg:5000/nginx"),
            "fromImage=reg%3A5000/nginx&tag=latest"
        );
        assert_eq!(pull_query("nginx:1"), "fromImage=nginx%3A1");
        assert_eq!(pull_query("nginx@sha256:1"), "fromImage=nginx%40sha256%3A1");
    }

    #[test]
    fn passwords_that_the_two_alphabets_write_differently_arrive() {
        let credentials = Credentials {
            username: "shop".into(),
            password: Secret::new("pw?~>x???>>>".into()),
        };
        let header = registry_auth("reg:5000/web:1", &credentials);
        assert!(!header.contains(['+', '/']), "{header}");
        let read: Value = serde_json::from_slice(&URL_SAFE.decode(header).unwrap()).unwrap();
        assert_eq!(
            read,
            json!({"username": "shop", "password": "pw?~>x???>>>", "serveraddress": "reg:5000"})
        );
    }

    #[test]
    fn a_download_says_how_far_it_is_and_errors_are_lines_too() {
        let line = json!({"status": "Downloading", "id": "a1b2", "progressDetail": {"current": 5, "total": 9}});
        let progress = pull_progress(&line).unwrap();
        assert_eq!(progress.layer.as_deref(), Some("a1b2"));
        assert_eq!(progress.downloaded, Some((5, 9)));
        let unpacked = json!({"status": "Extracting", "id": "a1b2", "progressDetail": {"current": 1, "total": 9}});
        assert_eq!(pull_progress(&unpacked).unwrap().downloaded, None);
        let failed = pull_progress(&json!({"error": "no space left on device"}));
        assert!(matches!(failed, Err(Error::Refused { .. })), "{failed:?}");
    }

    #[test]
    fn names_that_stand_for_no_name_are_left_out() {
        let body = json!([{"Id": "sha256:1", "RepoTags": ["<none>:<none>"], "RepoDigests": ["web@sha256:2"], "Size": 7},
            {"Id": "sha256:3", "RepoTags": null, "RepoDigests": null}]);
        let found = images(body).unwrap();
        assert!(found[0].tags.is_empty() && found[1].digests.is_empty());
        assert_eq!(
            (found[0].digests.as_slice(), found[0].size),
            (&["web@sha256:2".to_owned()][..], 7)
        );
    }
}
