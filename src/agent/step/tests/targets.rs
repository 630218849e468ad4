//! What is told of a target, from its registration on.

use super::withdrawal::app;
use super::*;
use crate::agent::step::GroupFound;
use crate::api::task::{TargetHealth, TargetReason};
use crate::domain::traffic::check::{Failure, Question};

#[test]
fn a_target_is_registering_then_under_its_first_checks_then_what_they_say() {
    let check = Check {
        question: Question::Connect,
        port: None,
        interval: Duration::from_secs(30),
        timeout: Duration::from_secs(5),
        healthy_threshold: 5,
        unhealthy_threshold: 2,
    };
    let mut world = World::of([app()], &[("app:1", Program::default())]);
    world.check = Some(check);
    let mut world = world.serving("app");
    assert_eq!(
        world.target(),
        (
            TargetHealth::Initial,
            Some(TargetReason::RegistrationInProgress)
        )
    );
    assert_eq!(world.task.next_check(), None, "it does not run");
    world.settle(3);
    assert_eq!(
        world.target(),
        (
            TargetHealth::Initial,
            Some(TargetReason::InitialHealthChecking)
        )
    );
    let due = world.task.checks_due(world.now);
    let order = due.first().unwrap();
    assert_eq!((order.address.as_str(), order.port), ("10.0.0.1", 8080));
    assert!(world.task.checks_due(world.now).is_empty(), "one at a time");
    world.task.checked(order, Ok(()), world.now);
    world.step();
    assert_eq!(world.target(), (TargetHealth::Healthy, None));
    assert_eq!(world.task.report().targets[0].host_port, Some(8080));
    for _ in 0..2 {
        world.seconds(30);
        let due = world.task.checks_due(world.now);
        let answer = Err(Failure::Code(503));
        world.task.checked(due.first().unwrap(), answer, world.now);
    }
    world.step();
    assert_eq!(
        world.target(),
        (
            TargetHealth::Unhealthy,
            Some(TargetReason::ResponseCodeMismatch)
        )
    );
    world.save();
    world.restart_agent(false);
    assert_eq!(
        world.target().0,
        TargetHealth::Unhealthy,
        "a restarted agent says what it said"
    );
    world.task.find_groups(|_| GroupFound::Missing);
    world.settle(1);
    assert_eq!(
        world.target(),
        (TargetHealth::Unused, Some(TargetReason::NotRegistered))
    );
}
