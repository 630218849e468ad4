//! How often a container may ask: ECS's own limits, 40 requests a second and 60 at once (`ECS_TASK_METADATA_RPS_LIMIT`).

use std::collections::BTreeMap;
use std::time::Duration;

/// Requests a second, in the long run.
const STEADY: f64 = 40.0;
/// Requests at once, after a pause.
const BURST: f64 = 60.0;
/// Callers that are remembered. More than containers fit on an instance; beyond it those with nothing spent are forgotten.
const CALLERS: usize = 1024;

/// Requests that each caller may still make.
#[derive(Debug, Default)]
pub struct Limit {
    callers: BTreeMap<String, Budget>,
}

#[derive(Debug, Clone, Copy)]
struct Budget {
    left: f64,
    at: Duration,
}

impl Budget {
    fn refilled(self, now: Duration) -> Self {
        let earned = now.saturating_sub(self.at).as_secs_f64() * STEADY;
        Self {
            left: (self.left + earned).min(BURST),
            at: now,
        }
    }
}

impl Limit {
    /// Whether `caller` may make one more request at the monotonic time `now`; counts it if so.
    pub fn allows(&mut self, caller: &str, now: Duration) -> bool {
        let known = self.callers.get(caller).copied();
        if known.is_none() && self.callers.len() >= CALLERS {
            // Who has all of it back is as good as unknown.
            self.callers
                .retain(|_, budget| budget.refilled(now).left < BURST);
        }
        let full = Budget {
            left: BURST,
            at: now,
        };
        let mut budget = known.map_or(full, |budget| budget.refilled(now));
        let allowed = budget.left >= 1.0;
        if allowed {
            budget.left -= 1.0;
        }
        if known.is_some() || self.callers.len() < CALLERS {
            self.callers.insert(caller.to_owned(), budget);
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixty_at_once_and_then_forty_a_second_and_nobody_pays_for_another() {
        let mut limit = Limit::default();
        let count = |limit: &mut Limit, caller: &str, at: u64| {
            let now = Duration::from_millis(at);
            (0..1000).filter(|_| limit.allows(caller, now)).count()
        };
        assert_eq!(count(&mut limit, "a", 0), 60);
        assert_eq!(count(&mut limit, "a", 1000), 40);
        assert_eq!(count(&mut limit, "b", 1000), 60);
        assert_eq!(count(&mut limit, "a", 60_000), 60);
    }

    #[test]
    fn callers_are_forgotten_when_they_have_all_of_it_back() {
        let mut limit = Limit::default();
        for caller in 0..CALLERS {
            assert!(limit.allows(&caller.to_string(), Duration::ZERO));
        }
        assert!(limit.allows("one more", Duration::from_mins(1)));
        assert_eq!(limit.callers.len(), 1);
    }
}
