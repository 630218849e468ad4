//! What the program is told at its start; every option has an environment variable, because a task definition sets those.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{Parser, Subcommand};

/// A test application with faults on request.
#[derive(Clone, Debug, Parser)]
#[command(name = "ecs-operator-workload")]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) action: Option<Action>,

    /// The port to listen on, and the one that `health` asks.
    #[arg(long, env = "PORT", default_value_t = 8080, global = true)]
    pub(crate) port: u16,

    /// Serve the same at this port too.
    #[arg(long, env = "SECOND_PORT")]
    pub(crate) second_port: Option<u16>,

    /// Answer each datagram at this port with the version.
    #[arg(long, env = "UDP_PORT")]
    pub(crate) udp_port: Option<u16>,

    /// What `/` gives as its version: tells the old tasks of a deployment from the new.
    #[arg(long, env = "VERSION", default_value = "dev")]
    pub(crate) version: String,

    /// Wait before listening, as a program with a long start does.
    #[arg(long, env = "START_DELAY_MILLISECONDS", default_value = "0", value_parser = milliseconds)]
    pub(crate) start_delay: Duration,

    /// Answer 503 on `/healthz` until told to be healthy.
    #[arg(long, env = "START_UNHEALTHY", value_parser = FalseyValueParser::new())]
    pub(crate) start_unhealthy: bool,

    /// Exit by itself this long after the start, with `EXIT_CODE`.
    #[arg(long, env = "EXIT_AFTER_MILLISECONDS", value_parser = milliseconds)]
    pub(crate) exit_after: Option<Duration>,

    /// The code of that exit.
    #[arg(long, env = "EXIT_CODE", default_value_t = 0)]
    pub(crate) exit_code: i32,

    /// Use up all memory at the start.
    #[arg(long, env = "EXHAUST_MEMORY", value_parser = FalseyValueParser::new())]
    pub(crate) exhaust_memory: bool,

    /// Go on serving after SIGTERM: only SIGKILL ends it.
    #[arg(long, env = "IGNORE_SIGTERM", value_parser = FalseyValueParser::new())]
    pub(crate) ignore_sigterm: bool,

    /// Let `/` take this long.
    #[arg(long, env = "RESPONSE_DELAY_MILLISECONDS", default_value = "0", value_parser = milliseconds)]
    pub(crate) response_delay: Duration,
}

/// What to do instead of serving.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Action {
    /// Exit 0 if the server in this container says that it is healthy, else 1.
    Health,
    /// Stand for a log router: print this file, listen at a Unix socket, and print all text that comes.
    Collect {
        /// Where to listen.
        socket: PathBuf,
        /// What to print first.
        file: PathBuf,
    },
    /// Send requests for ever, and print counts each second.
    Load {
        /// Address and port of whom to ask.
        target: SocketAddr,
        /// Requests a second, beside slow ones.
        #[arg(long, default_value_t = 200)]
        rate: u32,
    },
    /// Print files, folders, links and devices as the container has them, and exit 0.
    Show {
        /// Write into this file first; may be given several times.
        #[arg(long)]
        write: Vec<PathBuf>,
        /// What to print.
        paths: Vec<PathBuf>,
    },
    /// Answer a kubelet's `CredentialProviderRequest` with these credentials.
    Provide {
        /// Name of the user.
        username: String,
        /// The password.
        password: String,
    },
    /// Copy lines from input to output, then exit with this code.
    Echo {
        /// The code.
        #[arg(default_value_t = 0)]
        code: u8,
    },
}

fn milliseconds(text: &str) -> Result<Duration, std::num::ParseIntError> {
    text.parse().map(Duration::from_millis)
}
