//! How far a deployment may go below and above the desired count, and which pairs of percents can never replace a task.
//!
//! ECS API Reference, `DeploymentConfiguration`: the lower bound rounds up, the upper bound rounds down.

use std::fmt;

/// `minimumHealthyPercent` and `maximumPercent` of a service, both in percent of its desired count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percents {
    /// Healthy tasks that stay, rounded up.
    pub minimum_healthy: u32,
    /// Tasks in all, those that are stopping included, rounded down.
    pub maximum: u32,
}

impl fmt::Display for Percents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.minimum_healthy, self.maximum)
    }
}

impl Percents {
    /// Healthy tasks of `desired` that a voluntary stop must leave.
    pub fn lower_bound(self, desired: u32) -> u64 {
        (u64::from(desired) * u64::from(self.minimum_healthy)).div_ceil(100)
    }

    /// Tasks that a start must not exceed where `desired` are wanted.
    pub fn upper_bound(self, desired: u32) -> u64 {
        u64::from(desired) * u64::from(self.maximum) / 100
    }

    /// Why no task of `desired` could ever be replaced with this pair, and which pairs can. 67/100 of 3 keeps 3 and
    /// allows 3; 66/100 stops one first, and 67/134 starts one first.
    pub fn cannot_move(self, desired: u32) -> Option<CannotMove> {
        let wanted = u64::from(desired);
        let (lower, upper) = (self.lower_bound(desired), self.upper_bound(desired));
        let full = upper >= wanted;
        let moves = full && (lower < wanted || upper > wanted);
        if desired == 0 || moves {
            return None;
        }
        let stops_first = Self {
            minimum_healthy: percent((wanted - 1) * 100 / wanted),
            ..self
        };
        let starts_first = Self {
            maximum: percent(((wanted + 1) * 100).div_ceil(wanted)),
            ..self
        };
        Some(CannotMove {
            desired,
            given: self,
            stops_first: full.then_some(stops_first),
            starts_first: Some(starts_first),
        })
    }
}

fn percent(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// A pair of percents with which nothing can be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CannotMove {
    desired: u32,
    given: Percents,
    /// Where the upper bound holds all tasks, the nearest pair that stops one first.
    pub stops_first: Option<Percents>,
    /// The nearest pair that starts one first; `None` for daemons, which never do.
    pub starts_first: Option<Percents>,
}

impl CannotMove {
    /// The same for a DAEMON service, whose `maximumPercent` is always 100.
    #[must_use]
    pub const fn of_daemons(self) -> Self {
        Self {
            starts_first: None,
            ..self
        }
    }
}

impl fmt::Display for CannotMove {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (lower, upper) = (
            self.given.lower_bound(self.desired),
            self.given.upper_bound(self.desired),
        );
        write!(
            f,
            "deploymentConfiguration: minimumHealthyPercent/maximumPercent {} of {} tasks keeps {lower} healthy and allows {upper}, which leaves no room to replace one: use ",
            self.given, self.desired
        )?;
        let starts = self
            .starts_first
            .map(|pair| format!("{pair} to start one first"));
        let stops = self
            .stops_first
            .map(|pair| format!("{pair} to stop one first"));
        let ways: Vec<String> = starts.into_iter().chain(stops).collect();
        f.write_str(&ways.join(", or "))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn percents(minimum_healthy: u32, maximum: u32) -> Percents {
        Percents {
            minimum_healthy,
            maximum,
        }
    }

    #[test]
    fn pairs_that_cannot_move_name_the_nearest_pairs_that_can() {
        let text = |minimum, maximum, desired| {
            let found = percents(minimum, maximum).cannot_move(desired);
            found.map(|found| found.to_string())
        };
        assert_eq!(
            text(67, 100, 3).unwrap(),
            "deploymentConfiguration: minimumHealthyPercent/maximumPercent 67/100 of 3 tasks keeps 3 healthy and allows 3, which leaves no room to replace one: use 67/134 to start one first, or 66/100 to stop one first"
        );
        let one = percents(100, 199).cannot_move(1).unwrap();
        assert_eq!(
            (one.starts_first, one.stops_first),
            (Some(percents(100, 200)), Some(percents(0, 199)))
        );
        let below = percents(0, 50).cannot_move(4).unwrap();
        assert_eq!(
            (below.starts_first, below.stops_first),
            (Some(percents(0, 125)), None)
        );
    }

    #[test]
    fn pairs_that_move_are_left_alone() {
        for (minimum, maximum, desired) in [
            (66, 100, 3),
            (50, 100, 2),
            (100, 200, 2),
            (100, 150, 2),
            (100, 200, 1),
            (100, 100, 0),
        ] {
            let found = percents(minimum, maximum).cannot_move(desired);
            assert_eq!(found, None, "{minimum}/{maximum} of {desired}");
        }
    }

    #[test]
    fn daemons_are_told_of_the_one_pair_that_they_can_have() {
        let found = percents(100, 100).cannot_move(4).unwrap().of_daemons();
        assert!(
            found
                .to_string()
                .ends_with("to replace one: use 75/100 to stop one first")
        );
    }

    proptest! {
        #[test]
        fn every_pair_that_is_named_can_move(minimum in 0_u32..=100, maximum in 0_u32..=250, desired in 0_u32..300) {
            if let Some(found) = percents(minimum, maximum).cannot_move(desired) {
                for pair in found.stops_first.into_iter().chain(found.starts_first) {
                    prop_assert_eq!(pair.cannot_move(desired), None);
                }
            }
        }
    }
}
