//! Which tasks to stop first, where any would do, and with which words.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Cause, StopTask, Task, Wanted};
use crate::domain::events;
use crate::domain::liveness::Presence;
use crate::domain::placement::MAXIMUM_STRATEGIES;
use crate::domain::task::{Stop, StopCode, TaskState};

/// Tasks of a deployment by how much they are worth.
pub(super) struct Sorted<'a> {
    /// Their health checks fail, and their grace period is over.
    pub(super) unhealthy: Vec<&'a Task>,
    /// They do not run, or are not healthy yet.
    pub(super) starting: Vec<&'a Task>,
    /// They count towards the lower bound.
    pub(super) healthy: Vec<&'a Task>,
}

impl<'a> Sorted<'a> {
    pub(super) fn of(tasks: &[&'a Task], wanted: &Wanted, now: Timestamp) -> Self {
        let mut sorted = Self {
            unhealthy: Vec::new(),
            starting: Vec::new(),
            healthy: Vec::new(),
        };
        for task in tasks.iter().copied() {
            if task.is_unfit(wanted, now) {
                sorted.unhealthy.push(task);
            } else if task.is_healthy(wanted.healthy_after, now) {
                sorted.healthy.push(task);
            } else {
                sorted.starting.push(task);
            }
        }
        sorted
    }

    /// The `count` tasks that a scale-in takes, of those that may go: unhealthy ones, within their grace period too, then
    /// those that have not started, then the rest.
    pub(super) fn first_to_go(
        &self,
        active: &[&Task],
        count: usize,
        may_go: impl Fn(&Task) -> bool,
    ) -> Vec<&'a Task> {
        let of = |group: &[&'a Task], belongs: &dyn Fn(&Task) -> bool| {
            let belong = group.iter().filter(|task| belongs(task) && may_go(task));
            belong.copied().collect::<Vec<_>>()
        };
        let groups = [
            of(&self.unhealthy, &|_| true),
            of(&self.starting, &Task::is_unhealthy),
            of(&self.starting, &|task| !task.is_running()),
            of(&self.starting, &|task| {
                task.is_running() && !task.is_unhealthy()
            }),
            of(&self.healthy, &|_| true),
        ];
        take(&groups, active, count)
    }
}

/// `count` tasks of these groups, the first group first.
pub(super) fn take<'a>(groups: &[Vec<&'a Task>], active: &[&Task], count: usize) -> Vec<&'a Task> {
    let mut chosen = Vec::new();
    for group in groups {
        let more = count.saturating_sub(chosen.len());
        chosen.extend(most_crowded(group, active, more));
    }
    chosen
}

/// Stops of tasks whose instance is lost: they are replaced, and end for good should the instance come back.
pub(super) fn lost(tasks: &[Task]) -> Vec<StopTask> {
    tasks
        .iter()
        .filter(|task| is_lost(task) && !task.stopping && task.state != TaskState::Stopped)
        .map(|task| StopTask {
            name: task.name.clone(),
            stop: Stop {
                code: StopCode::TerminationNotice,
                reason: events::host_lost(&task.instance),
            },
            cause: Cause::InstanceLost,
        })
        .collect()
}

fn is_lost(task: &Task) -> bool {
    task.presence == Presence::Lost
}

/// Adds the stops of these tasks, for one cause and with one reason.
pub(super) fn push(stops: &mut Vec<StopTask>, tasks: &[&Task], (cause, reason): &(Cause, String)) {
    stops.extend(tasks.iter().map(|task| StopTask {
        name: task.name.clone(),
        stop: Stop {
            code: StopCode::ServiceSchedulerInitiated,
            reason: reason.clone(),
        },
        cause: *cause,
    }));
}

/// Adds the stops of these tasks, each with the check that it fails.
pub(super) fn push_unhealthy(stops: &mut Vec<StopTask>, tasks: &[&Task]) {
    for task in tasks {
        push(stops, &[task], &(Cause::Unhealthy, task.failed_check()));
    }
}

/// What one rule of a placement strategy sees of a task's place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// The value of what tasks are spread over; a task without one is in a bucket of its own.
    Bucket(Option<String>),
    /// How much of what is packed is left on its instance.
    Left(u64),
    /// A draw.
    Drawn(u64),
}

