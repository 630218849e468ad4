//! Who holds a Lease, judged from one look at the Lease. Only time of this process's own monotonic clock counts: a record of
//! somebody else is dead when it has not changed for as long as it promised, since *we* first saw it.

use std::time::Duration;

/// What a Lease says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// Who holds it; empty after a release.
    pub holder: String,
    /// Changes with each renewal.
    pub renewal: String,
    /// How long the holder counts on it without renewing.
    pub duration: Duration,
}

/// A record and when this process first saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Observed {
    /// The record.
    pub record: Record,
    /// On this process's monotonic clock.
    pub first_seen: Duration,
}

impl Observed {
    /// Takes in another look: an unchanged record keeps the time at which it was first seen.
    #[must_use]
    pub(crate) fn update(before: Option<Self>, record: Record, now: Duration) -> Self {
        match before {
            Some(before) if before.record == record => before,
            Some(_) | None => Self {
                record,
                first_seen: now,
            },
        }
    }
}

/// What to do about a Lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nobody holds it: try to.
    Acquire,
    /// We hold it: say so again.
    Renew,
    /// Somebody else does.
    Follow,
}

/// Judges `observed` (`None` where there is no Lease) for the process `me`.
#[must_use]
pub(crate) fn judge(observed: Option<&Observed>, me: &str, now: Duration) -> Verdict {
    match observed {
        None => Verdict::Acquire,
        Some(Observed { record, .. }) if record.holder.is_empty() => Verdict::Acquire,
        Some(Observed { record, .. }) if record.holder == me => Verdict::Renew,
        Some(Observed { record, first_seen }) => {
            if now.saturating_sub(*first_seen) > record.duration {
                Verdict::Acquire
            } else {
                Verdict::Follow
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(10);

    fn record(holder: &str, renewal: &str) -> Record {
        Record {
            holder: holder.into(),
            renewal: renewal.into(),
            duration: LEASE,
        }
    }

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_record_is_dead_when_it_did_not_change_for_its_duration_since_we_saw_it() {
        let seen = Observed::update(None, record("other", "1"), seconds(100));
        let same = Observed::update(Some(seen), record("other", "1"), seconds(109));
        assert_eq!(judge(Some(&same), "me", seconds(110)), Verdict::Follow);
        assert_eq!(judge(Some(&same), "me", seconds(111)), Verdict::Acquire);
        let renewed = Observed::update(Some(same), record("other", "2"), seconds(111));
        assert_eq!(judge(Some(&renewed), "me", seconds(121)), Verdict::Follow);
    }

    #[test]
    fn a_missing_or_released_lease_is_taken_and_ones_own_renewed() {
        let now = seconds(1);
        assert_eq!(judge(None, "me", now), Verdict::Acquire);
        let at = |record| Some(Observed::update(None, record, now));
        assert_eq!(
            judge(at(record("", "1")).as_ref(), "me", now),
            Verdict::Acquire
        );
        assert_eq!(
            judge(at(record("me", "1")).as_ref(), "me", seconds(500)),
            Verdict::Renew
        );
    }

    #[test]
    fn two_processes_never_both_lead_whatever_their_clocks_say() {
        // Each process's clock runs from its own start; the holder stops counting on its lease before the other may take it.
        for offset in [0_u64, 7, 10_000] {
            let renewed_at_holder = seconds(50);
            let seen_at_follower = seconds(50 + offset);
            let observed = Observed::update(None, record("holder", "1"), seen_at_follower);
            for passed in 0..30 {
                let holder_leads = seconds(50 + passed) < renewed_at_holder + LEASE;
                let follower_takes = judge(
                    Some(&observed),
                    "follower",
                    seen_at_follower + seconds(passed),
                ) == Verdict::Acquire;
                assert!(!(holder_leads && follower_takes));
            }
        }
    }
}
