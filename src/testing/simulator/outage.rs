//! An hour without the API server: nobody can read or write, and only agents and engines go on.
//!
//! # Expected flow
//! A world without faults comes to rest. Then the API server is away for an hour, in which containers end by themselves, an
//! engine restarts, an agent is killed, and the leader dies. Then it is back, and all has to become as it is wanted.
//!
//! # Guarantees
//! What nothing happened to runs on, in the very same containers, and its tasks are the same afterwards. What ended is
//! started again in place where its restart policy says so, and takes its task along where it was essential; nothing is
//! made anew before the API server is back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::agent::later;
use super::api::start_of_time;
use super::invariants::{id, task_of};
use super::mutation::Mutation;
use super::objects::{Object, TaskObject};
use super::order::part_of;
use super::script::{Fault, LeaderTrouble, MachineTrouble};
use super::world::World;
use super::{SHOWN, Violation};
use crate::domain::task::{StopCode, TaskState};

const LENGTH: SignedDuration = SignedDuration::from_hours(1);

/// Containers that end by themselves in it, and how late the last of them may: what follows has to be over with the hour.
const ENDS: usize = 8;
const LAST_END: u32 = 50 * 60 * 1000;

/// When an engine restarts.
const ENGINE_RESTARTS: SignedDuration = SignedDuration::from_mins(52);

/// What the hour has to leave.
#[derive(Debug, Default)]
struct Expected {
    /// The containers that live, and how often each was started by then.
    live: BTreeMap<String, u32>,
    /// Tasks that end in it, by the part of their UIDs that container names carry.
    over: BTreeSet<String>,
    restarts: u32,
}

/// Lets the world of a seed lose its API server for an hour, and says how many containers were started again in it.
///
/// # Errors
/// The first promise that was broken.
pub fn outage(seed: u64) -> Result<u32, Box<Violation>> {
    outage_with(Mutation::None, seed)
}

/// The same, with a mistake put in.
pub(super) fn outage_with(mutation: Mutation, seed: u64) -> Result<u32, Box<Violation>> {
    let broken = match World::new(seed, mutation, false).lose_the_api() {
        Ok(restarts) => return Ok(restarts),
        Err(broken) => broken,
    };
    let mut world = World::new(seed, mutation, true);
    Err(Box::new(Violation {
        seed,
        what: world.lose_the_api().err().unwrap_or(broken),
        faults: vec!["an hour without the API server".to_owned()],
        history: world.history.suffix(SHOWN),
    }))
}

impl World {
    fn lose_the_api(&mut self) -> Result<u32, String> {
        self.mend_all();
        self.recover()?;
        self.keep_silent()?;
        self.history.all_is_well();
        let before = self.tasks();
        let expected = self.hour()?;
        self.recover()?;
        self.keep_silent()?;
        self.check_tasks(&before, &expected)?;
        Ok(expected.restarts)
    }

    fn hour(&mut self) -> Result<Expected, String> {
        let machines = self.machines.values();
        let live = machines.flat_map(|machine| {
            let starts = |name: &String| machine.starts.get(name).copied().unwrap_or_default();
            machine
                .live
                .iter()
                .map(move |name| (name.clone(), starts(name)))
        });
        let mut expected = Expected {
            live: live.collect(),
            ..Expected::default()
        };
        let ends = later(self.now, LENGTH);
        let mut happens: Vec<Timestamp> = (0..ENDS)
            .map(|_| later(self.now, self.random.time(0, LAST_END)))
            .collect();
        // It can act again only when it has read the API.
        let agent = Fault::Machine {
            machine: 0,
            trouble: MachineTrouble::AgentDies,
            back_in: SignedDuration::from_secs(10),
        };
        let leader = Fault::Leader {
            trouble: LeaderTrouble::Dies { stale: false },
            back_in: SignedDuration::ZERO,
        };
        let soon = self.now.duration_since(start_of_time()) + SignedDuration::from_mins(1);
        self.script = vec![(soon, leader), (soon, agent)];
        let version = self.api.version();
        let mut engine = Some(later(self.now, ENGINE_RESTARTS));
        self.api.down = true;
        while self.now < ends {
            let now = self.now;
            for _ in happens.extract_if(.., |at| *at <= now) {
                self.let_one_end(&mut expected);
            }
            if engine.take_if(|at| *at <= now).is_some() {
                self.restart_an_engine(&mut expected);
            }
            let time = self.random.time(500, 3000);
            self.tick(time)?;
        }
        self.api.down = false;
        if self.api.version() != version {
            return Err("O1: somebody wrote though nobody can".to_owned());
        }
        self.check_containers(&expected)?;
        Ok(expected)
    }

