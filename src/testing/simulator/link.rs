//! How actors reach the model API, and by which Lease they lead.

use std::rc::Rc;

use jiff::Timestamp;

use super::objects::Object;

/// The Lease that controllers lead by.
#[derive(Debug, Default)]
pub(super) struct Lease {
    pub(super) holder: Option<Rc<str>>,
    /// Grows with each renewal.
    pub(super) renewal: u64,
    /// What the holder's clock said at the last one.
    pub(super) renewed_at: Timestamp,
}

/// Why a write came to nothing, as far as its writer knows.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// No answer: it may have been committed.
    Unknown,
    /// The object changed since, or cannot be changed so.
    Conflict,
    /// The name is taken, by this.
    Exists(Object),
    /// There is no such object.
    Missing,
    /// The writer itself died right after the write.
    Crash,
}

/// One actor's way to the API.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) actor: Rc<str>,
    /// It is a controller's.
    pub(super) leads: bool,
    pub(super) cut: bool,
    /// The actor dies after so many more writes.
    pub(super) dies_after: Option<u32>,
}

impl Link {
    pub(super) fn new(actor: &str, leads: bool) -> Self {
        Self {
            actor: actor.into(),
            leads,
            cut: false,
            dies_after: None,
        }
    }
}
