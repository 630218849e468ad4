use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::service::tests::{at, failed, names, planned, task, wanted};
use crate::domain::service::{Breaker, Rollout, Trips};
use crate::domain::task::{Health, StopCode, TaskState};

fn instance(number: i64) -> DaemonInstance {
    DaemonInstance {
        name: format!("i{number}"),
        slot: 100 + number,
        open: true,
    }
}

fn daemon(instances: &[DaemonInstance], tasks: &[Task]) -> Wanted {
    let scheduling = Scheduling::Daemon {
        instances: instances.to_vec(),
    };
    Wanted {
        desired: scheduling.daemons(tasks).unwrap(),
        scheduling,
        minimum_healthy_percent: 0,
        maximum_percent: 100,
        ..wanted(0)
    }
}

fn on(number: i64) -> Task {
    Task {
        slot: 100 + number,
        instance: format!("i{number}"),
        ..task(number)
    }
}

fn places(plan: &Plan) -> Vec<&str> {
    let places = plan.starts.iter().map(|start| match &start.place {
        Place::Instance(name) => name.as_str(),
        Place::Anywhere | Place::Zone(_) => panic!("{start:?}"),
    });
    places.collect()
}

#[test]
fn each_instance_gets_one_task_and_so_does_one_that_joins_later() {
    let two = [instance(0), instance(1)];
    let plan = planned(&daemon(&two, &[]), &[], 100);
    assert_eq!((places(&plan), plan.stops.len()), (vec!["i0", "i1"], 0));
    let tasks = [on(0), on(1)];
    assert!(planned(&daemon(&two, &tasks), &tasks, 100).steady);
    let three = [instance(0), instance(1), instance(2)];
    let plan = planned(&daemon(&three, &tasks), &tasks, 100);
    assert_eq!((places(&plan), plan.steady), (vec!["i2"], false));
    assert_eq!(plan.starts[0].slot, 102);
}

#[test]
fn an_update_stops_first_as_far_as_the_lower_bound_allows() {
    let instances: Vec<DaemonInstance> = (0..4).map(instance).collect();
    let tasks: Vec<Task> = (0..4).map(on).collect();
    let all = Wanted {
        deployment: 2,
        ..daemon(&instances, &tasks)
    };
    let plan = planned(&all, &tasks, 100);
    assert_eq!((plan.stops.len(), plan.starts.len()), (4, 0));
    let half = Wanted {
        minimum_healthy_percent: 50,
        ..all
    };
    let plan = planned(&half, &tasks, 100);
    assert_eq!((plan.stops.len(), plan.starts.len()), (2, 0));
    let none = Wanted {
        minimum_healthy_percent: 100,
        ..half
    };
    assert!(planned(&none, &tasks, 100).blocked);
}

#[test]
fn a_task_that_still_stops_keeps_its_instance() {
    let stopping = Task {
        stopping: true,
        ..on(0)
    };
    let tasks = [stopping];
    let wanted = daemon(&[instance(0)], &tasks);
    assert!(planned(&wanted, &tasks, 100).starts.is_empty());
    let ended = Task {
        state: TaskState::Stopped,
        stop_code: Some(StopCode::UserInitiated),
        stopped_at: Some(at(90)),
        ..on(0)
    };
    let plan = planned(&wanted, &[ended], 100);
    assert_eq!((places(&plan), plan.starts[0].attempt), (vec!["i0"], 2));
}

#[test]
fn an_instance_that_cannot_take_tasks_keeps_the_one_it_has_and_gets_none() {
    let closed = DaemonInstance {
        open: false,
        ..instance(0)
    };
    assert_eq!(daemon(std::slice::from_ref(&closed), &[]).desired, 0);
    let none = planned(&daemon(std::slice::from_ref(&closed), &[]), &[], 100);
    assert!(none.steady && none.starts.is_empty());
    let tasks = [on(0)];
    let kept = planned(&daemon(&[closed], &tasks), &tasks, 100);
    assert!(kept.steady && kept.stops.is_empty());
}

#[test]
fn a_task_on_an_instance_that_meets_the_constraints_no_more_goes() {
    let tasks = [on(0), on(1)];
    let plan = planned(&daemon(&[instance(0)], &tasks), &tasks, 100);
    assert_eq!(names(&plan), ["t1"]);
    assert_eq!(plan.stops[0].cause, Cause::ConstraintViolated);
}

#[test]
fn an_instance_that_drains_loses_its_task() {
    let leaving = Task {
        draining: true,
        ..on(1)
    };
    let tasks = [on(0), leaving];
    let plan = planned(&daemon(&[instance(0)], &tasks), &tasks, 100);
    assert_eq!((names(&plan), plan.starts.len()), (vec!["t1"], 0));
    assert_eq!(plan.stops[0].cause, Cause::Replaced);
}

