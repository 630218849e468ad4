//! Whole rollouts, step by step, as the published examples tell them.

mod machines;

use machines::Machines;
use proptest::prelude::*;

use super::*;
use crate::domain::service::tests::{World, at, planned, rollout, task, wanted};
use crate::domain::service::{DaemonInstance, Scheduling};

/// At once but for the 40 seconds after which a task without a health check counts.
const UNCHECKED: Pace = Pace {
    starts: Duration::ZERO,
    checks: None,
    stops: Duration::ZERO,
};

fn old_tasks(wanted: &Wanted) -> Vec<Task> {
    (0..i64::from(wanted.desired)).map(task).collect()
}

fn played(wanted: &Wanted, tasks: &[Task], slots: usize, pace: Pace) -> Forecast {
    let opening = Opening {
        wanted,
        deployment_id: "ecs-svc/1",
        tasks,
        pace,
        now: at(100),
    };
    forecast(opening, &mut Machines::with(slots, tasks))
}

/// On a cluster with room for everything.
fn roomy(desired: u32, minimum: u32, maximum: u32) -> String {
    let wanted = rollout(desired, minimum, maximum);
    let tasks = old_tasks(&wanted);
    played(&wanted, &tasks, 100, UNCHECKED).to_string()
}

/// On a cluster that the tasks fill: another one finds no room before one has ended.
fn full(desired: u32, minimum: u32, maximum: u32) -> String {
    let wanted = rollout(desired, minimum, maximum);
    let mut tasks = old_tasks(&wanted);
    let others = (0..3 - i64::from(desired)).map(|number| Task {
        name: format!("other{number}"),
        instance: format!("i{}", 2 - number),
        ..task(0)
    });
    let all: Vec<Task> = tasks.iter().cloned().chain(others).collect();
    for (task, number) in tasks.iter_mut().zip(0..) {
        task.instance = format!("i{number}");
    }
    let opening = Opening {
        wanted: &wanted,
        deployment_id: "ecs-svc/1",
        tasks: &tasks,
        pace: UNCHECKED,
        now: at(100),
    };
    forecast(opening, &mut Machines::with(1, &all)).to_string()
}

fn assert_reads(found: &str, expected: &str) {
    let lines: Vec<&str> = expected.lines().map(str::trim).collect();
    let found: Vec<&str> = found.lines().map(str::trim).collect();
    assert_eq!(found, lines, "\n{}", found.join("\n"));
}

#[test]
fn two_tasks_at_50_and_100_percent_are_replaced_one_by_one_stopping_first() {
    let expected = "2 tasks at 50/100 percent: keeps 1 healthy, allows 2
        step     time  stop  start  healthy  live
        1       0s     1      0        1     2
        2       0s     0      1        1     2
        3      40s     1      0        1     2
        4      40s     0      1        1     2
        completed after 4 steps and 1m20s: 2 healthy, 2 live";
    assert_reads(&roomy(2, 50, 100), expected);
    // It makes its own room.
    assert_reads(&full(2, 50, 100), expected);
}

#[test]
fn three_tasks_at_66_and_100_percent_keep_two_and_at_67_percent_cannot_move() {
    let expected = "3 tasks at 66/100 percent: keeps 2 healthy, allows 3
        step     time  stop  start  healthy  live
        1       0s     1      0        2     3
        2       0s     0      1        2     3
        3      40s     1      0        2     3
        4      40s     0      1        2     3
        5    1m20s     1      0        2     3
        6    1m20s     0      1        2     3
        completed after 6 steps and 2m00s: 3 healthy, 3 live";
    assert_reads(&roomy(3, 66, 100), expected);
    assert_reads(&full(3, 66, 100), expected);
    let expected = "3 tasks at 67/100 percent: keeps 3 healthy, allows 3
        cannot begin: deploymentConfiguration: minimumHealthyPercent/maximumPercent 67/100 of 3 tasks keeps 3 healthy and allows 3, which leaves no room to replace one: use 67/134 to start one first, or 66/100 to stop one first";
    assert_reads(&roomy(3, 67, 100), expected);
    assert_reads(&full(3, 67, 100), expected);
}

