//! An agent's outside: its watch, lists, hints, calls and reports. What it decides is [`crate::agent::task::Task`]'s,
//! the very code that the agent runs.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};

use super::api::Api;
use super::book::{Care, Entry, Signal};
use super::catalog::Catalog;
use super::history::History;
use super::link::Link;
use super::machine::{Machine, Memory};
use super::mutation::Mutation;
use super::objects::TaskObject;
use super::random::Random;
use super::tamper;
use super::view::View;
use crate::agent::status;
use crate::agent::step::TaskReport;
use crate::agent::task::{Listed, Task};
use crate::agent::wanted::{Ledger, Rules, Wanted};
use crate::api::names;
use crate::domain::resources::Capacity;
use crate::domain::task::{Stop, StopCode, TaskState};
use crate::runtime::{ContainerSummary, Labels};

const HEARTBEAT: SignedDuration = SignedDuration::from_secs(10);
const LIST_EVERY: SignedDuration = SignedDuration::from_secs(15);
const RETRY: SignedDuration = SignedDuration::from_secs(2);

/// An agent, whether its process runs or not.
pub(super) struct Agent {
    pub(super) link: Link,
    rules: Rules,
    capacity: Capacity,
    pub(super) up: bool,
    /// Which life of the process this is.
    life: u64,
    view: View,
    /// Up to where the view was taken in.
    followed: u64,
    synced: bool,
    book: BTreeMap<String, Entry>,
    ledger: Ledger,
    changes: u64,
    lines: Vec<ContainerSummary>,
    /// A list that was taken and not yet told, and when it began.
    listing: Option<(u64, Vec<ContainerSummary>)>,
    list_at: Timestamp,
    beat_at: Timestamp,
    suspects: BTreeSet<String>,
    /// UIDs of tasks that there was no room for.
    pub(super) refused: BTreeSet<String>,
    pub(super) signals: Vec<Signal>,
}

/// All that an agent acts upon.
pub(super) struct Surroundings<'a> {
    pub(super) now: Timestamp,
    pub(super) api: &'a mut Api,
    pub(super) machine: &'a mut Machine,
    pub(super) catalog: &'a Catalog,
    pub(super) random: &'a mut Random,
    pub(super) history: &'a mut History,
    /// Of every hundred calls to the engine so many get lost on the way or back.
    pub(super) lossy: u32,
    pub(super) mutation: Mutation,
}

impl Agent {
    pub(super) fn new(instance: &str, capacity: Capacity, now: Timestamp) -> Self {
        let actor = format!("agent {instance}");
        Self {
            link: Link::new(&actor, false),
            rules: Rules {
                instance: instance.to_owned(),
                ..Rules::default()
            },
            capacity,
            up: true,
            life: 1,
            view: View::default(),
            followed: 0,
            synced: false,
            book: BTreeMap::new(),
            ledger: Ledger::default(),
            changes: 0,
            lines: Vec::new(),
            listing: None,
            list_at: now,
            beat_at: now,
            suspects: BTreeSet::new(),
            refused: BTreeSet::new(),
            signals: Vec::new(),
        }
    }

    pub(super) fn die(&mut self) {
        self.up = false;
        self.life += 1;
        self.synced = false;
        self.view = View::default();
        self.followed = 0;
        self.book.clear();
        self.ledger = Ledger::default();
        self.changes = 0;
        self.listing = None;
        self.lines.clear();
        self.suspects.clear();
        self.refused.clear();
    }

    pub(super) fn start(&mut self, now: Timestamp) {
        self.up = true;
        self.list_at = now;
    }

    /// Lets the agent do what is due. True when it renewed its Lease.
    pub(super) fn act(&mut self, around: &mut Surroundings<'_>) -> bool {
        if !self.up || !around.machine.powered {
            return false;
        }
        self.link.cut = around.machine.cut;
        let beat = self.beat(around);
        if self.synced {
            self.view.follow_some(around.api, around.random);
        }
        self.list(around);
        if !self.synced {
            self.sync(around);
        }
        if self.synced {
            self.follow(around);
            for hint in around.machine.hints(around.random) {
                for entry in self.book.values_mut() {
                    entry.dirty |= entry.task.hinted(&hint);
                }
            }
            self.take_answers(around);
            self.step(around);
            self.tell(around);
            self.tidy();
        }
        beat
    }

