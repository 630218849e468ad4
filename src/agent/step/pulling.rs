//! What becomes of a container whose image cannot be pulled: tried again within bounds where that may help, and then
//! failed in ECS's words.

use super::known::Known;
use crate::agent::wanted::Wanted;
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
        match &error {
            Error::Unreachable { .. } => return Some(error),
            Error::NotFound { message }
            | Error::Conflict { message }
            | Error::Refused { message, .. } => {
                self.failed_pulls += 1;
                if self.failed_pulls < Problem::of(message).tries() {
                    self.note = Some(reason());
                    return Some(error);
                }
            }
            Error::Timeout { .. } => {}
        }
        self.failure = Some(reason());
        None
    }
}
