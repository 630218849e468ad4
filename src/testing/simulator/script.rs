//! What goes wrong, and when: drawn from the seed before anything runs, so that a violation can be tried again with
//! less of it.

use jiff::SignedDuration;

use super::catalog::Quality;
use super::random::Random;

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
    /// Its watch is silent, though its writes arrive.
    WatchStalls,
    /// Another one leads as well.
    Twin,
}

/// What people change of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edit {
    /// The desired count.
    Scale { desired: u32 },
    /// A new version.
    Deploy { quality: Quality },
}

/// How people end a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// As `StopTask` does.
    Stop,
    /// By deleting its object.
    Delete,
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
pub(super) const TROUBLE: SignedDuration = SignedDuration::from_secs(240);

/// Draws the script of a seed.
pub(super) fn draw(random: &mut Random, machines: usize, services: usize) -> Script {
    let mut script = Script::new();
    for _ in 0..3 + random.below(14) {
        // Troubles come together: half of them hit while another is still hot.
        let before = random.pick(&script).filter(|_| random.chance(50));
        let at = match before {
            Some((at, _)) => at.saturating_add(random.time(0, 6_000)),
            None => random.time(
                5_000,
                u32::try_from(TROUBLE.as_millis()).unwrap_or(u32::MAX),
            ),
        };
        script.push((at, fault(random, machines, services)));
    }
    // One machine at most goes for good, so that there stays room for everything.
    let mut gone = false;
    let goes = |fault: &Fault| {
        matches!(
            fault,
            Fault::Machine {
                trouble: MachineTrouble::Gone,
                ..
            }
        )
    };
    script.retain(|(_, fault)| !goes(fault) || !std::mem::replace(&mut gone, true));
    script.sort_by_key(|(at, _)| *at);
    script
}

fn fault(random: &mut Random, machines: usize, services: usize) -> Fault {
    let (machine, service, which) = (
        random.below(machines),
        random.below(services),
        random.below(64),
    );
    let (short, long) = (random.time(500, 20_000), random.time(2_000, 150_000));
    let machine = |trouble, back_in| Fault::Machine {
        machine,
        trouble,
        back_in,
    };
    let leader = |trouble, back_in| Fault::Leader { trouble, back_in };
    let edit = |edit| Fault::Edit { service, edit };
    match random.below(30) {
        0 | 1 => machine(MachineTrouble::AgentDies, short),
        2 => machine(MachineTrouble::PowerOff, long),
        3 => machine(MachineTrouble::Gone, long),
        4 | 5 => machine(MachineTrouble::Cut, long),
        6 => machine(MachineTrouble::EngineHangs, long),
        7 => machine(MachineTrouble::EngineDies, short),
        8 => leader(LeaderTrouble::Dies { stale: false }, short),
        9 => leader(LeaderTrouble::Dies { stale: true }, short),
        10 | 11 => {
            let writes = u32::try_from(random.below(6) + 1).unwrap_or(1);
            leader(LeaderTrouble::DiesAfter { writes }, short)
        }
        12 => leader(LeaderTrouble::Cut, long),
        13 => leader(LeaderTrouble::Twin, short),
        14 | 15 => leader(LeaderTrouble::WatchStalls, long),
        16 => Fault::ApiDown { back_in: long },
        17 => Fault::ApiLossy {
            percent: 60,
            ends_in: long,
        },
        18 => Fault::CallsLossy {
            percent: 40,
            ends_in: short,
        },
        19..=21 => edit(Edit::Scale {
            desired: u32::try_from(random.below(6)).unwrap_or(1),
        }),
        22 | 23 => edit(Edit::Deploy {
            quality: Quality::Good,
        }),
        24 => {
            let bad = [
                Quality::CannotStart,
                Quality::NoImage,
                Quality::EndsSoon,
                Quality::Sick,
            ];
            edit(Edit::Deploy {
                quality: random.pick(&bad).unwrap_or(Quality::Good),
            })
        }
        25 => Fault::Task {
            which,
            end: End::Stop,
        },
        26 => Fault::Task {
            which,
            end: End::Delete,
        },
        27 => Fault::Container {
            which,
            harm: Harm::Ends,
        },
        28 => Fault::Container {
            which,
            harm: Harm::Vanishes,
        },
        _ => Fault::Container {
            which,
            harm: Harm::Sickens,
        },
    }
}
