//! The Docker Engine, spoken to over its Unix socket.
//!
//! A client of our own over `hyper`, because we need what generated clients do not give: a deadline for each class
//! of call, answers that survive words of newer engines, and a pinned API version. Each call is a connection of its
//! own (Docker's socket answers a ping in 0.7 ms), so a restarted engine needs no reconnecting.

mod files;
mod frames;
mod hijack;
mod http;
mod images;
mod info;
mod networks;
mod settings;
mod stats;
mod streams;
mod volumes;
mod wire;

use std::path::PathBuf;
use std::pin::pin;
use std::sync::RwLock;
use std::time::Duration;

use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt, TryStreamExt};
use http_body_util::StreamBody;
use hyper::body::Frame;
use serde_json::Value;

use super::{
    Answer, Archive, ContainerSpec, ContainerSummary, ContainerView, Created, Engine, EngineInfo,
    Error, Hint, Image, Labels, LocalImage, NetworkSpec, PullProgress, VolumeSpec, VolumeView,
};
use crate::domain::registry::Credentials;
use ::http::Method;
use http::{Request, lines};

/// An image that comes out of an archive.
const LOAD: Duration = Duration::from_mins(3);
const PING: Duration = Duration::from_secs(2);
const INSPECT: Duration = Duration::from_secs(10);
const LIST: Duration = Duration::from_secs(30);
const CREATE: Duration = Duration::from_mins(4);
const START: Duration = Duration::from_mins(3);
const STOP_MARGIN: Duration = Duration::from_mins(1);
const REMOVE: Duration = Duration::from_mins(5);
/// A pull that says nothing for this long has stalled.
const PULL_SILENCE: Duration = Duration::from_mins(2);

/// API version that we write for; Docker 20.10 and newer speak it.
const API_VERSION: &str = "1.41";

/// A Docker Engine behind a Unix socket.
#[derive(Debug)]
pub struct Docker {
    socket: PathBuf,
    /// Version prefix of paths: ours, or the oldest that a newer engine still speaks.
    version: RwLock<String>,
}

impl Docker {
    /// The engine behind `socket`, which need not exist yet. Its folder is what should be mounted, because a
    /// restarted engine makes a new socket.
    #[must_use]
    pub fn at(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into(),
            version: RwLock::new(API_VERSION.to_owned()),
        }
    }

    fn path(&self, rest: &str) -> String {
        let version = self
            .version
            .read()
            .map_or_else(|_| API_VERSION.to_owned(), |version| version.clone());
        format!("/v{version}{rest}")
    }

    async fn json(&self, request: Request, deadline: Duration) -> Result<Value, Error> {
        within(deadline, async {
            let body = http::send(&self.socket, request).await?.bytes().await?;
            serde_json::from_slice(&body).map_err(|error| Error::Unreachable {
                message: format!("broken answer: {error}"),
                no_socket: false,
            })
        })
        .await
    }

    async fn done(&self, request: Request, deadline: Duration) -> Result<(), Error> {
        within(deadline, async {
            http::send(&self.socket, request)
                .await?
                .bytes()
                .await
                .map(drop)
        })
        .await
    }

    async fn describe(&self) -> Result<EngineInfo, Error> {
        let version = self
            .json(Request::get("/version".to_owned()), INSPECT)
            .await?;
        if let Ok(mut ours) = self.version.write() {
            *ours = info::api_version(&version, API_VERSION);
        }
        let described = self.json(Request::get(self.path("/info")), LIST).await?;
        let plugins = match self.json(Request::get(self.path("/plugins")), LIST).await {
            // An engine without plugins, or one that keeps them to itself.
            Err(Error::Refused { .. } | Error::NotFound { .. }) => Value::Null,
            plugins => plugins?,
        };
        let mut info = info::engine_info(&version, &described, &plugins);
        info.boot_id = kernel("/proc/sys/kernel/random/boot_id").await;
        info.pids = kernel("/proc/sys/kernel/pid_max")
            .await
            .and_then(|text| text.parse().ok());
        Ok(info)
    }

    async fn view(&self, name: &str) -> Result<ContainerView, Error> {
        let path = self.path(&format!("/containers/{}/json", http::encode(name)));
        let body = self.json(Request::get(path), INSPECT).await?;
        wire::view(body).map_err(unreadable)
    }
}

