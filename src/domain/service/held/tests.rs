use proptest::prelude::*;

use super::*;
use crate::domain::service::Rollout;
use crate::domain::service::plan;
use crate::domain::service::tests::{at, failed, names, planned, start, task, wanted};
use crate::domain::task::{Health, TaskState};

/// Deployment 2 failed; deployment 1 had completed.
fn given_up(desired: u32) -> Wanted {
    Wanted {
        deployment: 2,
        rollout: Rollout::Failed,
        completed_before: Some(1),
        ..wanted(desired)
    }
}

fn new(slot: i64) -> Task {
    Task {
        name: format!("n{slot}"),
        deployment: 2,
        ..task(slot)
    }
}

#[test]
fn nothing_is_started_for_a_failed_deployment_and_old_tasks_stay() {
    let old: Vec<Task> = (0..3).map(task).collect();
    let plan = planned(&given_up(3), &old, 100);
    assert!(plan.starts.is_empty() && plan.stops.is_empty() && plan.restarts.is_empty());
    assert!(!plan.steady && plan.wake_at.is_none());
    let nothing_before = Wanted {
        completed_before: None,
        ..given_up(3)
    };
    assert_eq!(planned(&nothing_before, &[], 100), Plan::default());
}

#[test]
fn what_did_not_run_before_is_not_started_either() {
    // 50/100 of 2: one old task made room, and is not made again: nobody asked for a rollback.
    let retired = Task {
        state: TaskState::Stopped,
        stop_code: Some(StopCode::ServiceSchedulerInitiated),
        stopped_at: Some(at(50)),
        ..task(1)
    };
    let plan = planned(&given_up(2), &[task(0), retired], 100);
    assert!(plan.restarts.is_empty());
}

#[test]
fn an_old_task_that_dies_is_started_anew_with_its_own_deployment() {
    let mut died = failed(1, 1, 50);
    died.started_at = Some(at(1));
    died.stop_code = Some(StopCode::EssentialContainerExited);
    let plan = planned(&given_up(2), &[task(0), died], 100);
    assert_eq!(plan.restarts, [start(1, 2)]);
    assert!(plan.starts.is_empty());
}

#[test]
fn tasks_on_an_instance_that_drains_are_replaced_with_the_revision_that_completed() {
    let leaving = Task {
        draining: true,
        ..task(0)
    };
    let tasks = [leaving.clone(), task(1)];
    let first = planned(&given_up(2), &tasks, 100);
    assert_eq!(first.restarts, [start(2, 1)]);
    assert!(first.stops.is_empty());
    let tasks = [leaving, task(1), task(2)];
    let then = planned(&given_up(2), &tasks, 100);
    assert_eq!((names(&then), then.restarts.len()), (vec!["t0"], 0));
}

#[test]
fn tasks_beyond_the_desired_count_go_those_of_the_failed_deployment_first() {
    let mut starting = new(1);
    starting.state = TaskState::Pending;
    let tasks = [task(0), task(1), new(0), starting];
    assert_eq!(names(&planned(&given_up(2), &tasks, 100)), ["n1", "n0"]);
    assert_eq!(planned(&given_up(0), &tasks, 100).stops.len(), 4);
}

#[test]
fn an_old_task_that_is_sick_goes_and_comes_back_one_at_a_time() {
    let sick = |slot| Task {
        health: Health::Unhealthy,
        ..task(slot)
    };
    let tasks = [task(0), sick(1), sick(2)];
    let plan = planned(&given_up(3), &tasks, 100);
    assert_eq!((plan.stops.len(), plan.restarts.len()), (1, 0));
    assert_eq!(plan.stops[0].cause, Cause::Unhealthy);
}

proptest! {
    #[test]
    fn a_failed_deployment_is_left_alone_and_the_bounds_hold(
        desired in 0_u32..8,
        minimum in 0_u32..=100,
        maximum in 100_u32..=200,
        kinds in prop::collection::vec((0_u8..6, prop::bool::ANY), 0..16),
    ) {
        let wanted = Wanted { minimum_healthy_percent: minimum, maximum_percent: maximum, ..given_up(desired) };
        let tasks: Vec<Task> = (0_i64..).zip(kinds).map(|(slot, (kind, is_new))| {
            let task = if is_new { new(slot) } else { task(slot) };
            match kind {
                0 => Task { state: TaskState::Pending, health: Health::Unknown, ..task },
                1 => Task { health: Health::Unhealthy, ..task },
                2 => Task { state: TaskState::Stopped, stopped_at: Some(at(10)), stop_code: Some(StopCode::EssentialContainerExited), ..task },
                3 => Task { stopping: true, ..task },
                _ => task,
            }
        }).collect();
        let now = at(1000);
        let plan = plan(&wanted, "ecs-svc/2", &tasks, &BTreeMap::new(), now);
        prop_assert!(plan.starts.is_empty());
        let live = tasks.iter().filter(|task| task.is_live()).count();
        prop_assert!(plan.restarts.is_empty() || live + plan.restarts.len() <= wanted.upper_bound());
        let active = tasks.iter().filter(|task| task.is_active()).count();
        prop_assert!(plan.restarts.is_empty() || active + plan.restarts.len() <= wanted.desired());
        let stopped = names(&plan);
        let healthy = |task: &&Task| task.is_healthy(wanted.healthy_after, now);
        let before = tasks.iter().filter(healthy).count();
        let left = tasks.iter().filter(healthy).filter(|task| !stopped.contains(&task.name.as_str())).count();
        prop_assert!(left >= wanted.lower_bound().min(before));
    }
}
