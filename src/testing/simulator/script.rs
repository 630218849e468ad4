//! What goes wrong, and when: drawn from the seed before anything runs, so that a violation can be tried again with
//! less of it.

use jiff::SignedDuration;

use super::catalog::Quality;
use super::random::Random;
use crate::domain::service::{Breaker, Percents};

/// Something that goes wrong, or that people do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// To one of the machines, or to its agent.
    Machine {
        machine: usize,
        trouble: MachineTrouble,
        back_in: SignedDuration,
    },
    /// To the leader.
    Leader {
        trouble: LeaderTrouble,
        back_in: SignedDuration,
    },
    /// The API server is down.
    ApiDown { back_in: SignedDuration },
    /// So many of every hundred writes lose their answer.
    ApiLossy {
        percent: u32,
        ends_in: SignedDuration,
    },
    /// So many of every hundred calls to an engine lose their request or answer.
    CallsLossy {
        percent: u32,
        ends_in: SignedDuration,
    },
    /// People change a service.
    Edit { service: usize, edit: Edit },
    /// People drain an instance; most take it back.
    Drain {
        machine: usize,
        back_in: SignedDuration,
        for_good: bool,
    },
    /// People end a task.
    Task { which: usize, end: End },
    /// To one of the containers that run.
    Container { which: usize, harm: Harm },
}

/// What happens to a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MachineTrouble {
    /// Its agent is killed.
    AgentDies,
    /// It loses its power.
    PowerOff,
    /// It is switched off for good, and its node deleted.
    Gone,
    /// It reaches nobody.
    Cut,
    /// Its engine hangs.
    EngineHangs,
    /// Its engine's process dies; the containers die when it comes back.
    EngineDies,
    /// Something else takes its memory, so that its agent refuses tasks.
    Full,
}

/// What happens to the leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeaderTrouble {
    /// It is killed; another takes over, from a fresh list or from a stale cache.
    Dies { stale: bool },
    /// It is killed right after one of its next writes.
    DiesAfter { writes: u32 },
    /// It cannot reach the API.
    Cut,
    /// It cannot renew its Lease, though all else works.
    LeaseRefused,
    /// It stands still between a decision and its writes.
    Freezes,
    /// Its watch is silent, though its writes arrive.
    WatchStalls,
    /// Another one leads as well, whatever the Lease says.
    Twin,
}

/// What people change of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edit {
    /// The desired count.
    Scale { desired: u32 },
    /// A new version.
    Deploy { quality: Quality },
    /// The version before.
    Revert,
    /// The same once more.
    Force,
    /// The bounds.
    Percents(Percents),
    /// The circuit breaker.
    Breaker(Breaker),
    /// It is deleted, and made again.
    Recreate,
    /// Somebody makes a task with the name that the service's next one would have.
    Squat,
}

/// How people end a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// As `StopTask` does.
    Stop,
    /// By deleting its object.
    Delete,
    /// Not at all: they protect it.
    Protect,
}

/// What happens to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Harm {
    /// It ends.
    Ends,
    /// Somebody removes it behind the agent's back.
    Vanishes,
    /// Its health check begins to fail.
    Sickens,
}

/// Faults by the time at which they happen, in order.
pub(super) type Script = Vec<(SignedDuration, Fault)>;

/// How long faults go on.
pub(super) const TROUBLE: SignedDuration = SignedDuration::from_secs(420);

impl Fault {
    /// One word for it, for the tally.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Machine { trouble, .. } => match trouble {
                MachineTrouble::AgentDies => "agent killed",
                MachineTrouble::PowerOff => "power off",
                MachineTrouble::Gone => "machine gone",
                MachineTrouble::Cut => "machine cut off",
                MachineTrouble::EngineHangs => "engine hangs",
                MachineTrouble::EngineDies => "engine killed",
                MachineTrouble::Full => "machine full",
            },
            Self::Leader { trouble, .. } => match trouble {
                LeaderTrouble::Dies { stale: false } => "leader killed",
                LeaderTrouble::Dies { stale: true } => "stale takeover",
                LeaderTrouble::DiesAfter { .. } => "leader killed after a write",
                LeaderTrouble::Cut => "leader cut off",
                LeaderTrouble::LeaseRefused => "lease refused",
                LeaderTrouble::Freezes => "leader frozen",
                LeaderTrouble::WatchStalls => "watch stalled",
                LeaderTrouble::Twin => "two leaders",
            },
            Self::ApiDown { .. } => "API down",
            Self::ApiLossy { .. } => "answers lost",
            Self::CallsLossy { .. } => "engine calls lost",
            Self::Edit { edit, .. } => match edit {
                Edit::Scale { .. } => "scaled",
                Edit::Deploy {
                    quality: Quality::Good,
                } => "deployed",
                Edit::Deploy { .. } => "deployed badly",
                Edit::Revert => "reverted",
                Edit::Force => "forced",
                Edit::Percents(_) => "percents edited",
                Edit::Breaker(_) => "breaker edited",
                Edit::Recreate => "service recreated",
                Edit::Squat => "name taken",
            },
            Self::Drain { .. } => "instance drained",
            Self::Task { end: End::Stop, .. } => "task stopped",
            Self::Task {
                end: End::Delete, ..
            } => "task deleted",
            Self::Task {
                end: End::Protect, ..
            } => "task protected",
            Self::Container { harm, .. } => match harm {
                Harm::Ends => "container ended",
                Harm::Vanishes => "container removed",
                Harm::Sickens => "container sickened",
            },
        }
    }

    const fn is_for_good(&self) -> bool {
        let gone = matches!(
            self,
            Self::Machine {
                trouble: MachineTrouble::Gone,
                ..
            }
        );
        gone || matches!(self, Self::Drain { for_good: true, .. })
    }
}

/// Least that goes wrong in a world.
const FEWEST: usize = 3;

/// Draws the script of a seed.
pub(super) fn draw(random: &mut Random, machines: usize, services: usize) -> Script {
    let mut script = Script::new();
    let span = u32::try_from(TROUBLE.as_millis()).unwrap_or(u32::MAX);
    for _ in 0..4 + random.below(20) {
        // Troubles come together: half of them hit while another is still hot.
        let before = random.pick(&script).filter(|_| random.chance(50));
        let at = match before {
            Some((at, _)) => at.saturating_add(random.time(0, 6_000)),
            None => random.time(5_000, span),
        };
        script.push((at, super::draw::fault(random, machines, services)));
    }
    // One machine at most goes for good, so that there stays room for everything.
    let mut gone = false;
    script.retain(|(_, fault)| !fault.is_for_good() || !std::mem::replace(&mut gone, true));
    while script.len() < FEWEST {
        let fault = super::draw::fault(random, machines, services);
        if !fault.is_for_good() {
            script.push((random.time(5_000, span), fault));
        }
    }
    // What is drawn too late would not happen.
    let last = TROUBLE - SignedDuration::from_secs(2);
    for (at, _) in &mut script {
        *at = (*at).min(last);
    }
    script.sort_by_key(|(at, _)| *at);
    script
}
