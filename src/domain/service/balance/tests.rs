use super::*;
use crate::domain::service::planner::{Place, Plan};
use crate::domain::service::tests::{at, names, planned, task, wanted};
use crate::domain::service::{Mark, Scheduling, Wanted};
use crate::domain::task::{Health, TaskState};

fn even(desired: u32) -> Wanted {
    Wanted {
        scheduling: Scheduling::Replica {
            zones: vec!["a".into(), "b".into()],
        },
        rollout: Rollout::Completed,
        ..wanted(desired)
    }
}

fn in_zone(slot: i64, zone: &str) -> Task {
    Task {
        zone: Some(zone.into()),
        marks: vec![
            Mark::Bucket(Some(zone.into())),
            Mark::Bucket(Some(format!("i{slot}"))),
        ],
        ..task(slot)
    }
}

fn places(plan: &Plan) -> Vec<Place> {
    plan.starts
        .iter()
        .map(|start| start.place.clone())
        .collect()
}

#[test]
fn a_steady_service_moves_a_task_to_the_emptiest_zone_start_first() {
    let tasks = [in_zone(0, "a"), in_zone(1, "a"), in_zone(2, "a")];
    let plan = planned(&even(3), &tasks, 100);
    assert_eq!(places(&plan), [Place::Zone("b".into())]);
    assert!(plan.steady && plan.stops.is_empty());
    assert_eq!(plan.zones, [("a".into(), 3), ("b".into(), 0)]);

    let mut moved = in_zone(3, "b");
    moved.state = TaskState::Pending;
    moved.health = Health::Unknown;
    let mut with = tasks.to_vec();
    with.push(moved);
    let during = planned(&even(3), &with, 100);
    assert!(during.steady && during.stops.is_empty() && during.starts.is_empty());

    with[3].state = TaskState::Running;
    with[3].health = Health::Healthy;
    let after = planned(&even(3), &with, 100);
    assert_eq!((names(&after), after.starts.len()), (vec!["t2"], 0));
    assert_eq!(after.stops[0].cause, Cause::Rebalanced);

    with.remove(2);
    let end = planned(&even(3), &with, 100);
    assert!(end.steady && end.starts.is_empty() && end.stops.is_empty());
}

#[test]
fn zones_that_differ_by_one_are_even() {
    let tasks = [in_zone(0, "a"), in_zone(1, "a"), in_zone(2, "b")];
    assert!(planned(&even(3), &tasks, 100).starts.is_empty());
}

#[test]
fn nothing_is_moved_during_a_deployment_nor_without_room_nor_where_all_are_protected() {
    let tasks = [in_zone(0, "a"), in_zone(1, "a"), in_zone(2, "a")];
    let deploying = Wanted {
        rollout: Rollout::InProgress,
        ..even(3)
    };
    let full = Wanted {
        minimum_healthy_percent: 50,
        maximum_percent: 100,
        ..even(3)
    };
    for wanted in [deploying, full, wanted(3)] {
        assert!(planned(&wanted, &tasks, 100).starts.is_empty());
    }
    let protected = tasks.map(|task| Task {
        protected_until: Some(at(1000)),
        ..task
    });
    assert!(planned(&even(3), &protected, 100).starts.is_empty());
}

#[test]
fn a_scale_in_is_no_rebalancing() {
    let tasks = [
        in_zone(0, "a"),
        in_zone(1, "b"),
        in_zone(2, "a"),
        in_zone(3, "b"),
    ];
    let plan = planned(&even(3), &tasks, 100);
    assert_eq!(plan.stops[0].cause, Cause::ScaleIn);
}
