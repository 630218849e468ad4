//! Task scale-in protection.

use super::*;

fn protected(slot: i64, until: i64) -> Task {
    Task {
        protected_until: Some(at(until)),
        ..task(slot)
    }
}

#[test]
fn a_scale_in_passes_protected_tasks_over_and_goes_on_when_protection_ends() {
    let tasks = [protected(0, 200), protected(1, 300), task(2)];
    let plan = planned(&wanted(1), &tasks, 100);
    assert_eq!((names(&plan), plan.wake_at), (vec!["t2"], Some(at(200))));
    assert_eq!(plan.protected_surplus, 1);
    let left = [protected(0, 200), protected(1, 300)];
    // Found by the simulator: it did not say what it waited for.
    let plan = planned(&wanted(1), &left, 100);
    assert_eq!(
        plan.waiting_for(&wanted(1), &left, at(100)).unwrap(),
        "the protection of 1 task to end"
    );
    assert_eq!(names(&planned(&wanted(1), &left, 100)), Vec::<&str>::new());
    assert_eq!(names(&planned(&wanted(1), &left, 200)), ["t0"]);
}

#[test]
fn a_scale_in_takes_no_healthy_task_for_a_protected_one_that_is_not_healthy_yet() {
    // Found by the simulator: both healthy tasks were stopped, because the starting one was protected.
    let mut starting = protected(2, 500);
    starting.state = TaskState::Pending;
    starting.health = Health::Unknown;
    let tasks = [task(0), task(1), starting.clone()];
    assert_eq!(names(&planned(&wanted(1), &tasks, 100)), ["t1"]);
    starting.state = TaskState::Running;
    starting.health = Health::Healthy;
    let tasks = [task(0), starting];
    assert_eq!(names(&planned(&wanted(1), &tasks, 100)), ["t0"]);
}

#[test]
fn a_deployment_waits_for_protected_tasks_which_count_in_the_upper_bound() {
    let wanted = Wanted {
        deployment: 2,
        maximum_percent: 150,
        ..wanted(2)
    };
    let new = Task {
        name: "n0".into(),
        deployment: 2,
        ..task(0)
    };
    let tasks = [protected(0, 500), protected(1, 500), new];
    let plan = planned(&wanted, &tasks, 100);
    assert_eq!((plan.starts.len(), plan.stops.len()), (0, 0));
    assert!(!plan.steady && !plan.blocked);
    assert_eq!(planned(&wanted, &tasks, 500).stops.len(), 1);
}

#[test]
fn an_unhealthy_task_is_replaced_however_protected_it_is() {
    let mut sick = protected(0, 500);
    sick.health = Health::Unhealthy;
    let plan = planned(&wanted(1), &[sick, task(1)], 100);
    assert_eq!(names(&plan), ["t0"]);
}

#[test]
fn draining_takes_protected_tasks_unless_the_cluster_lets_them_end() {
    let drained = Task {
        draining: true,
        ..protected(0, 500)
    };
    let tasks = [drained, task(1)];
    assert_eq!(names(&planned(&wanted(1), &tasks, 100)), ["t0"]);
    let patient = Wanted {
        draining_waits_for_protected: true,
        ..wanted(1)
    };
    assert_eq!(names(&planned(&patient, &tasks, 100)), Vec::<&str>::new());
    assert_eq!(names(&planned(&patient, &tasks, 500)), ["t0"]);
}

#[test]
fn bounds_that_leave_no_room_are_told_whatever_is_protected() {
    let cramped = Wanted {
        minimum_healthy_percent: 0,
        maximum_percent: 60,
        ..wanted(3)
    };
    let kept = Task {
        protected_until: Some(at(1000)),
        ..task(0)
    };
    assert!(planned(&cramped, &[kept], 100).blocked);
}
