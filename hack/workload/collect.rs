//! A log router for tests: what Docker's driver for Fluentd sends it is printed, without what is not text.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::ExitCode;
use std::thread;

/// Runs until it is stopped.
pub(crate) fn collect(socket: &Path, file: &Path) -> ExitCode {
    match listen(socket, file) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when standard error itself is closed; the exit code says it all.
            writeln!(io::stderr(), "{error}").map_or(ExitCode::FAILURE, |()| ExitCode::FAILURE)
        }
    }
}

fn listen(socket: &Path, file: &Path) -> io::Result<()> {
    writeln!(io::stdout(), "{}", fs::read_to_string(file)?)?;
    if socket.exists() {
        fs::remove_file(socket)?;
    }
    for stream in UnixListener::bind(socket)?.incoming() {
        let stream = stream?;
        thread::spawn(move || print(stream));
    }
    Ok(())
}

fn print(mut stream: UnixStream) -> io::Result<()> {
    let mut part = [0; 4096];
    loop {
        let count = stream.read(&mut part)?;
        let read = part.get(..count).unwrap_or_default();
        if read.is_empty() {
            return Ok(());
        }
        let text: String = read
            .iter()
            .map(|byte| char::from(*byte))
            .filter(|it| it.is_ascii_graphic() || *it == ' ')
            .collect();
        writeln!(io::stdout(), "{text}")?;
    }
}
