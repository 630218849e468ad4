//! What containers of an image do, and what tests see them do.

use jiff::SignedDuration;

/// What containers of an image do once they are started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Ends by itself after this time.
    pub runs_for: Option<SignedDuration>,
    /// Exit code of that end.
    pub exit_code: i64,
    /// Time from the stop signal to the end; without it the signal is ignored.
    pub stops_in: Option<SignedDuration>,
    /// Cannot be started, with these words.
    pub start_error: Option<String>,
}

impl Default for Program {
    /// Runs for ever and obeys the stop signal at once.
    fn default() -> Self {
        Self {
            runs_for: None,
            exit_code: 0,
            stops_in: Some(SignedDuration::ZERO),
            start_error: None,
        }
    }
}

/// Something that really happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// A container was created.
    Created,
    /// Its processes started, for the first time.
    Started,
    /// Its processes started again.
    StartedAgain {
        /// How they had ended.
        code: i64,
        /// For how long they had run.
        ran: SignedDuration,
    },
    /// Its processes ended.
    Ended,
    /// It was removed.
    Removed,
}
