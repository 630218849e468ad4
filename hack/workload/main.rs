//! The application that the demo, the tests and the benches run as their tasks: a small HTTP server that can be told to be
//! slow, sick, hungry or dead, from outside while it runs and by environment variables before it starts.
//!
//! Run as `ecs-operator-workload health` it is its own health-check command, so that its image needs no shell.

mod ask;
mod collect;
mod echo;
mod load;
mod options;
mod probe;
mod provide;
mod server;
mod show;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use clap::Parser;

use options::{Action, Options};

fn main() -> ExitCode {
    let options = Options::parse();
    match &options.action {
        Some(Action::Health) => probe::health(options.port),
        Some(Action::Collect { socket, file }) => collect::collect(socket, file),
        Some(Action::Show { write, paths }) => show::show(write, paths),
        Some(Action::Echo { code }) => echo(*code),
        Some(Action::Load { target, rate }) => outcome(load::run(*target, *rate)),
        Some(Action::Provide { username, password }) => {
            outcome(async { provide::run(username, password) })
        }
        None => serve(options),
    }
}

fn echo(code: u8) -> ExitCode {
    match echo::run() {
        Ok(()) => ExitCode::from(code),
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve(options: Options) -> ExitCode {
    tracing_subscriber::fmt()
        .without_time()
        .with_ansi(false)
        .with_target(false)
        .init();
    outcome(server::run(options))
}

/// Runs it to its end.
fn outcome(doing: impl Future<Output = Result<(), std::io::Error>>) -> ExitCode {
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .and_then(|runtime| runtime.block_on(doing));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "cannot go on");
            ExitCode::FAILURE
        }
    }
}
