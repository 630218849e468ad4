//! Many small worlds in which everything goes wrong. `SIMULATION_SEEDS=100000 cargo test --test simulation` tries more,
//! `SIMULATION_FIRST_SEED` others.

use ecs_operator::testing::simulator::{Mutation, Violation, simulate, simulate_with};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(default)
}

fn first_violation(seeds: impl IntoIterator<Item = u64>) -> Option<Box<Violation>> {
    seeds.into_iter().find_map(|seed| simulate(seed).err())
}

#[test]
fn whatever_goes_wrong_every_promise_holds_and_all_is_well_in_the_end() {
    let (first, count) = (
        number("SIMULATION_FIRST_SEED", 0),
        number("SIMULATION_SEEDS", 300),
    );
    let halves = [0, 1].map(|half| {
        let seeds = (first..first + count).filter(move |seed| seed % 2 == half);
        std::thread::spawn(move || first_violation(seeds))
    });
    for half in halves {
        match half.join() {
            Ok(None) => {}
            Ok(Some(violation)) => panic!("{violation}"),
            Err(panicked) => std::panic::resume_unwind(panicked),
        }
    }
}

/// Where mistakes that are hard to find were found, so that the search is short.
const fn found_at(mutation: Mutation) -> u64 {
    match mutation {
        Mutation::ForgetUnanswered => 187,
        Mutation::TrustStaleCache => 349,
        Mutation::TrustTwoLeaders => 322,
        Mutation::OverwriteStatus => 77,
        Mutation::None
        | Mutation::ForgetOwnWrites
        | Mutation::FreeAtStopRequest
        | Mutation::LetGoAtOnce
        | Mutation::UnknownIsGone
        | Mutation::SilentIsLost => 0,
    }
}

#[test]
fn mistakes_that_others_made_are_found() {
    let survives = |mutation: &Mutation| {
        let first = found_at(*mutation);
        (first..first + 20)
            .chain(0..3000)
            .all(|seed| simulate_with(seed, *mutation).is_ok())
    };
    let survivors: Vec<Mutation> = Mutation::ALL.into_iter().filter(survives).collect();
    assert_eq!(survivors, []);
}

/// Seeds that taught us something.
#[test]
fn seeds_that_once_broke_a_promise_keep_it() {
    // 206: an unhealthy task stayed for ever where the upper bound left no room for its replacement.
    assert_eq!(first_violation([206]), None);
}
