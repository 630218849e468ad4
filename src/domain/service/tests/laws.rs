//! What a plan must not depend on.

use super::*;

/// Any tasks of two deployments: (slot, kind, deployment, age, zone).
type Kinds = Vec<(u8, u8, bool, i64, u8)>;

fn kinds() -> impl Strategy<Value = Kinds> {
    prop::collection::vec(
        (0_u8..6, 0_u8..8, prop::bool::ANY, 0_i64..60, 0_u8..3),
        0..14,
    )
}

fn tasks_of(kinds: &Kinds) -> Vec<Task> {
    (0_i64..)
        .zip(kinds)
        .map(|(number, (slot, kind, old, age, zone))| {
            let task = Task {
                name: format!("t{number:02}"),
                deployment: if *old { 1 } else { 2 },
                attempt: number + 1,
                created_at: at(*age),
                started_at: Some(at(age + 1)),
                zone: Some(format!("z{zone}")),
                marks: vec![
                    Mark::Bucket(Some(format!("z{zone}"))),
                    Mark::Bucket(Some(format!("i{zone}-{}", slot % 2))),
                ],
                instance: format!("i{zone}-{}", slot % 2),
                ..task(i64::from(*slot))
            };
            match kind {
                0 => Task {
                    state: TaskState::Pending,
                    health: Health::Unknown,
                    started_at: None,
                    protected_until: (age % 3 == 0).then(|| at(age + 90)),
                    ..task
                },
                1 => Task {
                    health: Health::Unhealthy,
                    ..task
                },
                2 => Task {
                    state: TaskState::Stopped,
                    stopped_at: Some(at(age + 20)),
                    stop_code: Some(StopCode::EssentialContainerExited),
                    ..task
                },
                3 => Task {
                    stopping: true,
                    ..task
                },
                4 => Task {
                    checked: false,
                    health: Health::Unknown,
                    ..task
                },
                5 => Task {
                    protected_until: Some(at(age + 90)),
                    ..task
                },
                6 => Task {
                    draining: true,
                    ..task
                },
                _ => task,
            }
        })
        .collect()
}

fn second(desired: u32, minimum: u32, maximum: u32, rollout: Rollout) -> Wanted {
    Wanted {
        deployment: 2,
        rollout,
        minimum_healthy_percent: minimum,
        maximum_percent: maximum,
        completed_before: Some(1),
        deployed_at: Some(at(30)),
        health_check_grace_period: Duration::from_secs(10),
        ..wanted(desired)
    }
}

fn rollouts() -> impl Strategy<Value = Rollout> {
    prop::sample::select(vec![
        Rollout::InProgress,
        Rollout::Completed,
        Rollout::Failed,
    ])
}

proptest! {
    #[test]
    fn the_order_in_which_tasks_are_known_changes_nothing(
        kinds in kinds(), desired in 0_u32..6, minimum in 0_u32..=100, maximum in 100_u32..=200,
        rollout in rollouts(), turn in 0_usize..14,
    ) {
        let wanted = second(desired, minimum, maximum, rollout);
        let tasks = tasks_of(&kinds);
        let mut other = tasks.clone();
        other.reverse();
        let middle = turn.min(other.len());
        other.rotate_left(middle);
        let sorted = |tasks: &[Task]| {
            let mut plan = planned(&wanted, tasks, 100);
            plan.stops.sort_by(|a, b| a.name.cmp(&b.name));
            plan
        };
        prop_assert_eq!(sorted(&tasks), sorted(&other));
    }

    #[test]
    fn the_date_changes_nothing(
        kinds in kinds(), desired in 0_u32..6, minimum in 0_u32..=100, maximum in 100_u32..=200,
        rollout in rollouts(), later in 1_i64..1_000_000,
    ) {
        let shift = |time: Option<Timestamp>| time.map(|time| time.checked_add(SignedDuration::from_secs(later)).unwrap());
        let wanted = second(desired, minimum, maximum, rollout);
        let tasks = tasks_of(&kinds);
        let shifted: Vec<Task> = tasks.iter().cloned().map(|task| Task {
            created_at: shift(Some(task.created_at)).unwrap(),
            started_at: shift(task.started_at),
            stopped_at: shift(task.stopped_at),
            protected_until: shift(task.protected_until),
            ..task
        }).collect();
        let then = Wanted { deployed_at: shift(wanted.deployed_at), ..wanted.clone() };
        let first = planned(&wanted, &tasks, 100);
        let second = planned(&then, &shifted, 100 + later);
        prop_assert_eq!(shift(first.wake_at), second.wake_at);
        prop_assert_eq!((first.stops, first.starts, first.restarts, first.steady), (second.stops, second.starts, second.restarts, second.steady));
    }

    #[test]
    fn whatever_there_is_the_bounds_hold_and_protected_tasks_stay(
        kinds in kinds(), desired in 0_u32..6, minimum in 0_u32..=100, maximum in 100_u32..=200, rollout in rollouts(),
    ) {
        let wanted = second(desired, minimum, maximum, rollout);
        let tasks = tasks_of(&kinds);
        let plan = planned(&wanted, &tasks, 100);
        let gone = |task: &&Task| plan.stops.iter().any(|stop| stop.name == task.name);
        let healthy = |task: &&Task| task.is_healthy(wanted.healthy_after, at(100));
        let before = tasks.iter().filter(healthy).count();
        let left = tasks.iter().filter(healthy).filter(|task| !gone(task)).count();
        prop_assert!(left >= wanted.lower_bound().min(before), "{plan:?}");
        let live = tasks.iter().filter(|task| task.is_live()).count();
        let started = plan.starts.len() + plan.restarts.len();
        prop_assert!(started == 0 || live + started <= wanted.upper_bound(), "{plan:?}");
        for task in tasks.iter().filter(gone) {
            prop_assert!(!task.is_protected(at(100)) || task.is_unhealthy() || task.draining, "{plan:?}");
            prop_assert!(!task.stopping && task.state != TaskState::Stopped, "{plan:?}");
        }
    }
}