/// The first `count` of `candidates` to stop, so that the rest stays placed as the service wants it: for a rule that
/// spreads, from the value with the most active tasks of the service; for one that packs, from the instance with the most
/// left; then the newest (ECS Developer Guide, "Task placement strategies", and API Reference, `UpdateService`, for a
/// service without a strategy: its marks are its zone and its instance).
pub(super) fn most_crowded<'a: 'b, 'b>(
    candidates: &[&'a Task],
    active: &[&'b Task],
    count: usize,
) -> Vec<&'a Task> {
    if count == 0 {
        return Vec::new();
    }
    let mut crowds = Crowds::default();
    for task in active {
        for rule in crowds.rules_of(task) {
            crowds.add(rule);
        }
    }
    // Tasks in the same place differ in their age alone.
    let mut cells: BTreeMap<(&[Mark], &str), Vec<&'a Task>> = BTreeMap::new();
    for task in candidates.iter().copied() {
        let cell = cells.entry((&task.marks, &task.instance));
        cell.or_default().push(task);
    }
    let mut cells: Vec<Cell<'a>> = cells
        .into_values()
        .map(|tasks| Cell::new(tasks, &mut crowds))
        .collect();
    let mut chosen = Vec::new();
    while chosen.len() < count {
        let fullest = cells.iter_mut().max_by_key(|cell| cell.weight(&crowds));
        let Some(task) = fullest.and_then(|cell| cell.pop(&mut crowds)) else {
            break;
        };
        chosen.push(task);
    }
    chosen
}

/// How many active tasks of the service have each mark.
#[derive(Default)]
struct Crowds<'b> {
    index: BTreeMap<(usize, &'b Mark), usize>,
    counts: Vec<u64>,
}

/// A rule's mark, ready to be weighed again and again.
#[derive(Clone, Copy)]
enum Weighed {
    /// By the tasks in this crowd.
    Crowd(usize),
    /// By this.
    Fixed(u64),
    /// By this, and more once a task of the place has gone.
    Left(u64),
}

impl<'b> Crowds<'b> {
    fn rules_of(&mut self, task: &'b Task) -> Vec<Weighed> {
        let rules = task.marks.iter().enumerate();
        rules
            .map(|(rule, mark)| match mark {
                Mark::Bucket(_) => Weighed::Crowd(self.crowd(rule, mark)),
                Mark::Left(left) => Weighed::Left(*left),
                Mark::Drawn(draw) => Weighed::Fixed(*draw),
            })
            .collect()
    }

    fn crowd(&mut self, rule: usize, mark: &'b Mark) -> usize {
        let next = self.counts.len();
        let crowd = *self.index.entry((rule, mark)).or_insert(next);
        if crowd == next {
            self.counts.push(0);
        }
        crowd
    }

    fn add(&mut self, rule: Weighed) {
        if let Some(count) = self.count(rule) {
            *count += 1;
        }
    }

    fn remove(&mut self, rule: Weighed) {
        if let Some(count) = self.count(rule) {
            *count = count.saturating_sub(1);
        }
    }

    fn count(&mut self, rule: Weighed) -> Option<&mut u64> {
        match rule {
            Weighed::Crowd(crowd) => self.counts.get_mut(crowd),
            Weighed::Fixed(_) | Weighed::Left(_) => None,
        }
    }
}

/// Candidates in the same place, the newest last.
struct Cell<'a> {
    tasks: Vec<&'a Task>,
    rules: Vec<Weighed>,
    /// One was chosen already.
    touched: bool,
}

impl<'a> Cell<'a> {
    fn new<'b>(mut tasks: Vec<&'a Task>, crowds: &mut Crowds<'b>) -> Self
    where
        'a: 'b,
    {
        tasks.sort_by_key(|task| (task.created_at, &task.name));
        let rules = tasks.last().map(|task| crowds.rules_of(task));
        Self {
            tasks,
            rules: rules.unwrap_or_default(),
            touched: false,
        }
    }

    fn pop(&mut self, crowds: &mut Crowds<'_>) -> Option<&'a Task> {
        let task = self.tasks.pop()?;
        self.rules.iter().for_each(|rule| crowds.remove(*rule));
        self.touched = true;
        Some(task)
    }

    /// How much the rules want a task of this cell to go, the first rule before the second; `None` once all have gone.
    fn weight(
        &self,
        crowds: &Crowds<'_>,
    ) -> Option<([u64; MAXIMUM_STRATEGIES], Timestamp, &'a str)> {
        let newest = self.tasks.last()?;
        let mut weights = [0; MAXIMUM_STRATEGIES];
        for (weight, rule) in weights.iter_mut().zip(&self.rules) {
            *weight = match *rule {
                Weighed::Crowd(crowd) => crowds.counts.get(crowd).copied().unwrap_or(0),
                Weighed::Left(left) => left.saturating_add(self.touched.into()),
                Weighed::Fixed(draw) => draw,
            };
        }
        Some((weights, newest.created_at, newest.name.as_str()))
    }
}
