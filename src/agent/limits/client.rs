//! The agent's side: asks the hand on its engine.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, timeout};

use super::{Reply, Request};
use crate::domain::definition::limits::TaskLimits;
use crate::domain::ids;
use crate::runtime::Error;

/// For one answer.
const DEADLINE: Duration = Duration::from_secs(10);
/// For the hand to be there at all: it comes with the relay, which a new instance loads first.
const PATIENCE: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(250);

/// Asks for the cgroups of tasks.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// Of the hand behind `socket`, which need not be there yet.
    #[must_use]
    pub const fn at(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// The cgroup in which the containers of a task are made, as the engine calls it.
    ///
    /// # Errors
    /// When nobody has made it after a while, or the kernel refuses the bounds.
    pub async fn provide(&self, uid: &str, limits: TaskLimits) -> Result<String, Error> {
        let task = ids::task_id(uid);
        let request = Request::Provide { task, limits };
        let begun = Instant::now();
        let reply = loop {
            match self.ask(&request).await {
                Err(error) if begun.elapsed() >= PATIENCE => Err(error)?,
                Err(_) => sleep(PAUSE).await,
                Ok(reply) => break reply,
            }
        };
        match reply {
            Reply::Provided(parent) => Ok(parent),
            Reply::Failed(why) => Err(refused(&why)),
            Reply::Tasks(_) | Reply::Removed | Reply::Quotas(_) => {
                Err(refused("another question was answered"))
            }
        }
    }

    /// Whether the engine's file system has project quotas; unknown where nobody answers.
    pub async fn quotas(&self) -> Option<bool> {
        match self.ask(&Request::Quotas).await {
            Ok(Reply::Quotas(are_on)) => Some(are_on),
            Ok(Reply::Provided(_) | Reply::Tasks(_) | Reply::Removed | Reply::Failed(_))
            | Err(_) => None,
        }
    }

    /// Ids of the tasks that have cgroups.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn tasks(&self) -> Result<Vec<String>, Error> {
        match self.ask(&Request::List).await? {
            Reply::Tasks(tasks) => Ok(tasks),
            Reply::Failed(why) => Err(refused(&why)),
            Reply::Provided(_) | Reply::Removed | Reply::Quotas(_) => {
                Err(refused("another question was answered"))
            }
        }
    }

    /// Removes the cgroup of the task with this id, of which nothing lives.
    ///
    /// # Errors
    /// When nobody answers, or something lives in it.
    pub async fn remove(&self, task: String) -> Result<(), Error> {
        match self.ask(&Request::Remove { task }).await? {
            Reply::Removed => Ok(()),
            Reply::Failed(why) => Err(refused(&why)),
            Reply::Provided(_) | Reply::Tasks(_) | Reply::Quotas(_) => {
                Err(refused("another question was answered"))
            }
        }
    }

    async fn ask(&self, request: &Request) -> Result<Reply, Error> {
        let asked = async {
            let mut stream = UnixStream::connect(&self.socket).await?;
            let mut line = serde_json::to_vec(request)?;
            line.push(b'\n');
            stream.write_all(&line).await?;
            let mut reply = String::new();
            BufReader::new(stream).read_line(&mut reply).await?;
            serde_json::from_str(&reply).map_err(io::Error::from)
        };
        match timeout(DEADLINE, asked).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(error)) => Err(refused(&format!(
                "the relay on the engine does not answer: {error}"
            ))),
            Err(_) => Err(refused("the relay on the engine does not answer in time")),
        }
    }
}

/// Asking for a cgroup has no effect on containers: whatever becomes of it, nothing was created or started.
fn refused(why: &str) -> Error {
    Error::Refused {
        status: 0,
        message: format!("cannot bound cpu and memory of the whole task: {why}"),
    }
}
