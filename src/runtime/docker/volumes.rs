//! Docker's volumes.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::http::{Request, encode};
use super::{Docker, INSPECT, LIST, unreadable, wire};
use crate::runtime::{ContainerSpec, Error, Labels, VolumeSpec, VolumeView};

/// A driver may have to ask another machine.
const CHANGE: Duration = Duration::from_mins(5);

impl Docker {
    pub(super) async fn make_volume(&self, spec: &VolumeSpec) -> Result<VolumeView, Error> {
        let path = self.path("/volumes/create");
        let body = json!({
            "Name": spec.name,
            "Driver": spec.driver.as_deref().unwrap_or("local"),
            "DriverOpts": spec.options,
            "Labels": spec.labels,
        });
        let answer = self.json(Request::post(path, Some(body)), CHANGE).await?;
        view(answer).map_err(unreadable)
    }

    pub(super) async fn find_volume(&self, name: &str) -> Result<Option<VolumeView>, Error> {
        let path = self.path(&format!("/volumes/{}", encode(name)));
        match self.json(Request::get(path), INSPECT).await {
            Ok(answer) => view(answer).map(Some).map_err(unreadable),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }

    pub(super) async fn drop_volume(&self, name: &str) -> Result<(), Error> {
        let path = self.path(&format!("/volumes/{}", encode(name)));
        match self.done(Request::delete(path), CHANGE).await {
            Err(Error::NotFound { .. }) => Ok(()),
            other => other,
        }
    }

    pub(super) async fn volumes(&self, labels: &Labels) -> Result<Vec<VolumeView>, Error> {
        let filters = wire::label_filter(labels, &[]);
        let path = self.path(&format!("/volumes?filters={}", encode(&filters)));
        let answer = self.json(Request::get(path), LIST).await?;
        let found = answer.get("Volumes").and_then(Value::as_array);
        let found = found.into_iter().flatten().cloned();
        found
            .map(view)
            .collect::<Result<_, _>>()
            .map_err(unreadable)
    }
}

/// `source:path[:ro]`; Docker makes a missing directory of the host, and only in this form.
pub(super) fn binds(spec: &ContainerSpec) -> Vec<String> {
    let mounts = spec.mounts.iter();
    mounts
        .map(|mount| format!("{}:{}{}", mount.source, mount.path, mode(mount.read_only)))
        .collect()
}

/// `container[:ro]`.
pub(super) fn volumes_from(spec: &ContainerSpec) -> Vec<String> {
    let sources = spec.volumes_from.iter();
    sources
        .map(|from| format!("{}{}", from.container, mode(from.read_only)))
        .collect()
}

const fn mode(read_only: bool) -> &'static str {
    if read_only { ":ro" } else { "" }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VolumeJson {
    name: String,
    labels: Option<Labels>,
}

fn view(answer: Value) -> Result<VolumeView, serde_json::Error> {
    let found: VolumeJson = serde_json::from_value(answer)?;
    Ok(VolumeView {
        name: found.name,
        labels: found.labels.unwrap_or_default(),
    })
}
