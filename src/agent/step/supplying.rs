//! What a container needs from the broker before its image is pulled: asked for once, waited for within bounds.

use jiff::SignedDuration;

use super::known::Known;
use crate::agent::broker;
use crate::domain::supply::Supply;

/// Requests that may get no answer, one after another: with the pauses between them about a minute, as long as ECS waits
/// for the credentials that it reads secrets with.
const TRIES: u32 = 7;

/// Longest pause between them.
pub(super) const LONGEST_PAUSE: SignedDuration = SignedDuration::from_secs(15);

impl Known {
    /// Takes in what the broker said. True if it is to be asked once more.
    pub(super) fn supplied(&mut self, answer: Result<Supply, broker::Error>) -> bool {
        let reason = |error: &broker::Error| {
            format!("ResourceInitializationError: unable to pull secrets or registry auth: {error}")
        };
        match answer {
            Ok(supply) => {
                self.supply = Some(supply);
                self.note = None;
                false
            }
            Err(error @ broker::Error::Refused(_)) => {
                self.failure = Some(reason(&error));
                false
            }
            Err(error @ broker::Error::Unavailable(_)) => {
                self.unsupplied += 1;
                if self.unsupplied < TRIES {
                    self.note = Some(format!("waits for the broker: {error}"));
                    return true;
                }
                self.failure = Some(reason(&error));
                false
            }
        }
    }
}
