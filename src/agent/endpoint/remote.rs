//! `exec` and `attach`: a process's ends over a WebSocket, in Kubernetes' remote command protocol, versions 4 and 5.
//!
//! Each message begins with a channel: 0 input, 1 output, 2 errors, 3 how it ended, 4 the size of the terminal. In version
//! 5, channel 255 closes the channel that it names.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, RawQuery, Request, State};
use axum::response::Response;
use bytes::Bytes;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tracing::{debug, info};

use super::query::{self, Parameters};
use super::{Endpoint, Failure, Named, Shared};
use crate::platform::serving::websocket::{self, Message, Socket};
use crate::runtime::streams::{Session, Size, Source, Streams, Terminal};

/// Both versions are the same but for the end of the input.
const PROTOCOLS: [&str; 2] = ["v5.channel.k8s.io", "v4.channel.k8s.io"];
const INPUT: u8 = 0;
const OUTPUT: u8 = 1;
const ERRORS: u8 = 2;
const END: u8 = 3;
const SIZE: u8 = 4;
const CLOSE: u8 = 255;

/// Between two pings; a network that forgets idle connections sees traffic.
const PING: Duration = Duration::from_secs(30);
/// Nobody is there who said nothing for so long, not even in answer to pings.
pub(super) const SILENCE: Duration = Duration::from_mins(2);
/// Between two looks for the exit code of a command whose output has ended.
const CODE_AGAIN: Duration = Duration::from_millis(50);
const CODE_LOOKS: u32 = 40;

