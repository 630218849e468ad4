//! What single passes of a rollout decide. Whole rollouts are told by the forecast's tests.

use proptest::prelude::*;

use super::*;
use crate::domain::service::tests::{World, at, planned, rollout, start, task, wanted};
use crate::domain::service::{Breaker, Trips};
use crate::domain::task::{Health, StopCode, TaskState};

fn old_tasks(wanted: &Wanted) -> World {
    World {
        tasks: (0..i64::from(wanted.desired)).map(task).collect(),
        now: 1,
    }
}

#[test]
fn a_deployment_waits_for_the_end_of_a_task_that_ends_by_itself() {
    let ending = Task {
        state: TaskState::Stopping,
        ..task(0)
    };
    let one = Wanted {
        maximum_percent: 100,
        ..wanted(1)
    };
    let tasks = [ending];
    let plan = planned(&one, &tasks, 100);
    assert_eq!(plan.starts, []);
    assert_eq!(
        plan.waiting_for(&one, &tasks, at(100)).unwrap(),
        "1 task to end"
    );
}

#[test]
fn an_old_task_that_dies_in_the_middle_of_a_rollout_comes_back_with_its_own_revision() {
    let wanted = Wanted {
        deployed_at: Some(at(50)),
        ..rollout(3, 50, 100)
    };
    let died = |stopped, code| Task {
        state: TaskState::Stopped,
        stopped_at: Some(at(stopped)),
        stop_code: Some(code),
        ..task(1)
    };
    let retired = Task {
        state: TaskState::Stopped,
        stopped_at: Some(at(60)),
        stop_code: Some(StopCode::ServiceSchedulerInitiated),
        ..task(2)
    };
    let starting = Task {
        name: "n0".into(),
        deployment: 2,
        state: TaskState::Pending,
        health: Health::Unknown,
        ..task(0)
    };
    let exited = StopCode::EssentialContainerExited;
    let tasks = [task(0), died(70, exited), retired.clone(), starting.clone()];
    let plan = planned(&wanted, &tasks, 100);
    assert_eq!((plan.starts.len(), plan.restarts), (0, vec![start(1, 2)]));
    // What died before the deployment began, or was told to stop, is made up for by the new deployment.
    for code in [exited, StopCode::ServiceSchedulerInitiated] {
        let when = if code == exited { 40 } else { 70 };
        let tasks = [task(0), died(when, code), retired.clone(), starting.clone()];
        let plan = planned(&wanted, &tasks, 100);
        assert_eq!((plan.starts.len(), plan.restarts.len()), (1, 0));
    }
}

#[test]
fn a_deployment_says_what_it_waits_for() {
    let wanted = rollout(2, 100, 200);
    let mut world = old_tasks(&wanted);
    let says = |wanted: &Wanted, world: &World| {
        let plan = planned(wanted, &world.tasks, world.now);
        plan.waiting_for(wanted, &world.tasks, at(world.now))
    };
    assert_eq!(
        says(&wanted, &world).unwrap(),
        "2 tasks to start, 2 tasks of older deployments to be replaced"
    );
    let first = planned(&wanted, &world.tasks, 1);
    world.perform(&wanted, &first);
    (0..10).for_each(|_| world.advance(0));
    assert_eq!(says(&wanted, &world).unwrap(), "2 tasks to end");
    let tight = rollout(1, 100, 199);
    let world = old_tasks(&tight);
    assert!(says(&tight, &world).unwrap().contains("use 100/200"));
}

proptest! {
    #[test]
    fn a_deployment_of_which_many_tasks_fail_keeps_the_bounds_and_is_not_started_again_once_given_up(
        desired in 1_u32..12,
        minimum in 0_u32..=100,
        maximum in 100_u32..=250,
        fates in prop::collection::vec((0_usize..100, prop::bool::weighted(0.7)), 300),
    ) {
        let mut wanted = rollout(desired, minimum, maximum);
        wanted.breaker = Breaker { trips: Trips::Stops, ..Breaker::default() };
        let mut world = old_tasks(&wanted);
        for (choice, fails) in fates {
            // Pauses after failures are passed over.
            world.now += 2000;
            let plan = planned(&wanted, &world.tasks, world.now);
            let failed = plan.failures.count;
            prop_assert_eq!(plan.tripped, wanted.rollout == Rollout::InProgress && failed >= wanted.threshold());
            if plan.tripped {
                wanted.rollout = Rollout::Failed;
            }
            if wanted.rollout == Rollout::Failed {
                prop_assert!(plan.starts.is_empty());
            }
            let (healthy, live) = (world.healthy(&wanted), world.live());
            world.perform(&wanted, &plan);
            prop_assert!(world.healthy(&wanted) >= wanted.lower_bound().min(healthy));
            prop_assert!(plan.starts.is_empty() || live + plan.starts.len() <= wanted.upper_bound());
            prop_assert!(plan.restarts.is_empty(), "no old task dies here");
            let starting = world.tasks.iter().position(|task| task.deployment == 2 && task.state == TaskState::Pending && !task.stopping);
            match starting.filter(|_| fails) {
                Some(index) => {
                    world.now += 1;
                    let now = at(world.now);
                    let task = &mut world.tasks[index];
                    task.state = TaskState::Stopped;
                    task.started_at = None;
                    task.stopped_at = Some(now);
                    task.stop_code = Some(StopCode::TaskFailedToStart);
                }
                None => world.advance(choice),
            }
            if plan.steady {
                wanted.rollout = Rollout::Completed;
            }
        }
        if wanted.rollout == Rollout::Failed {
            let old = world.tasks.iter().filter(|task| task.deployment == 1 && task.is_active()).count();
            let new = world.tasks.iter().filter(|task| task.deployment == 2 && task.is_active()).count();
            prop_assert!(old + new >= wanted.lower_bound().min(usize::try_from(desired).unwrap()));
        }
    }
}
