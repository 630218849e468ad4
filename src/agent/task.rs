//! One task as the agent holds it: what is wanted, what is known, what was reported. Pure, so that the driver, the
//! simulator and the property tests run the same thing.

mod traffic;

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::step::{
    self, Call, Containers, Keep, Known, Order, Outcome, Seen, TaskReport, Traffic, VolumeOrder,
    VolumeOutcome, Volumes,
};
use super::wanted::Wanted;
use crate::domain::supply::Supply;
use crate::domain::task::{Stop, TaskState};
use crate::runtime::{ContainerSummary, ContainerView, Hint, VolumeView};
pub use traffic::CheckOrder;
use traffic::Checking;

/// Containers of one task in a list, by name in the definition.
pub type Listed<'a> = BTreeMap<&'a str, &'a ContainerSummary>;

/// A task of this instance.
#[derive(Debug, Clone)]
pub struct Task {
    wanted: Wanted,
    containers: Containers,
    volumes: Volumes,
    traffic: Traffic,
    report: TaskReport,
    keep: Keep,
    /// When to step it although nothing happens.
    step_at: Option<Timestamp>,
    looks_at_connections: bool,
    checks: Vec<Checking>,
}

impl Task {
    /// A task that was `reported` like this and of which a list showed these containers.
    #[must_use]
    pub fn new(wanted: Wanted, reported: TaskReport, listed: &Listed<'_>) -> Self {
        let traffic = Traffic::resumed(&wanted, &reported);
        let checks = vec![Checking::default(); traffic.targets.len()];
        let mut task = Self {
            wanted,
            traffic,
            containers: Containers::new(),
            volumes: Volumes::default(),
            report: reported,
            keep: Keep::Ended,
            step_at: None,
            looks_at_connections: false,
            checks,
        };
        task.cover(listed);
        task
    }

    /// What is wanted of it.
    #[must_use]
    pub const fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// What is known of it now.
    #[must_use]
    pub const fn report(&self) -> &TaskReport {
        &self.report
    }

    /// What is known of one of its containers, by its name in the definition.
    #[must_use]
    pub fn known(&self, container: &str) -> Option<&Known> {
        self.containers.get(container)
    }

    /// Its containers as the engine showed them last, by their names in the definition.
    pub fn views(&self) -> impl Iterator<Item = (&str, &ContainerView)> {
        let containers = self.containers.iter();
        containers.filter_map(|(name, known)| Some((name.as_str(), known.view()?)))
    }

    /// It asked not to be stopped by scale-in or a deployment until then, or no longer asks.
    pub const fn protect(&mut self, until: Option<Timestamp>) {
        self.report.protected_until = until;
    }

    /// It is to end, if there is an end: the first one stays.
    pub fn tell_to_end(&mut self, end: Option<Stop>) {
        if self.wanted.end.is_none() {
            self.wanted.end = end;
        }
    }

    /// Somebody else declared it STOPPED: what lives of it is put down, and the report is theirs.
    pub fn declared_stopped(&mut self, report: TaskReport) {
        if self.report.state < TaskState::Stopped {
            self.report = report;
        }
    }

    /// Nothing of it may stay with the engine.
    pub const fn discard(&mut self) {
        self.keep = Keep::Nothing;
    }

    /// Whether nothing of it may stay, and nothing does.
    #[must_use]
    pub fn is_discarded(&self) -> bool {
        let absent =
            |known: &Known| known.doing.is_none() && matches!(known.seen, Seen::Absent { .. });
        self.keep == Keep::Nothing && self.containers.values().all(absent)
    }

    /// Whether containers of it are, or may be, with the engine.
    #[must_use]
    pub fn has_remains(&self) -> bool {
        self.keep == Keep::Ended
            && self
                .containers
                .values()
                .any(|known| !matches!(known.seen, Seen::Absent { .. }))
    }

