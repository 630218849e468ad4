//! The relay: takes the connections of tasks on the instance's network, where the agent itself need not be, and passes
//! them on through a Unix socket, each after a line that says where it came from.
//!
//! It knows nothing and keeps nothing. When no agent has been there for [`ABANDONED`], it ends, and its container goes with it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, timeout};
use tracing::{debug, info};

/// Connections at once.
const CONNECTIONS: usize = 128;
/// A connection that lasts longer is not one that asks for metadata.
const LONGEST: Duration = Duration::from_mins(1);
/// Without an agent for this long it is over. An agent that is upgraded is away for less.
pub const ABANDONED: Duration = Duration::from_mins(10);
const LOOK: Duration = Duration::from_secs(30);
/// Before the address is tried again: the engine may just be giving it to the instance.
const PAUSE: Duration = Duration::from_millis(200);

/// Relays connections to `address` into `socket` until no agent is there any more.
///
/// # Errors
/// When the limit of connections cannot be kept any more.
pub async fn run(address: SocketAddr, socket: PathBuf) -> io::Result<()> {
    let listener = loop {
        match TcpListener::bind(address).await {
            Ok(listener) => break listener,
            Err(error) => {
                debug!(%error, %address, "cannot listen");
                sleep(PAUSE).await;
            }
        }
    };
    info!(%address, "relaying");
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    let mut looks = interval(LOOK);
    let mut seen = Instant::now();
    loop {
        let accepted = async {
            let place = Arc::clone(&room);
            let place = place.acquire_owned().await.map_err(io::Error::other)?;
            let (stream, from) = listener.accept().await?;
            Ok::<_, io::Error>((place, stream, from))
        };
        tokio::select! {
            Some(_) = connections.join_next() => {}
            _ = looks.tick() => {
                if UnixStream::connect(&socket).await.is_ok() {
                    seen = Instant::now();
                } else if seen.elapsed() >= ABANDONED {
                    info!("no agent is here any more");
                    return Ok(());
                }
            }
            accepted = accepted => match accepted {
                Ok((place, stream, from)) => {
                    let socket = socket.clone();
                    connections.spawn(async move {
                        let passed = timeout(LONGEST, pass(stream, from, socket)).await;
                        debug!(%from, ?passed, "connection ended");
                        drop(place);
                    });
                }
                Err(error) => {
                    debug!(%error, "cannot accept a connection");
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

async fn pass(mut stream: TcpStream, from: SocketAddr, socket: PathBuf) -> io::Result<()> {
    let mut agent = UnixStream::connect(socket).await?;
    let line = format!("{}\n", from.ip().to_canonical());
    agent.write_all(line.as_bytes()).await?;
    copy_bidirectional(&mut stream, &mut agent).await.map(drop)
}
