//! A request whose body is as long as it turns out to be. The client of the API server sends only bodies that it holds in
//! memory; this one has the same connection, credentials and headers.

use std::io;

use bytes::Bytes;
use futures::{Stream, TryStreamExt};
use http::{Request, Response, header};
use http_body_util::StreamBody;
use hyper::body::{Frame, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use kube::Config;
use kube::client::ConfigExt;
use tower::{BoxError, ServiceBuilder, ServiceExt};

/// Sends `archive` to `path` of the API server.
pub(super) async fn put(
    config: &Config,
    path: &str,
    archive: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> anyhow::Result<Response<Incoming>> {
    let connector = config.rustls_https_connector()?;
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(client);
    let body = StreamBody::new(Box::pin(archive.map_ok(Frame::data)));
    let request = Request::put(path)
        .header(header::CONTENT_TYPE, "application/x-tar")
        .body(body)?;
    service
        .oneshot(request)
        .await
        .map_err(anyhow::Error::from_boxed)
}
