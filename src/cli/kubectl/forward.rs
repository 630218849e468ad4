//! `kubectl ecs port-forward`: one WebSocket for each connection, so that none can hold up another.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use futures::{SinkExt, StreamExt};
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

use super::connection::{Connection, explained};
use crate::cli::output::{line, progress};

pub(super) const EXAMPLE: &str = "Examples:
  kubectl ecs port-forward web-1f3a9c2e-0-1 8080        localhost:8080 leads to port 8080 of the container
  kubectl ecs port-forward web-1f3a9c2e-0-1 5000:80 -c proxy";

const DATA: u8 = 0;
/// Both channels begin with the number of the port.
const GREETINGS: usize = 2;
const PART: usize = 16 * 1024;

/// Arguments of `port-forward`.
#[derive(Debug, Args)]
pub(super) struct ForwardArguments {
    /// Name of the task.
    task: String,
    /// Port of the container, or LOCAL:PORT; with local port 0 a free one is taken.
    #[arg(value_parser = ports)]
    ports: (u16, u16),
    /// Container; the only one needs no name.
    #[arg(long, short)]
    container: Option<String>,
}

fn ports(text: &str) -> Result<(u16, u16), String> {
    let number = |text: &str| text.parse().map_err(|_| format!("{text} is no port"));
    let (local, remote) = text.split_once(':').unwrap_or((text, text));
    match (number(local)?, number(remote)?) {
        (_, 0) => Err("port 0 of a container leads nowhere".to_owned()),
        ports => Ok(ports),
    }
}

pub(super) async fn run(
    connection: &Connection,
    arguments: &ForwardArguments,
) -> anyhow::Result<ExitCode> {
    let (local, port) = arguments.ports;
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("ports", &port.to_string())
        .extend_pairs(arguments.container.iter().map(|name| ("container", name)))
        .finish();
    let path = format!(
        "{}?{query}",
        connection.path(&arguments.task, "portforward")
    );
    connection.visible_task(&arguments.task).await?;
    let listener = TcpListener::bind(("127.0.0.1", local))
        .await
        .with_context(|| {
            format!("cannot listen on port {local}: choose another with LOCAL:{port}")
        })?;
    line(format_args!(
        "Forwarding from {} -> {port}",
        listener.local_addr()?
    ));
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                let client = connection.client.clone();
                let request = Request::get(&path).body(Vec::new())?;
                open.spawn(async move {
                    let socket = client.connect(request).await;
                    let socket = socket.map_err(|error| explained(error, "forward the port"))?;
                    carry(stream, socket.into_stream()).await
                });
            }
            Some(ended) = open.join_next() => if let Ok(Err(error)) = ended {
                progress(format_args!("{error:#}"));
            },
            ended = tokio::signal::ctrl_c() => {
                ended?;
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
}

async fn carry<S>(
    stream: TcpStream,
    socket: tokio_tungstenite::WebSocketStream<S>,
) -> anyhow::Result<()>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let (mut to, mut from) = socket.split();
    let (mut read, mut write) = stream.into_split();
    let outward = async {
        let mut part = vec![0; PART];
        loop {
            let count = read.read(&mut part).await?;
            let Some(data) = part.get(..count).filter(|data| !data.is_empty()) else {
                return to.send(Message::Close(None)).await;
            };
            let message: Vec<u8> = [&[DATA], data].concat();
            to.send(Message::Binary(message.into())).await?;
        }
    };
    let inward = async {
        let mut greetings = 0;
        while let Some(message) = from.next().await {
            let Message::Binary(mut data) = message? else {
                continue;
            };
            if greetings < GREETINGS {
                greetings += 1;
            } else if data.starts_with(&[DATA]) {
                write.write_all(&data.split_off(1)).await?;
            }
        }
        Ok(())
    };
    tokio::select! {
        ended = outward => ended.map_err(Into::into),
        ended = inward => ended,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_the_same_on_both_sides() {
        assert_eq!(ports("80"), Ok((80, 80)));
        assert_eq!(ports("8080:80"), Ok((8080, 80)));
        assert_eq!(ports("0:80"), Ok((0, 80)));
        assert!(ports("80:0").is_err());
        assert!(ports("http").is_err());
    }
}
