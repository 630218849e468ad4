//! Instances that shed their tasks.

use super::*;

#[test]
fn a_draining_instance_sheds_its_tasks_as_a_deployment_replaces_old_ones() {
    let on = |instance: &str, slot| Task {
        draining: instance == "going",
        instance: instance.into(),
        ..task(slot)
    };
    let tasks = [on("going", 0), on("going", 1), on("staying", 2)];
    // At 100/200 a replacement comes first, in a place of its own.
    let first = planned(&wanted(3), &tasks, 100);
    assert_eq!(first.stops, []);
    assert_eq!(
        first
            .starts
            .iter()
            .map(|start| start.slot)
            .collect::<Vec<_>>(),
        [3, 4]
    );
    assert!(!first.steady);
    assert_eq!(
        first.waiting_for(&wanted(3), &tasks, at(100)).unwrap(),
        "2 tasks to start, 2 tasks on draining instances to be replaced"
    );
    let mut both = tasks.to_vec();
    both.extend([on("staying", 3), on("other", 4)]);
    let second = planned(&wanted(3), &both, 100);
    assert_eq!((second.starts.len(), names(&second)), (0, vec!["t1", "t0"]));

    // At 50/100 one goes first.
    let tight = Wanted {
        minimum_healthy_percent: 50,
        maximum_percent: 100,
        ..wanted(3)
    };
    let plan = planned(&tight, &tasks, 100);
    assert_eq!((plan.starts.len(), names(&plan)), (0, vec!["t1"]));
}

#[test]
fn what_has_not_started_on_a_draining_instance_goes_at_once() {
    let pending = Task {
        draining: true,
        state: TaskState::Pending,
        started_at: None,
        ..task(0)
    };
    let plan = planned(&wanted(2), &[pending, task(1)], 100);
    assert_eq!(names(&plan), ["t0"]);
    assert_eq!(plan.starts, [start(2, 1)]);
}
