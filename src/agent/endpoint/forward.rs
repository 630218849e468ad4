//! `portforward`: one TCP connection to a port of a container, over a WebSocket, in Kubernetes' protocol.
//!
//! Channel 0 is the connection, channel 1 says why there is none. Both begin with the number of the port.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::extract::{Path, RawQuery, Request, State};
use axum::response::Response;
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tracing::debug;

use super::query::{self, Parameters};
use super::remote::{SILENCE, channel};
use super::{Endpoint, Failure, Named, Shared};
use crate::domain::resources::Protocol;
use crate::platform::serving::websocket::{self, Message, Socket};
use crate::runtime::PublishedPort;
use crate::runtime::streams::Place;

const PROTOCOLS: [&str; 2] = ["v4.channel.k8s.io", "v5.channel.k8s.io"];
const DATA: u8 = 0;
const TROUBLE: u8 = 1;
const PART: usize = 16 * 1024;
const PING: Duration = Duration::from_secs(30);
/// A port of the same machine answers at once, or not at all.
const DIAL: Duration = Duration::from_secs(3);

pub(super) async fn portforward(
    State(endpoint): Shared,
    Path((uid, container)): Named,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Failure> {
    let port = query::port(Parameters::read(query.as_deref()))?;
    endpoint.room()?;
    let accepted = websocket::accept(request, &PROTOCOLS)?;
    let name = endpoint.find(&uid, &container).await?;
    let targets = endpoint.targets(&name, port).await?;
    let connection = dial(&targets).await.ok_or_else(|| unreachable(port))?;
    let (response, socket) = accepted.split();
    endpoint.sessions.spawn(async move {
        let carried = match socket.await {
            Ok(socket) => carry(socket, connection, port).await,
            Err(error) => Err(websocket::Error::Io(error)),
        };
        if let Err(error) = carried {
            debug!(%error, "a forwarded connection broke off");
        }
    });
    Ok(response)
}

fn unreachable(port: u16) -> Failure {
    Failure::Port(format!(
        "nothing answers at port {port} of the container: is the program listening there, on 0.0.0.0 and not on 127.0.0.1? On a node the agent reaches published ports for certain, so a portMapping for it helps"
    ))
}

impl Endpoint {
    async fn targets(&self, name: &str, port: u16) -> Result<Vec<SocketAddr>, Failure> {
        let place = self.streams.place(name).await?;
        let view = self.engine.inspect(name).await?;
        Ok(targets(place, &view.ports, self.settings.address, port))
    }
}

/// Where a port of a container may answer, the surest first: where it is published, then at the container's own address.
fn targets(
    place: Place,
    published: &[PublishedPort],
    instance: Option<IpAddr>,
    port: u16,
) -> Vec<SocketAddr> {
    let mapped = published
        .iter()
        .find(|mapping| mapping.container_port == port && mapping.protocol == Protocol::Tcp)
        .map(|mapping| mapping.host_port);
    let outside = match place {
        Place::Host => Some(port),
        Place::Address(_) => mapped,
        Place::Nowhere => None,
    };
    let at_instance = instance.zip(outside).map(SocketAddr::from);
    let at_container = match place {
        Place::Address(address) => Some(SocketAddr::from((address, port))),
        Place::Host | Place::Nowhere => None,
    };
    at_instance.into_iter().chain(at_container).collect()
}

async fn dial(targets: &[SocketAddr]) -> Option<TcpStream> {
    for target in targets {
        match tokio::time::timeout(DIAL, TcpStream::connect(target)).await {
            Ok(Ok(connection)) => return Some(connection),
            Ok(Err(error)) => debug!(%target, %error, "no connection"),
            Err(_) => debug!(%target, "no connection in time"),
        }
    }
    None
}

async fn carry(socket: Socket, connection: TcpStream, port: u16) -> Result<(), websocket::Error> {
    let (mut to, mut from) = socket.split();
    let (mut read, mut write) = connection.into_split();
    for number in [DATA, TROUBLE] {
        to.send(channel(number, &port.to_le_bytes())).await?;
    }
    let outward = async {
        let mut buffer = vec![0; PART];
        loop {
            let message = tokio::select! {
                count = read.read(&mut buffer) => match count? {
                    0 => break,
                    count => channel(DATA, buffer.get(..count).unwrap_or_default()),
                },
                () = tokio::time::sleep(PING) => Message::Ping(Bytes::new()),
            };
            to.send(message).await?;
        }
        to.send(Message::Close(None)).await
    };
    let inward = async {
        while let Ok(Some(message)) = tokio::time::timeout(SILENCE, from.next()).await {
            if let Message::Binary(mut data) = message?
                && data.starts_with(&[DATA])
            {
                write.write_all(&data.split_off(1)).await?;
            }
        }
        Ok(())
    };
    tokio::select! {
        ended = outward => ended,
        ended = inward => ended,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_port_is_dialled_at_the_instance_and_any_other_at_the_container() {
        let address: IpAddr = "172.17.0.2".parse().unwrap();
        let instance: IpAddr = "10.0.0.1".parse().unwrap();
        let published = [PublishedPort {
            bind_ip: "0.0.0.0".to_owned(),
            container_port: 80,
            host_port: 61000,
            protocol: Protocol::Tcp,
        }];
        let found = |place, port| -> Vec<String> {
            let found = targets(place, &published, Some(instance), port);
            found.iter().map(ToString::to_string).collect()
        };
        assert_eq!(
            found(Place::Address(address), 80),
            ["10.0.0.1:61000", "172.17.0.2:80"]
        );
        assert_eq!(found(Place::Address(address), 81), ["172.17.0.2:81"]);
        assert_eq!(found(Place::Host, 81), ["10.0.0.1:81"]);
        assert!(found(Place::Nowhere, 80).is_empty());
    }
}
