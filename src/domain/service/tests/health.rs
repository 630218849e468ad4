//! Container health checks, target health and the grace period.

use super::*;

fn behind_a_load_balancer(slot: i64, target: Target) -> Task {
    Task {
        target: Some(target),
        ..task(slot)
    }
}

#[test]
fn a_task_counts_as_healthy_when_its_container_and_its_target_both_are() {
    let healthy = |checked, health, target| {
        let task = Task {
            checked,
            health,
            target,
            ..task(0)
        };
        task.is_healthy(HEALTHY_AFTER, at(20))
    };
    let (fine, sick) = (Some(Target::Healthy), Some(Target::Unhealthy));
    // ECS API Reference, minimumHealthyPercent: the four cases; at 20 s nothing counts by its age.
    assert!(!healthy(false, Health::Unknown, None));
    assert!(healthy(true, Health::Healthy, None));
    assert!(healthy(false, Health::Unknown, fine));
    assert!(healthy(true, Health::Healthy, fine));
    assert!(!healthy(true, Health::Healthy, sick));
    assert!(!healthy(true, Health::Unknown, fine));
    assert!(!healthy(true, Health::Healthy, Some(Target::Initial)));
}

#[test]
fn a_task_whose_target_fails_is_replaced_start_first() {
    let tasks = [
        behind_a_load_balancer(0, Target::Unhealthy),
        behind_a_load_balancer(1, Target::Healthy),
    ];
    let plan = planned(&wanted(2), &tasks, 100);
    assert_eq!((plan.starts.len(), plan.stops.len()), (1, 0));
}

#[test]
fn failed_checks_do_not_count_within_the_grace_period() {
    let patient = Wanted {
        health_check_grace_period: Duration::from_mins(1),
        ..wanted(2)
    };
    let mut sick = behind_a_load_balancer(0, Target::Unhealthy);
    let tasks = [sick.clone(), task(1)];
    let plan = planned(&patient, &tasks, 60);
    assert_eq!(
        (plan.starts.len(), plan.stops.len(), plan.wake_at),
        (0, 0, Some(at(61)))
    );
    assert!(!plan.steady && !plan.blocked);
    assert_eq!(planned(&patient, &tasks, 61).starts.len(), 1);

    // Where there are more tasks than wanted it goes first all the same.
    sick.started_at = Some(at(50));
    let tasks = [sick, task(1), task(2)];
    assert_eq!(names(&planned(&patient, &tasks, 60)), ["t0"]);
}
