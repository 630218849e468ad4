//! What goes wrong on purpose.

use std::collections::BTreeSet;

use super::record::Request;

/// What happens to a request instead of being answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is answered with this HTTP status and has no effect. 429 comes with `Retry-After: 1`.
    Status(u16),
    /// The connection breaks before the request arrives.
    Refused,
    /// It takes effect, and then the connection breaks.
    AnswerLost,
}

type Matching = Box<dyn Fn(&Request) -> bool + Send>;

/// The faults that are in force.
#[derive(Default)]
pub(super) struct Faults {
    rules: Vec<(usize, Fault, Matching)>,
    /// How often all watches were cut.
    cuts: u64,
    paused: bool,
    isolated: BTreeSet<String>,
}

impl Faults {
    pub(super) fn add(&mut self, times: usize, fault: Fault, matching: Matching) {
        self.rules.push((times, fault, matching));
    }

    /// The fault that befalls `request`, used up by it.
    pub(super) fn befall(&mut self, request: &Request) -> Option<Fault> {
        let (times, fault, _) = self
            .rules
            .iter_mut()
            .find(|(times, _, matching)| *times > 0 && matching(request))?;
        *times -= 1;
        Some(*fault)
    }

    pub(super) fn forget(&mut self) {
        self.rules.clear();
    }

    pub(super) const fn cut(&mut self) {
        self.cuts += 1;
    }

    pub(super) const fn cuts(&self) -> u64 {
        self.cuts
    }

    pub(super) const fn pause(&mut self) {
        self.paused = true;
    }

    pub(super) const fn resume(&mut self) {
        self.paused = false;
    }

    pub(super) fn isolate(&mut self, actor: &str) {
        self.isolated.insert(actor.to_owned());
    }

    pub(super) fn heal(&mut self, actor: &str) {
        self.isolated.remove(actor);
    }

    /// Whether requests and watches of `actor` hang.
    pub(super) fn blocks(&self, actor: &str) -> bool {
        self.paused || self.isolated.contains(actor)
    }
}
