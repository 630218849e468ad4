//! What happened, for whoever has to understand a violation.

use std::fmt::Write as _;

use jiff::Timestamp;

/// Lines of text with times; empty unless it is wanted.
#[derive(Debug, Default)]
pub(super) struct History {
    wanted: bool,
    lines: Vec<(Timestamp, String)>,
    /// Number of lines when all was well for the last time.
    well: usize,
}

impl History {
    pub(super) const fn new(wanted: bool) -> Self {
        Self {
            wanted,
            lines: Vec::new(),
            well: 0,
        }
    }

    /// Whether somebody will read it.
    pub(super) const fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// Writes a line.
    pub(super) fn say(&mut self, now: Timestamp, line: impl FnOnce() -> String) {
        if self.wanted {
            self.lines.push((now, line()));
        }
    }

    /// All is as it should be: what was before explains nothing of what comes.
    pub(super) const fn all_is_well(&mut self) {
        self.well = self.lines.len();
    }

    /// Everything since all was well, at most the last `limit` lines.
    pub(super) fn suffix(&self, limit: usize) -> String {
        let from = self.well.max(self.lines.len().saturating_sub(limit));
        let mut text = String::new();
        for (at, line) in self.lines.iter().skip(from) {
            // Writing to a String cannot fail.
            if writeln!(text, "  {} {line}", at.strftime("%H:%M:%S%.3f")).is_err() {
                break;
            }
        }
        text
    }
}
