//! A forecast as people read it: one line a step, and a last one with the end.

use std::fmt;
use std::time::Duration;

use super::{End, Forecast};

impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (lower, upper) = (
            self.percents.lower_bound(self.desired),
            self.percents.upper_bound(self.desired),
        );
        writeln!(
            f,
            "{} at {} percent: keeps {lower} healthy, allows {upper}",
            tasks(self.desired),
            self.percents
        )?;
        if !self.steps.is_empty() {
            writeln!(f, "step     time  stop  start  healthy  live")?;
        }
        for (index, step) in self.steps.iter().enumerate() {
            write!(
                f,
                "{:>4} {:>8} {:>5} {:>6} {:>8} {:>5}",
                index + 1,
                span(step.at),
                step.stops.len(),
                step.starts.len(),
                step.healthy,
                step.live
            )?;
            match step.unplaced {
                0 => writeln!(f)?,
                unplaced => writeln!(f, "  no room for {unplaced}")?,
            }
        }
        let steps = match self.steps.len() {
            1 => "1 step".to_owned(),
            number => format!("{number} steps"),
        };
        let stuck = if self.steps.is_empty() {
            "cannot begin".to_owned()
        } else {
            format!("stuck after {steps}")
        };
        let (took, healthy, live) = (span(self.took), self.healthy, self.live);
        match &self.end {
            End::Completed if self.steps.is_empty() => {
                write!(f, "nothing to do: {healthy} healthy, {live} live")
            }
            End::Completed => write!(
                f,
                "completed after {steps} and {took}: {healthy} healthy, {live} live"
            ),
            End::CannotMove(why) => write!(f, "{stuck}: {why}"),
            End::NoRoom(explanation) => {
                write!(f, "{stuck}: a task finds no instance. {explanation}")
            }
            End::Waits(what) => write!(f, "{stuck}: waits for {what}"),
            End::GoesOn => write!(
                f,
                "goes on after {steps} and {took}; not played any further"
            ),
        }
    }
}

fn tasks(number: u32) -> String {
    match number {
        1 => "1 task".to_owned(),
        number => format!("{number} tasks"),
    }
}

/// `40s`, `1m20s`, `2h00m`.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}
