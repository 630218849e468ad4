//! Health checks that come to no result.

use super::super::health::NO_RESULT;
use super::*;
use crate::domain::definition::HealthCheck;
use crate::domain::definition::tests_support::container;

/// Two minutes and a half pass before a result is overdue.
fn web() -> World {
    let app = Container {
        image: "app".into(),
        health_check: Some(HealthCheck {
            command: vec!["CMD".into(), "true".into()],
            interval: Duration::from_secs(15),
            timeout: Duration::from_secs(5),
            retries: 3,
            start_period: Duration::from_secs(15),
        }),
        ..container("app")
    };
    let mut world = World::of([app], &[("app", Program::default())]);
    world.settle(2);
    assert_eq!(world.task.report().state, TaskState::Running);
    world
}

fn find(world: &mut World, health: Health) {
    world.set_health("app", health);
    world.settle(2);
}

fn health_after(world: &mut World, seconds: i64) -> (Health, Option<String>) {
    world.pass(SignedDuration::from_secs(seconds));
    world.settle(2);
    (world.task.report().health, world.told("app").reason.clone())
}

#[test]
fn a_health_check_that_never_comes_to_a_result_has_failed_after_twice_its_longest_time() {
    let mut world = web();
    assert_eq!(health_after(&mut world, 135), (Health::Unknown, None));
    let woken = world.task.wake(world.now).unwrap();
    assert!(woken.duration_since(world.now) <= SignedDuration::from_secs(15));
    let failed = (Health::Unhealthy, Some(NO_RESULT.to_owned()));
    assert_eq!(health_after(&mut world, 15), failed);
    assert_eq!(world.told("app").status, ContainerStatus::Running);

    world.restart_agent(true);
    world.settle(1);
    assert_eq!(health_after(&mut world, 1), failed, "what was told stays");
    find(&mut world, Health::Healthy);
    assert_eq!(health_after(&mut world, 1), (Health::Healthy, None));
}

#[test]
fn an_engine_that_begins_its_checks_anew_has_all_the_time_again() {
    let mut world = web();
    find(&mut world, Health::Healthy);
    assert_eq!(health_after(&mut world, 3_600).0, Health::Healthy);
    find(&mut world, Health::Unknown);
    assert_eq!(health_after(&mut world, 100), (Health::Unknown, None));
    find(&mut world, Health::Unhealthy);
    assert_eq!(health_after(&mut world, 100), (Health::Unhealthy, None));
    find(&mut world, Health::Unknown);
    assert_eq!(health_after(&mut world, 140), (Health::Unknown, None));
    assert_eq!(health_after(&mut world, 10).0, Health::Unhealthy);
}