#[test]
fn two_tasks_at_100_and_200_percent_are_doubled_if_there_is_room() {
    let expected = "2 tasks at 100/200 percent: keeps 2 healthy, allows 4
        step     time  stop  start  healthy  live
        1       0s     0      2        2     4
        2      40s     2      0        2     4
        completed after 2 steps and 40s: 2 healthy, 2 live";
    assert_reads(&roomy(2, 100, 200), expected);
    assert_reads(&full(2, 100, 200), "2 tasks at 100/200 percent: keeps 2 healthy, allows 4
        cannot begin: a task finds no instance. The closest matching (container-instance i0) has insufficient memory available. Of 3 instances: RESOURCE:MEMORY on 3.");
}

#[test]
fn two_tasks_at_100_and_150_percent_are_replaced_one_by_one_starting_first() {
    let expected = "2 tasks at 100/150 percent: keeps 2 healthy, allows 3
        step     time  stop  start  healthy  live
        1       0s     0      1        2     3
        2      40s     1      0        2     3
        3      40s     0      1        2     3
        4    1m20s     1      0        2     3
        completed after 4 steps and 1m20s: 2 healthy, 2 live";
    assert_reads(&roomy(2, 100, 150), expected);
    assert_reads(&full(2, 100, 150), "2 tasks at 100/150 percent: keeps 2 healthy, allows 3
        cannot begin: a task finds no instance. The closest matching (container-instance i0) has insufficient memory available. Of 3 instances: RESOURCE:MEMORY on 3.");
}

#[test]
fn one_task_at_100_and_199_percent_cannot_move_and_at_200_percent_starts_first() {
    let expected = "1 task at 100/199 percent: keeps 1 healthy, allows 1
        cannot begin: deploymentConfiguration: minimumHealthyPercent/maximumPercent 100/199 of 1 tasks keeps 1 healthy and allows 1, which leaves no room to replace one: use 100/200 to start one first, or 0/199 to stop one first";
    assert_reads(&roomy(1, 100, 199), expected);
    assert_reads(&full(1, 100, 199), expected);
    let expected = "1 task at 100/200 percent: keeps 1 healthy, allows 2
        step     time  stop  start  healthy  live
        1       0s     0      1        1     2
        2      40s     1      0        1     2
        completed after 2 steps and 40s: 1 healthy, 1 live";
    assert_reads(&roomy(1, 100, 200), expected);
}

/// A DAEMON service on three instances.
fn daemons(minimum: u32, slots: usize, tasks: &[Task]) -> Forecast {
    let instances = (0..3).map(|number| DaemonInstance {
        name: format!("i{number}"),
        slot: number,
        open: true,
    });
    let scheduling = Scheduling::Daemon {
        instances: instances.collect(),
    };
    let wanted = Wanted {
        scheduling,
        ..rollout(3, minimum, 100)
    };
    played(&wanted, tasks, slots, UNCHECKED)
}

#[test]
fn daemons_are_stopped_first_instance_by_instance_as_the_lower_bound_allows() {
    let tasks: Vec<Task> = (0..3).map(task).collect();
    let all_at_once = "3 tasks at 0/100 percent: keeps 0 healthy, allows 3
        step     time  stop  start  healthy  live
        1       0s     3      0        0     3
        2       0s     0      3        0     3
        completed after 2 steps and 40s: 3 healthy, 3 live";
    assert_reads(&daemons(0, 100, &tasks).to_string(), all_at_once);
    assert_reads(&daemons(0, 1, &tasks).to_string(), all_at_once);
    let one_by_one = "3 tasks at 66/100 percent: keeps 2 healthy, allows 3
        step     time  stop  start  healthy  live
        1       0s     1      0        2     3
        2       0s     0      1        2     3
        3      40s     1      0        2     3
        4      40s     0      1        2     3
        5    1m20s     1      0        2     3
        6    1m20s     0      1        2     3
        completed after 6 steps and 2m00s: 3 healthy, 3 live";
    assert_reads(&daemons(66, 1, &tasks).to_string(), one_by_one);
    let nowhere = "3 tasks at 100/100 percent: keeps 3 healthy, allows 3
        cannot begin: deploymentConfiguration: minimumHealthyPercent/maximumPercent 100/100 of 3 tasks keeps 3 healthy and allows 3, which leaves no room to replace one: use 66/100 to stop one first";
    assert_reads(&daemons(100, 1, &tasks).to_string(), nowhere);
    let no_room = "3 tasks at 0/100 percent: keeps 0 healthy, allows 3
        cannot begin: a task finds no instance. The closest matching (container-instance i0) has insufficient memory available. Of 1 instances: RESOURCE:MEMORY on 1.";
    assert_reads(&daemons(0, 0, &[]).to_string(), no_room);
}

#[test]
fn room_for_one_more_task_is_used_again_and_again() {
    // Three tasks on three instances with four places in all.
    let wanted = rollout(3, 100, 200);
    let tasks = old_tasks(&wanted);
    let mut ground = Machines::with(2, &tasks);
    for number in 0..2 {
        let other = format!("other{number}");
        ground.held.insert(other, format!("i{number}"));
    }
    let opening = Opening {
        wanted: &wanted,
        deployment_id: "ecs-svc/1",
        tasks: &tasks,
        pace: UNCHECKED,
        now: at(100),
    };
    assert_reads(
        &forecast(opening, &mut ground).to_string(),
        "3 tasks at 100/200 percent: keeps 3 healthy, allows 6
        step     time  stop  start  healthy  live
        1       0s     0      1        3     4  no room for 2
        2      40s     1      0        3     4  no room for 2
        3      40s     0      1        3     4  no room for 1
        4    1m20s     1      0        3     4  no room for 1
        5    1m20s     0      1        3     4
        6    2m00s     1      0        3     4
        completed after 6 steps and 2m00s: 3 healthy, 3 live",
    );
}

#[test]
fn a_new_service_with_a_health_check_takes_the_time_of_its_first_check() {
    let wanted = wanted(2);
    let pace = Pace {
        starts: Duration::from_secs(1),
        checks: Some(Duration::from_secs(5)),
        stops: Duration::from_secs(2),
    };
    assert_reads(
        &played(&wanted, &[], 100, pace).to_string(),
        "2 tasks at 100/200 percent: keeps 2 healthy, allows 4
        step     time  stop  start  healthy  live
        1       0s     0      2        0     2
        completed after 1 step and 6s: 2 healthy, 2 live",
    );
    let steady = played(&wanted, &old_tasks(&wanted), 100, pace);
    assert_reads(
        &steady.to_string(),
        "2 tasks at 100/200 percent: keeps 2 healthy, allows 4
        nothing to do: 2 healthy, 2 live",
    );
}

#[test]
fn a_protected_task_holds_the_rollout_up_until_its_protection_ends() {
    let wanted = rollout(2, 100, 200);
    let mut tasks = old_tasks(&wanted);
    tasks[0].protected_until = Some(at(100 + 7200));
    assert_reads(
        &played(&wanted, &tasks, 100, UNCHECKED).to_string(),
        "2 tasks at 100/200 percent: keeps 2 healthy, allows 4
        step     time  stop  start  healthy  live
        1       0s     0      2        2     4
        2      40s     1      0        3     4
        3    2h00m     1      0        2     3
        completed after 3 steps and 2h00m: 2 healthy, 2 live",
    );
}

#[test]
fn a_task_on_an_instance_whose_agent_is_silent_is_waited_for() {
    let wanted = rollout(1, 0, 100);
    let mut tasks = old_tasks(&wanted);
    tasks[0].presence = Presence::Disconnected;
    assert_reads(
        &played(&wanted, &tasks, 100, UNCHECKED).to_string(),
        "1 task at 0/100 percent: keeps 0 healthy, allows 1
        step     time  stop  start  healthy  live
        1       0s     1      0        0     1
        stuck after 1 step: waits for 1 task to end",
    );
}

proptest! {
    #[test]
    fn every_step_keeps_the_bounds_and_no_instance_takes_more_than_it_has_room_for(
        before in 0_u32..10,
        desired in 0_u32..10,
        minimum in 0_u32..=100,
        maximum in 100_u32..=300,
        slots in 1_usize..6,
    ) {
        let wanted = rollout(desired, minimum, maximum);
        let tasks: Vec<Task> = (0..i64::from(before)).map(task).take(3 * slots).collect();
        let mut ground = Machines::with(slots, &tasks);
        let opening = Opening { wanted: &wanted, deployment_id: "ecs-svc/1", tasks: &tasks, pace: UNCHECKED, now: at(100) };
        let played = forecast(opening, &mut ground);
        let (mut healthy, mut live) = (tasks.len(), tasks.len());
        for step in &played.steps {
            prop_assert!(step.healthy >= wanted.lower_bound().min(healthy), "{played}");
            prop_assert!(step.live <= wanted.upper_bound().max(live), "{played}");
            prop_assert!(step.live <= 3 * slots, "{played}");
            (healthy, live) = (step.healthy, step.live);
        }
        let there = usize::try_from(desired).unwrap();
        match &played.end {
            End::Completed => prop_assert_eq!((played.healthy, played.live), (there, there)),
            End::CannotMove(_) => prop_assert!(wanted.percents().cannot_move(desired).is_some(), "{played}"),
            End::NoRoom(_) => prop_assert!(played.live >= 3 * slots, "{played}"),
            End::Waits(_) | End::GoesOn => prop_assert!(false, "{played}"),
        }
    }

    #[test]
    fn with_room_for_everything_it_says_what_the_planner_then_does(
        before in 0_u32..10,
        desired in 0_u32..10,
        minimum in 0_u32..=100,
        maximum in 100_u32..=300,
    ) {
        let wanted = rollout(desired, minimum, maximum);
        let mut world = World { tasks: (0..i64::from(before)).map(task).collect(), now: 100 };
        let checked = Pace { checks: Some(Duration::ZERO), ..UNCHECKED };
        let played = played(&wanted, &world.tasks, 100, checked);
        let mut seen = Vec::new();
        for _ in 0..100 {
            let plan = planned(&wanted, &world.tasks, world.now);
            if plan.stops.is_empty() && plan.starts.is_empty() {
                break;
            }
            seen.push((plan.stops.len(), plan.starts.len()));
            world.perform(&wanted, &plan);
            (0..30).for_each(|_| world.advance(0));
        }
        let said: Vec<(usize, usize)> = played.steps.iter().map(|step| (step.stops.len(), step.starts.len())).collect();
        prop_assert_eq!(said, seen, "{}", played);
    }
}
