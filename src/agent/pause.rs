//! The image of pause containers (and of the relay of tasks' questions), made of the agent's own program, so that no
//! registry is needed for it.
//!
//! An image of one layer with one file: this very program, which in it runs `pause`. Its name holds the layer's digest.
//! So each engine loads it once, and a new agent brings a new one without touching containers of the old.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::json;
use sha2::{Digest, Sha256};
use tar::Header;
use tokio::io::AsyncReadExt as _;
use tracing::info;

use crate::domain::ids::hexadecimal;
use crate::runtime::{Archive, Engine, Error};

const REPOSITORY: &str = "ecs-operator-pause";
const PROGRAM: &str = "ecs-operator";
const BLOCK: u64 = 512;
const CHUNK: usize = 64 * 1024;

/// The image, as far as it has to be known before it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PauseImage {
    program: PathBuf,
    size: u64,
    /// SHA-256 of the layer, in hexadecimal digits.
    layer: String,
}

impl PauseImage {
    /// The image of the program at `program`, which is read once, from the first byte to the last.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of(program: &Path) -> io::Result<Self> {
        let mut file = File::open(program)?;
        let size = file.metadata()?.len();
        let mut digest = Sha256::new();
        digest.update(header(PROGRAM, size, 0o755)?);
        let mut chunk = vec![0; CHUNK];
        loop {
            let count = file.read(&mut chunk)?;
            match chunk.get(..count) {
                Some([]) | None => break,
                Some(part) => digest.update(part),
            }
        }
        digest.update(end(size));
        let layer = hexadecimal(&digest.finalize());
        Ok(Self {
            program: program.to_owned(),
            size,
            layer,
        })
    }

    /// Name of the image.
    #[must_use]
    pub fn name(&self) -> String {
        let tag: String = self.layer.chars().take(16).collect();
        format!("{REPOSITORY}:{tag}")
    }

    /// Path of the program in the image.
    #[must_use]
    pub fn program() -> String {
        format!("/{PROGRAM}")
    }

    /// Gives the image to the engine, whether or not it has it.
    ///
    /// # Errors
    /// When it cannot be read, or the engine does not take it.
    pub async fn load(&self, engine: &dyn Engine) -> Result<(), Error> {
        let archive = self.archive().map_err(|error| Error::Refused {
            status: 0,
            message: format!("cannot make the image of pause containers: {error}"),
        })?;
        let name = self.name();
        info!(
            image = name,
            "the engine is given the image of pause containers"
        );
        engine.load(&name, archive).await
    }

    /// The image as `docker save` would write it. The program is read as it is sent.
    ///
    /// # Errors
    /// When a part of it is too large for an archive.
    pub fn archive(&self) -> io::Result<Archive> {
        let config = json!({
            "architecture": match std::env::consts::ARCH {
                "x86_64" => "amd64",
                "aarch64" => "arm64",
                other => other,
            },
            "os": "linux",
            "config": {"Entrypoint": [Self::program(), "pause".to_owned()]},
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", self.layer)]},
        });
        let manifest =
            json!([{"Config": "config.json", "RepoTags": [self.name()], "Layers": ["layer.tar"]}]);
        let mut head = BytesMut::new();
        for (name, content) in [("manifest.json", manifest), ("config.json", config)] {
            let content = content.to_string();
            let size = content.len() as u64;
            head.extend_from_slice(&header(name, size, 0o644)?);
            head.extend_from_slice(content.as_bytes());
            head.extend_from_slice(&padding(size));
        }
        let layer_end = end(self.size);
        let layer_size = BLOCK + self.size + layer_end.len() as u64;
        head.extend_from_slice(&header("layer.tar", layer_size, 0o644)?);
        head.extend_from_slice(&header(PROGRAM, self.size, 0o755)?);
        let mut tail = BytesMut::from(layer_end.as_slice());
        tail.extend_from_slice(&end(layer_size));
        let one = |part: BytesMut| stream::once(async move { Ok(part.freeze()) });
        let program = chunks(self.program.clone());
        Ok(one(head).chain(program).chain(one(tail)).boxed())
    }
}

/// The header of a file in an archive: nothing in it depends on the time or on who runs the agent.
fn header(name: &str, size: u64, mode: u32) -> io::Result<[u8; 512]> {
    let mut header = Header::new_gnu();
    header.set_path(name)?;
    header.set_size(size);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    Ok(*header.as_bytes())
}

/// Zeros that fill the last block of a file of this size.
fn padding(size: u64) -> Vec<u8> {
    zeros(size.next_multiple_of(BLOCK) - size)
}

/// What follows the only or last file of an archive: its padding, and two empty blocks.
fn end(size: u64) -> Vec<u8> {
    zeros(size.next_multiple_of(BLOCK) - size + 2 * BLOCK)
}

fn zeros(count: u64) -> Vec<u8> {
    std::iter::repeat_n(0, usize::try_from(count).unwrap_or_default()).collect()
}

fn chunks(path: PathBuf) -> Archive {
    let open = async move { tokio::fs::File::open(path).await };
    let read = |file| {
        stream::try_unfold(file, |mut file: tokio::fs::File| async move {
            let mut chunk = BytesMut::with_capacity(CHUNK);
            let count = file.read_buf(&mut chunk).await?;
            Ok::<Option<(Bytes, _)>, io::Error>((count > 0).then(|| (chunk.freeze(), file)))
        })
    };
    stream::once(open).map_ok(read).try_flatten().boxed()
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};

    use super::*;

    #[tokio::test]
    async fn the_archive_is_an_image_whose_only_file_is_the_program() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let program = b"\x7fELF and more".repeat(10_000);
        file.write_all(&program).unwrap();
        let image = PauseImage::of(file.path()).unwrap();
        assert!(image.name().starts_with("ecs-operator-pause:"));

        let parts: Vec<Bytes> = image.archive().unwrap().try_collect().await.unwrap();
        let mut found = std::collections::BTreeMap::new();
        for entry in tar::Archive::new(Cursor::new(parts.concat()))
            .entries()
            .unwrap()
        {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().display().to_string();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            found.insert(name, content);
        }
        let layer = &found["layer.tar"];
        let config: serde_json::Value = serde_json::from_slice(&found["config.json"]).unwrap();
        let digest = hexadecimal(&Sha256::digest(layer));
        assert_eq!(
            config["rootfs"]["diff_ids"][0],
            format!("sha256:{digest}"),
            "the engine checks it"
        );
        let mut inner = tar::Archive::new(Cursor::new(layer));
        let mut inner = inner.entries().unwrap();
        let mut only = inner.next().unwrap().unwrap();
        assert_eq!(only.header().mode().unwrap(), 0o755);
        let mut content = Vec::new();
        only.read_to_end(&mut content).unwrap();
        assert_eq!(content, program);
        assert!(inner.next().is_none());
    }
}