    /// A container ends by itself. None on the machine whose agent waits for the API.
    fn let_one_end(&mut self, expected: &mut Expected) {
        let machines = self.machines.iter().skip(1);
        let live: Vec<(String, String)> = machines
            .flat_map(|(at, machine)| machine.live.iter().map(|name| (at.clone(), name.clone())))
            .filter(|(_, name)| expected.live.contains_key(name))
            .collect();
        let Some((at, name)) = self.random.pick(&live) else {
            return;
        };
        self.expect(&at, &[name.as_str()], 1, expected);
        if let Some(machine) = self.machines.get_mut(&at) {
            machine.engine.end(&name, 1, machine.clock(self.now));
        }
    }

    /// The engine of the last machine is killed and comes back, which ends all that it runs.
    fn restart_an_engine(&mut self, expected: &mut Expected) {
        let now = self.now;
        let Some((at, machine)) = self.machines.iter().next_back() else {
            return;
        };
        let (at, live) = (at.clone(), machine.live.clone());
        let names = live.iter().map(String::as_str);
        let names: Vec<&str> = names
            .filter(|name| expected.live.contains_key(*name))
            .collect();
        self.expect(&at, &names, 137, expected);
        if let Some(machine) = self.machines.get_mut(&at) {
            machine.restart_daemon(now);
        }
    }

    /// What has to become of containers that end now, at the same time.
    fn expect(&mut self, at: &str, ending: &[&str], exit_code: i64, expected: &mut Expected) {
        for name in ending {
            let (Some(machine), Some(task)) =
                (self.machines.get_mut(at), self.invariants.task(name))
            else {
                continue;
            };
            let clock = machine.clock(self.now);
            let view = machine.engine.inspect(name, clock).ok();
            let started = view.and_then(|view| view.started_at).unwrap_or(clock);
            let ran = Duration::try_from(clock.duration_since(started)).unwrap_or_default();
            let definition = self.catalog.definition(&task.service, task.version);
            let mut containers = definition.containers.iter();
            let found = containers.find(|container| container.name == part_of(name));
            let policy = found.and_then(|container| container.restart_policy.as_ref());
            if policy.is_some_and(|policy| policy.restarts(exit_code, ran)) {
                expected.restarts += 1;
                let live = expected.live.entry((*name).to_owned());
                live.and_modify(|starts| *starts += 1);
                continue;
            }
            expected.live.remove(*name);
            if found.is_some_and(|container| container.essential) {
                expected.over.insert(id(&task.uid));
            }
        }
        let over = &expected.over;
        expected
            .live
            .retain(|name, _| !over.contains(task_of(name)));
    }

    /// O2: what lives is what has to, and nothing was made anew or started once too often.
    fn check_containers(&self, expected: &Expected) -> Result<(), String> {
        let mut left = expected.live.clone();
        for machine in self.machines.values() {
            for name in &machine.live {
                let starts = machine.starts.get(name).copied();
                let wanted = left.remove(name);
                if starts != wanted {
                    return Err(format!(
                        "O2: {name} was started {starts:?} times, not {wanted:?}"
                    ));
                }
            }
        }
        let lost = left.keys().next();
        lost.map_or(Ok(()), |name| Err(format!("O2: {name} does not live")))
    }

    /// O3: tasks that did not end are still there, and none was taken for lost.
    fn check_tasks(
        &self,
        before: &BTreeMap<String, TaskObject>,
        expected: &Expected,
    ) -> Result<(), String> {
        let after = self.tasks();
        let is_lost = |task: &&TaskObject| {
            let stop = task.status.stop.as_ref().or(task.stop.as_ref());
            stop.is_some_and(|stop| stop.code == StopCode::TerminationNotice)
        };
        if let Some(task) = after.values().find(is_lost) {
            return Err(format!("O3: {} was taken for lost", task.name));
        }
        let moves = |task: &TaskObject| {
            let services = self.services();
            let mut services = services.iter();
            services.any(|service| service.uid == task.service_uid && service.rebalances)
        };
        let runs = |task: &TaskObject| {
            let now = after.get(&task.uid);
            now.is_some_and(|now| !now.is_ending() && now.status.state == TaskState::Running)
        };
        let mut stays = before
            .values()
            .filter(|task| !expected.over.contains(&id(&task.uid)) && !moves(task));
        let gone = stays.find(|task| task.status.state == TaskState::Running && !runs(task));
        gone.map_or(Ok(()), |task| {
            Err(format!("O3: {} was replaced", task.name))
        })
    }

    fn tasks(&self) -> BTreeMap<String, TaskObject> {
        let tasks = self.api.all().filter_map(|object| match object {
            Object::Task(task) => Some((task.uid.clone(), TaskObject::clone(task))),
            Object::Instance(_) | Object::Revision(_) | Object::Service(_) => None,
        });
        tasks.collect()
    }
}
