//! [`Streams`] of a Docker Engine.

use std::net::IpAddr;
use std::time::Duration;

use ::http::Method;
use futures::{FutureExt, StreamExt, TryStreamExt};
use http_body_util::StreamBody;
use hyper::body::Frame;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::hijack::{chunks, hijack};
use super::http::{self, Request, encode, parts};
use super::{Docker, wire, within};
use crate::runtime::streams::{
    Chunk, Command, Data, Ends, LogQuery, Place, Session, Size, Streams, Terminal,
};
use crate::runtime::{Answer, Error};
use futures::stream::BoxStream;

/// Until the engine has begun to answer; how long it then goes on is up to the process and the reader.
const BEGIN: Duration = Duration::from_secs(30);
/// An archive of this age is being unpacked onto a disk that hangs.
const UNPACK: Duration = Duration::from_hours(1);

/// What an inspection says that streams need.
struct Facts {
    runs: bool,
    tty: bool,
    place: Place,
    /// The container whose network it shares.
    shares: Option<String>,
}

impl Docker {
    /// The same engine, to be asked later.
    fn again(&self) -> Self {
        let again = Self::at(&self.socket);
        if let (Ok(mut to), Ok(from)) = (again.version.write(), self.version.read()) {
            to.clone_from(&from);
        }
        again
    }

    async fn facts(&self, container: &str) -> Result<Facts, Error> {
        let path = self.path(&format!("/containers/{}/json", encode(container)));
        let body = self.json(Request::get(path), BEGIN).await?;
        Ok(facts(&body))
    }

    async fn session(&self, request: Request, tty: bool) -> Result<Session, Error> {
        within(BEGIN, hijack(&self.socket, request, tty)).await
    }
}

impl Streams for Docker {
    fn logs(&self, container: &str, query: &LogQuery) -> BoxStream<'static, Result<Chunk, Error>> {
        let (docker, container, query) = (self.again(), container.to_owned(), query.clone());
        let start = async move {
            let facts = docker.facts(&container).await?;
            let path = docker.path(&logs_path(&container, &query));
            let reply = within(BEGIN, http::send(&docker.socket, Request::get(path))).await?;
            Ok(chunks(parts(reply), facts.tty))
        };
        start.into_stream().try_flatten().boxed()
    }

    fn exec<'a>(
        &'a self,
        container: &'a str,
        command: &'a Command,
    ) -> Answer<'a, (String, Session)> {
        async move {
            let path = self.path(&format!("/containers/{}/exec", encode(container)));
            let created = self
                .json(Request::post(path, Some(exec_body(command))), BEGIN)
                .await?;
            let id = wire::text(&created, "Id");
            let path = self.path(&format!("/exec/{}/start", encode(&id)));
            let body = json!({"Detach": false, "Tty": command.tty});
            let session = self
                .session(Request::post(path, Some(body)), command.tty)
                .await?;
            Ok((id, session))
        }
        .boxed()
    }

    fn exit_code<'a>(&'a self, exec: &'a str) -> Answer<'a, Option<i64>> {
        async move {
            let path = self.path(&format!("/exec/{}/json", encode(exec)));
            let body = self.json(Request::get(path), BEGIN).await?;
            let runs = body.get("Running").and_then(Value::as_bool) == Some(true);
            let code = body.get("ExitCode").and_then(Value::as_i64);
            Ok(code.filter(|_| !runs))
        }
        .boxed()
    }

    fn attach<'a>(&'a self, container: &'a str, ends: Ends) -> Answer<'a, Session> {
        async move {
            let facts = self.facts(container).await?;
            let path = self.path(&format!(
                "/containers/{}/attach?stream=true&stdin={}&stdout={}&stderr={}",
                encode(container),
                ends.stdin,
                ends.stdout,
                ends.stderr
            ));
            self.session(Request::post(path, None), facts.tty).await
        }
        .boxed()
    }

    fn resize<'a>(&'a self, of: &'a Terminal, size: Size) -> Answer<'a, ()> {
        async move {
            let whose = match of {
                Terminal::Container(name) => format!("/containers/{}", encode(name)),
                Terminal::Exec(id) => format!("/exec/{}", encode(id)),
            };
            let Size { width, height } = size;
            let path = self.path(&format!("{whose}/resize?h={height}&w={width}"));
            self.done(Request::post(path, None), BEGIN).await
        }
        .boxed()
    }

    fn pack(&self, container: &str, path: &str) -> Data {
        let docker = self.again();
        let path = format!(
            "/containers/{}/archive?path={}",
            encode(container),
            encode(path)
        );
        let start = async move {
            let request = Request::get(docker.path(&path));
            let reply = within(BEGIN, http::send(&docker.socket, request)).await?;
            Ok(parts(reply))
        };
        start.into_stream().try_flatten().boxed()
    }

    fn unpack<'a>(&'a self, container: &'a str, folder: &'a str, archive: Data) -> Answer<'a, ()> {
        async move {
            let path = self.path(&format!(
                "/containers/{}/archive?path={}&noOverwriteDirNonDir=true",
                encode(container),
                encode(folder)
            ));
            let body = StreamBody::new(archive.map_ok(Frame::data));
            let request = http::archive(Method::PUT, path, body)?;
            within(UNPACK, async {
                let reply = http::exchange(&self.socket, request).await?;
                reply.bytes().await.map(drop)
            })
            .await
        }
        .boxed()
    }

    fn stats<'a>(&'a self, container: &'a str) -> Answer<'a, Value> {
        async move {
            let facts = self.facts(container).await?;
            if !facts.runs {
                let message = format!("container {container} does not run");
                return Err(Error::Conflict { message });
            }
            self.figures(container, facts.shares.as_deref()).await
        }
        .boxed()
    }

    fn place<'a>(&'a self, container: &'a str) -> Answer<'a, Place> {
        async move {
            let facts = self.facts(container).await?;
            match facts.shares {
                None => Ok(facts.place),
                Some(other) => Ok(self.facts(&other).await?.place),
            }
        }
        .boxed()
    }
}

