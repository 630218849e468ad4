//! Instances that are lost, silent or fenced.

use super::*;

#[test]
fn tasks_of_a_lost_instance_are_stopped_and_replaced_and_hold_no_room() {
    let mut gone = task(0);
    gone.presence = Presence::Lost;
    let plan = planned(
        &Wanted {
            maximum_percent: 100,
            ..wanted(1)
        },
        &[gone.clone()],
        100,
    );
    assert_eq!((names(&plan), plan.starts.len()), (vec!["t0"], 1));
    gone.stopping = true;
    assert_eq!(planned(&wanted(1), &[gone], 100).stops.len(), 0);
}

#[test]
fn under_at_most_once_a_lost_task_is_told_to_stop_and_replaced_only_when_its_instance_is_fenced() {
    let mut gone = Task {
        presence: Presence::Lost,
        replaced_when: ReplacedWhen::Fenced,
        ..task(0)
    };
    let plan = planned(&wanted(2), &[gone.clone(), task(1)], 100);
    assert_eq!((names(&plan), plan.starts.len()), (vec!["t0"], 0));
    gone.stopping = true;
    let plan = planned(&wanted(2), &[gone.clone(), task(1)], 100);
    assert_eq!(
        (plan.stops.len(), plan.starts.len(), plan.steady),
        (0, 0, false)
    );
    gone.presence = Presence::Fenced;
    assert_eq!(planned(&wanted(2), &[gone, task(1)], 100).starts.len(), 1);
}

#[test]
fn a_disconnected_instance_changes_nothing() {
    let mut silent = task(0);
    silent.presence = Presence::Disconnected;
    let plan = planned(&wanted(1), &[silent], 100);
    assert_eq!(
        (plan.starts.len(), plan.stops.len(), plan.steady),
        (0, 0, true)
    );
}
