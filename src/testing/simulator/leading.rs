//! How replicas take turns: [`judge`] says when the Lease may be taken, and a leader counts on it only for as long as it
//! promised.

use std::rc::Rc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::agent::later;
use super::api::{Api, start_of_time};
use super::controller::Replica;
use super::mutation::Mutation;
use crate::platform::client::WRITE_DEADLINE;
use crate::platform::leader::LEASE_DURATION;
use crate::platform::lease::judge::{Observed, Record, Verdict, judge};

const PERIOD: SignedDuration = SignedDuration::from_secs(2);
const RESTART: SignedDuration = SignedDuration::from_secs(5);

/// What a replica knows of the Lease.
#[derive(Default)]
pub(super) struct Leading {
    pub(super) leads: bool,
    /// When it began to.
    pub(super) since: Timestamp,
    /// It leads whatever the Lease says: a fault that should not be possible.
    pub(super) forced: bool,
    /// Its requests for the Lease are refused, and no others.
    pub(super) refused: bool,
    /// How far its clock is ahead.
    pub(super) clock: SignedDuration,
    observed: Option<Observed>,
    valid_until: Timestamp,
    next: Timestamp,
    starts_at: Timestamp,
}

impl Leading {
    pub(super) fn after_death(before: &Self, now: Timestamp) -> Self {
        Self {
            clock: before.clock,
            refused: before.refused,
            starts_at: later(now, RESTART),
            ..Self::default()
        }
    }

    pub(super) fn is_up(&self, now: Timestamp) -> bool {
        self.starts_at <= now
    }

    /// Whether a write that is sent now is over before the Lease is.
    pub(super) fn permits(&self, now: Timestamp) -> bool {
        let deadline = SignedDuration::try_from(WRITE_DEADLINE).unwrap_or_default();
        self.forced || self.valid_until > later(now, deadline)
    }
}

impl Replica {
    /// Looks at the Lease when that is due. True when the replica begins to lead.
    pub(super) fn stand(&mut self, api: &mut Api, now: Timestamp, mutation: Mutation) -> bool {
        // What was decided before a pause goes on before anything else does.
        if self.stash.is_some() {
            return false;
        }
        let leading = &mut self.leading;
        if self.frozen_until > now || leading.forced || !leading.is_up(now) || leading.next > now {
            return false;
        }
        leading.next = later(now, PERIOD);
        let mut other = false;
        let mut begins = false;
        if api.reached_by(&self.link) && !leading.refused {
            if leading.claims(api, &self.link.actor, now, mutation) {
                let lease = SignedDuration::try_from(LEASE_DURATION).unwrap_or_default();
                leading.valid_until = later(now, lease);
                begins = !leading.leads;
            } else {
                other = leading.leads;
            }
        }
        if begins {
            leading.leads = true;
            leading.since = now;
        }
        let over = leading.leads && (other || leading.valid_until <= now);
        if over && mutation != Mutation::WriteWithoutLease {
            self.die(now);
        }
        begins
    }
}

impl Leading {
    /// Takes or renews the Lease where that is right. True when it is ours.
    fn claims(&mut self, api: &mut Api, me: &Rc<str>, now: Timestamp, mutation: Mutation) -> bool {
        let lease = &mut api.lease;
        let monotonic = Duration::try_from(now.duration_since(start_of_time())).unwrap_or_default();
        let record = Record {
            holder: lease.holder.as_deref().unwrap_or_default().to_owned(),
            renewal: lease.renewal.to_string(),
            duration: LEASE_DURATION,
        };
        let observed = Observed::update(self.observed.take(), record, monotonic);
        let verdict = judge(Some(&observed), me, monotonic);
        self.observed = Some(observed);
        let by_the_clock = mutation == Mutation::WallClockLease && {
            let age = later(now, self.clock).duration_since(lease.renewed_at);
            Duration::try_from(age).is_ok_and(|age| age > LEASE_DURATION)
        };
        let ours = match verdict {
            Verdict::Acquire | Verdict::Renew => true,
            Verdict::Follow => by_the_clock,
        };
        if ours {
            lease.holder = Some(Rc::clone(me));
            lease.renewal += 1;
            lease.renewed_at = later(now, self.clock);
        }
        ours
    }
}
