//! Whether an instance can be reached, and whether it is lost.
//!
//! Silence is counted on the observer's own monotonic time, and only while it could read the API: an outage of the
//! API server, a slow leader or a clock that jumps makes nobody look dead. A silent agent alone stops nothing; an
//! instance is lost only when its node is broken or gone as well.

use std::collections::BTreeMap;
use std::time::Duration;

/// Silence of an agent after which nothing is placed on its instance.
pub const DISCONNECTED_AFTER: Duration = Duration::from_secs(30);

/// The longest time that one look at the API may add to a silence: more than that was an outage of ours.
pub const LONGEST_STEP: Duration = Duration::from_secs(10);

/// From this number of instances on, the loss of more than half at once is not believed.
const SMALLEST_CLUSTER_WITH_A_MAJORITY: usize = 3;

/// What one look at the API showed of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sign {
    /// Anything that changes with each renewal of the instance's Lease; `None` without a Lease.
    pub renewal: Option<String>,
    /// What carries the instance.
    pub host: Host,
}

/// The node, or the pod, that carries an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// Kubernetes says that it works.
    Ready,
    /// Kubernetes says that it does not, or does not know.
    NotReady,
    /// It does not exist any more, so that nothing of it runs: the instance is fenced.
    Gone,
}

/// What is concluded about an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Presence {
    /// Its agent is heard.
    Connected,
    /// Its agent is silent: nothing is placed there, nothing is stopped.
    Disconnected,
    /// Its agent is silent and its host broken for longer than the cluster allows.
    Lost,
    /// Its host is gone: nothing of it runs any more.
    Fenced,
}

/// The memory between two looks.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    known: BTreeMap<String, Heard>,
}

#[derive(Debug, Clone)]
struct Heard {
    renewal: Option<String>,
    silence: Duration,
}

impl Watch {
    /// Takes in a successful look at all instances, `elapsed` after the one before.
    ///
    /// An instance that is seen for the first time starts with no silence, or with [`DISCONNECTED_AFTER`] when it
    /// was known to be disconnected (`was_disconnected`), so that a new leader places nothing on a dead one.
    pub fn look(
        &mut self,
        elapsed: Duration,
        signs: &BTreeMap<String, Sign>,
        was_disconnected: impl Fn(&str) -> bool,
    ) {
        self.known.retain(|name, _| signs.contains_key(name));
        for (name, sign) in signs {
            let first = || Heard {
                renewal: sign.renewal.clone(),
                silence: if was_disconnected(name) || sign.renewal.is_none() {
                    DISCONNECTED_AFTER
                } else {
                    Duration::ZERO
                },
            };
            match self.known.get_mut(name) {
                None => {
                    self.known.insert(name.clone(), first());
                }
                Some(heard) if heard.renewal == sign.renewal => {
                    heard.silence = heard.silence.saturating_add(elapsed.min(LONGEST_STEP));
                }
                Some(heard) => {
                    *heard = Heard {
                        renewal: sign.renewal.clone(),
                        silence: Duration::ZERO,
                    };
                }
            }
        }
    }

