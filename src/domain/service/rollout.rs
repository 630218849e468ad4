//! Which deployment a service should be in: whether the newest one stays, a new one begins, or what follows when one failed.
//!
//! ECS Developer Guide, "Deployment circuit breaker". A target that failed is not tried again until something else is
//! wanted, whatever restarts, scales or is looked at again in between; and a rollback that fails is not rolled back.

use super::Trips;

/// How far a deployment is (`rolloutState` of `DescribeServices`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Rollout {
    /// It replaces tasks.
    #[default]
    InProgress,
    /// All that is wanted has run, healthy and alone.
    Completed,
    /// It was given up.
    Failed,
}

/// What to do about the newest deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It is what is wanted.
    Keep,
    /// What is wanted has failed already: the newest deployment stays, whether it is that one or the way back.
    KeepInsteadOfFailed,
    /// Something else is wanted: a new deployment begins.
    Begin,
}

/// What a service remembers of its deployments, by their numbers: all that decides what comes next. It is recorded in
/// the service's status, so that a new leader decides the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Remembered {
    /// The newest one, and how far it is.
    pub newest: Option<(i64, Rollout)>,
    /// The one that completed last.
    pub completed: Option<i64>,
    /// The one that failed while it was what is wanted.
    pub failed: Option<i64>,
}

impl Remembered {
    /// What to do about the newest deployment; `is_wanted` says of a number whether it stands for what is wanted.
    pub fn next(&self, is_wanted: impl Fn(i64) -> bool) -> Next {
        let newest = self
            .newest
            .map(|(number, rollout)| (is_wanted(number), rollout));
        next(newest, self.failed.map(is_wanted))
    }

    /// The deployment that completed last before the newest one.
    pub fn completed_before(&self) -> Option<i64> {
        let newest = self.newest.map(|(number, _)| number);
        self.completed
            .filter(|completed| Some(*completed) != newest)
    }

    /// The newest deployment is the way back from one that failed.
    pub fn goes_back(&self) -> bool {
        let newest = self.newest.map(|(number, _)| number);
        self.failed.is_some() && self.failed != newest
    }

    /// What follows when the newest deployment of a service with this breaker fails; `can_return` says of the number that
    /// completed last whether it is known and stands for something else: to make the same anew would only fail again.
    pub fn aftermath(&self, trips: Trips, can_return: impl Fn(i64) -> bool) -> Aftermath {
        let completed = self.completed_before().is_some_and(can_return);
        aftermath(trips, self.goes_back(), completed)
    }
}

/// What to do about the newest deployment, if there is one: whether it is what is wanted and how far it is; and whether
/// the deployment that failed, if one did, is what is wanted.
const fn next(newest: Option<(bool, Rollout)>, failed_is_wanted: Option<bool>) -> Next {
    match (newest, failed_is_wanted) {
        (Some(_), Some(true)) => Next::KeepInsteadOfFailed,
        (Some((true, Rollout::InProgress | Rollout::Completed)), _) => Next::Keep,
        (Some((true, Rollout::Failed) | (false, _)) | None, _) => Next::Begin,
    }
}

/// What follows when a deployment fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aftermath {
    /// Nothing: nobody asked for more.
    Stays,
    /// The last completed deployment is made anew.
    RollsBack,
    /// A rollback was asked for, but no deployment has ever completed.
    NothingCompleted,
    /// It was itself the way back.
    RollbackFailed,
}

/// What follows when a deployment of a service with this breaker fails. `going_back`: it is itself a rollback;
/// `completed`: an earlier deployment has completed and is known.
const fn aftermath(trips: Trips, going_back: bool, completed: bool) -> Aftermath {
    match trips {
        _ if going_back => Aftermath::RollbackFailed,
        Trips::Never | Trips::Stops => Aftermath::Stays,
        Trips::RollsBack if completed => Aftermath::RollsBack,
        Trips::RollsBack => Aftermath::NothingCompleted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_not_tried_again_while_it_is_what_is_wanted() {
        for newest in [(true, Rollout::Failed), (false, Rollout::Completed)] {
            assert_eq!(next(Some(newest), Some(true)), Next::KeepInsteadOfFailed);
        }
        let newest = (false, Rollout::Completed);
        assert_eq!(next(Some(newest), Some(false)), Next::Begin);
        assert_eq!(next(None, None), Next::Begin);
    }

    #[test]
    fn going_back_to_what_runs_already_begins_nothing_unless_it_failed() {
        let newest = |rollout| next(Some((true, rollout)), Some(false));
        assert_eq!(newest(Rollout::Completed), Next::Keep);
        assert_eq!(newest(Rollout::InProgress), Next::Keep);
        assert_eq!(newest(Rollout::Failed), Next::Begin);
    }

    #[test]
    fn the_way_back_is_to_the_last_other_deployment_that_completed() {
        let remembered = Remembered {
            newest: Some((4, Rollout::InProgress)),
            completed: Some(2),
            failed: None,
        };
        assert_eq!(remembered.completed_before(), Some(2));
        let aftermath =
            |remembered: Remembered, same: bool| remembered.aftermath(Trips::RollsBack, |_| !same);
        assert_eq!(aftermath(remembered, false), Aftermath::RollsBack);
        assert_eq!(aftermath(remembered, true), Aftermath::NothingCompleted);
        let completed_itself = Remembered {
            completed: Some(4),
            ..remembered
        };
        assert_eq!(completed_itself.completed_before(), None);
        let going_back = Remembered {
            failed: Some(3),
            ..remembered
        };
        assert!(going_back.goes_back());
        assert_eq!(aftermath(going_back, false), Aftermath::RollbackFailed);
        let failed = Remembered {
            newest: Some((3, Rollout::Failed)),
            ..going_back
        };
        assert!(!failed.goes_back());
    }

    #[test]
    fn a_rollback_that_fails_is_not_rolled_back() {
        assert_eq!(
            aftermath(Trips::RollsBack, true, true),
            Aftermath::RollbackFailed
        );
        assert_eq!(
            aftermath(Trips::RollsBack, false, true),
            Aftermath::RollsBack
        );
        assert_eq!(
            aftermath(Trips::RollsBack, false, false),
            Aftermath::NothingCompleted
        );
        assert_eq!(aftermath(Trips::Stops, false, true), Aftermath::Stays);
    }
}