    fn beat(&mut self, around: &Surroundings<'_>) -> bool {
        let due = self.beat_at <= around.now && around.api.reached_by(&self.link);
        if due {
            self.beat_at = later(around.now, HEARTBEAT);
        }
        due
    }

    /// Nothing is done before both the API and the engine have been listed.
    fn sync(&mut self, around: &Surroundings<'_>) {
        if !around.api.reached_by(&self.link) || self.listing.is_none() {
            return;
        }
        if let Some((_, lines)) = self.listing.take() {
            self.lines = lines;
        }
        self.view.follow(around.api, around.api.version());
        self.synced = true;
    }

    fn list(&mut self, around: &mut Surroundings<'_>) {
        if let Some((began, lines)) = self.listing.take_if(|_| self.synced) {
            self.lines = lines;
            for (uid, entry) in &mut self.book {
                entry.task.listed(&of_task(&self.lines, uid), began);
                entry.dirty = true;
            }
            self.reap();
        }
        let trusts_events = self.synced && around.mutation == Mutation::NeverListAgain;
        if trusts_events {
            return;
        }
        if self.list_at <= around.now && around.machine.answers() && self.listing.is_none() {
            self.list_at = later(around.now, LIST_EVERY);
            let labels = Labels::from([(
                names::INSTANCE_DOCKER_LABEL.to_owned(),
                self.rules.instance.clone(),
            )]);
            self.listing = Some((
                self.changes,
                around.machine.engine.list(&labels, around.now),
            ));
        }
    }

    /// Containers of tasks that the API does not know, in two lists, are removed.
    fn reap(&mut self) {
        let uids = self
            .lines
            .iter()
            .filter_map(|line| line.labels.get(names::TASK_UID_DOCKER_LABEL));
        let unknown: BTreeSet<String> = uids
            .filter(|uid| !self.book.contains_key(*uid))
            .cloned()
            .collect();
        for uid in unknown.intersection(&self.suspects) {
            let mut task = Task::new(
                Wanted::orphan(uid),
                TaskReport::default(),
                &of_task(&self.lines, uid),
            );
            task.discard();
            let entry = Entry::new(String::new(), task, None, 0);
            self.book.insert(uid.clone(), entry);
        }
        self.suspects = unknown;
    }

    /// Takes in what the watch showed.
    fn follow(&mut self, around: &mut Surroundings<'_>) {
        if self.followed == self.view.at {
            return;
        }
        self.followed = self.view.at;
        let mine: Vec<(u64, Rc<TaskObject>)> = self
            .view
            .tasks()
            .filter(|(_, task)| task.instance == self.rules.instance)
            .map(|(version, task)| (version, Rc::clone(task)))
            .collect();
        let known: BTreeSet<&str> = mine.iter().map(|(_, task)| task.uid.as_str()).collect();
        for (uid, entry) in &mut self.book {
            if entry.version > 0 && !known.contains(uid.as_str()) {
                entry.version = 0;
                entry.task.object_is_gone(around.now);
                entry.task.discard();
                entry.dirty = true;
            }
        }
        let news = mine.into_iter().filter(|(version, task)| {
            self.book
                .get(&task.uid)
                .is_none_or(|it| it.version != *version)
        });
        // What runs already is entered before anything new is admitted.
        let (old, new): (Vec<_>, Vec<_>) =
            news.partition(|(_, task)| !of_task(&self.lines, &task.uid).is_empty());
        for (version, object) in old.into_iter().chain(new) {
            self.take(version, &object, around);
        }
    }