    /// What is concluded about each instance; `lost_after` says how long each one's cluster waits.
    ///
    /// Where more than half of three or more instances would be newly lost together, none is: the second value is
    /// then true, and somebody should be told.
    #[must_use]
    pub fn judge(
        &self,
        signs: &BTreeMap<String, Sign>,
        lost_after: impl Fn(&str) -> Duration,
        is_lost_already: impl Fn(&str) -> bool,
    ) -> (BTreeMap<String, Presence>, bool) {
        let presence = |name: &String, sign: &Sign| {
            let silence = self
                .known
                .get(name)
                .map_or(Duration::ZERO, |heard| heard.silence);
            match sign.host {
                Host::Gone => Presence::Fenced,
                Host::NotReady if silence >= lost_after(name) => Presence::Lost,
                Host::Ready | Host::NotReady if silence >= DISCONNECTED_AFTER => {
                    Presence::Disconnected
                }
                Host::Ready | Host::NotReady => Presence::Connected,
            }
        };
        let mut verdict: BTreeMap<String, Presence> = signs
            .iter()
            .map(|(name, sign)| (name.clone(), presence(name, sign)))
            .collect();
        let newly_lost =
            |name: &str, presence: Presence| presence == Presence::Lost && !is_lost_already(name);
        let lost = verdict
            .iter()
            .filter(|(name, presence)| newly_lost(name, **presence))
            .count();
        let disbelieved =
            verdict.len() >= SMALLEST_CLUSTER_WITH_A_MAJORITY && lost * 2 > verdict.len();
        if disbelieved {
            for (name, presence) in &mut verdict {
                if newly_lost(name, *presence) {
                    *presence = Presence::Disconnected;
                }
            }
        }
        (verdict, disbelieved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOST_AFTER: Duration = Duration::from_mins(1);
    const STEP: Duration = Duration::from_secs(5);

    fn signs(all: &[(&str, &str, Host)]) -> BTreeMap<String, Sign> {
        all.iter()
            .map(|(name, renewal, host)| {
                (
                    (*name).to_owned(),
                    Sign {
                        renewal: Some((*renewal).to_owned()),
                        host: *host,
                    },
                )
            })
            .collect()
    }

    fn after(looks: u32, seen: &BTreeMap<String, Sign>) -> BTreeMap<String, Presence> {
        let mut watch = Watch::default();
        for _ in 0..=looks {
            watch.look(STEP, seen, |_| false);
        }
        watch.judge(seen, |_| LOST_AFTER, |_| false).0
    }

    #[test]
    fn a_silent_agent_on_a_ready_node_is_never_lost() {
        let seen = signs(&[("a", "1", Host::Ready)]);
        assert_eq!(after(5, &seen)["a"], Presence::Connected);
        assert_eq!(after(6, &seen)["a"], Presence::Disconnected);
        assert_eq!(after(100_000, &seen)["a"], Presence::Disconnected);
    }

    #[test]
    fn a_silent_agent_on_a_broken_node_is_lost_after_the_clusters_time_and_fenced_without_a_node() {
        assert_eq!(
            after(11, &signs(&[("a", "1", Host::NotReady)]))["a"],
            Presence::Disconnected
        );
        assert_eq!(
            after(12, &signs(&[("a", "1", Host::NotReady)]))["a"],
            Presence::Lost
        );
        assert_eq!(
            after(0, &signs(&[("a", "1", Host::Gone)]))["a"],
            Presence::Fenced
        );
    }

    #[test]
    fn a_renewal_ends_the_silence_and_an_outage_of_the_api_counts_as_one_step() {
        let mut watch = Watch::default();
        let seen = signs(&[("a", "1", Host::NotReady)]);
        watch.look(STEP, &seen, |_| false);
        watch.look(Duration::from_hours(1), &seen, |_| false);
        assert_eq!(
            watch.judge(&seen, |_| LOST_AFTER, |_| false).0["a"],
            Presence::Connected
        );
        for _ in 0..20 {
            watch.look(STEP, &seen, |_| false);
        }
        assert_eq!(
            watch.judge(&seen, |_| LOST_AFTER, |_| false).0["a"],
            Presence::Lost
        );
        let renewed = signs(&[("a", "2", Host::NotReady)]);
        watch.look(STEP, &renewed, |_| false);
        assert_eq!(
            watch.judge(&renewed, |_| LOST_AFTER, |_| false).0["a"],
            Presence::Connected
        );
    }

    #[test]
    fn when_most_of_a_cluster_vanishes_at_once_nothing_is_lost_and_it_is_said() {
        let mut watch = Watch::default();
        let seen = signs(&[
            ("a", "1", Host::NotReady),
            ("b", "1", Host::NotReady),
            ("c", "1", Host::Ready),
        ]);
        for _ in 0..30 {
            watch.look(STEP, &seen, |_| false);
        }
        let (verdict, disbelieved) = watch.judge(&seen, |_| LOST_AFTER, |_| false);
        assert!(disbelieved);
        assert_eq!(verdict["a"], Presence::Disconnected);
        // One that was lost before stays lost, and then the other is no majority.
        let (verdict, disbelieved) = watch.judge(&seen, |_| LOST_AFTER, |name| name == "a");
        assert!(!disbelieved);
        assert_eq!(
            (verdict["a"], verdict["b"]),
            (Presence::Lost, Presence::Lost)
        );
    }

    #[test]
    fn a_new_leader_trusts_what_the_last_one_knew_until_it_hears_a_renewal() {
        let mut watch = Watch::default();
        let seen = signs(&[("a", "1", Host::Ready)]);
        watch.look(STEP, &seen, |name| name == "a");
        assert_eq!(
            watch.judge(&seen, |_| LOST_AFTER, |_| false).0["a"],
            Presence::Disconnected
        );
    }
}
