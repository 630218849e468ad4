//! A rollout before it happens: what each step stops and starts, and whether it comes to an end.
//!
//! [`forecast`] asks [`plan`] again and again in a model world in which every task starts, is healthy after its time and
//! ends when it is told to. What the planner would do for real, with tasks that fare well, is therefore what it says here.

mod table;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Mark, Percents, Plan, Start, Target, Task, Wanted, plan};
use crate::domain::liveness::Presence;
use crate::domain::placement::Explanation;
use crate::domain::task::{Health, StopCode, TaskState};

/// Steps after which a rollout is not played any further.
const STEPS: usize = 1000;

/// Looks after which it is not: most looks make a step, or pass over a time in which nothing could be done.
const LOOKS: usize = 10_000;

/// What the rollout is played on: a copy of the instances and of what they hold, for everything on it is supposed.
pub trait Board {
    /// Places tasks of a deployment, in this order, and counts them. What fits nowhere is explained.
    fn place(&mut self, starts: &[Start], deployment: i64) -> Placed;

    /// These tasks were told to stop.
    fn stop(&mut self, tasks: &[String]);

    /// These tasks have ended: what they held is free.
    fn release(&mut self, tasks: &[&Task]);

    /// What the placement strategy sees of the place of a task now.
    fn marks(&self, task: &Task) -> Vec<Mark>;
}

/// What came of some starts.
#[derive(Debug, Default)]
pub struct Placed {
    /// Those that found an instance.
    pub sites: Vec<Site>,
    /// Why the first that found none did not.
    pub unplaced: Option<Explanation>,
}

/// Where a task starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// What was asked for.
    pub start: Start,
    /// Name of the task.
    pub task: String,
    /// Name of the instance.
    pub instance: String,
    /// Its availability zone.
    pub zone: Option<String>,
}

/// How fast the model world is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// From a start to RUNNING.
    pub starts: Duration,
    /// From RUNNING to HEALTHY, of new tasks with a health check; `None` for tasks without one.
    pub checks: Option<Duration>,
    /// From the word to the end.
    pub stops: Duration,
}

/// What a rollout is played from.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a> {
    /// What is wanted.
    pub wanted: &'a Wanted,
    /// Its id.
    pub deployment_id: &'a str,
    /// The service's tasks.
    pub tasks: &'a [Task],
    /// How fast they are.
    pub pace: Pace,
    /// The time.
    pub now: Timestamp,
}

/// A rollout, played to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Forecast {
    /// Tasks wanted.
    pub desired: u32,
    /// The bounds as they are written.
    pub percents: Percents,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// What becomes of it.
    pub end: End,
    /// Time from the beginning to the end.
    pub took: Duration,
    /// Healthy tasks at the end.
    pub healthy: usize,
    /// Tasks at the end.
    pub live: usize,
}

/// One pass of the planner that does something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Time since the beginning.
    pub at: Duration,
    /// Tasks that are told to stop.
    pub stops: Vec<String>,
    /// Tasks that are started.
    pub starts: Vec<String>,
    /// Starts for which there is no room now.
    pub unplaced: usize,
    /// Healthy tasks that are left.
    pub healthy: usize,
    /// Tasks that are there, those that stop and those that start among them.
    pub live: usize,
}

/// What becomes of a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// All that is wanted runs, healthy and alone.
    Completed,
    /// The percents allow neither a stop nor a start: why, and which pair would.
    CannotMove(String),
    /// A task fits nowhere, and nothing will make room for it.
    NoRoom(Explanation),
    /// It waits for something that does not come by itself.
    Waits(String),
    /// It goes on after so many steps that it was not played further.
    GoesOn,
}

/// Plays the rollout of what is wanted from what is there.
pub fn forecast(opening: Opening<'_>, board: &mut dyn Board) -> Forecast {
    let mut model = Model {
        pace: opening.pace,
        wanted: opening.wanted.clone(),
        tasks: opening.tasks.to_vec(),
        due: BTreeMap::new(),
        now: opening.now,
    };
    let since = |now: Timestamp| {
        Duration::try_from(now.duration_since(opening.now)).unwrap_or(Duration::ZERO)
    };
    let mut steps = Vec::new();
    let mut end = End::GoesOn;
    for _ in 0..LOOKS {
        let plan = model.look(opening.deployment_id, board);
        let waits = plan.waiting_for(&model.wanted, &model.tasks, model.now);
        let (stopped, placed) = model.perform(&plan, board);
        let starts: Vec<String> = placed.sites.iter().map(|site| site.task.clone()).collect();
        let asked = plan.starts.len() + plan.restarts.len();
        if !stopped.is_empty() || !starts.is_empty() {
            steps.push(Step {
                at: since(model.now),
                unplaced: asked.saturating_sub(starts.len()),
                stops: stopped,
                starts,
                healthy: model.healthy(),
                live: model.live(),
            });
        } else if plan.steady {
            end = End::Completed;
            break;
        }
        if steps.len() == STEPS {
            break;
        }
        let Some(next) = model.next(&plan) else {
            end = stuck(&plan, placed.unplaced, waits);
            break;
        };
        model.now = next.max(model.now);
        model.settle(board);
    }
    Forecast {
        desired: model.wanted.desired,
        percents: model.wanted.percents(),
        took: since(model.now),
        healthy: model.healthy(),
        live: model.live(),
        steps,
        end,
    }
}

/// A world in which everything goes well.
struct Model {
    pace: Pace,
    wanted: Wanted,
    tasks: Vec<Task>,
    /// When each task that is in transit arrives.
    due: BTreeMap<String, Timestamp>,
    now: Timestamp,
}

