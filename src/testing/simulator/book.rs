//! A task in an agent's book, and its calls on their way to the engine.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

use super::agent::{Surroundings, later};
use super::machine::InFlight;
use super::mutation::Mutation;
use super::objects::TaskObject;
use super::order::outlives;
use super::random::Random;
use crate::agent::step::{Call, ContainerStatus, GroupFound, Order, Reach, TaskReport};
use crate::agent::task::Task;
use crate::agent::wanted::Rules;
use crate::api::task::TaskTraffic;
use crate::domain::traffic::PATIENCE;
use crate::domain::traffic::check::Group;

const DEADLINE: SignedDuration = SignedDuration::from_secs(30);

/// Whether anything is done for a task and told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Care {
    Taken,
    /// By mistake.
    Forgotten,
}

/// A container was told to end.
pub(super) struct Signal {
    /// Name of its task.
    pub(super) task: String,
    /// UID of its task.
    pub(super) uid: String,
    /// Its name in the definition.
    pub(super) container: String,
    /// A container that waited for it, and lives.
    pub(super) outlived_by: Option<String>,
    /// Its task died by itself, or no controller took its endpoints away for too long.
    pub(super) is_excused: bool,
}

/// A task of this instance.
pub(super) struct Entry {
    pub(super) task: Task,
    /// The report that stands in the API, as far as is known.
    pub(super) told: Option<TaskReport>,
    /// The version of its object that was taken in; 0 of a task that is gone.
    pub(super) version: u64,
    pub(super) write_at: Timestamp,
    pub(super) dirty: bool,
    /// There may be something to tell.
    pub(super) stepped: bool,
    /// Name of its object.
    pub(super) name: String,
    pub(super) care: Care,
    /// A report that could not be told at its time.
    pub(super) delayed: Option<TaskReport>,
}

impl Entry {
    pub(super) const fn new(
        name: String,
        task: Task,
        told: Option<TaskReport>,
        version: u64,
    ) -> Self {
        Self {
            task,
            told,
            version,
            write_at: Timestamp::UNIX_EPOCH,
            dirty: true,
            stepped: true,
            name,
            care: Care::Taken,
            delayed: None,
        }
    }

    /// Takes in what the controller says of the task's traffic, and where its target is.
    pub(super) fn hear_of_traffic(&mut self, object: &TaskObject, around: &Surroundings<'_>) {
        let time = |at: Option<Timestamp>| at.map(MicroTime);
        let mut traffic = TaskTraffic {
            registered_at: time(object.traffic.registered_at),
            deregistered_at: time(object.traffic.deregistered_at),
            deregistration_delay_seconds: Some(20),
        };
        if around.mutation == Mutation::SignalAtOnce && object.is_ending() {
            traffic.registered_at = None;
            traffic.deregistered_at = Some(MicroTime(around.now));
        }
        self.task.told_of_traffic(&traffic, around.now);
        self.task.reached(&Reach::At("10.0.0.1".to_owned()));
        let group = Group {
            check: None,
            deregistration_delay: Duration::from_secs(20),
        };
        self.task.find_groups(|_| GroupFound::Found(group.clone()));
    }

    /// By chance nobody has a connection to it any more.
    pub(super) fn look_at_connections(&mut self, random: &mut Random) {
        if self.task.looks_at_connections() && random.chance(30) {
            self.task.has_no_connections();
            self.dirty = true;
        }
    }

    /// What a call means for whoever sends requests, if it ends something.
    pub(super) fn signal(
        &self,
        order: &Order,
        uid: &str,
        around: &Surroundings<'_>,
    ) -> Option<Signal> {
        match order.call {
            Call::Stop { .. } | Call::Kill => {}
            Call::Supply
            | Call::Pull
            | Call::Inspect
            | Call::Create
            | Call::Start
            | Call::Remove => {
                return None;
            }
        }
        let report = self.task.report();
        let (container, definition) = (&order.container, &self.task.wanted().definition);
        let mut essential = definition.containers.iter().filter(|it| it.essential);
        let died = essential.any(|it| {
            let mut told = report.containers.iter();
            told.any(|told| told.name == it.name && told.status == ContainerStatus::Stopped)
        });
        let patience = SignedDuration::try_from(PATIENCE).unwrap_or(SignedDuration::MAX);
        let waited = report
            .stopping_at
            .is_none_or(|at| later(at, patience) <= around.now);
        let engine_name = |other: &str| self.task.engine_name(other).map(ToOwned::to_owned);
        let outlived_by = report
            .stop
            .as_ref()
            .and_then(|_| outlives(container, definition, engine_name, around.machine));
        Some(Signal {
            task: self.name.clone(),
            uid: uid.to_owned(),
            container: container.clone(),
            outlived_by,
            is_excused: died || waited,
        })
    }

    /// Sends a call on its way.
    pub(super) fn send(
        &self,
        order: Order,
        (life, rules): (u64, &Rules),
        around: &mut Surroundings<'_>,
    ) -> Option<InFlight> {
        let name = self.task.engine_name(&order.container)?.to_owned();
        let wanted = self.task.wanted();
        let container = wanted
            .container(&order.container)
            .filter(|_| matches!(order.call, Call::Pull | Call::Create));
        let spec = container.map(|container| wanted.spec(container, rules));
        let (now, random) = (around.now, &mut *around.random);
        around
            .history
            .say(now, || format!("calls {:?} {name}", order.call));
        let slow = if order.call == Call::Pull { 4000 } else { 400 };
        let arrives = later(now, random.time(0, slow));
        let lost = random.chance(around.lossy);
        let request_lost = lost && random.chance(50);
        // A stop is answered when the container has ended, so its grace is part of its deadline.
        let patience = match order.call {
            Call::Stop { grace } => SignedDuration::try_from(grace)
                .unwrap_or(DEADLINE)
                .saturating_add(DEADLINE),
            Call::Supply
            | Call::Pull
            | Call::Inspect
            | Call::Create
            | Call::Start
            | Call::Kill
            | Call::Remove => DEADLINE,
        };
        Some(InFlight {
            uid: wanted.uid.clone(),
            spec,
            container: order.container,
            name,
            call: order.call,
            life,
            arrives,
            answers: later(arrives, random.time(0, 400)),
            deadline: later(now, patience),
            request_lost,
            answer_lost: lost && !request_lost,
            outcome: None,
            abandoned: false,
        })
    }
}
