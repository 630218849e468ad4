//! Bytes and lines on standard output, for commands whose output is the answer.

use std::io::{self, Write};

/// Writes `bytes` as they are.
pub(super) fn bytes(bytes: &[u8]) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(bytes)?;
    output.flush()
}

/// Writes `bytes` to standard error as they are.
pub(super) fn errors(bytes: &[u8]) -> io::Result<()> {
    let mut output = io::stderr().lock();
    output.write_all(bytes)?;
    output.flush()
}
