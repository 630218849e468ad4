//! What was tried, for whoever wants to know what a pass proves.

use std::collections::BTreeMap;
use std::fmt;

use jiff::SignedDuration;

/// Counts over one world or many.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Worlds.
    pub seeds: u64,
    /// Time that passed in them.
    pub simulated: SignedDuration,
    /// What went wrong or was done by people, by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Deployments that were recorded because something else was wanted.
    pub deployments_begun: u64,
    /// Deployments that ended well.
    pub deployments_completed: u64,
    /// Deployments that were given up.
    pub deployments_failed: u64,
    /// Deployments that were recorded because another one failed.
    pub deployments_rolled_back: u64,
    /// Tasks that controllers created.
    pub tasks_created: u64,
    /// Containers whose processes started.
    pub containers_started: u64,
    /// Writes that the API committed.
    pub commits: u64,
    /// The most commits that one task took.
    pub most_commits_of_a_task: u64,
    /// The shortest time that passed in a world.
    pub shortest: Option<SignedDuration>,
    /// The fewest faults of a world.
    pub fewest_faults: Option<u64>,
}

impl Tally {
    /// Adds the counts of other worlds.
    pub fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.simulated += other.simulated;
        for (kind, count) in &other.faults {
            *self.faults.entry(kind).or_default() += count;
        }
        self.deployments_begun += other.deployments_begun;
        self.deployments_completed += other.deployments_completed;
        self.deployments_failed += other.deployments_failed;
        self.deployments_rolled_back += other.deployments_rolled_back;
        self.tasks_created += other.tasks_created;
        self.containers_started += other.containers_started;
        self.commits += other.commits;
        self.most_commits_of_a_task = self
            .most_commits_of_a_task
            .max(other.most_commits_of_a_task);
        self.shortest = self.shortest.into_iter().chain(other.shortest).min();
        self.fewest_faults = self
            .fewest_faults
            .into_iter()
            .chain(other.fewest_faults)
            .min();
    }

    pub(super) fn befell(&mut self, kind: &'static str) {
        *self.faults.entry(kind).or_default() += 1;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = |time: Option<SignedDuration>| time.unwrap_or_default().as_mins();
        writeln!(
            f,
            "{} seeds, {} simulated hours, none shorter than {} minutes or with fewer than {} faults",
            self.seeds,
            self.simulated.as_hours(),
            minutes(self.shortest),
            self.fewest_faults.unwrap_or(0)
        )?;
        writeln!(
            f,
            "deployments: {} begun, {} completed, {} failed, {} rolled back",
            self.deployments_begun,
            self.deployments_completed,
            self.deployments_failed,
            self.deployments_rolled_back
        )?;
        writeln!(
            f,
            "{} tasks created, {} containers started, {} writes, at most {} for one task",
            self.tasks_created, self.containers_started, self.commits, self.most_commits_of_a_task
        )?;
        let faults = self.faults.iter();
        let faults: Vec<String> = faults
            .map(|(kind, count)| format!("{kind} {count}"))
            .collect();
        write!(f, "faults: {}", faults.join(", "))
    }
}
