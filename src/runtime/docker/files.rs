//! Files in containers.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http_body_util::Full;
use tar::{Builder, Header};

use super::{Docker, INSPECT, http::encode, http::exchange, within};
use crate::runtime::Error;

impl Docker {
    pub(super) async fn put_file(
        &self,
        name: &str,
        path: &str,
        content: &str,
    ) -> Result<(), Error> {
        let impossible = |why: String| Error::Refused {
            status: 0,
            message: format!("cannot write {path}: {why}"),
        };
        let archive = archive(path, content).map_err(|error| impossible(error.to_string()))?;
        let target = self.path(&format!("/containers/{}/archive?path=/", encode(name)));
        let request = http::Request::put(target)
            .header(HOST, "docker")
            .header(CONTENT_TYPE, "application/x-tar")
            .body(Full::new(Bytes::from(archive)))
            .map_err(|error| impossible(error.to_string()))?;
        within(INSPECT, async {
            let reply = exchange(&self.socket, request).await?;
            reply.bytes().await.map(drop)
        })
        .await
    }
}

/// One file, which everybody may read.
fn archive(path: &str, content: &str) -> std::io::Result<Vec<u8>> {
    let mut header = Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    let mut archive = Builder::new(Vec::new());
    archive.append_data(
        &mut header,
        path.trim_start_matches('/'),
        content.as_bytes(),
    )?;
    archive.into_inner()
}