#[test]
fn two_tasks_on_one_instance_become_one_and_the_healthy_one_stays() {
    let starting = Task {
        name: "a".into(),
        health: Health::Unknown,
        ..on(0)
    };
    let tasks = [starting, on(0)];
    let plan = planned(&daemon(&[instance(0)], &tasks), &tasks, 100);
    assert_eq!(names(&plan), ["a"]);
}

#[test]
fn an_unhealthy_daemon_is_stopped_first_and_one_at_a_time() {
    let sick = |number| Task {
        health: Health::Unhealthy,
        ..on(number)
    };
    let tasks = [sick(0), sick(1)];
    let plan = planned(&daemon(&[instance(0), instance(1)], &tasks), &tasks, 100);
    assert_eq!(
        (plan.stops.len(), plan.stops[0].cause),
        (1, Cause::Unhealthy)
    );
}

#[test]
fn a_failed_deployment_starts_nothing_and_the_completed_one_is_kept_up() {
    let old = |number| Task {
        deployment: 1,
        ..on(number)
    };
    let instances = [instance(0), instance(1)];
    let tasks = [old(0)];
    let given_up = Wanted {
        deployment: 2,
        rollout: Rollout::Failed,
        completed_before: Some(1),
        breaker: Breaker {
            trips: Trips::Stops,
            ..Breaker::default()
        },
        ..daemon(&instances, &tasks)
    };
    let plan = planned(&given_up, &tasks, 100);
    assert!(plan.starts.is_empty() && plan.stops.is_empty() && !plan.steady);
    assert_eq!(
        plan.restarts,
        [Start {
            slot: 101,
            attempt: 1,
            place: Place::Instance("i1".into())
        }]
    );
}

#[test]
fn failures_pause_the_starts_of_daemons_too() {
    let tasks: Vec<Task> = (1..=3)
        .map(|attempt| Task {
            slot: 100,
            ..failed(0, attempt, attempt)
        })
        .collect();
    let plan = planned(&daemon(&[instance(0)], &tasks), &tasks, 3);
    assert_eq!((plan.starts.len(), plan.wake_at), (0, Some(at(5))));
}

proptest! {
    #[test]
    fn there_is_never_a_second_task_on_an_instance_and_the_lower_bound_holds(
        open in prop::collection::vec(prop::bool::ANY, 1..6),
        minimum in 0_u32..=100,
        steps in prop::collection::vec((0_usize..100, prop::bool::weighted(0.1), prop::bool::weighted(0.1)), 200),
    ) {
        let mut instances: Vec<DaemonInstance> = (0_i64..).zip(&open).map(|(number, open)| DaemonInstance { open: *open, ..instance(number) }).collect();
        let mut tasks: Vec<Task> = Vec::new();
        let mut deployment = 1;
        for (now, (choice, redeploys, opens)) in (1_i64..).zip(steps) {
            deployment += i64::from(redeploys);
            let count = instances.len();
            if opens && let Some(instance) = instances.get_mut(choice % count) {
                instance.open = !instance.open;
            }
            let wanted = Wanted { deployment, minimum_healthy_percent: minimum, healthy_after: Duration::ZERO, ..daemon(&instances, &tasks) };
            let healthy = |tasks: &[Task]| tasks.iter().filter(|task| task.is_healthy(Duration::ZERO, at(now))).count();
            let before = healthy(&tasks);
            let plan = planned(&wanted, &tasks, now);
            for stop in &plan.stops {
                tasks.iter_mut().filter(|task| task.name == stop.name).for_each(|task| task.stopping = true);
            }
            prop_assert!(healthy(&tasks) >= wanted.lower_bound().min(before));
            for start in &plan.starts {
                let Place::Instance(name) = &start.place else { panic!("{start:?}") };
                prop_assert!(tasks.iter().all(|task| task.instance != *name || task.state == TaskState::Stopped));
                tasks.push(Task {
                    name: format!("{deployment}-{}-{}", start.slot, start.attempt),
                    deployment, slot: start.slot, attempt: start.attempt, instance: name.clone(),
                    state: TaskState::Pending, health: Health::Unknown, started_at: None, ..task(0)
                });
            }
            let moving: Vec<usize> = (0..tasks.len()).filter(|index| tasks[*index].state != TaskState::Stopped && (tasks[*index].stopping || tasks[*index].state == TaskState::Pending)).collect();
            if let Some(index) = moving.get(choice % moving.len().max(1)) {
                let task = &mut tasks[*index];
                if task.stopping {
                    task.state = TaskState::Stopped;
                    task.stop_code = Some(StopCode::ServiceSchedulerInitiated);
                    task.stopped_at = Some(at(now));
                } else {
                    task.state = TaskState::Running;
                    task.health = Health::Healthy;
                    task.started_at = Some(at(now));
                }
            }
        }
    }
}
