//! [`Streams`] of the fake: every command, and every main process that is called `echo`, copies its input to its output
//! and ends with the code that is its last argument, as the workload's `echo` does.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::net::Ipv4Addr;

use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt, TryStreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, duplex};
use tokio::sync::watch;

use super::Fake;
use crate::runtime::streams::{
    Chunk, Command, Data, Ends, LogQuery, Place, Session, Size, Source, Streams, Terminal,
};
use crate::runtime::{Answer, Error};

const BUFFER: usize = 4096;

/// What the streams of a fake are made of.
#[derive(Debug, Default)]
pub(super) struct Flows {
    written: BTreeMap<String, Vec<(jiff::Timestamp, Chunk)>>,
    files: BTreeMap<(String, String), Vec<u8>>,
    codes: BTreeMap<String, watch::Receiver<Option<i64>>>,
    sizes: Vec<(Terminal, Size)>,
}

impl Fake {
    /// The container writes this.
    pub fn write(&self, container: &str, source: Source, text: &str) {
        let now = (self.now)();
        let data = Bytes::copy_from_slice(text.as_bytes());
        let mut state = self.lock();
        let written = state.flows.written.entry(container.to_owned()).or_default();
        written.push((now, Chunk { source, data }));
        drop(state);
        self.changed.send_modify(|count| *count += 1);
    }

    /// Which terminals were told which sizes.
    #[must_use]
    pub fn sizes(&self) -> Vec<(Terminal, Size)> {
        self.lock().flows.sizes.clone()
    }

    fn exists(&self, container: &str) -> Result<bool, Error> {
        let view = self.with(|model, now| model.inspect(container, now))?;
        Ok(view.state.is_live())
    }

    /// What `container` wrote, from the piece of this number on; and whether there can be more.
    fn read(&self, container: &str, from: usize) -> (Vec<(jiff::Timestamp, Chunk)>, bool) {
        let live = self.exists(container).unwrap_or(false);
        let state = self.lock();
        let written = state.flows.written.get(container);
        let rest = written.and_then(|written| written.get(from..));
        (rest.unwrap_or_default().to_vec(), live)
    }
}

