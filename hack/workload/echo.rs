//! `ecs-operator-workload echo`: a command for looking at streams. Says `ready` on standard error, copies what it reads to
//! standard output, answers a line `size` with the size of its terminal, and ends with the code it was told.

use std::io::{self, BufRead, Write};

use rustix::termios::tcgetwinsize;

pub(crate) fn run() -> io::Result<()> {
    let (input, mut output) = (io::stdin().lock(), io::stdout().lock());
    writeln!(io::stderr(), "ready")?;
    for line in input.lines() {
        let line = line?;
        if line == "size" {
            let size = tcgetwinsize(io::stdin())?;
            writeln!(output, "{}x{}", size.ws_col, size.ws_row)?;
        } else {
            writeln!(output, "{line}")?;
        }
        output.flush()?;
    }
    Ok(())
}