    /// Whether none of its containers lives, so that it holds nothing any more.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.report.state == TaskState::Stopped && self.containers.values().all(Known::is_down)
    }

    /// Takes in a list that began when `began` was the number of the newest change.
    pub fn listed(&mut self, listed: &Listed<'_>, began: u64) {
        self.cover(listed);
        for (name, known) in &mut self.containers {
            known.listed(listed.get(name.as_str()).copied(), began);
        }
    }

    /// Something happened to a container, by its name in the engine. Says whether it is one of this task.
    pub fn hinted(&mut self, hint: &Hint) -> bool {
        let found = self
            .containers
            .values_mut()
            .find(|known| known.engine_name == hint.container);
        found.map(|known| known.hinted(hint.activity)).is_some()
    }

    /// Decides the next calls. They count as under way from now on.
    pub fn step(&mut self, now: Timestamp) -> Vec<Order> {
        let step = step::step(
            &self.wanted,
            &self.containers,
            &self.volumes,
            &self.traffic,
            &self.report,
            self.keep,
            now,
        );
        self.report = step.report;
        self.looks_at_connections = step.looks_at_connections;
        self.step_at = step.wake;
        for order in &step.orders {
            if let Some(known) = self.containers.get_mut(&order.container) {
                known.doing = Some(order.call);
            }
        }
        step.orders
    }

    /// Decides the next calls for its volumes, after [`Task::step`]. They count as under way from now on.
    pub fn volume_orders(&mut self, now: Timestamp) -> Vec<VolumeOrder> {
        let orders =
            self.volumes
                .orders(&self.wanted, &self.containers, &self.report, self.keep, now);
        for order in &orders {
            self.volumes.begin(order);
        }
        orders
    }

    /// Takes in what a call for a volume came to; `change` numbers it.
    pub fn volume_done(
        &mut self,
        volume: &str,
        engine_name: &str,
        outcome: VolumeOutcome,
        change: u64,
        now: Timestamp,
    ) {
        let wanted = &self.wanted;
        self.volumes
            .done(volume, engine_name, outcome, wanted, change, now);
    }

    /// Takes in its volumes of a list that began when `began` was the number of the newest change.
    pub fn volumes_listed(&mut self, listed: &BTreeMap<&str, &VolumeView>, began: u64) {
        self.volumes.listed(listed, &self.wanted, began);
    }

    /// Whether no volume of its own is left, as far as anybody knows.
    #[must_use]
    pub fn volumes_are_gone(&self) -> bool {
        self.volumes.are_gone(&self.wanted)
    }

    /// Takes in what a call came to; `change` numbers it.
    pub fn done(&mut self, container: &str, outcome: Outcome, change: u64, now: Timestamp) {
        if let Some(known) = self.containers.get_mut(container) {
            known.done(container, outcome, &self.wanted, change, now);
        }
    }

    /// Says how far the pull is that a container waits for, if it still does.
    pub fn pulling(&mut self, container: &str, text: String) -> bool {
        let known = self.containers.get_mut(container);
        let pulls = known.filter(|known| known.doing == Some(Call::Pull));
        pulls.map(|known| known.pulling(text)).is_some()
    }

    /// What the broker gave for a container that is not created yet.
    #[must_use]
    pub fn supply(&self, container: &str) -> Option<&Supply> {
        self.containers.get(container)?.supply.as_ref()
    }

    /// Address of the log router on the engine's bridge, while it runs there.
    #[must_use]
    pub fn router_address(&self) -> Option<&str> {
        let (router, _) = self.wanted.definition.router()?;
        let view = self.containers.get(&router.name)?.view()?;
        view.address.as_deref()
    }

    /// Name of a container in the engine.
    #[must_use]
    pub fn engine_name(&self, container: &str) -> Option<&str> {
        self.containers
            .get(container)
            .map(|known| known.engine_name.as_str())
    }

    /// When it should be stepped again although nothing happened.
    #[must_use]
    pub fn wake(&self, now: Timestamp) -> Option<Timestamp> {
        let waiting = self
            .containers
            .values()
            .filter(|known| known.doing.is_none());
        waiting
            .filter_map(|known| known.retry_at)
            .chain(self.volumes.retries())
            .chain(self.step_at)
            .filter(|at| *at > now)
            .min()
    }

    /// Whether a call waits for its time.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.step_at.is_some()
            || self
                .containers
                .values()
                .any(|known| known.doing.is_none() && known.retry_at.is_some())
            || self.volumes.retries().next().is_some()
    }

    /// Every container of the definition and of the list has an entry.
    fn cover(&mut self, listed: &Listed<'_>) {
        for container in &self.wanted.definition.containers {
            if !self.containers.contains_key(&container.name) {
                let known = match listed.get(container.name.as_str()) {
                    Some(line) => Known::new(line.name.clone(), Seen::Unknown),
                    None => Known::new(
                        self.wanted.engine_name(&container.name),
                        Seen::Absent { looks: 1 },
                    ),
                };
                self.containers.insert(container.name.clone(), known);
            }
        }
        for (name, line) in listed {
            if !self.containers.contains_key(*name) {
                self.containers.insert(
                    (*name).to_owned(),
                    Known::new(line.name.clone(), Seen::Unknown),
                );
            }
        }
    }
}
