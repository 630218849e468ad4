//! What must hold of tasks at every step, whatever goes wrong. The letters are those of `docs/design/simulation.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use jiff::Timestamp;

use super::api::{Api, Commit};
use super::machine::Machine;
use super::objects::{Basis, Key, Object, TaskObject};
use super::oracle;
use super::physical::lost_with_reason;
use super::records::Records;
use super::tally::Tally;
use crate::domain::events;
use crate::domain::placement::Constraint;
use crate::domain::service::Rollout;
use crate::domain::task::StopCode;

/// So begins the reason of a scale-in's or a deployment's stop.
const SCALING: &str = "Scaling activity";

/// Commits that one task may take: its creation, its states and health, its stop, and its end.
const MOST_COMMITS: u64 = 16;

/// Those that each of its containers may add, and each time that one is started again.
const MOST_OF_A_CONTAINER: u64 = 4;

#[derive(Default)]
pub(super) struct Invariants {
    at: u64,
    pub(super) tasks: BTreeMap<String, Rc<TaskObject>>,
    /// Every task that ever was, by the part of its UID that container names carry.
    pub(super) born: BTreeMap<String, Birth>,
    births: u64,
    pub(super) endpoints: BTreeMap<String, BTreeSet<String>>,
    /// UIDs of tasks that a leader in doubt listed or deregistered against T1.
    pub(super) misled: BTreeSet<String>,
    records: Records,
}

pub(super) struct Birth {
    pub(super) task: Rc<TaskObject>,
    pub(super) number: u64,
    /// The upper bound that its creation was judged by.
    pub(super) upper: Option<usize>,
    /// It was out of reach of a controller at some time: it counts for no bound of a service any more.
    pub(super) lost: bool,
    commits: u64,
}

pub(super) type Verdict = Result<(), String>;

