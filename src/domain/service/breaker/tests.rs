use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::domain::service::tests::{at, failed, planned, task, wanted};
use crate::domain::service::{HEALTHY_AFTER, plan};
use crate::domain::task::Health;

fn watched(desired: u32) -> Wanted {
    Wanted {
        breaker: Breaker {
            trips: Trips::Stops,
            ..Breaker::default()
        },
        ..wanted(desired)
    }
}

/// A task without a check that ran from `started` and ended of itself at `ended`.
fn exited(slot: i64, started: i64, ended: i64) -> Task {
    Task {
        name: format!("e{slot}-{started}"),
        checked: false,
        health: Health::Unknown,
        state: TaskState::Stopped,
        started_at: Some(at(started)),
        stopped_at: Some(at(ended)),
        stop_code: Some(StopCode::EssentialContainerExited),
        ..task(slot)
    }
}

fn count(wanted: &Wanted, tasks: &[Task], now: i64) -> u32 {
    failed_tasks(wanted, tasks, at(now))
}

#[test]
fn thresholds_are_those_of_the_guide() {
    let default = Threshold::default();
    for (desired, threshold) in [(1, 3), (7, 4), (25, 13), (400, 200), (800, 200)] {
        assert_eq!(default.of(desired), threshold, "{desired}");
    }
    assert_eq!(Threshold::UnboundedPercent(50).of(800), 400);
    assert_eq!(Threshold::UnboundedPercent(1).of(0), 1);
    assert_eq!(Threshold::Count(7).of(800), 7);
}

#[test]
fn three_failed_starts_trip_the_breaker_of_a_small_service_and_two_do_not() {
    let failures: Vec<Task> = (1..=3).map(|n| failed(0, n, n)).collect();
    assert!(!planned(&watched(1), &failures[..2], 100).tripped);
    let plan = planned(&watched(1), &failures, 100);
    assert!(plan.tripped && plan.starts.is_empty());
    assert!(!planned(&wanted(1), &failures, 100).tripped, "it is off");
}

#[test]
fn a_task_that_becomes_healthy_resets_the_count_unless_told_otherwise() {
    let mut tasks: Vec<Task> = (1..=3).map(|n| failed(0, n, n)).collect();
    let healthy = Task {
        healthy_since: Some(at(50)),
        ..task(1)
    };
    tasks.push(healthy);
    assert_eq!(count(&watched(2), &tasks, 100), 0);
    tasks.push(failed(0, 4, 60));
    assert_eq!(count(&watched(2), &tasks, 100), 1);
    let mut cumulative = watched(2);
    cumulative.breaker.resets = false;
    assert_eq!(count(&cumulative, &tasks, 100), 4);
}

#[test]
fn an_exit_cancels_the_reset_that_its_tasks_health_had_caused() {
    // Each runs 60 s, counts as healthy after 40 s, and ends: without this the deployment would go on for ever.
    let tasks = [exited(0, 0, 60), exited(1, 45, 105), exited(0, 61, 121)];
    let running = Task {
        state: TaskState::Running,
        stopped_at: None,
        stop_code: None,
        ..exited(1, 106, 0)
    };
    let all: Vec<Task> = tasks.iter().cloned().chain([running]).collect();
    assert_eq!(count(&watched(2), &all, 125), 3);
    assert_eq!(
        count(&watched(2), &all, 150),
        0,
        "the fourth is healthy since 146"
    );
    let completed = Wanted {
        rollout: Rollout::Completed,
        ..watched(2)
    };
    assert_eq!(
        count(&completed, &tasks, 125),
        0,
        "after COMPLETED they had been healthy"
    );
}

#[test]
fn tasks_replaced_for_their_health_count_and_other_stops_do_not() {
    let sick = |n| Task {
        ending: Ending::Unhealthy,
        stop_code: Some(StopCode::ServiceSchedulerInitiated),
        ..failed(0, n, n)
    };
    let other = |n, code| Task {
        stop_code: Some(code),
        ..failed(1, n, n)
    };
    let tasks = [
        sick(1),
        sick(2),
        other(1, StopCode::ServiceSchedulerInitiated),
        other(2, StopCode::UserInitiated),
        other(3, StopCode::TerminationNotice),
        Task {
            ending: Ending::Refused,
            ..failed(2, 1, 1)
        },
    ];
    assert_eq!(count(&watched(3), &tasks, 100), 2);
}

