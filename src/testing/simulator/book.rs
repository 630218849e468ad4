//! A task in an agent's book, and its calls on their way to the engine.

use jiff::{SignedDuration, Timestamp};

use super::agent::{Surroundings, later};
use super::machine::InFlight;
use crate::agent::step::{Call, Order, TaskReport};
use crate::agent::task::Task;

const DEADLINE: SignedDuration = SignedDuration::from_secs(30);

/// Whether anything is done for a task and told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Care {
    Taken,
    /// By mistake.
    Forgotten,
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

    /// Sends a call on its way.
    pub(super) fn send(
        &self,
        order: Order,
        life: u64,
        around: &mut Surroundings<'_>,
    ) -> Option<InFlight> {
        let name = self.task.engine_name(&order.container)?.to_owned();
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
            wanted: self.task.wanted().clone(),
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