    fn take(&mut self, version: u64, object: &TaskObject, around: &mut Surroundings<'_>) {
        let mut listed = of_task(&self.lines, &object.uid);
        if let Some(entry) = self.book.get_mut(&object.uid) {
            entry.version = version;
            entry.dirty = true;
            entry.hear_of_traffic(object, around);
            let lost = |stop: &Stop| stop.code == StopCode::TerminationNotice;
            if around.mutation != Mutation::RunOnAfterRejoin
                || !object.stop.as_ref().is_some_and(lost)
            {
                entry.task.tell_to_end(Catalog::end(object));
            }
            if object.is_stopped() && entry.task.report().state < TaskState::Stopped {
                entry.task.declared_stopped(object.status.clone());
                entry.told = Some(object.status.clone());
            }
            return;
        }
        let mut wanted = around.catalog.wanted(object);
        tamper::definition(around.mutation, &mut wanted);
        let mut care = Care::Taken;
        if !listed.is_empty() {
            self.ledger.enter(&wanted);
            if around.mutation == Mutation::NewNamesAfterRestart && self.life > 1 {
                wanted.revision += 1000 * i64::try_from(self.life).unwrap_or(1);
                listed.clear();
            }
        } else if !object.is_stopped() && wanted.end.is_none() {
            let capacity = if around.machine.memory == Memory::Taken {
                Capacity::default()
            } else {
                self.capacity
            };
            wanted.refusal = self.ledger.admit(&wanted, capacity).err();
            if let Some(why) = &wanted.refusal {
                around.history.say(around.now, || {
                    format!("{} refuses {}: {why}", self.link.actor, object.name)
                });
                self.refused.insert(object.uid.clone());
                if around.mutation == Mutation::KeepRefusalQuiet {
                    care = Care::Forgotten;
                }
                if around.mutation == Mutation::StartRefused {
                    wanted.refusal = None;
                }
            }
        }
        // What the agent told is all that it remembers.
        let task = Task::new(wanted, object.status.clone(), &listed);
        let name = object.name.clone();
        let mut entry = Entry::new(name, task, Some(object.status.clone()), version);
        entry.care = care;
        entry.hear_of_traffic(object, around);
        self.book.insert(object.uid.clone(), entry);
    }

    fn take_answers(&mut self, around: &mut Surroundings<'_>) {
        for (uid, container, outcome) in
            around
                .machine
                .answered(self.life, around.now, around.mutation)
        {
            self.changes += 1;
            if let Some(entry) = self.book.get_mut(&uid) {
                entry
                    .task
                    .done(&container, outcome, self.changes, around.now);
                entry.dirty = true;
            }
        }
    }

    fn step(&mut self, around: &mut Surroundings<'_>) {
        let life = self.life;
        for (uid, entry) in &mut self.book {
            entry.look_at_connections(around.random);
            let woken = entry.task.wake(around.now).is_none();
            if entry.care == Care::Forgotten || (!entry.dirty && woken) {
                continue;
            }
            entry.dirty = !woken;
            entry.stepped = true;
            let mut orders = entry.task.step(around.now);
            tamper::orders(around.mutation, &entry.task, &mut orders);
            for order in orders {
                self.signals.extend(entry.signal(&order, uid, around));
                let call = entry.send(order, (life, &self.rules), around);
                around.machine.calls.extend(call);
            }
        }
    }

    fn tell(&mut self, around: &mut Surroundings<'_>) {
        for (uid, entry) in &mut self.book {
            if !entry.stepped || entry.version == 0 || entry.write_at > around.now {
                continue;
            }
            // In the words of the API, whose times have whole seconds.
            let report = status::read(&status::write(entry.task.report(), "", None));
            if entry.told.as_ref() == Some(&report) {
                entry.stepped = false;
                continue;
            }
            let mut tell = |report: TaskReport| {
                around.api.write(&mut self.link, around.random, |api, by| {
                    api.report(&entry.name, uid, report, by)
                })
            };
            let later_on = later(around.now, RETRY);
            if tell(report.clone()).is_err() {
                entry.write_at = later_on;
                entry.delayed = Some(report);
                continue;
            }
            entry.told = Some(report);
            let delayed = entry.delayed.take();
            if around.mutation == Mutation::ReportOutOfOrder
                && let Some(old) = delayed.filter(|old| Some(old) != entry.told.as_ref())
                && tell(old).is_err()
            {
                entry.write_at = later_on;
            }
        }
    }

    fn tidy(&mut self) {
        for (uid, entry) in &self.book {
            if entry.task.is_down() || entry.task.is_discarded() {
                self.ledger.release(uid);
            }
        }
        self.book
            .retain(|_, entry| entry.version > 0 || !entry.task.is_discarded());
    }
}

fn of_task<'a>(lines: &'a [ContainerSummary], uid: &str) -> Listed<'a> {
    let label = |line: &'a ContainerSummary, name| line.labels.get(name).map(String::as_str);
    lines
        .iter()
        .filter(|line| label(line, names::TASK_UID_DOCKER_LABEL) == Some(uid))
        .filter_map(|line| Some((label(line, names::CONTAINER_DOCKER_LABEL)?, line)))
        .collect()
}

pub(super) fn later(now: Timestamp, time: SignedDuration) -> Timestamp {
    now.saturating_add(time).unwrap_or(now)
}