fn logs_path(container: &str, query: &LogQuery) -> String {
    let LogQuery {
        follow,
        tail,
        since,
        timestamps,
    } = query;
    let tail = tail.map_or_else(|| "all".to_owned(), |lines| lines.to_string());
    let since = since.map(|since| format!("&since={}", seconds(since)));
    format!(
        "/containers/{}/logs?stdout=true&stderr=true&follow={follow}&timestamps={timestamps}&tail={tail}{}",
        encode(container),
        since.unwrap_or_default()
    )
}

/// Docker's form of a time: seconds and nanoseconds.
fn seconds(time: Timestamp) -> String {
    format!(
        "{}.{:09}",
        time.as_second(),
        time.subsec_nanosecond().max(0)
    )
}

fn exec_body(command: &Command) -> Value {
    let Command {
        arguments,
        ends,
        tty,
    } = command;
    json!({
        "AttachStdin": ends.stdin,
        "AttachStdout": ends.stdout,
        "AttachStderr": ends.stderr,
        "Tty": tty,
        "Cmd": arguments,
    })
}

fn facts(body: &Value) -> Facts {
    let mode = body
        .pointer("/HostConfig/NetworkMode")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let runs = body.pointer("/State/Running").and_then(Value::as_bool) == Some(true);
    let place = if !runs {
        Place::Nowhere
    } else if mode == "host" {
        Place::Host
    } else {
        address(body).map_or(Place::Nowhere, Place::Address)
    };
    Facts {
        runs,
        tty: body.pointer("/Config/Tty").and_then(Value::as_bool) == Some(true),
        place,
        shares: mode.strip_prefix("container:").map(str::to_owned),
    }
}

/// Newer engines say the address only by network.
fn address(body: &Value) -> Option<IpAddr> {
    let networks = body.pointer("/NetworkSettings/Networks")?.as_object()?;
    let mut addresses = networks
        .values()
        .filter_map(|network| network.get("IPAddress")?.as_str()?.parse().ok());
    addresses.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_of_logs_is_said_in_dockers_words() {
        let query = LogQuery {
            follow: true,
            tail: Some(5),
            since: Some("2026-01-01T00:00:00.25Z".parse().unwrap()),
            timestamps: false,
        };
        assert_eq!(
            logs_path("a", &query),
            "/containers/a/logs?stdout=true&stderr=true&follow=true&timestamps=false&tail=5&since=1767225600.250000000"
        );
        assert!(logs_path("a", &LogQuery::default()).ends_with("&tail=all"));
    }

    #[test]
    fn where_a_container_listens_is_read_from_its_network() {
        let running = |mode: &str, networks: Value| {
            facts(&json!({
                "State": {"Running": true}, "HostConfig": {"NetworkMode": mode}, "Config": {"Tty": true},
                "NetworkSettings": {"Networks": networks},
            }))
        };
        let bridge = running("default", json!({"bridge": {"IPAddress": "172.17.0.2"}}));
        assert_eq!(bridge.place, Place::Address("172.17.0.2".parse().unwrap()));
        assert!(bridge.tty);
        assert_eq!(
            running("host", json!({"host": {"IPAddress": ""}})).place,
            Place::Host
        );
        assert_eq!(running("none", json!({})).place, Place::Nowhere);
        let shared = running("container:abc", json!({}));
        assert_eq!(shared.shares.as_deref(), Some("abc"));
        assert_eq!(facts(&json!({})).place, Place::Nowhere);
    }
}
