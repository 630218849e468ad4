//! Files in containers.

use bytes::Bytes;
use http::Method;
use http_body_util::Full;
use tar::{Builder, Header};

use super::http::{self as engine, encode, exchange};
use super::{Docker, INSPECT, within};
use crate::runtime::Error;

impl Docker {
    pub(super) async fn put_file(
        &self,
        name: &str,
        path: &str,
        content: &str,
    ) -> Result<(), Error> {
        let archive = archive(path, content).map_err(|error| Error::Refused {
            status: 0,
            message: format!("cannot write {path}: {error}"),
        })?;
        let target = self.path(&format!("/containers/{}/archive?path=/", encode(name)));
        let body = Full::new(Bytes::from(archive));
        let request = engine::archive(Method::PUT, target, body)?;
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
