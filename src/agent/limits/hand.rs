//! The hand: makes and removes cgroups for the agent, from a container of the engine's that has their trees.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::debug;

use super::tree::is_id;
use super::{Reply, Request, Tree, quotas};

/// The longest request.
const LONGEST: u64 = 4096;
/// For a caller to ask and to take the answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves at `socket` for ever, one request after the other: each is a few writes into the kernel's files.
///
/// # Errors
/// When the socket cannot be made, or nobody can be accepted any more.
pub async fn serve(socket: &Path, tree: Tree) -> io::Result<()> {
    match tokio::fs::remove_file(socket).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(socket)?;
    let tree = Arc::new(tree);
    loop {
        let (stream, _) = listener.accept().await?;
        let served = timeout(PATIENCE, answer(stream, Arc::clone(&tree))).await;
        debug!(?served, "request for cgroups");
    }
}

async fn answer(mut stream: UnixStream, tree: Arc<Tree>) -> io::Result<()> {
    let mut line = String::new();
    BufReader::new((&mut stream).take(LONGEST))
        .read_line(&mut line)
        .await?;
    let request = serde_json::from_str(&line)?;
    let reply = spawn_blocking(move || carry_out(&tree, request)).await?;
    let mut reply = serde_json::to_vec(&reply)?;
    reply.push(b'\n');
    stream.write_all(&reply).await
}

fn carry_out(tree: &Tree, request: Request) -> Reply {
    let done = match &request {
        Request::Provide { task, .. } | Request::Remove { task } if !is_id(task) => Err(
            io::Error::other(format!("'{task}' is not the id of a task")),
        ),
        Request::Provide { task, limits } => tree.provide(task, *limits).map(Reply::Provided),
        Request::Quotas => std::fs::read_to_string("/proc/self/mountinfo")
            .map(|mounts| Reply::Quotas(quotas::are_on(&mounts))),
        Request::List => tree.tasks().map(Reply::Tasks),
        Request::Remove { task } => tree.remove(task).map(|()| Reply::Removed),
    };
    done.unwrap_or_else(|error| Reply::Failed(error.to_string()))
}
