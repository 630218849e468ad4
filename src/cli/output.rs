//! What commands say to people.

use std::fmt::Display;

/// One line on standard error, beside the answer.
#[expect(clippy::print_stderr, reason = "this is where commands speak")]
pub fn progress(text: impl Display) {
    eprintln!("{text}");
}

/// One line on standard output.
#[expect(clippy::print_stdout, reason = "this is where commands speak")]
pub fn line(text: impl Display) {
    println!("{text}");
}