impl Invariants {
    /// Judges all commits since the last time. `lawful`: whoever led was alone, and knew all that was written before.
    pub(super) fn commits(
        &mut self,
        api: &Api,
        machines: &BTreeMap<String, Machine>,
        (now, lawful, waits): (Timestamp, bool, bool),
        tally: &mut Tally,
    ) -> Verdict {
        for (version, commit) in api.since(self.at) {
            self.at = version;
            tally.commits += 1;
            if commit.usurped && lawful {
                return Err(format!(
                    "W1: {} writes {:?} without the Lease",
                    commit.by, commit.key
                ));
            }
            match (&commit.key, &commit.object) {
                (Key::Task(name), Some(Object::Task(task))) => {
                    let before = self.tasks.insert(name.clone(), Rc::clone(task));
                    match before {
                        None => self.created(task, commit, now)?,
                        Some(before) => {
                            lost_with_reason(&before, task, machines, (now, waits))?;
                            self.changed(&before, task, commit, machines)?;
                            self.deregistered(&before, task, lawful)?;
                        }
                    }
                    self.counted(task, tally)?;
                }
                (Key::Task(name), None) => self.removed(name, machines, now)?,
                (Key::Service(_), Some(Object::Service(service))) => {
                    self.listed(service, lawful)?;
                    self.records.changed(service, commit, lawful)?;
                }
                (Key::Service(name), None) => self.records.removed(name, &self.tasks)?,
                (Key::Revision(uid, number), None) if lawful => {
                    self.records.forgotten(uid, *number, &self.tasks)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The task that a container is of, however long ago that was.
    pub(super) fn task(&self, container: &str) -> Option<Rc<TaskObject>> {
        let birth = self.born.get(task_of(container))?;
        Some(Rc::clone(&birth.task))
    }

    /// Q3: a task takes a bounded number of writes.
    fn counted(&mut self, task: &TaskObject, tally: &mut Tally) -> Verdict {
        let Some(birth) = self.born.get_mut(&id(&task.uid)) else {
            return Ok(());
        };
        birth.commits += 1;
        tally.most_commits_of_a_task = tally.most_commits_of_a_task.max(birth.commits);
        let containers = task.status.containers.iter();
        let lives: u64 = containers.map(|it| 1 + u64::from(it.restart_count)).sum();
        if birth.commits > MOST_COMMITS + MOST_OF_A_CONTAINER * lives.max(1) {
            return Err(format!("Q3: {} writes of {}", birth.commits, task.name));
        }
        Ok(())
    }

    fn created(&mut self, task: &Rc<TaskObject>, commit: &Commit, now: Timestamp) -> Verdict {
        let basis = commit.basis.as_deref();
        let out_of_reach =
            |name: &String| basis.is_some_and(|basis| basis.out_of_reach.contains(name));
        for birth in self.born.values_mut() {
            birth.lost |= out_of_reach(&birth.task.name);
        }
        self.births += 1;
        let certain = basis.filter(|basis| basis.certain);
        let birth = Birth {
            task: Rc::clone(task),
            number: self.births,
            upper: certain
                .filter(|basis| !basis.service.daemon)
                .map(Basis::upper),
            lost: false,
            commits: 0,
        };
        self.born.insert(id(&task.uid), birth);
        let Some(basis) = certain else {
            return Ok(());
        };
        self.begun_rightly(task, basis)?;
        self.placed_rightly(task, basis)?;
        self.records.started(task, basis, now)?;
        self.room(task)
    }

    /// S1: no more than the upper bound that the writer read. F2, S13: nothing for a deployment that failed, or should have.
    fn begun_rightly(&self, task: &TaskObject, basis: &Basis) -> Verdict {
        let live = self
            .tasks
            .values()
            .filter(|other| other.service_uid == task.service_uid && !other.is_stopped())
            .filter(|other| !basis.out_of_reach.contains(&other.name))
            .count();
        // The number of instances that have a daemon may fall while one is stopping.
        if live > basis.upper() && !basis.service.daemon {
            return Err(format!(
                "S1: {} makes {live} tasks of {}, upper bound {}",
                task.name,
                task.service,
                basis.upper()
            ));
        }
        let newest = basis.service.status.newest();
        let Some(newest) = newest.filter(|newest| newest.number == task.deployment) else {
            return Ok(());
        };
        if newest.rollout == Rollout::Failed {
            return Err(format!(
                "F2: {} is started for a deployment that failed",
                task.name
            ));
        }
        let threshold = oracle::threshold(&basis.service, basis.desired).unwrap_or(u32::MAX);
        if newest.rollout == Rollout::InProgress && basis.failures >= threshold {
            return Err(format!(
                "S13: {} is started after {} failures in a row, threshold {threshold}",
                task.name, basis.failures
            ));
        }
        Ok(())
    }

    /// P1: it goes to an instance that takes tasks, and no constraint of its service is broken.
    fn placed_rightly(&self, task: &TaskObject, basis: &Basis) -> Verdict {
        let instance = &task.instance;
        if !basis.open.contains(instance) {
            let name = &task.name;
            return Err(format!("P1: {name} is placed on {instance}, which drains"));
        }
        let here = |other: &TaskObject| {
            other.uid != task.uid
                && other.service_uid == task.service_uid
                && other.instance == *instance
                && !other.is_stopped()
        };
        if basis.service.daemon && self.tasks.values().any(|other| here(other)) {
            return Err(format!("S22: {} is the second on {instance}", task.name));
        }
        for constraint in &basis.service.rules.constraints {
            let broken = match constraint {
                Constraint::DistinctInstance | Constraint::AtMost(1) => {
                    self.tasks.values().any(|other| {
                        other.uid != task.uid
                            && other.service == task.service
                            && other.instance == *instance
                            && !other.is_stopped()
                    })
                }
                Constraint::AtMost(_) => false,
                Constraint::MemberOf(_) => !oracle::is_allowed(&basis.service, instance),
            };
            if broken {
                return Err(format!(
                    "P1: {} breaks {constraint:?} on {instance}",
                    task.name
                ));
            }
        }
        Ok(())
    }

    /// S6: no host port is promised twice on an instance.
    fn room(&self, task: &TaskObject) -> Verdict {
        let clash = self.tasks.values().find(|other| {
            other.uid != task.uid
                && other.instance == task.instance
                && !other.is_stopped()
                && other
                    .dynamic_ports
                    .iter()
                    .any(|port| task.dynamic_ports.contains(port))
        });
        clash.map_or(Ok(()), |other| {
            Err(format!(
                "S6: {} and {} share a port of {}",
                task.name, other.name, task.instance
            ))
        })
    }

    fn changed(
        &mut self,
        before: &TaskObject,
        after: &TaskObject,
        commit: &Commit,
        machines: &BTreeMap<String, Machine>,
    ) -> Verdict {
        let name = &after.name;
        if before.instance != after.instance || before.dynamic_ports != after.dynamic_ports {
            return Err(format!("S4: the binding of {name} changed"));
        }
        if after.status.state < before.status.state {
            return Err(format!(
                "S8: {name} went back from {} to {}",
                before.status.state, after.status.state
            ));
        }
        if before.is_stopped() && before.status != after.status {
            return Err(format!("S8: STOPPED of {name} is not final"));
        }
        if before.stop.is_some() && before.stop != after.stop {
            return Err(format!("S8: the stop of {name} changed"));
        }
        let times = |task: &TaskObject| {
            [
                task.status.created_at,
                task.status.started_at,
                task.status.stopped_at,
            ]
        };
        if times(before)
            .iter()
            .zip(times(after))
            .any(|(old, new)| old.is_some() && *old != new)
        {
            return Err(format!("S8: a time of {name} changed"));
        }
        if after.is_stopped() && !before.is_stopped() {
            self.records.ended(after);
            if let Some(container) = live_of(&after.uid, machines) {
                return Err(format!(
                    "S9: {name} is STOPPED by {}, but {container} lives",
                    commit.by
                ));
            }
            if after.status.stop.is_none() || after.status.stopped_at.is_none() {
                return Err(format!("S7: {name} is STOPPED without a reason or a time"));
            }
        }
        if after.status.started_at.is_some() && before.status.started_at.is_none() {
            self.records.ran(after);
        }
        match &commit.basis {
            Some(basis) if before.stop.is_none() && after.stop.is_some() => {
                self.stopped(after, basis)
            }
            _ => Ok(()),
        }
    }

    /// S2: a voluntary stop leaves the lower bound, as far as the writer could know.
    fn stopped(&self, task: &TaskObject, basis: &Basis) -> Verdict {
        let Some(stop) = &task.stop else {
            return Ok(());
        };
        if basis.service.uid != task.service_uid {
            return Err(format!("S14: {} is stopped for another service", task.name));
        }
        if basis.certain && basis.protected.contains(&task.name) && stop.reason.starts_with(SCALING)
        {
            return Err(format!("S21: {} is protected and is stopped", task.name));
        }
        let voluntary = stop.code == StopCode::ServiceSchedulerInitiated
            && !events::tells_of_failed_checks(&stop.reason);
        if !basis.certain || !voluntary || !basis.healthy.contains(&task.name) {
            return Ok(());
        }
        let told_by_us = |name: &String| {
            self.tasks.get(name).is_none_or(|task| {
                task.stop
                    .as_ref()
                    .is_some_and(|stop| stop.code != StopCode::UserInitiated)
            })
        };
        let left = basis
            .healthy
            .iter()
            .filter(|name| !told_by_us(name))
            .count();
        if left < basis.lower() {
            return Err(format!(
                "S2: the stop of {} leaves {left} healthy tasks of {}, lower bound {}",
                task.name,
                task.service,
                basis.lower()
            ));
        }
        Ok(())
    }

    /// S19: a task goes when nothing of it lives, or its instance is out of reach.
    fn removed(
        &mut self,
        name: &str,
        machines: &BTreeMap<String, Machine>,
        now: Timestamp,
    ) -> Verdict {
        let Some(task) = self.tasks.remove(name) else {
            return Ok(());
        };
        let gone = machines
            .get(&task.instance)
            .is_none_or(|it| it.was_broken(now));
        if !task.is_stopped() && !gone {
            return Err(format!("S19: {name} was let go before it was STOPPED"));
        }
        if let Some(birth) = self
            .born
            .get_mut(&id(&task.uid))
            .filter(|_| !task.is_stopped())
        {
            birth.lost = true;
        }
        Ok(())
    }
}

/// The part of a task's UID that container names carry.
pub(super) fn id(uid: &str) -> String {
    crate::domain::ids::task_id(uid).chars().take(12).collect()
}

pub(super) fn task_of(container: &str) -> &str {
    container.rsplit('-').next().unwrap_or(container)
}

fn live_of<'a>(uid: &str, machines: &'a BTreeMap<String, Machine>) -> Option<&'a String> {
    let id = id(uid);
    machines
        .values()
        .flat_map(|machine| &machine.live)
        .find(|name| task_of(name) == id)
}
