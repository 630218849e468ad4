//! What a seed decides: the services with all that can be set of them, and each single fault.

use std::collections::BTreeSet;
use std::time::Duration;

use super::catalog::{Quality, Recipe};
use super::objects::{Content, Service, Status};
use super::random::Random;
use super::script::{Edit, End, Fault, Harm, LeaderTrouble, MachineTrouble};
use crate::domain::placement::{Constraint, Packed, Rules, Spread, Strategy, ZONE};
use crate::domain::query::Expression;
use crate::domain::service::{Breaker, Percents, Threshold, Trips};

/// Pairs of percents; with some of them nothing can be replaced.
const PAIRS: [(u32, u32); 12] = [
    (100, 200),
    (100, 200),
    (100, 150),
    (100, 134),
    (50, 200),
    (50, 100),
    (67, 100),
    (34, 134),
    (0, 100),
    (0, 200),
    (100, 100),
    (0, 60),
];

const ENDS: [End; 5] = [
    End::Stop,
    End::Delete,
    End::Delete,
    End::Protect,
    End::Protect,
];

/// A service as people make it at first. One that takes an instance for itself may stop tasks first.
pub(super) fn service(random: &mut Random, name: &str, uid: String, recipe: &Recipe) -> Service {
    let daemon = name == "api" && random.chance(30);
    let pair = if daemon {
        random.pick(&[(0, 100), (50, 100)]).unwrap_or((0, 100))
    } else if recipe.has_fixed_ports() {
        random.pick(&[(0, 100), (0, 200)]).unwrap_or((0, 100))
    } else {
        random.pick(&PAIRS).unwrap_or((100, 200))
    };
    Service {
        name: name.to_owned(),
        uid,
        endpoints: BTreeSet::new(),
        deleting: false,
        daemon,
        rebalances: !daemon && random.chance(40),
        desired: u32::try_from(random.below(6)).unwrap_or(1),
        percents: percents(pair),
        content: Content {
            version: 1,
            force: 0,
        },
        healthy_after: Duration::from_secs(10),
        grace: Duration::from_secs(random.pick(&[0, 0, 30]).unwrap_or(0)),
        breaker: breaker(random),
        rules: rules(random, daemon).into(),
        status: Status::default(),
    }
}

const fn percents((minimum_healthy, maximum): (u32, u32)) -> Percents {
    Percents {
        minimum_healthy,
        maximum,
    }
}

fn breaker(random: &mut Random) -> Breaker {
    let trips = [
        Trips::Never,
        Trips::Stops,
        Trips::RollsBack,
        Trips::RollsBack,
    ];
    let thresholds = [
        Threshold::default(),
        Threshold::Count(1),
        Threshold::Count(2),
        Threshold::BoundedPercent(100),
        Threshold::UnboundedPercent(50),
        Threshold::UnboundedPercent(200),
    ];
    Breaker {
        trips: random.pick(&trips).unwrap_or(Trips::Never),
        resets: random.chance(70),
        threshold: random.pick(&thresholds).unwrap_or_default(),
    }
}

fn rules(random: &mut Random, daemon: bool) -> Rules {
    let not_the_fourth = Expression::parse("ec2InstanceId != node-3").ok();
    let member_of = not_the_fourth.map(Constraint::MemberOf);
    let constraints = match random.below(6) {
        0 if !daemon => vec![Constraint::DistinctInstance],
        1 => member_of.into_iter().collect(),
        _ => Vec::new(),
    };
    let zones = Strategy::Spread(Spread::Attribute(ZONE.to_owned()));
    let strategies = match random.below(6) {
        _ if daemon => Vec::new(),
        0 => vec![Strategy::Random],
        1 => vec![zones, Strategy::Binpack(Packed::Memory)],
        2 => vec![Strategy::Spread(Spread::Instance)],
        3 => vec![Strategy::Binpack(Packed::Memory)],
        _ => Vec::new(),
    };
    Rules {
        constraints,
        strategies,
    }
}

/// One thing that goes wrong, or that people do.
pub(super) fn fault(random: &mut Random, machines: usize, services: usize) -> Fault {
    match random.below(100) {
        0..=25 => machine(random, machines),
        26..=47 => leader(random),
        48..=49 => Fault::ApiDown {
            back_in: random.time(2_000, 150_000),
        },
        50..=54 => Fault::ApiLossy {
            percent: 60,
            ends_in: random.time(2_000, 150_000),
        },
        55..=58 => Fault::CallsLossy {
            percent: 40,
            ends_in: random.time(2_000, 60_000),
        },
        59..=82 => Fault::Edit {
            service: random.below(services),
            edit: edit(random),
        },
        83..=86 => Fault::Drain {
            machine: random.below(machines),
            back_in: random.time(5_000, 200_000),
            for_good: machines > 3 && random.chance(50),
        },
        87..=93 => Fault::Task {
            which: random.below(64),
            end: random.pick(&ENDS).unwrap_or(End::Stop),
        },
        _ => {
            let harms = [Harm::Ends, Harm::Ends, Harm::Vanishes, Harm::Sickens];
            Fault::Container {
                which: random.below(64),
                harm: random.pick(&harms).unwrap_or(Harm::Ends),
            }
        }
    }
}

fn machine(random: &mut Random, machines: usize) -> Fault {
    let (short, long) = (random.time(500, 20_000), random.time(2_000, 200_000));
    let (trouble, back_in) = match random.below(13) {
        0..=2 => (MachineTrouble::AgentDies, short),
        3 => (MachineTrouble::PowerOff, long),
        4 => (MachineTrouble::Gone, long),
        5..=7 => (MachineTrouble::Cut, random.time(2_000, 300_000)),
        8 => (MachineTrouble::EngineHangs, long),
        9 => (MachineTrouble::EngineDies, short),
        _ => (MachineTrouble::Full, long),
    };
    Fault::Machine {
        machine: random.below(machines),
        trouble,
        back_in,
    }
}

fn leader(random: &mut Random) -> Fault {
    let (short, long) = (random.time(500, 20_000), random.time(2_000, 150_000));
    let (trouble, back_in) = match random.below(11) {
        0 => (LeaderTrouble::Dies { stale: false }, short),
        1 => (LeaderTrouble::Dies { stale: true }, short),
        2 | 3 => {
            let writes = u32::try_from(random.below(6) + 1).unwrap_or(1);
            (LeaderTrouble::DiesAfter { writes }, short)
        }
        4 => (LeaderTrouble::Cut, long),
        5 => (LeaderTrouble::LeaseRefused, long),
        6 | 7 => (LeaderTrouble::Freezes, random.time(1_000, 60_000)),
        8 => (LeaderTrouble::Twin, short),
        _ => (LeaderTrouble::WatchStalls, long),
    };
    Fault::Leader { trouble, back_in }
}

fn edit(random: &mut Random) -> Edit {
    let bad = [
        Quality::CannotStart,
        Quality::NoImage,
        Quality::EndsSoon,
        Quality::Sick,
    ];
    match random.below(28) {
        0..=6 => Edit::Scale {
            desired: u32::try_from(random.below(6)).unwrap_or(1),
        },
        7..=11 => Edit::Deploy {
            quality: Quality::Good,
        },
        12..=18 => Edit::Deploy {
            quality: random.pick(&bad).unwrap_or(Quality::Sick),
        },
        19 | 20 => Edit::Revert,
        21 => Edit::Force,
        22 | 23 => Edit::Percents(percents(random.pick(&PAIRS).unwrap_or((100, 200)))),
        24 => Edit::Breaker(breaker(random)),
        25 | 26 => Edit::Recreate,
        _ => Edit::Squat,
    }
}
