//! When a task may get requests, and when it may be told that it never will again.

use crate::domain::liveness::Presence;
use crate::domain::task::TaskState;

/// What is known of a task that is, or is to be, a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Facts {
    /// Its state as last reported.
    pub state: TaskState,
    /// It was told to stop, or its object is being deleted.
    pub stopping: bool,
    /// It is recorded that it may have endpoints (`registeredAt`).
    pub registered: bool,
    /// It is recorded that it has none and never will (`deregisteredAt`).
    pub deregistered: bool,
    /// What is concluded about its instance.
    pub presence: Presence,
    /// Kubernetes says that the node, or the pod, of its instance works.
    pub host_ready: bool,
}

/// Health of a target as its agent reports it (`TargetHealthStateEnum`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TargetState {
    /// Its first checks go on, or nothing was reported.
    Initial,
    /// It can serve.
    Healthy,
    /// It fails its checks.
    Unhealthy,
    /// It finishes what it has begun.
    Draining,
    /// Its target group does not exist.
    Unused,
    /// It cannot be reached on the way that requests take.
    Unavailable,
}

/// What the controller does for one task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attend {
    /// Nothing now.
    Nothing,
    /// It records that the task may get requests, before the first endpoint.
    Register,
    /// Its endpoints must go first.
    Withdraw,
    /// It records that the task gets no more requests.
    Deregister,
}

/// Whether an endpoint leads to a task: it is RUNNING and healthy, nobody wants it to stop, and its node works. A silent
/// agent alone takes nothing away.
#[must_use]
pub fn serves(facts: Facts, target: TargetState) -> bool {
    facts.registered && !facts.deregistered && is_able(facts) && target == TargetState::Healthy
}

fn is_able(facts: Facts) -> bool {
    facts.state == TaskState::Running
        && !facts.stopping
        && facts.host_ready
        && match facts.presence {
            Presence::Connected | Presence::Disconnected => true,
            Presence::Lost | Presence::Fenced => false,
        }
}

/// What to record of a task, given the health of its targets and whether an endpoint leads to it, or may yet.
#[must_use]
pub fn attend(facts: Facts, targets: &[TargetState], listed: bool) -> Attend {
    let ending = facts.stopping || facts.state >= TaskState::Deactivating;
    if facts.deregistered || facts.state == TaskState::Stopped {
        return Attend::Nothing;
    }
    match (ending, listed) {
        (true, true) => Attend::Withdraw,
        (true, false) => Attend::Deregister,
        (false, _) => {
            let wanted = !facts.registered && targets.contains(&TargetState::Healthy);
            if wanted && is_able(facts) {
                Attend::Register
            } else {
                Attend::Nothing
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVING: Facts = Facts {
        state: TaskState::Running,
        stopping: false,
        registered: true,
        deregistered: false,
        presence: Presence::Connected,
        host_ready: true,
    };

    #[test]
    fn only_what_runs_well_on_a_node_that_works_serves() {
        let healthy = TargetState::Healthy;
        assert!(serves(SERVING, healthy));
        let silent = Facts {
            presence: Presence::Disconnected,
            ..SERVING
        };
        assert!(serves(silent, healthy));
        let unable = [
            Facts {
                state: TaskState::Activating,
                ..SERVING
            },
            Facts {
                state: TaskState::Deactivating,
                ..SERVING
            },
            Facts {
                stopping: true,
                ..SERVING
            },
            Facts {
                registered: false,
                ..SERVING
            },
            Facts {
                deregistered: true,
                ..SERVING
            },
            Facts {
                presence: Presence::Lost,
                ..SERVING
            },
            Facts {
                host_ready: false,
                ..SERVING
            },
        ];
        for facts in unable {
            assert!(!serves(facts, healthy), "{facts:?}");
        }
        for target in [
            TargetState::Initial,
            TargetState::Unhealthy,
            TargetState::Draining,
            TargetState::Unused,
            TargetState::Unavailable,
        ] {
            assert!(!serves(SERVING, target), "{target:?}");
        }
    }

    #[test]
    fn a_task_is_registered_once_it_can_serve_and_deregistered_once_no_endpoint_leads_to_it() {
        let healthy = [TargetState::Initial, TargetState::Healthy];
        let fresh = Facts {
            registered: false,
            ..SERVING
        };
        assert_eq!(
            attend(fresh, &[TargetState::Initial], false),
            Attend::Nothing
        );
        assert_eq!(attend(fresh, &healthy, false), Attend::Register);
        assert_eq!(attend(SERVING, &healthy, true), Attend::Nothing);
        let stopping = Facts {
            stopping: true,
            ..SERVING
        };
        assert_eq!(attend(stopping, &healthy, true), Attend::Withdraw);
        assert_eq!(attend(stopping, &healthy, false), Attend::Deregister);
        let done = Facts {
            deregistered: true,
            ..stopping
        };
        assert_eq!(attend(done, &healthy, false), Attend::Nothing);
        // One that never got a request ends without a wait, but not without a word.
        let never = Facts {
            registered: false,
            ..stopping
        };
        assert_eq!(attend(never, &[], false), Attend::Deregister);
        let ended = Facts {
            state: TaskState::Stopped,
            ..stopping
        };
        assert_eq!(attend(ended, &[], false), Attend::Nothing);
    }
}
