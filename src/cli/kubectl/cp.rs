//! `kubectl ecs cp`: by the engine's own archives, so that the image needs no `tar`, and a stopped task will do.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use clap::Args;
use futures::{FutureExt, Stream, StreamExt};
use http::Request;
use http_body_util::BodyExt;
use tokio_util::compat::FuturesAsyncReadCompatExt;
use tokio_util::io::{ReaderStream, SyncIoBridge};

use super::connection::{Connection, explained};
use crate::platform::upload;

pub(super) const EXAMPLE: &str =
    "The task needs enableExecuteCommand: true, as for exec: who may copy may change what runs.

Examples:
  kubectl ecs cp web-1f3a9c2e-0-1:/etc/app.conf ./app.conf
  kubectl ecs cp web-1f3a9c2e-0-1:/var/log -c app ./logs    a folder
  kubectl ecs cp ./app.conf web-1f3a9c2e-0-1:/etc/app.conf";

/// What is packed and not sent yet.
const PART: usize = 64 * 1024;

/// Arguments of `cp`.
#[derive(Debug, Args)]
pub(super) struct CpArguments {
    /// A local path, or TASK:PATH.
    from: String,
    /// The same; exactly one of the two is in a task.
    to: String,
    /// Container; the only one needs no name.
    #[arg(long, short)]
    container: Option<String>,
}

/// A path in a container.
#[derive(Debug, PartialEq, Eq)]
struct Remote<'a> {
    task: &'a str,
    path: &'a str,
}

impl<'a> Remote<'a> {
    /// A local path with a colon begins with `/` or `./`.
    fn read(text: &'a str) -> Option<Self> {
        let (task, path) = text.split_once(':')?;
        let is_task = !task.is_empty() && !task.contains('/') && !task.starts_with('.');
        (is_task && path.starts_with('/')).then_some(Self { task, path })
    }
}

