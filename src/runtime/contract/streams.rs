//! What the agent relies on in the streams of every engine.
//!
//! The image is the workload: `echo CODE` says `ready` on standard error, copies input to output, and ends with CODE.

use std::io::Cursor;
use std::io::Read as _;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use tokio::io::AsyncWriteExt;

use super::{Broken, clear, ensure};
use crate::runtime::streams::{
    Chunk, Command, Ends, LogQuery, Place, Session, Size, Source, Streams, Terminal,
};
use crate::runtime::{ContainerSpec, Engine, Error};

/// A stream that has not ended by then never will.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs the suite, and removes what it made.
pub async fn suite(engine: &dyn Engine, streams: &dyn Streams, image: &str) -> Result<(), Broken> {
    let serving = ContainerSpec {
        name: "ecs-contract-streams".to_owned(),
        image: image.to_owned(),
        ..ContainerSpec::default()
    };
    let echoing = ContainerSpec {
        name: "ecs-contract-echo".to_owned(),
        command: Some(vec!["echo".to_owned(), "3".to_owned()]),
        ..serving.clone()
    };
    clear(engine, &serving.name).await?;
    clear(engine, &echoing.name).await?;
    let outcome = tokio::time::timeout(PATIENCE * 4, async {
        ended(engine, streams, &echoing).await?;
        running(engine, streams, &serving).await
    })
    .await;
    clear(engine, &serving.name).await?;
    clear(engine, &echoing.name).await?;
    outcome.unwrap_or_else(|_| Err(Broken::Promise("a stream did not end".to_owned())))
}

/// The logs of a container that has ended can be read, whole or in part.
async fn ended(
    engine: &dyn Engine,
    streams: &dyn Streams,
    spec: &ContainerSpec,
) -> Result<(), Broken> {
    start(engine, spec).await?;
    let name = spec.name.as_str();
    let follow = LogQuery {
        follow: true,
        ..LogQuery::default()
    };
    let (stdout, stderr) = collect(streams.logs(name, &follow)).await?;
    ensure(stdout.is_empty() && stderr == "ready\n", || {
        format!("followed to the end: {stdout:?}, {stderr:?}")
    })?;
    let stamped = LogQuery {
        tail: Some(1),
        timestamps: true,
        ..LogQuery::default()
    };
    let (_, stderr) = collect(streams.logs(name, &stamped)).await?;
    let time = stderr.strip_suffix(" ready\n").unwrap_or_default();
    let time: jiff::Timestamp = time
        .parse()
        .map_err(|_| Broken::Promise(format!("no time before the line: {stderr:?}")))?;
    let none = LogQuery {
        tail: Some(0),
        ..LogQuery::default()
    };
    let later = LogQuery {
        since: Some(time + jiff::SignedDuration::from_secs(1)),
        ..LogQuery::default()
    };
    for query in [none, later] {
        let (stdout, stderr) = collect(streams.logs(name, &query)).await?;
        ensure(stdout.is_empty() && stderr.is_empty(), || {
            format!("{query:?}: {stdout:?}, {stderr:?}")
        })?;
    }
    let nothing = streams.logs("ecs-contract-none", &LogQuery::default());
    let refused = collect(nothing).await;
    let not_found = matches!(
        &refused,
        Err(Broken::Call {
            source: Error::NotFound { .. },
            ..
        })
    );
    ensure(not_found, || format!("logs of nothing: {refused:?}"))?;
    let place = streams.place(name).await.map_err(call("place"))?;
    ensure(place == Place::Nowhere, || {
        format!("what has ended listens at {place:?}")
    })
}

async fn running(
    engine: &dyn Engine,
    streams: &dyn Streams,
    spec: &ContainerSpec,
) -> Result<(), Broken> {
    start(engine, spec).await?;
    let name = spec.name.as_str();
    command(streams, name, false).await?;
    command(streams, name, true).await?;
    files(streams, name).await?;
    let stats = streams.stats(name).await.map_err(call("stats"))?;
    for figure in [
        "/memory_stats/usage",
        "/network_rate_stats/rx_bytes_per_sec",
    ] {
        ensure(stats.pointer(figure).is_some(), || {
            format!("stats without {figure}: {stats}")
        })?;
    }
    let place = streams.place(name).await.map_err(call("place"))?;
    ensure(matches!(place, Place::Address(_)), || {
        format!("what runs listens at {place:?}")
    })?;
    let ends = Ends {
        stdin: false,
        stdout: true,
        stderr: true,
    };
    let session = streams.attach(name, ends).await.map_err(call("attach"))?;
    engine.kill(name).await.map_err(call("kill"))?;
    collect(session.output).await?;
    let ends = streams.exec(name, &echo(false)).await;
    ensure(matches!(ends, Err(Error::Conflict { .. })), || {
        "a command was started in a container that has ended".to_owned()
    })?;
    let stats = streams.stats(name).await;
    ensure(matches!(stats, Err(Error::Conflict { .. })), || {
        "a container that has ended has figures".to_owned()
    })
}