impl Engine for Docker {
    fn info(&self) -> Answer<'_, EngineInfo> {
        self.describe().boxed()
    }

    fn ping(&self) -> Answer<'_, ()> {
        self.done(Request::get("/_ping".to_owned()), PING).boxed()
    }

    fn list<'a>(&'a self, labels: &'a Labels) -> Answer<'a, Vec<ContainerSummary>> {
        async {
            let filters = wire::label_filter(labels, &[]);
            let path = self.path(&format!(
                "/containers/json?all=true&filters={}",
                http::encode(&filters)
            ));
            let body = self.json(Request::get(path), LIST).await?;
            wire::summaries(body).map_err(unreadable)
        }
        .boxed()
    }

    fn inspect<'a>(&'a self, name: &'a str) -> Answer<'a, ContainerView> {
        self.view(name).boxed()
    }

    fn create<'a>(&'a self, spec: &'a ContainerSpec) -> Answer<'a, Created> {
        async {
            let path = self.path(&format!(
                "/containers/create?name={}",
                http::encode(&spec.name)
            ));
            match self
                .json(Request::post(path, Some(wire::create_body(spec))), CREATE)
                .await
            {
                Ok(answer) => Ok(Created::New {
                    id: wire::text(&answer, "Id"),
                }),
                Err(Error::Conflict { message }) => match self.view(&spec.name).await {
                    Ok(view) => Ok(Created::AlreadyExists(Box::new(view))),
                    Err(Error::NotFound { .. }) => Err(Error::Conflict { message }),
                    Err(other) => Err(other),
                },
                Err(other) => Err(other),
            }
        }
        .boxed()
    }

    fn start<'a>(&'a self, name: &'a str) -> Answer<'a, ()> {
        async move {
            let path = self.path(&format!("/containers/{}/start", http::encode(name)));
            self.done(Request::post(path, None), START).await
        }
        .boxed()
    }

    fn write_file<'a>(&'a self, name: &'a str, path: &'a str, content: &'a str) -> Answer<'a, ()> {
        self.put_file(name, path, content).boxed()
    }

    fn stop<'a>(&'a self, name: &'a str, grace: Duration) -> Answer<'a, ()> {
        async move {
            let path = self.path(&format!(
                "/containers/{}/stop?t={}",
                http::encode(name),
                grace.as_secs()
            ));
            self.done(Request::post(path, None), grace.saturating_add(STOP_MARGIN))
                .await
        }
        .boxed()
    }

    fn kill<'a>(&'a self, name: &'a str) -> Answer<'a, ()> {
        async move {
            let path = self.path(&format!("/containers/{}/kill", http::encode(name)));
            match self.done(Request::post(path, None), STOP_MARGIN).await {
                // Not running: there is nothing left to kill.
                Err(Error::Conflict { .. }) => Ok(()),
                other => other,
            }
        }
        .boxed()
    }

    fn remove<'a>(&'a self, name: &'a str) -> Answer<'a, ()> {
        async move {
            let path = self.path(&format!("/containers/{}?v=true", http::encode(name)));
            match self.done(Request::delete(path), REMOVE).await {
                Err(Error::NotFound { .. }) => Ok(()),
                other => other,
            }
        }
        .boxed()
    }

    fn pull<'a>(
        &'a self,
        image: &'a str,
        credentials: Option<&'a Credentials>,
    ) -> BoxStream<'a, Result<PullProgress, Error>> {
        let path = self.path(&format!("/images/create?{}", images::pull_query(image)));
        let auth = credentials.map(|credentials| images::registry_auth(image, credentials));
        let start = async move {
            let reply = within(
                PULL_SILENCE,
                http::send(&self.socket, Request::post(path, None).authorized(auth)),
            )
            .await?;
            Ok(lines(reply))
        };
        let steps = start.into_stream().try_flatten();
        stream::unfold(Some(steps.boxed()), |steps| async {
            let mut steps = steps?;
            match tokio::time::timeout(PULL_SILENCE, steps.next()).await {
                Err(_) => Some((
                    Err(Error::Timeout {
                        after: PULL_SILENCE,
                    }),
                    None,
                )),
                Ok(None) => None,
                Ok(Some(Err(error))) => Some((Err(error), None)),
                Ok(Some(Ok(line))) => match images::pull_progress(&line) {
                    Ok(progress) => Some((Ok(progress), Some(steps))),
                    Err(error) => Some((Err(error), None)),
                },
            }
        })
        .boxed()
    }

    fn image<'a>(&'a self, image: &'a str) -> Answer<'a, Option<Image>> {
        async move {
            let path = self.path(&format!("/images/{}/json", http::encode(image)));
            match self.json(Request::get(path), INSPECT).await {
                Ok(body) => Ok(Some(images::image(image, &body))),
                Err(Error::NotFound { .. }) => Ok(None),
                Err(other) => Err(other),
            }
        }
        .boxed()
    }

    fn load<'a>(&'a self, _image: &'a str, archive: Archive) -> Answer<'a, ()> {
        let path = self.path("/images/load?quiet=1");
        let body = StreamBody::new(archive.map_ok(Frame::data));
        within(LOAD, async move {
            let request = http::archive(Method::POST, path, body)?;
            let mut told = pin!(lines(http::exchange(&self.socket, request).await?));
            while let Some(line) = told.next().await {
                images::pull_progress(&line?)?;
            }
            Ok(())
        })
        .boxed()
    }

    fn provide_network<'a>(&'a self, spec: &'a NetworkSpec) -> Answer<'a, ()> {
        self.make_network(spec).boxed()
    }

    fn create_volume<'a>(&'a self, spec: &'a VolumeSpec) -> Answer<'a, VolumeView> {
        self.make_volume(spec).boxed()
    }

    fn volume<'a>(&'a self, name: &'a str) -> Answer<'a, Option<VolumeView>> {
        self.find_volume(name).boxed()
    }

    fn list_volumes<'a>(&'a self, labels: &'a Labels) -> Answer<'a, Vec<VolumeView>> {
        self.volumes(labels).boxed()
    }

    fn remove_volume<'a>(&'a self, name: &'a str) -> Answer<'a, ()> {
        self.drop_volume(name).boxed()
    }

    fn images(&self) -> Answer<'_, Vec<LocalImage>> {
        async {
            let body = self
                .json(Request::get(self.path("/images/json")), LIST)
                .await?;
            images::images(body).map_err(unreadable)
        }
        .boxed()
    }

    fn remove_image<'a>(&'a self, reference: &'a str) -> Answer<'a, ()> {
        async move {
            let path = self.path(&format!("/images/{}", http::encode(reference)));
            match self.done(Request::delete(path), REMOVE).await {
                Err(Error::NotFound { .. }) => Ok(()),
                other => other,
            }
        }
        .boxed()
    }

    fn events<'a>(&'a self, labels: &'a Labels) -> BoxStream<'a, Result<Hint, Error>> {
        let filters = wire::label_filter(labels, &["container"]);
        let path = self.path(&format!("/events?filters={}", http::encode(&filters)));
        let start = async move {
            let reply = within(LIST, http::send(&self.socket, Request::get(path))).await?;
            Ok(lines(reply))
        };
        start
            .into_stream()
            .try_flatten()
            .try_filter_map(|line| async move { Ok(wire::hint(&line)) })
            .boxed()
    }
}

async fn within<T>(
    deadline: Duration,
    call: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    match tokio::time::timeout(deadline, call).await {
        Ok(answer) => answer,
        Err(_) => Err(Error::Timeout { after: deadline }),
    }
}

/// The engine shares its kernel with the agent beside it.
async fn kernel(file: &str) -> Option<String> {
    let text = tokio::fs::read_to_string(file).await.ok()?;
    Some(text.trim().to_owned())
}

/// An answer that we cannot read tells nothing, as if there had been none.
fn unreadable(error: serde_json::Error) -> Error {
    Error::Unreachable {
        message: format!("unreadable answer: {error}"),
        no_socket: false,
    }
}

#[cfg(test)]
mod tests;
