//! Which ends of a container are answered by starting it again.

use std::collections::BTreeSet;
use std::time::Duration;

/// Time that a container must have run where its policy names none (ECS API Reference,
/// `ContainerRestartPolicy.restartAttemptPeriod`).
pub const DEFAULT_ATTEMPT_PERIOD: Duration = Duration::from_mins(5);

/// A restart policy that is enabled: the same container is started again after it ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestartPolicy {
    /// Ends with these exit codes are final.
    pub ignored_exit_codes: BTreeSet<i64>,
    /// A container that ran for less than this since its latest start is not started again.
    pub attempt_period: Duration,
}

impl RestartPolicy {
    /// Whether an end with `exit_code` is followed by a start, after the container `ran` for so long.
    ///
    /// ECS counts from the latest restart, or from the first start. Both are the latest start, which the engine shows:
    /// so nobody has to remember anything, and whoever looks later comes to the same answer.
    #[must_use]
    pub fn restarts(&self, exit_code: i64, ran: Duration) -> bool {
        !self.ignored_exit_codes.contains(&exit_code) && ran >= self.attempt_period
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_started_again_once_it_ran_for_the_period_and_its_exit_code_is_not_ignored() {
        let policy = RestartPolicy {
            ignored_exit_codes: BTreeSet::from([0, 3]),
            attempt_period: Duration::from_mins(1),
        };
        let judged = [(1, 60), (1, 59), (0, 600), (3, 60), (137, 61)]
            .map(|(code, seconds)| policy.restarts(code, Duration::from_secs(seconds)));
        assert_eq!(judged, [true, false, false, false, true]);
    }
}