pub(super) async fn exec(
    State(endpoint): Shared,
    Path((uid, container)): Named,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Failure> {
    let command = query::exec(Parameters::read(query.as_deref()))?;
    endpoint.room()?;
    let accepted = websocket::accept(request, &PROTOCOLS)?;
    let name = endpoint.find(&uid, &container).await?;
    let (id, session) = endpoint.streams.exec(&name, &command).await?;
    info!(task = uid, container, "a command runs in a container");
    let terminal = Terminal::Exec(id.clone());
    let served = Served {
        session,
        terminal,
        exec: Some(id),
    };
    Ok(serve(&endpoint, accepted, served))
}

pub(super) async fn attach(
    State(endpoint): Shared,
    Path((uid, container)): Named,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Failure> {
    let ends = query::attach(Parameters::read(query.as_deref()))?;
    endpoint.room()?;
    let accepted = websocket::accept(request, &PROTOCOLS)?;
    let name = endpoint.find(&uid, &container).await?;
    let session = endpoint.streams.attach(&name, ends).await?;
    info!(task = uid, container, "somebody attached to a container");
    let served = Served {
        session,
        terminal: Terminal::Container(name),
        exec: None,
    };
    Ok(serve(&endpoint, accepted, served))
}

struct Served {
    session: Session,
    terminal: Terminal,
    /// A command has an end of its own to tell.
    exec: Option<String>,
}

fn serve(endpoint: &Endpoint, accepted: websocket::Accepted, served: Served) -> Response {
    let (response, socket) = accepted.split();
    let streams = Arc::clone(&endpoint.streams);
    endpoint.sessions.spawn(async move {
        match socket.await {
            Ok(socket) => converse(socket, served, streams.as_ref()).await,
            Err(error) => debug!(%error, "a session did not begin"),
        }
    });
    response
}

/// Carries both directions until the process has ended or nobody listens any more.
async fn converse(socket: Socket, served: Served, streams: &dyn Streams) {
    let Served {
        session: Session { input, mut output },
        terminal,
        exec,
    } = served;
    let (mut to, from) = socket.split();
    let outward = async {
        loop {
            let message = tokio::select! {
                chunk = output.next() => match chunk {
                    None => return Ok(None),
                    Some(Err(error)) => return Ok(Some(error.to_string())),
                    Some(Ok(chunk)) => channel(match chunk.source {
                        Source::Stdout => OUTPUT,
                        Source::Stderr => ERRORS,
                    }, &chunk.data),
                },
                () = tokio::time::sleep(PING) => Message::Ping(Bytes::new()),
            };
            to.send(message).await?;
        }
    };
    let ended: Result<Option<String>, websocket::Error> = tokio::select! {
        ended = outward => ended,
        () = listen(from, input, streams, &terminal) => return,
    };
    let trouble = match ended {
        Ok(trouble) => trouble,
        Err(error) => return debug!(%error, "a session broke off"),
    };
    let status = match (trouble, exec) {
        (Some(message), _) => failure("InternalError", &message, None),
        (None, None) => success(),
        (None, Some(id)) => outcome(streams, &id).await,
    };
    if let Err(error) = farewell(&mut to, &status).await {
        debug!(%error, "nobody heard how a session ended");
    }
}

async fn farewell(
    to: &mut SplitSink<Socket, Message>,
    status: &Value,
) -> Result<(), websocket::Error> {
    to.send(channel(END, status.to_string().as_bytes())).await?;
    to.send(Message::Close(None)).await
}

/// Carries input and sizes until the other side is gone.
async fn listen(
    mut from: SplitStream<Socket>,
    input: impl AsyncWrite,
    streams: &dyn Streams,
    terminal: &Terminal,
) {
    let mut input = std::pin::pin!(input);
    while let Ok(Some(Ok(message))) = tokio::time::timeout(SILENCE, from.next()).await {
        let Message::Binary(mut data) = message else {
            if message.is_close() {
                return;
            }
            continue;
        };
        if data.is_empty() {
            continue;
        }
        let kind = data.split_to(1);
        let done = match kind.as_ref() {
            [INPUT] => input.write_all(&data).await,
            [CLOSE] if data.as_ref() == [INPUT] => input.shutdown().await,
            [SIZE] => {
                resize(streams, terminal, &data).await;
                Ok(())
            }
            _ => Ok(()),
        };
        // A process that has closed its input still has output.
        if let Err(error) = done {
            debug!(%error, "input is not wanted any more");
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Wanted {
    width: u16,
    height: u16,
}

async fn resize(streams: &dyn Streams, terminal: &Terminal, data: &[u8]) {
    let Ok(Wanted { width, height }) = serde_json::from_slice(data) else {
        return;
    };
    // A size that comes before the terminal is there, or after it is gone, changes nothing.
    if let Err(error) = streams.resize(terminal, Size { width, height }).await {
        debug!(%error, "a terminal was not resized");
    }
}

/// How a command ended. Its output may end a moment before the engine knows.
async fn outcome(streams: &dyn Streams, exec: &str) -> Value {
    for _ in 0..CODE_LOOKS {
        match streams.exit_code(exec).await {
            Ok(Some(0)) => return success(),
            Ok(Some(code)) => {
                let message = format!("command terminated with exit code {code}");
                return failure("NonZeroExitCode", &message, Some(code));
            }
            Ok(None) => tokio::time::sleep(CODE_AGAIN).await,
            Err(error) => return failure("InternalError", &error.to_string(), None),
        }
    }
    // It closed its outputs and runs on, as a daemon does.
    success()
}

fn success() -> Value {
    json!({"metadata": {}, "status": "Success"})
}

/// In Kubernetes' words, which every client of its exec knows.
fn failure(reason: &str, message: &str, code: Option<i64>) -> Value {
    let cause = code.map(|code| json!({"reason": "ExitCode", "message": code.to_string()}));
    let causes: Vec<Value> = cause.into_iter().collect();
    json!({
        "metadata": {}, "status": "Failure", "reason": reason, "message": message,
        "details": {"causes": causes},
    })
}

/// A message on a channel.
pub(super) fn channel(number: u8, data: &[u8]) -> Message {
    let mut message = Vec::with_capacity(data.len() + 1);
    message.push(number);
    message.extend_from_slice(data);
    Message::Binary(message.into())
}
