//! Restart policies.

use std::collections::BTreeSet;

use super::*;
use crate::domain::definition::RestartPolicy;
use crate::domain::definition::tests_support::container;

/// An essential container that is started again when it ran for a minute, and whose exit code 42 is final.
fn web() -> World {
    let app = Container {
        image: "app".into(),
        restart_policy: Some(RestartPolicy {
            ignored_exit_codes: BTreeSet::from([42]),
            attempt_period: Duration::from_mins(1),
        }),
        ..container("app")
    };
    let mut world = World::of([app], &[("app", Program::default())]);
    world.settle(2);
    assert_eq!(world.task.report().state, TaskState::Running);
    world
}

/// Lets the container run for so long, and ends it.
fn run_and_end(world: &mut World, seconds: i64, code: i64) {
    world.pass(SignedDuration::from_secs(seconds));
    let name = world.name("app");
    world.engine.end(&name, code, world.now);
}

#[test]
fn the_same_container_is_started_again_and_counted_and_the_task_stays_running() {
    let mut world = web();
    let id = world.told("app").runtime_id.clone();
    let started_at = world.task.report().started_at;
    for restarts in 1..=3 {
        run_and_end(&mut world, 61, 1);
        world.settle(2);
        let app = world.told("app");
        assert_eq!((app.restart_count, &app.runtime_id), (restarts, &id));
        assert_eq!(app.status, ContainerStatus::Running);
        assert_eq!(world.task.report().state, TaskState::Running);
    }
    assert_eq!(world.task.report().started_at, started_at);
    assert_eq!(world.engine.live().len(), 1);
}

#[test]
fn an_end_too_soon_and_an_ignored_exit_code_end_the_task() {
    for (seconds, code) in [(10, 1), (600, 42)] {
        let mut world = web();
        run_and_end(&mut world, seconds, code);
        world.settle(2);
        let stop = world.task.report().stop.clone().unwrap();
        assert_eq!(stop.code, StopCode::EssentialContainerExited);
        assert_eq!(world.told("app").exit_code, Some(code));
        assert_eq!(world.told("app").restart_count, 0);
    }
}

#[test]
fn an_agent_that_was_down_asks_the_policy_when_it_comes_back() {
    let mut world = web();
    run_and_end(&mut world, 61, 1);
    world.pass(SignedDuration::from_hours(1));
    world.restart_agent(true);
    world.settle(2);
    assert_eq!(world.told("app").restart_count, 1);
    assert_eq!(world.task.report().state, TaskState::Running);

    run_and_end(&mut world, 10, 1);
    world.pass(SignedDuration::from_hours(1));
    world.restart_agent(true);
    world.settle(2);
    assert_eq!(
        world.task.report().state,
        TaskState::Stopped,
        "what counts is how long it ran, not when somebody looks"
    );
}

#[test]
fn a_restart_whose_agent_died_is_counted_by_the_next_one() {
    let mut world = web();
    run_and_end(&mut world, 61, 1);
    world.hints();
    world.perform(0, Fate::Answered);
    assert_eq!(world.orders[0].call, Call::Start);
    world.restart_agent(true);
    world.settle(2);
    assert_eq!(world.told("app").restart_count, 1);
}

#[test]
fn a_task_that_is_to_end_restarts_nothing_and_keeps_the_exit_code() {
    let mut world = web();
    run_and_end(&mut world, 61, 5);
    world.stop(StopCode::UserInitiated, "enough");
    world.settle(2);
    assert_eq!(world.task.report().state, TaskState::Stopped);
    assert_eq!(world.told("app").exit_code, Some(5));
    assert_eq!(world.told("app").restart_count, 0);
}

#[test]
fn a_restart_without_an_answer_is_fenced_by_removing_the_container() {
    let mut world = web();
    run_and_end(&mut world, 61, 5);
    world.hints();
    world.perform(0, Fate::Answered);
    world.perform(0, Fate::RequestLost);
    world.stop(StopCode::UserInitiated, "enough");
    world.settle(4);
    assert_eq!(world.task.report().state, TaskState::Stopped);
    assert_eq!(world.told("app").exit_code, Some(5));
    let name = world.name("app");
    assert!(
        world.engine.start(&name, world.now).is_err(),
        "the late restart finds nothing to start"
    );
}

#[test]
fn a_restart_that_the_engine_refuses_ends_the_container_with_its_last_exit_code() {
    let mut world = web();
    world.engine = std::mem::take(&mut world.engine).with_registry(
        "app",
        Program {
            start_error: Some("no space left on device".into()),
            ..Program::default()
        },
    );
    run_and_end(&mut world, 61, 5);
    world.settle(3);
    let app = world.told("app");
    assert_eq!(app.exit_code, Some(5));
    assert_eq!(
        app.reason.as_deref(),
        Some("CannotStartContainerError: no space left on device")
    );
    assert_eq!(world.task.report().state, TaskState::Stopped);
}