#[test]
fn a_deployment_that_has_completed_is_never_given_up() {
    let failures: Vec<Task> = (1..=9).map(|n| failed(0, n, n)).collect();
    let completed = Wanted {
        rollout: Rollout::Completed,
        ..watched(1)
    };
    let plan = planned(&completed, &failures, 10_000);
    assert!(!plan.tripped && plan.starts.len() == 1);
}

/// Ends of the tasks that a deployment starts: which of them go on, and how long the others run.
fn fates() -> impl Strategy<Value = Vec<Option<i64>>> {
    prop::collection::vec(prop::option::weighted(0.8, 0_i64..90), 1..60)
}

proptest! {
    #[test]
    fn a_deployment_whose_tasks_all_end_trips_within_its_threshold(desired in 1_u32..30, runs in 0_i64..39) {
        let wanted = watched(desired);
        let mut tasks: Vec<Task> = Vec::new();
        let mut now = 0;
        loop {
            now += 1;
            for task in tasks.iter_mut().filter(|task| task.state != TaskState::Stopped) {
                if task.created_at <= at(now - runs) {
                    task.state = TaskState::Stopped;
                    task.stopped_at = Some(at(now));
                    task.stop_code = Some(StopCode::EssentialContainerExited);
                }
            }
            let plan = plan(&wanted, "ecs-svc/1", &tasks, &BTreeMap::new(), at(now));
            let ended = tasks.iter().filter(|task| task.state == TaskState::Stopped).count();
            let threshold = usize::try_from(wanted.threshold()).unwrap();
            prop_assert_eq!(plan.tripped, ended >= threshold);
            if plan.tripped {
                prop_assert!(plan.starts.is_empty());
                break;
            }
            for start in plan.starts {
                tasks.push(Task {
                    name: format!("{}-{}", start.slot, start.attempt),
                    attempt: start.attempt,
                    checked: false,
                    health: Health::Unknown,
                    created_at: at(now),
                    started_at: Some(at(now)),
                    ..task(start.slot)
                });
            }
            prop_assert!(now < 1000, "it never trips");
        }
    }

    #[test]
    fn whoever_counts_and_in_whatever_order_counts_the_same(fates in fates(), seed in any::<prop::sample::Index>()) {
        let mut tasks: Vec<Task> = (0_i64..).zip(fates).map(|(n, fate)| match fate {
            Some(runs) => exited(n, 2 * n, 2 * n + runs),
            None => Task { healthy_since: Some(at(2 * n)), name: format!("h{n}"), ..task(n) },
        }).collect();
        let before = count(&watched(9), &tasks, 1000);
        let middle = seed.index(tasks.len());
        tasks.rotate_left(middle);
        prop_assert_eq!(count(&watched(9), &tasks, 1000), before);
        let failures = tasks.iter().filter(|task| task.state == TaskState::Stopped).count();
        prop_assert!(usize::try_from(before).unwrap() <= failures);
    }
}

#[test]
fn staggered_tasks_that_are_healthy_for_a_while_trip_in_the_end() {
    // There is always one that is healthy. Every reset comes back with the exit of the task that caused it.
    let healthy = i64::try_from(HEALTHY_AFTER.as_secs()).unwrap();
    let tasks: Vec<Task> = (0..60)
        .map(|n| exited(n, 5 * n, 5 * n + healthy + 20))
        .collect();
    let tripped = (0..400).find(|now| {
        let now = at(*now);
        let seen: Vec<Task> = tasks
            .iter()
            .filter(|task| task.started_at.is_some_and(|started| started <= now))
            .map(|task| {
                if task.stopped_at.is_some_and(|stopped| stopped <= now) {
                    task.clone()
                } else {
                    Task {
                        state: TaskState::Running,
                        stopped_at: None,
                        stop_code: None,
                        ..task.clone()
                    }
                }
            })
            .collect();
        failed_tasks(&watched(12), &seen, now) >= watched(12).threshold()
    });
    assert!(tripped.is_some());
}