pub(super) async fn run(
    connection: &Connection,
    arguments: &CpArguments,
) -> anyhow::Result<ExitCode> {
    let container = arguments.container.as_deref();
    match (Remote::read(&arguments.from), Remote::read(&arguments.to)) {
        (Some(from), None) => {
            download(connection, &from, container, Path::new(&arguments.to)).await?;
        }
        (None, Some(to)) => {
            upload(connection, Path::new(&arguments.from), &to, container).await?;
        }
        (Some(_), Some(_)) | (None, None) => {
            bail!("exactly one side is in a task, written TASK:/absolute/path")
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn path(
    connection: &Connection,
    remote: &Remote<'_>,
    path: &str,
    container: Option<&str>,
) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("path", path)
        .extend_pairs(container.iter().map(|name| ("container", name)))
        .finish();
    format!("{}?{query}", connection.path(remote.task, "exec/archive"))
}

async fn download(
    connection: &Connection,
    from: &Remote<'_>,
    container: Option<&str>,
    to: &Path,
) -> anyhow::Result<()> {
    let request = Request::get(path(connection, from, from.path, container)).body(Vec::new())?;
    let archive = connection.client.request_stream(request).await;
    let archive = archive.map_err(|error| explained(error, "read the file"))?;
    let name = base(from.path).unwrap_or("root").to_owned();
    let to = if to.is_dir() {
        to.join(&name)
    } else {
        to.to_owned()
    };
    let reader = SyncIoBridge::new(Box::pin(archive).compat());
    tokio::task::spawn_blocking(move || unpack(reader, &to)).await?
}

/// Unpacks beside the destination first: what an archive can name stays within that folder, links included.
fn unpack(archive: impl io::Read, to: &Path) -> anyhow::Result<()> {
    let parent = match to.parent() {
        Some(parent) if parent != Path::new("") => parent,
        Some(_) | None => Path::new("."),
    };
    let folder = parent.join(format!(".kubectl-ecs-{}", std::process::id()));
    fs::create_dir(&folder).with_context(|| format!("cannot write to {}", parent.display()))?;
    let moved = move_out(archive, &folder, to);
    fs::remove_dir_all(&folder)?;
    moved
}

fn move_out(archive: impl io::Read, folder: &Path, to: &Path) -> anyhow::Result<()> {
    tar::Archive::new(archive).unpack(folder)?;
    let mut entries = fs::read_dir(folder)?;
    let Some(first) = entries.next() else {
        bail!("the archive is empty");
    };
    fs::rename(first?.path(), to)
        .with_context(|| format!("cannot replace {}: remove it first", to.display()))
}

async fn upload(
    connection: &Connection,
    from: &Path,
    to: &Remote<'_>,
    container: Option<&str>,
) -> anyhow::Result<()> {
    let metadata = fs::metadata(from);
    let metadata = metadata.with_context(|| format!("cannot read {}", from.display()))?;
    let local = from.file_name().and_then(|name| name.to_str());
    let (folder, name) = destination(to.path, local.unwrap_or("root"));
    let path = path(connection, to, &folder, container);
    let archive = pack(from.to_owned(), name, metadata.is_dir());
    let answer = upload::put_archive(&connection.config, &path, archive).await;
    let answer = answer.context("cannot send the file")?;
    let status = answer.status();
    if !status.is_success() {
        let said = answer.into_body().collect().await?.to_bytes();
        let said = serde_json::from_slice(&said).unwrap_or_default();
        let error = kube::Error::Api(Box::new(kube::core::Status {
            code: status.as_u16(),
            ..said
        }));
        return Err(explained(error, "write the file"));
    }
    Ok(())
}

/// Packs while it is sent. The archive's end comes only if all of it could be packed.
fn pack(from: PathBuf, name: String, folder: bool) -> impl Stream<Item = io::Result<Bytes>> {
    let (near, far) = tokio::io::duplex(PART);
    let packing = tokio::task::spawn_blocking(move || {
        let mut archive = tar::Builder::new(SyncIoBridge::new(near));
        archive.follow_symlinks(false);
        if folder {
            archive.append_dir_all(&name, &from)?;
        } else {
            archive.append_path_with_name(&from, &name)?;
        }
        archive.into_inner()?.shutdown()
    });
    let end = async {
        packing
            .await
            .map_err(io::Error::other)?
            .map(|()| Bytes::new())
    };
    ReaderStream::with_capacity(far, PART).chain(end.into_stream())
}

/// The folder to unpack in, and the name to unpack as: `/etc/` keeps the local name, `/etc/app.conf` gives another.
fn destination(path: &str, local: &str) -> (String, String) {
    match path.rsplit_once('/') {
        Some((folder, "")) => (format!("{folder}/"), local.to_owned()),
        Some((folder, name)) => (format!("{folder}/"), name.to_owned()),
        None => ("/".to_owned(), path.to_owned()),
    }
}

fn base(path: &str) -> Option<&str> {
    path.trim_end_matches('/')
        .rsplit('/')
        .next()
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_a_task_is_told_from_a_local_one() {
        let remote = Remote::read("web-1:/etc/hosts").unwrap();
        assert_eq!((remote.task, remote.path), ("web-1", "/etc/hosts"));
        for local in ["./a:/b", "/a:/b", "a", "web-1:relative", ":/a"] {
            assert_eq!(Remote::read(local), None, "{local}");
        }
    }

    #[test]
    fn a_destination_that_ends_in_a_slash_keeps_the_name() {
        let to = |path| destination(path, "app.conf");
        assert_eq!(to("/etc/"), ("/etc/".to_owned(), "app.conf".to_owned()));
        assert_eq!(to("/etc/new"), ("/etc/".to_owned(), "new".to_owned()));
        assert_eq!(to("/new"), ("/".to_owned(), "new".to_owned()));
    }

    #[test]
    fn an_archive_becomes_the_file_that_was_asked_for_and_nothing_outside_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let archive = |name: &str| {
            let mut header = tar::Header::new_gnu();
            header.set_size(5);
            header.set_mode(0o644);
            // Set as it is: the library itself refuses to write such a path.
            header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            let mut archive = tar::Builder::new(Vec::new());
            archive.append(&header, &b"hello"[..]).unwrap();
            archive.into_inner().unwrap()
        };
        let to = folder.path().join("inner/copy");
        fs::create_dir(folder.path().join("inner")).unwrap();
        unpack(&archive("hosts")[..], &to).unwrap();
        assert_eq!(fs::read_to_string(&to).unwrap(), "hello");
        unpack(&archive("../../evil")[..], &to).unwrap_err();
        assert!(!folder.path().join("evil").exists());
        let left = fs::read_dir(folder.path().join("inner")).unwrap();
        assert_eq!(left.count(), 1, "nothing of the unpacking is left");
    }
}
