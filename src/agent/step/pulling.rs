//! What becomes of a container whose image cannot be pulled: tried again within bounds where that may help, and then
//! failed in ECS's words.

use jiff::SignedDuration;

use super::known::Known;
use crate::agent::wanted::Wanted;
use crate::domain::ids;
use crate::domain::pulls::{self, Problem};
use crate::runtime::Error;

impl Known {
    /// Says what the pull that is under way has come to so far.
    pub fn pulling(&mut self, text: String) {
        self.note = Some(text);
    }

    /// Takes in the failure of a pull: the error to wait for, if it is to be tried again.
    pub(super) fn not_pulled(
        &mut self,
        container: &str,
        error: Error,
        wanted: &Wanted,
    ) -> Option<Error> {
        let reason = || {
            let image = wanted.container(container).map_or("", |it| &it.image);
            pulls::reason(image, &error.to_string())
        };
        let problem = match &error {
            Error::Unreachable { .. } => return Some(error),
            // A registry that fell silent in the middle.
            Error::Timeout { .. } => Problem::Unreachable,
            Error::NotFound { message }
            | Error::Conflict { message }
            | Error::Refused { message, .. } => Problem::of(message),
        };
        self.failed_pulls += 1;
        if self.failed_pulls < problem.tries() {
            self.note = Some(reason());
            return Some(error);
        }
        self.failure = Some(reason());
        None
    }

    /// A pause of once to twice its length, as the name of the container has it: agents that a registry turned away
    /// together do not come back together.
    pub(super) fn spread(&self, pause: SignedDuration) -> SignedDuration {
        let share = i32::try_from(ids::draw(&self.engine_name) % 100).unwrap_or_default();
        pause.saturating_add(pause * share / 100)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::agent::step::Seen;

    #[test]
    fn pulls_that_failed_together_are_tried_again_at_different_times() {
        let pause = SignedDuration::from_secs(8);
        let names = (0..100).map(|number| format!("ecs-web-1-app-{number:012}"));
        let waits = names.map(|name| Known::new(name, Seen::Unknown).spread(pause));
        let waits: BTreeSet<SignedDuration> = waits.collect();
        assert!(waits.iter().all(|wait| (pause..pause * 2).contains(wait)));
        assert!(waits.len() > 50, "{waits:?}");
    }
}
