//! A seeded simulator: the production's own decisions in a world that fails.
//!
//! The domain's planner, placer and liveness watch, and the agent's step, run against a model API server and model
//! Docker Engines under virtual time. A seed decides the size of the world, its services, and everything that goes
//! wrong: crashes after any write, stale caches, two leaders, lost requests and answers, dead and hung engines, machines
//! without power or network, people who delete, stop, scale and deploy.
//!
//! # Guarantees
//! The same seed gives the same run. At every step the [invariants] are checked; once the
//! faults stop everything has to become as it is wanted, and then nobody may write anything any more.
//!
//! # Caveats
//! The shells around the decisions (caches, writes, the agent's loop) are the simulator's own and as thin as it gets;
//! the real ones are tested against [`super::api`].

mod acts;
mod agent;
mod api;
mod book;
mod catalog;
mod collect;
mod controller;
mod deployment;
mod draw;
mod end;
mod ground;
mod history;
mod invariants;
mod leading;
mod link;
mod machine;
mod mutation;
mod objects;
mod observe;
mod oracle;
mod order;
mod outage;
mod people;
mod physical;
mod random;
mod records;
mod script;
mod shape;
mod tally;
mod tamper;
mod traffic;
mod trouble;
mod view;
mod world;

use std::fmt;

use jiff::SignedDuration;

use agent::later;
use api::start_of_time;
use script::{Script, TROUBLE};
use world::World;

pub use mutation::Mutation;
pub use outage::outage;
pub use tally::Tally;

/// Time in which everything has to be as it is wanted, once nothing goes wrong any more. Pauses between failed starts
/// are the longest part of it.
const RECOVERY: SignedDuration = SignedDuration::from_secs(45 * 60);

/// Time for which nobody may write, in the end.
const SILENCE: SignedDuration = SignedDuration::from_secs(180);

/// Lines of history that a violation shows at most.
const SHOWN: usize = 100;

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The seed that shows it.
    pub seed: u64,
    /// Which promise, and how.
    pub what: String,
    /// The faults without which it does not happen.
    pub faults: Vec<String>,
    /// What happened since all was well for the last time.
    pub history: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.what)?;
        writeln!(
            f,
            "to see it again: ECS_OPERATOR_SEED={} cargo test --all-features --test simulation",
            self.seed
        )?;
        writeln!(f, "{}", self.history)?;
        writeln!(f, "with these faults alone:")?;
        self.faults
            .iter()
            .try_for_each(|fault| writeln!(f, "  {fault}"))
    }
}

impl std::error::Error for Violation {}

/// Runs the world of a seed to its end, and says what was tried in it.
///
/// # Errors
/// The first promise that was broken, with as few faults as it takes.
pub fn simulate(seed: u64) -> Result<Tally, Box<Violation>> {
    let mut world = World::new(seed, Mutation::None, false);
    match world.run(None) {
        Ok(()) => Ok(world.told()),
        Err(what) => Err(Box::new(explain(seed, Mutation::None, &what))),
    }
}

/// The promise that breaks in the world of a seed with a mistake put in, if one does.
#[must_use]
pub fn broken_by(mutation: Mutation, seed: u64) -> Option<String> {
    World::new(seed, mutation, false).run(None).err()
}

/// Leaves out faults one by one, as long as the same promise stays broken, and tells the rest as a story.
fn explain(seed: u64, mutation: Mutation, what: &str) -> Violation {
    let promise = |what: &str| what.split(':').next().unwrap_or_default().to_owned();
    let breaks = |script: &Script| {
        let outcome = World::new(seed, mutation, false).run(Some(script.clone()));
        outcome.is_err_and(|other| promise(&other) == promise(what))
    };
    let mut script = World::new(seed, mutation, false).script;
    let mut index = 0;
    while index < script.len() {
        let mut less = script.clone();
        less.remove(index);
        if breaks(&less) {
            script = less;
        } else {
            index += 1;
        }
    }
    let mut world = World::new(seed, mutation, true);
    let what = world
        .run(Some(script.clone()))
        .err()
        .unwrap_or_else(|| what.to_owned());
    let faults = script
        .iter()
        .map(|(at, fault)| format!("{at:#} {fault:?}"))
        .collect();
    Violation {
        seed,
        what,
        faults,
        history: world.history.suffix(SHOWN),
    }
}

impl World {
    /// What was tried.
    fn told(mut self) -> Tally {
        let passed = self.now.duration_since(start_of_time());
        self.tally.seeds = 1;
        self.tally.simulated = passed;
        self.tally.shortest = Some(passed);
        self.tally.fewest_faults = Some(self.tally.faults.values().sum());
        self.tally
    }

    /// Trouble, recovery, silence.
    fn run(&mut self, script: Option<Script>) -> Result<(), String> {
        if let Some(script) = script {
            self.script = script;
        }
        let trouble_ends = later(self.now, TROUBLE);
        while self.now < trouble_ends {
            let time = self.random.time(100, 1300);
            self.tick(time)?;
            if self.history.is_wanted() && self.discrepancy().is_none() {
                self.history.all_is_well();
            }
        }
        self.mend_all();
        self.recover()?;
        self.keep_silent()
    }

    fn recover(&mut self) -> Result<(), String> {
        let ends = later(self.now, RECOVERY);
        while let Some(discrepancy) = self.discrepancy() {
            if self.now > ends {
                return Err(format!("L1: {discrepancy}"));
            }
            let time = self.random.time(500, 3000);
            self.tick(time)?;
        }
        Ok(())
    }

    /// Stopped tasks are still collected; after that nothing is left to write.
    fn keep_silent(&mut self) -> Result<(), String> {
        let ends = later(self.now, RECOVERY);
        let mut silent_since = (self.now, self.api.version());
        while self.now.duration_since(silent_since.0) < SILENCE {
            let time = self.random.time(1000, 5000);
            self.tick(time)?;
            if self.api.version() != silent_since.1 {
                silent_since = (self.now, self.api.version());
            }
            if self.now > ends {
                return Err("Q1: somebody always writes".to_owned());
            }
        }
        self.discrepancy().map_or(Ok(()), |discrepancy| {
            Err(format!("L1: it does not last: {discrepancy}"))
        })
    }
}

#[cfg(test)]
mod tests;
