//! What commands say to people, on standard output.

use std::fmt::Display;

/// One line on standard output.
#[expect(clippy::print_stdout, reason = "this is where commands speak")]
pub fn line(text: impl Display) {
    println!("{text}");
}