impl Model {
    fn look(&mut self, deployment_id: &str, board: &dyn Board) -> Plan {
        for task in &mut self.tasks {
            task.marks = board.marks(task);
        }
        if let Some(daemons) = self.wanted.scheduling.daemons(&self.tasks) {
            self.wanted.desired = daemons;
        }
        plan(
            &self.wanted,
            deployment_id,
            &self.tasks,
            &BTreeMap::new(),
            self.now,
        )
    }

    /// Carries a plan out, as far as there is room: the tasks that stop, and those that start.
    fn perform(&mut self, plan: &Plan, board: &mut dyn Board) -> (Vec<String>, Placed) {
        let stops: Vec<String> = plan.stops.iter().map(|stop| stop.name.clone()).collect();
        let stopped = self.tasks.iter_mut();
        for task in stopped.filter(|task| stops.contains(&task.name)) {
            task.stopping = true;
            self.due.remove(&task.name);
        }
        if !stops.is_empty() {
            board.stop(&stops);
        }
        let mut placed = Placed::default();
        let deployments = [
            (Some(self.wanted.deployment), &plan.starts),
            (self.wanted.completed_before, &plan.restarts),
        ];
        for (deployment, starts) in deployments {
            let Some(deployment) = deployment.filter(|_| !starts.is_empty()) else {
                continue;
            };
            let more = board.place(starts, deployment);
            for site in &more.sites {
                self.tasks.push(self.started(site, deployment));
            }
            placed.sites.extend(more.sites);
            placed.unplaced = placed.unplaced.or(more.unplaced);
        }
        for task in &self.tasks {
            note(task, self.pace, self.now, &mut self.due);
        }
        (stops, placed)
    }

    fn started(&self, site: &Site, deployment: i64) -> Task {
        Task {
            name: site.task.clone(),
            deployment,
            slot: site.start.slot,
            attempt: site.start.attempt,
            state: TaskState::Pending,
            stopping: false,
            checked: self.pace.checks.is_some(),
            health: Health::Unknown,
            target: None,
            failing_group: None,
            instance: site.instance.clone(),
            zone: site.zone.clone(),
            marks: Vec::new(),
            protected_until: None,
            presence: Presence::Connected,
            replaced_when: super::ReplacedWhen::default(),
            draining: false,
            created_at: self.now,
            started_at: None,
            healthy_since: None,
            stopped_at: None,
            stop_code: None,
            ending: super::Ending::default(),
        }
    }

    /// When something changes next.
    fn next(&self, plan: &Plan) -> Option<Timestamp> {
        self.due.values().copied().chain(plan.wake_at).min()
    }

    /// What is due now happens, and what follows from it at once.
    fn settle(&mut self, board: &mut dyn Board) {
        let mut ended = Vec::new();
        for task in &mut self.tasks {
            let before = task.state;
            while self.due.get(&task.name).is_some_and(|due| *due <= self.now) {
                self.due.remove(&task.name);
                arrive(task, self.now);
                note(task, self.pace, self.now, &mut self.due);
            }
            if before != task.state && task.state == TaskState::Stopped {
                ended.push(&*task);
            }
        }
        if !ended.is_empty() {
            board.release(&ended);
        }
    }

    fn healthy(&self) -> usize {
        let healthy = |task: &&Task| task.is_healthy(self.wanted.healthy_after, self.now);
        self.tasks.iter().filter(healthy).count()
    }

    fn live(&self) -> usize {
        self.tasks.iter().filter(|task| task.is_live()).count()
    }
}

/// Why nothing will change any more.
fn stuck(plan: &Plan, unplaced: Option<Explanation>, waits: Option<String>) -> End {
    let waits = || waits.unwrap_or_else(|| "something that is not known here".to_owned());
    match unplaced {
        Some(unplaced) => End::NoRoom(unplaced),
        None if plan.blocked => End::CannotMove(waits()),
        None => End::Waits(waits()),
    }
}

/// What a task is about to do.
enum Transit {
    Starts,
    Proves,
    Ends,
}

/// Where a task goes by itself; nowhere where its agent is not heard.
fn transit(task: &Task) -> Option<Transit> {
    if task.presence != Presence::Connected || task.state == TaskState::Stopped {
        None
    } else if task.stopping || task.state >= TaskState::Deactivating {
        Some(Transit::Ends)
    } else if task.state < TaskState::Running {
        Some(Transit::Starts)
    } else if (task.checked && task.health == Health::Unknown)
        || task.target == Some(Target::Initial)
    {
        Some(Transit::Proves)
    } else {
        None
    }
}

/// Notes when a task that goes somewhere arrives.
fn note(task: &Task, pace: Pace, now: Timestamp, due: &mut BTreeMap<String, Timestamp>) {
    let takes = match transit(task) {
        Some(Transit::Ends) => pace.stops,
        Some(Transit::Starts) => pace.starts,
        Some(Transit::Proves) => pace.checks.unwrap_or_default(),
        None => return,
    };
    due.entry(task.name.clone())
        .or_insert_with(|| after(now, takes));
}

fn arrive(task: &mut Task, now: Timestamp) {
    match transit(task) {
        Some(Transit::Ends) => {
            task.state = TaskState::Stopped;
            task.stopped_at = Some(now);
            task.stop_code = Some(StopCode::ServiceSchedulerInitiated);
        }
        Some(Transit::Starts) => {
            task.state = TaskState::Running;
            task.started_at = Some(now);
        }
        Some(Transit::Proves) => {
            task.health = Health::Healthy;
            task.healthy_since = Some(now);
            task.target = task.target.map(|_| Target::Healthy);
        }
        None => {}
    }
}

fn after(now: Timestamp, time: Duration) -> Timestamp {
    let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
    now.saturating_add(time).unwrap_or(now)
}

#[cfg(test)]
pub(super) mod tests;
