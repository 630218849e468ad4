//! `ecs-operator crds DIRECTORY`: the `CustomResourceDefinitions` as files.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use super::output::line;
use crate::api::crds;

/// Arguments of `crds`.
#[derive(Debug, Args)]
pub struct CrdsArguments {
    /// Folder that gets one file a kind.
    directory: PathBuf,
}

/// Writes the files.
///
/// # Errors
/// When the folder cannot be written.
pub fn run(arguments: &CrdsArguments) -> anyhow::Result<()> {
    std::fs::create_dir_all(&arguments.directory)?;
    for crd in crds::all() {
        let path = arguments
            .directory
            .join(format!("{}.yaml", crd.spec.names.plural));
        std::fs::write(&path, crds::render(&crd)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
        line(path.display());
    }
    Ok(())
}