/// Input reaches a command, its end is told, and the two outputs and the exit code come back.
async fn command(streams: &dyn Streams, name: &str, tty: bool) -> Result<(), Broken> {
    let (id, mut session) = streams.exec(name, &echo(tty)).await.map_err(call("exec"))?;
    if tty {
        let size = Size {
            width: 101,
            height: 37,
        };
        let terminal = Terminal::Exec(id.clone());
        streams
            .resize(&terminal, size)
            .await
            .map_err(call("resize"))?;
    }
    // On a terminal the end of input is a character, CTRL-D.
    let input: &[u8] = if tty { b"hello\n\x04" } else { b"hello\n" };
    let written = async {
        session.input.write_all(input).await?;
        if tty {
            return Ok(());
        }
        session.input.shutdown().await
    };
    written
        .await
        .map_err(|error| Broken::Promise(format!("input is refused: {error}")))?;
    if tty {
        // What a terminal shows is up to its echo; the line itself is in it.
        return terminal(session, &["ready", "hello"]).await;
    }
    let (stdout, stderr) = collect(session.output).await?;
    ensure(stdout == "hello\n" && stderr == "ready\n", || {
        format!("exec: {stdout:?}, {stderr:?}")
    })?;
    for _ in 0..50 {
        match streams.exit_code(&id).await.map_err(call("exit code"))? {
            Some(7) => return Ok(()),
            Some(code) => return Err(Broken::Promise(format!("exit code {code}, not 7"))),
            None => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
    Err(Broken::Promise("no exit code of what has ended".to_owned()))
}

/// A terminal comes to show all `texts`.
async fn terminal(mut session: Session, texts: &[&str]) -> Result<(), Broken> {
    let mut shown = String::new();
    while let Some(chunk) = session.output.next().await {
        let chunk = chunk.map_err(call("terminal"))?;
        shown.push_str(&String::from_utf8_lossy(&chunk.data));
        if texts.iter().all(|text| shown.contains(text)) {
            return Ok(());
        }
    }
    Err(Broken::Promise(format!("the terminal ended: {shown:?}")))
}

/// What is unpacked can be packed again, and what is not there says so.
async fn files(streams: &dyn Streams, name: &str) -> Result<(), Broken> {
    let content = "good morning".repeat(10_000);
    let archive = archive("greeting", content.as_bytes())
        .map_err(|error| Broken::Promise(error.to_string()))?;
    let parts: Vec<_> = archive
        .chunks(10_000)
        .map(|part| Ok(Bytes::copy_from_slice(part)))
        .collect();
    let data = stream::iter(parts).boxed();
    streams
        .unpack(name, "/", data)
        .await
        .map_err(call("unpack"))?;
    let packed: Vec<Bytes> = streams
        .pack(name, "/greeting")
        .try_collect()
        .await
        .map_err(call("pack"))?;
    let back = first(&packed.concat()).map_err(|error| Broken::Promise(error.to_string()))?;
    ensure(back == content, || {
        format!("{} bytes of {} came back", back.len(), content.len())
    })?;
    let missing: Result<Vec<Bytes>, Error> =
        streams.pack(name, "/no-such-file").try_collect().await;
    ensure(matches!(missing, Err(Error::NotFound { .. })), || {
        format!("a file that is not there: {missing:?}")
    })
}

fn echo(tty: bool) -> Command {
    let arguments = ["/ecs-operator-workload", "echo", "7"];
    Command {
        arguments: arguments.map(str::to_owned).to_vec(),
        ends: Ends {
            stdin: true,
            stdout: true,
            stderr: !tty,
        },
        tty,
    }
}

fn archive(name: &str, content: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, name, content)?;
    archive.into_inner()
}

fn first(archive: &[u8]) -> std::io::Result<String> {
    let mut archive = tar::Archive::new(Cursor::new(archive));
    let mut content = String::new();
    for entry in archive.entries()?.take(1) {
        entry?.read_to_string(&mut content)?;
    }
    Ok(content)
}

async fn start(engine: &dyn Engine, spec: &ContainerSpec) -> Result<(), Broken> {
    engine.create(spec).await.map_err(call("create"))?;
    engine.start(&spec.name).await.map_err(call("start"))
}

/// All output of a process, standard output and standard error.
async fn collect(
    mut output: BoxStream<'static, Result<Chunk, Error>>,
) -> Result<(String, String), Broken> {
    let (mut stdout, mut stderr) = (String::new(), String::new());
    while let Some(chunk) = output.next().await {
        let Chunk { source, data } = chunk.map_err(call("output"))?;
        let text = String::from_utf8_lossy(&data);
        match source {
            Source::Stdout => stdout.push_str(&text),
            Source::Stderr => stderr.push_str(&text),
        }
    }
    Ok((stdout, stderr))
}

fn call(call: &'static str) -> impl Fn(Error) -> Broken {
    move |source| Broken::Call { call, source }
}
