//! Starts whose answer was lost: they may have taken effect, or may do so yet.

use jiff::Timestamp;

use super::{Known, Seen};
use crate::runtime::{ContainerView, Error};

/// A start without an answer. A look that shows another time of start tells that it took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unanswered {
    /// When the container had last started before.
    started_before: Option<Timestamp>,
    /// Its deadline passed: it counts as failed unless a look shows otherwise.
    pub(super) is_late: bool,
}

impl Known {
    /// Whether a start may still take effect.
    #[must_use]
    pub fn is_start_unanswered(&self) -> bool {
        self.unanswered.is_some()
    }

    /// Takes in whether a look shows that the start took effect.
    pub(super) fn look_for_start(&mut self, view: &ContainerView) {
        let took_effect =
            |start: &Unanswered| view.state.is_live() || view.started_at != start.started_before;
        self.unanswered = self.unanswered.filter(|start| !took_effect(start));
    }

    /// Takes in the answer to a start.
    pub(super) fn started(&mut self, answer: Result<(), Error>) -> Option<Error> {
        let started_before = self.view().and_then(|view| view.started_at);
        self.seen = Seen::Unknown;
        self.unanswered = match &answer {
            Err(error) if error.is_unknown() => Some(Unanswered {
                started_before,
                is_late: matches!(error, Error::Timeout { .. }),
            }),
            Ok(()) | Err(_) => None,
        };
        match answer {
            Ok(()) => None,
            Err(error) if error.is_unknown() => Some(error),
            Err(error) => self.fail("CannotStartContainerError", &error),
        }
    }
}
