//! Health checks of a target: what is asked, which answers count, and what a run of answers makes of the target.
//!
//! As with Elastic Load Balancing a new target needs one success, an unhealthy one `healthyThresholdCount` in a row, and a
//! healthy one falls only after `unhealthyThresholdCount` failures in a row. Until its first success a new target is asked
//! again after a second, then after two, four and so on up to the interval, so that a task that has just begun to listen
//! does not wait a whole interval for its first request; failures between the intervals do not count against it.

use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// First pause between two checks of a target that has not answered yet.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// What a target group says of its targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// How their health is checked; without it their tasks' own health is theirs.
    pub check: Option<Check>,
    /// How long they finish what they have begun.
    pub deregistration_delay: Duration,
}

/// How the health of a group's targets is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What is asked.
    pub question: Question,
    /// Port of the container that is asked, where it is not the one that gets the requests.
    pub port: Option<u16>,
    /// From one check to the next.
    pub interval: Duration,
    /// Without an answer for this long a check has failed.
    pub timeout: Duration,
    /// Successes in a row that make an unhealthy target healthy.
    pub healthy_threshold: u32,
    /// Failures in a row that make a target unhealthy.
    pub unhealthy_threshold: u32,
}

/// What a check asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Whether a connection is accepted.
    Connect,
    /// A GET.
    Get {
        /// Over TLS, whose certificate is not looked at.
        tls: bool,
        /// Path and query.
        path: String,
        /// Status codes that are successes.
        codes: Codes,
    },
    /// A gRPC call without a message.
    Call {
        /// Path of the method, such as `/package.Service/Method`.
        path: String,
        /// gRPC status codes that are successes.
        codes: Codes,
    },
}

/// Codes that count as success, such as `200-299,301`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Codes(Vec<RangeInclusive<u16>>);

impl Codes {
    /// Reads single codes and ranges, with commas between them.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some(first.trim().parse().ok()?..=last.trim().parse().ok()?)
        };
        text.split(',').map(range).collect::<Option<_>>().map(Self)
    }

    /// Whether `code` is one of them.
    #[must_use]
    pub fn has(&self, code: u16) -> bool {
        self.0.iter().any(|range| range.contains(&code))
    }
}

/// Why a check failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It answered with a code that is no success.
    Code(u16),
    /// It did not answer in time.
    Timeout,
    /// It refused the connection, broke it off, or made no sense.
    NoAnswer,
}

/// What a target's checks have made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Standing {
    /// None has passed yet, and not enough have failed.
    #[default]
    Initial,
    /// It can serve.
    Healthy,
    /// It cannot, since the first of these failures.
    Unhealthy(Failure),
}

/// A target under its checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checked {
    standing: Standing,
    /// Answers in a row that speak against the standing.
    against: u32,
    /// Checks of a target that has never passed one.
    first_checks: u32,
    /// When a failure last counted.
    counted_at: Option<Timestamp>,
}

impl Checked {
    /// A target that stood like this when it was last told of. Rows of answers begin anew.
    #[must_use]
    pub const fn resumed(standing: Standing) -> Self {
        Self {
            standing,
            against: 0,
            first_checks: 0,
            counted_at: None,
        }
    }

    /// What the checks so far have made of it.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        self.standing
    }

    /// Takes in an answer, and says after which pause to ask again.
    pub fn take(&mut self, answer: Result<(), Failure>, check: &Check, now: Timestamp) -> Duration {
        match (self.standing, answer) {
            (Standing::Initial, Ok(())) => *self = Self::resumed(Standing::Healthy),
            (Standing::Initial, Err(failure)) => {
                let pause = FIRST_PAUSE.saturating_mul(1 << self.first_checks.min(8));
                self.first_checks += 1;
                self.fail(failure, check, now);
                return pause.min(check.interval);
            }
            (Standing::Healthy, Ok(())) | (Standing::Unhealthy(_), Err(_)) => self.against = 0,
            (Standing::Healthy, Err(failure)) => self.fail(failure, check, now),
            (Standing::Unhealthy(_), Ok(())) => {
                self.against += 1;
                if self.against >= check.healthy_threshold {
                    *self = Self::resumed(Standing::Healthy);
                }
            }
        }
        check.interval
    }

    /// A failure counts when the last one that did is an interval ago.
    fn fail(&mut self, failure: Failure, check: &Check, now: Timestamp) {
        let interval = SignedDuration::try_from(check.interval).unwrap_or(SignedDuration::MAX);
        let early = |last: Timestamp| {
            let passed = now.duration_since(last);
            // A clock that was set back counts as time that has passed.
            !passed.is_negative() && passed < interval
        };
        if self.standing == Standing::Initial && self.counted_at.is_some_and(early) {
            return;
        }
        self.counted_at = Some(now);
        self.against += 1;
        if self.against >= check.unhealthy_threshold {
            *self = Self::resumed(Standing::Unhealthy(failure));
        }
    }
}

#[cfg(test)]
mod tests;
