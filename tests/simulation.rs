//! Many small worlds in which everything goes wrong. `ECS_OPERATOR_SEED=N` runs the world of one seed,
//! `ECS_OPERATOR_SEEDS=N` so many, `ECS_OPERATOR_FIRST_SEED=N` others than the first.

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use ecs_operator::testing::simulator::{Mutation, Tally, Violation, broken_by, outage, simulate};

/// Worlds that are tried where nobody says how many.
const SEEDS: u64 = 10_000;

/// Worlds that lose their API server for an hour, where nobody says how many.
const SEEDS_AN_OUTAGE: u64 = 300;

/// Worlds in which a mistake has to be found.
const SEEDS_A_MISTAKE: u64 = 1_500;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The test runner shows nothing of a test that passes, but this.
fn tell(what: &str) {
    writeln!(std::io::stderr().lock(), "{what}").unwrap_or_default();
}

/// Lets as many threads as there are cores take numbers from `first` on, until one says stop or `count` are done.
fn on_all_cores(first: u64, count: u64, run: impl Fn(u64) -> bool + Sync) {
    let next = AtomicU64::new(first);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let taken = next.fetch_add(1, Ordering::Relaxed);
                    if taken >= first + count {
                        break;
                    }
                    if !run(taken) {
                        next.store(first + count, Ordering::Relaxed);
                        break;
                    }
                }
            });
        }
    });
}

#[test]
fn whatever_goes_wrong_every_promise_holds_and_all_is_well_in_the_end() {
    let one = number("ECS_OPERATOR_SEED");
    let first = one
        .or_else(|| number("ECS_OPERATOR_FIRST_SEED"))
        .unwrap_or(0);
    let count = one.map_or_else(|| number("ECS_OPERATOR_SEEDS").unwrap_or(SEEDS), |_| 1);
    let tally = Mutex::new(Tally::default());
    let broken: Mutex<Option<Box<Violation>>> = Mutex::new(None);
    on_all_cores(first, count, |seed| match simulate(seed) {
        Ok(told) => {
            tally.lock().unwrap().add(&told);
            true
        }
        Err(violation) => {
            broken.lock().unwrap().get_or_insert(violation);
            false
        }
    });
    let tally = tally.into_inner().unwrap();
    tell(&tally.to_string());
    if let Some(violation) = broken.into_inner().unwrap() {
        panic!("{violation}");
    }
    assert_eq!(tally.seeds, count);
    assert!(tally.fewest_faults >= Some(3));
    assert!(tally.shortest.unwrap().as_mins() >= 10);
}

#[test]
fn an_hour_without_the_api_server_ends_and_replaces_nothing_and_all_is_well_after_it() {
    let one = number("ECS_OPERATOR_SEED");
    let count = one.map_or_else(
        || number("ECS_OPERATOR_SEEDS").unwrap_or(SEEDS_AN_OUTAGE),
        |_| 1,
    );
    let restarts = AtomicU64::new(0);
    let broken: Mutex<Option<Box<Violation>>> = Mutex::new(None);
    on_all_cores(one.unwrap_or(0), count, |seed| match outage(seed) {
        Ok(more) => {
            restarts.fetch_add(more.into(), Ordering::Relaxed);
            true
        }
        Err(violation) => {
            broken.lock().unwrap().get_or_insert(violation);
            false
        }
    });
    if let Some(violation) = broken.into_inner().unwrap() {
        panic!("{violation}");
    }
    let restarts = restarts.into_inner();
    tell(&format!(
        "{count} hours without the API server, {restarts} containers started again in them"
    ));
    assert!(restarts > 0 || one.is_some());
}

#[test]
fn mistakes_that_others_made_are_found() {
    let mut survivors = Vec::new();
    let seeds = number("ECS_OPERATOR_SEEDS").unwrap_or(SEEDS_A_MISTAKE);
    for mutation in Mutation::ALL {
        let found = Mutex::new(None);
        on_all_cores(0, seeds, |seed| {
            let broken = broken_by(mutation, seed);
            let goes_on = broken.is_none();
            if let Some(broken) = broken {
                found.lock().unwrap().get_or_insert((seed, broken));
            }
            goes_on
        });
        match found.into_inner().unwrap() {
            Some((seed, broken)) => {
                tell(&format!("{mutation:?} is found by seed {seed}: {broken}"));
            }
            None => survivors.push(mutation),
        }
    }
    assert_eq!(survivors, []);
}
