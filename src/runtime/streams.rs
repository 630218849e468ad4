//! What flows in and out of a container: its logs, commands run in it, its main process, its files, its figures.
//!
//! Beside [`super::Engine`], which decides nothing by these: tasks start and stop whether or not anybody watches.

use std::net::IpAddr;
use std::pin::Pin;

use bytes::Bytes;
use futures::stream::BoxStream;
use jiff::Timestamp;
use serde_json::Value;
use tokio::io::AsyncWrite;

use super::{Answer, Error};

/// Bytes of a file or an archive, as they arrive.
pub type Data = BoxStream<'static, Result<Bytes, Error>>;

/// The streams of one engine's containers.
///
/// **Guarantees.** No more than one piece of each stream is in memory: who reads slowly slows the writer down. A stream
/// that is dropped closes its connection; a command that was started runs on.
pub trait Streams: Send + Sync {
    /// What the container has written, and with `follow` what it writes until it ends.
    fn logs(&self, container: &str, query: &LogQuery) -> BoxStream<'static, Result<Chunk, Error>>;

    /// Starts a command in a container that runs. The string is the engine's id of it.
    fn exec<'a>(
        &'a self,
        container: &'a str,
        command: &'a Command,
    ) -> Answer<'a, (String, Session)>;

    /// The exit code of a command that has ended.
    fn exit_code<'a>(&'a self, exec: &'a str) -> Answer<'a, Option<i64>>;

    /// The main process of a container that runs, from now on.
    fn attach<'a>(&'a self, container: &'a str, ends: Ends) -> Answer<'a, Session>;

    /// Tells a command or a main process with a terminal how large it is.
    fn resize<'a>(&'a self, of: &'a Terminal, size: Size) -> Answer<'a, ()>;

    /// A file or folder of the container as a tar archive, running or not.
    fn pack(&self, container: &str, path: &str) -> Data;

    /// Unpacks a tar archive in a folder of the container, which must be there.
    fn unpack<'a>(&'a self, container: &'a str, folder: &'a str, archive: Data) -> Answer<'a, ()>;

    /// The figures of a container that runs, as ECS's `stats` endpoint shows them: in Docker's own shape, and with
    /// `network_rate_stats`. It takes the engine a second or two.
    fn stats<'a>(&'a self, container: &'a str) -> Answer<'a, Value>;

    /// Where the ports of a container that runs are.
    fn place<'a>(&'a self, container: &'a str) -> Answer<'a, Place>;
}

/// Which part of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// Goes on until the container ends.
    pub follow: bool,
    /// Only so many lines before now; all without.
    pub tail: Option<u64>,
    /// Only what was written since.
    pub since: Option<Timestamp>,
    /// Each line begins with the time at which it was written.
    pub timestamps: bool,
}

/// From where a container writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Standard output; with a terminal, all output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A piece of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Where it was written.
    pub source: Source,
    /// What was written; not whole lines.
    pub data: Bytes,
}

/// Which ends of a process are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ends {
    /// Standard input.
    pub stdin: bool,
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
}

/// A command to run in a container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Command {
    /// Program and arguments.
    pub arguments: Vec<String>,
    /// Which of its ends are wanted.
    pub ends: Ends,
    /// It gets a terminal.
    pub tty: bool,
}

/// The ends of a process. Closing the input tells the process that there is no more.
pub struct Session {
    /// Its standard input.
    pub input: Pin<Box<dyn AsyncWrite + Send>>,
    /// Its output, until it ends.
    pub output: BoxStream<'static, Result<Chunk, Error>>,
}

/// Whose terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Terminal {
    /// That of a container's main process, by the container's name.
    Container(String),
    /// That of a command, by its id.
    Exec(String),
}

/// Size of a terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Characters in a line.
    pub width: u16,
    /// Lines.
    pub height: u16,
}

/// In which network a container listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// At an address of its own.
    Address(IpAddr),
    /// In the network of the instance.
    Host,
    /// In no network, or it does not run.
    Nowhere,
}