impl Streams for Fake {
    fn logs(&self, container: &str, query: &LogQuery) -> BoxStream<'static, Result<Chunk, Error>> {
        if let Err(error) = self.exists(container) {
            return stream::iter([Err(error)]).boxed();
        }
        let (first, _) = self.read(container, 0);
        let begins = first
            .iter()
            .position(|(at, _)| query.since.is_none_or(|since| *at >= since));
        let tail = query.tail.and_then(|tail| usize::try_from(tail).ok());
        let from = tail.map_or(0, |tail| first.len().saturating_sub(tail));
        let from = from.max(begins.unwrap_or(first.len()));
        let fake = self.clone();
        let (container, query) = (container.to_owned(), query.clone());
        let changed = self.changed.subscribe();
        let chunks = stream::unfold((from, changed), move |(at, mut changed)| {
            let (fake, container, query) = (fake.clone(), container.clone(), query.clone());
            async move {
                loop {
                    changed.mark_unchanged();
                    let (rest, live) = fake.read(&container, at);
                    if !rest.is_empty() {
                        let next = at + rest.len();
                        let rest = rest.into_iter().map(move |(time, chunk)| {
                            Ok(if query.timestamps {
                                stamped(time, &chunk)
                            } else {
                                chunk
                            })
                        });
                        return Some((stream::iter(rest), (next, changed)));
                    }
                    if !query.follow || !live || changed.changed().await.is_err() {
                        return None;
                    }
                }
            }
        });
        chunks.flatten().boxed()
    }

    fn exec<'a>(
        &'a self,
        container: &'a str,
        command: &'a Command,
    ) -> Answer<'a, (String, Session)> {
        async move {
            if !self.exists(container)? {
                let message = format!("Container {container} is not running");
                return Err(Error::Conflict { message });
            }
            let (code, ended) = watch::channel(None);
            let mut state = self.lock();
            let id = format!("exec-{}", state.flows.codes.len());
            state.flows.codes.insert(id.clone(), ended);
            drop(state);
            Ok((
                id,
                echo(
                    command.ends,
                    command.tty,
                    ends_with(&command.arguments),
                    code,
                ),
            ))
        }
        .boxed()
    }

    fn exit_code<'a>(&'a self, exec: &'a str) -> Answer<'a, Option<i64>> {
        async move {
            let state = self.lock();
            let code = state.flows.codes.get(exec).map(|code| *code.borrow());
            code.ok_or_else(|| missing("exec instance", exec))
        }
        .boxed()
    }

    fn attach<'a>(&'a self, container: &'a str, ends: Ends) -> Answer<'a, Session> {
        async move {
            let live = self.exists(container)?;
            let (read, _) = self.read(container, 0);
            let query = LogQuery {
                follow: live,
                tail: u64::try_from(read.len()).ok().map(|_| 0),
                ..LogQuery::default()
            };
            let logs = self.logs(container, &query);
            let (input, _) = duplex(BUFFER);
            let wanted = move |chunk: &Chunk| match chunk.source {
                Source::Stdout => ends.stdout,
                Source::Stderr => ends.stderr,
            };
            let output = logs.try_filter(move |chunk| std::future::ready(wanted(chunk)));
            Ok(Session {
                input: Box::pin(input),
                output: output.boxed(),
            })
        }
        .boxed()
    }

    fn resize<'a>(&'a self, of: &'a Terminal, size: Size) -> Answer<'a, ()> {
        async move {
            self.lock().flows.sizes.push((of.clone(), size));
            Ok(())
        }
        .boxed()
    }

    fn pack(&self, container: &str, path: &str) -> Data {
        let key = (container.to_owned(), path.to_owned());
        let file = self.lock().flows.files.get(&key).cloned();
        let packed = file
            .ok_or_else(|| missing("file", path))
            .and_then(|content| packed(path, &content));
        stream::iter([packed]).boxed()
    }

    fn unpack<'a>(
        &'a self,
        container: &'a str,
        folder: &'a str,
        mut archive: Data,
    ) -> Answer<'a, ()> {
        async move {
            let mut whole = BytesMut::new();
            while let Some(part) = archive.try_next().await? {
                whole.extend_from_slice(&part);
            }
            let mut archive = tar::Archive::new(Cursor::new(whole.freeze()));
            for entry in archive.entries().map_err(broken)? {
                let mut entry = entry.map_err(broken)?;
                let mut content = Vec::new();
                entry.read_to_end(&mut content).map_err(broken)?;
                let name = entry.path().map_err(broken)?.display().to_string();
                let path = format!("{}/{name}", folder.trim_end_matches('/'));
                let key = (container.to_owned(), path);
                self.lock().flows.files.insert(key, content);
            }
            Ok(())
        }
        .boxed()
    }

    fn stats<'a>(&'a self, container: &'a str) -> Answer<'a, Value> {
        async move {
            if !self.exists(container)? {
                let message = format!("container {container} does not run");
                return Err(Error::Conflict { message });
            }
            Ok(json!({
                "name": format!("/{container}"), "memory_stats": {"usage": 1 << 20}, "cpu_stats": {},
                "network_rate_stats": {"rx_bytes_per_sec": 0.0, "tx_bytes_per_sec": 0.0},
            }))
        }
        .boxed()
    }

    fn place<'a>(&'a self, container: &'a str) -> Answer<'a, Place> {
        async move {
            Ok(if self.exists(container)? {
                Place::Address(Ipv4Addr::LOCALHOST.into())
            } else {
                Place::Nowhere
            })
        }
        .boxed()
    }
}

/// A process that says `ready`, copies its input to its output, and ends with `code`.
fn echo(ends: Ends, tty: bool, code: i64, ended: watch::Sender<Option<i64>>) -> Session {
    let (input, read) = duplex(BUFFER);
    let ready = Chunk {
        source: if tty { Source::Stdout } else { Source::Stderr },
        data: Bytes::from_static(b"ready\n"),
    };
    let copied = stream::unfold((read, ended), move |(mut read, ended)| async move {
        let mut part = Vec::with_capacity(BUFFER);
        let count = if ends.stdin {
            read.read_buf(&mut part).await.unwrap_or(0)
        } else {
            0
        };
        if count == 0 {
            ended.send_replace(Some(code));
            return None;
        }
        let chunk = Chunk {
            source: Source::Stdout,
            data: part.into(),
        };
        Some((Ok(chunk), (read, ended)))
    });
    Session {
        input: Box::pin(input),
        output: stream::iter([Ok(ready)]).chain(copied).boxed(),
    }
}

/// The code with which a command of these arguments ends.
pub(super) fn ends_with(arguments: &[String]) -> i64 {
    let last = arguments.last().and_then(|last| last.parse().ok());
    last.unwrap_or(0)
}

fn stamped(time: jiff::Timestamp, chunk: &Chunk) -> Chunk {
    let text = String::from_utf8_lossy(&chunk.data);
    Chunk {
        source: chunk.source,
        data: format!("{time} {text}").into(),
    }
}

fn packed(path: &str, content: &[u8]) -> Result<Bytes, Error> {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    let name = path.rsplit('/').next().unwrap_or(path);
    let mut archive = tar::Builder::new(Vec::new());
    archive
        .append_data(&mut header, name, content)
        .and_then(|()| archive.into_inner())
        .map(Bytes::from)
        .map_err(broken)
}

fn missing(what: &str, name: &str) -> Error {
    Error::NotFound {
        message: format!("No such {what}: {name}"),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "used in map_err")]
fn broken(error: std::io::Error) -> Error {
    Error::Refused {
        status: 400,
        message: error.to_string(),
    }
}
