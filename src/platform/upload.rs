//! A request to the API server whose body is as long as it turns out to be. kube's client sends only bodies that it holds
//! in memory; this one has the same connection, credentials and headers.

use std::io;

use axum::body::Body;
use bytes::Bytes;
use futures::Stream;
use http::{Request, Response, header};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use kube::Config;
use kube::client::ConfigExt;
use tower::{BoxError, ServiceBuilder, ServiceExt};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration names unusable certificates or credentials.
    #[error("cannot use the kubeconfig")]
    Config(#[from] kube::Error),
    /// The request cannot be made.
    #[error("cannot make the request")]
    Request(#[from] http::Error),
    /// The connection or the body broke off.
    #[error("the connection broke off")]
    Broken(#[source] BoxError),
}

/// Puts a tar archive to `path` of the API server. An error in `archive` breaks the request off.
///
/// # Errors
/// When there is no answer.
pub async fn put_archive(
    config: &Config,
    path: &str,
    archive: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> Result<Response<Body>, Error> {
    let connector = config.rustls_https_connector()?;
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(client);
    let request = Request::put(path)
        .header(header::CONTENT_TYPE, "application/x-tar")
        .body(Body::from_stream(archive))?;
    let answer = service.oneshot(request).await.map_err(Error::Broken)?;
    Ok(answer.map(Body::new))
}
