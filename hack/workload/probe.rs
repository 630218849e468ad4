//! The health-check command: asks `/healthz` of the server in the same container, with plain sockets, because it runs every
//! few seconds in every task.

use std::io::{Error, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(2);

/// 0 for a 200, else 1 with the reason on standard error, where Docker's health log keeps it.
pub(crate) fn health(port: u16) -> ExitCode {
    let reason = match status_line(port) {
        Ok(line) if line.contains(" 200 ") => return ExitCode::SUCCESS,
        Ok(line) => line,
        Err(error) => error.to_string(),
    };
    // Nobody is left to tell when standard error itself is closed; the exit code says it all.
    writeln!(std::io::stderr(), "{reason}").map_or(ExitCode::FAILURE, |()| ExitCode::FAILURE)
}

/// The first line of the answer, for example `HTTP/1.1 200 OK`.
pub(crate) fn status_line(port: u16) -> Result<String, Error> {
    let mut stream =
        TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}
