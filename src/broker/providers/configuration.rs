//! The file of providers: a `CredentialProviderConfig`, as a kubelet reads it.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::SignedDuration;
use serde::Deserialize;

use super::program::Program;
use crate::domain::registry::ImagePattern;
use crate::domain::registry::provided::{PROTOCOL, duration};

/// A field that is not known is an error, so that none is ignored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Configuration {
    api_version: String,
    kind: String,
    providers: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    name: String,
    match_images: Vec<String>,
    default_cache_duration: String,
    api_version: String,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: Vec<Variable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Variable {
    name: String,
    value: String,
}

/// Programs with the images that they are for, and for how long their answers count that do not say so.
///
/// # Errors
/// What has to be mended.
pub(super) fn read(
    text: &str,
    folder: &Path,
) -> Result<Vec<(Program, Vec<ImagePattern>, SignedDuration)>, String> {
    let read: Configuration = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    let version = "kubelet.config.k8s.io/v1";
    if read.api_version != version || read.kind != "CredentialProviderConfig" {
        return Err(format!("it is no CredentialProviderConfig of {version}"));
    }
    let mut named = BTreeSet::new();
    let providers = read.providers.into_iter();
    let providers = providers.map(|entry| {
        let name = entry.name.clone();
        if !named.insert(name.clone()) {
            return Err(format!("provider {name} is there twice"));
        }
        provider(entry, folder).map_err(|error| format!("provider {name}: {error}"))
    });
    providers.collect()
}

fn provider(
    entry: Entry,
    folder: &Path,
) -> Result<(Program, Vec<ImagePattern>, SignedDuration), String> {
    if entry.api_version != PROTOCOL {
        return Err(format!("apiVersion has to be {PROTOCOL}"));
    }
    // The kubelet's rule, so that a name cannot leave the folder.
    let is_plain = !matches!(entry.name.as_str(), "" | "." | "..");
    if !is_plain || entry.name.contains(['/', '\\', ' ']) {
        return Err("name has to be that of a program in the folder".to_owned());
    }
    let path = folder.join(&entry.name);
    if !path.is_file() {
        return Err(format!("there is no program {}", path.display()));
    }
    if entry.match_images.is_empty() {
        return Err("matchImages names no image".to_owned());
    }
    let images = entry.match_images.iter().map(|pattern| pattern.parse());
    let images: Result<Vec<ImagePattern>, String> = images.collect();
    let default = duration(&entry.default_cache_duration);
    let default = default.filter(|duration| !duration.is_negative());
    let default = default.ok_or("defaultCacheDuration is no duration such as 12h")?;
    let program = Program {
        path,
        name: entry.name,
        arguments: entry.args,
        environment: entry
            .env
            .into_iter()
            .map(|it| (it.name, it.value))
            .collect(),
    };
    Ok((program, images?, default))
}
