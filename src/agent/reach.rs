//! Finds out whether requests reach the ports that the engine publishes.
//!
//! On a node Docker publishes a port in two ways: by rules that translate addresses, and by a program of its own that
//! listens, the userland proxy. A request to a Service whose endpoint is on the very node where kube-proxy translated it
//! passes Docker's rules by, because the kernel translates a connection once; only the proxy answers it. So an engine
//! without the proxy loses a part of the requests.
//!
//! The experiment: a container publishes a port on which nobody listens, and another one on the same bridge connects to
//! that port at the instance's address. If the connection is accepted, then by the proxy, which accepts first and asks
//! then; by rules alone it is refused. An instance pod needs no experiment: its requests are translated on the node, and
//! once more in the pod, which is another network.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::engine::EngineState;
use super::helper::Helpers;
use super::step::Reach;
use crate::domain::resources::Protocol;
use crate::runtime::{Error, Network, Publish};

const LISTENER: &str = "ecs-operator-path-listener";
const CALLER: &str = "ecs-operator-path-caller";
/// Discard, a port on which nobody listens.
const PORT: u16 = 9;
/// For one connection.
const DEADLINE: Duration = Duration::from_secs(3);
/// Between looks at the caller, and how many.
const PAUSE: Duration = Duration::from_millis(100);
const LOOKS: u32 = 150;
/// After an experiment that came to nothing.
const RETRY: Duration = Duration::from_secs(15);

/// Exit code of `connect`: accepted.
const ACCEPTED: i32 = 0;
/// Refused.
const REFUSED: i32 = 3;
/// No answer, or another trouble.
const SILENT: i32 = 4;

const NO_PROXY: &str = "The engine runs without its userland proxy, so requests through a Service do not reach ports that it publishes on their own node: start dockerd without --userland-proxy=false";
const NO_ANSWER: &str = "Containers cannot connect to their own node's address, so nobody knows whether requests through a Service reach published ports: a firewall on the node drops packets from the engine's bridge";
const NO_ADDRESS: &str =
    "The agent was not told at which address its instance is reached (INSTANCE_ADDRESS)";

/// Keeps `reach` true for ever: it finds out whenever the engine has come or come back.
pub async fn keep(
    helpers: Helpers,
    address: Option<String>,
    mut engine: watch::Receiver<EngineState>,
    reach: watch::Sender<Reach>,
) {
    loop {
        if engine.wait_for(EngineState::is_ready).await.is_err() {
            return;
        }
        let found = match &address {
            None => Ok(Reach::Nowhere(NO_ADDRESS.to_owned())),
            Some(address) => find_out(&helpers, address).await,
        };
        match found {
            Ok(found) => {
                info!(?found, "published ports");
                reach.send_replace(found);
            }
            Err(error) => {
                warn!(%error, "cannot find out whether published ports are reached");
                sleep(RETRY).await;
                continue;
            }
        }
        if engine.wait_for(|state| !state.is_ready()).await.is_err() {
            return;
        }
    }
}

async fn find_out(helpers: &Helpers, address: &str) -> Result<Reach, Error> {
    helpers.sweep().await?;
    // Who has the address itself shares the engine's network, as in an instance pod.
    if UdpSocket::bind((address, 0)).await.is_ok() {
        return Ok(Reach::At(address.to_owned()));
    }
    let code = experiment(helpers, address).await;
    helpers.remove(CALLER).await;
    helpers.remove(LISTENER).await;
    Ok(match code? {
        Some(code) if code == i64::from(ACCEPTED) => Reach::At(address.to_owned()),
        Some(code) if code == i64::from(REFUSED) => Reach::Nowhere(NO_PROXY.to_owned()),
        Some(_) | None => Reach::Nowhere(NO_ANSWER.to_owned()),
    })
}

/// Exit code of the caller, if it ended.
async fn experiment(helpers: &Helpers, address: &str) -> Result<Option<i64>, Error> {
    let nobody = Publish {
        container_port: PORT,
        host_port: 0,
        protocol: Protocol::Tcp,
    };
    let pause = ["pause".to_owned()];
    helpers
        .start(LISTENER, &pause, Network::Bridge, vec![nobody])
        .await?;
    let ports = helpers.look(LISTENER).await?.ports;
    let port = ports.first().map_or(0, |port| port.host_port);
    let words = ["connect", "--address", &format!("{address}:{port}")].map(str::to_owned);
    helpers
        .start(CALLER, &words, Network::Bridge, Vec::new())
        .await?;
    for _ in 0..LOOKS {
        if let Some(code) = helpers.ended(CALLER).await? {
            return Ok(Some(code));
        }
        sleep(PAUSE).await;
    }
    Ok(None)
}

/// Tries to connect, and says in an exit code what came of it.
pub async fn connect(address: SocketAddr) -> i32 {
    match timeout(DEADLINE, TcpStream::connect(address)).await {
        Ok(Ok(_)) => ACCEPTED,
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => REFUSED,
        Ok(Err(_)) | Err(_) => SILENT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_listener_accepts_and_nobody_refuses() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(connect(address).await, ACCEPTED);
        drop(listener);
        assert_eq!(connect(address).await, REFUSED);
    }
}
