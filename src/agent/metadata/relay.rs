//! The relay: takes the connections of tasks on the instance's network, where the agent itself need not be, and passes
//! them on through a Unix socket, each after a line that says where it came from.
//!
//! It knows nothing and keeps nothing. When no agent has been there for [`ABANDONED`], it ends, and leaves an ended container.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::time::{Instant, interval, sleep, timeout};
use tracing::{debug, info};

use crate::platform::serving::accept;

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
pub async fn run(address: SocketAddr, socket: PathBuf) {
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
    accept(listener, CONNECTIONS, abandoned(&socket), |stream, from| {
        let socket = socket.clone();
        async move {
            let passed = timeout(LONGEST, pass(stream, from, socket)).await;
            debug!(%from, ?passed, "connection ended");
        }
    })
    .await;
}

/// Ends when no agent has been there for so long.
async fn abandoned(socket: &Path) {
    let mut looks = interval(LOOK);
    let mut seen = Instant::now();
    while seen.elapsed() < ABANDONED {
        looks.tick().await;
        if UnixStream::connect(socket).await.is_ok() {
            seen = Instant::now();
        }
    }
    info!("no agent is here any more");
}

async fn pass(mut stream: TcpStream, from: SocketAddr, socket: PathBuf) -> io::Result<()> {
    let mut agent = UnixStream::connect(socket).await?;
    let line = format!("{}\n", from.ip().to_canonical());
    agent.write_all(line.as_bytes()).await?;
    copy_bidirectional(&mut stream, &mut agent).await.map(drop)
}
