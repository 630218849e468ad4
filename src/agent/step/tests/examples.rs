use super::*;
use crate::domain::definition::tests_support::container;

const FOREVER: fn() -> Program = Program::default;

fn web() -> World {
    World::of([container("app")], &[(image(), FOREVER())])
}

fn image() -> &'static str {
    Box::leak(container("app").image.into_boxed_str())
}

#[test]
fn a_task_runs_after_four_calls() {
    let mut world = web();
    let mut calls = Vec::new();
    while let Some(order) = world.orders.first().cloned() {
        calls.push(order.call);
        world.perform(0, Fate::Answered);
    }
    assert_eq!(
        calls,
        [Call::Pull, Call::Create, Call::Start, Call::Inspect]
    );
    let report = world.task.report();
    assert_eq!(report.state, TaskState::Running);
    assert!(report.started_at.is_some() && report.pull_stopped_at.is_some());
    assert!(world.told("app").image_digest.is_some());
}

#[test]
fn an_essential_exit_ends_the_task_with_the_containers_exit_code() {
    let mut sidecar = container("log");
    sidecar.essential = false;
    sidecar.image = "log".into();
    let mut world = World::of(
        [container("app"), sidecar],
        &[(image(), FOREVER()), ("log", FOREVER())],
    );
    world.settle(2);
    world.engine.end(&world.name("app"), 3, world.now);
    world.settle(2);
    let report = world.task.report();
    let stop = report.stop.as_ref().unwrap();
    assert_eq!(
        (report.state, stop.code),
        (TaskState::Stopped, StopCode::EssentialContainerExited)
    );
    assert_eq!(stop.reason, "Essential container in task exited");
    assert_eq!(world.told("app").exit_code, Some(3));
    assert!(report.execution_stopped_at <= report.stopped_at);
}

#[test]
fn the_end_of_a_container_that_is_not_essential_changes_nothing() {
    let mut sidecar = container("log");
    sidecar.essential = false;
    sidecar.image = "log".into();
    let short = Program {
        runs_for: Some(SignedDuration::from_secs(1)),
        ..Program::default()
    };
    let mut world = World::of(
        [container("app"), sidecar],
        &[(image(), FOREVER()), ("log", short)],
    );
    world.settle(5);
    assert_eq!(world.task.report().state, TaskState::Running);
    assert_eq!(world.told("log").status, ContainerStatus::Stopped);
}

#[test]
fn an_image_that_cannot_be_pulled_fails_the_start_in_ecs_words() {
    let mut world = World::of([container("app")], &[]);
    world.settle(2);
    let report = world.task.report();
    assert_eq!(report.state, TaskState::Stopped);
    assert_eq!(
        report.stop.as_ref().unwrap().code,
        StopCode::TaskFailedToStart
    );
    let reason = world.told("app").reason.as_deref().unwrap();
    assert!(
        reason.starts_with("CannotPullContainerError: pull access denied"),
        "{reason}"
    );
}

#[test]
fn a_start_that_fails_says_why_and_leaves_nothing_running() {
    let broken = Program {
        start_error: Some("exec format error".into()),
        ..Program::default()
    };
    let mut world = World::of([container("app")], &[(image(), broken)]);
    world.settle(2);
    assert_eq!(
        world.task.report().stop.as_ref().unwrap().code,
        StopCode::TaskFailedToStart
    );
    assert_eq!(
        world.told("app").reason.as_deref(),
        Some("CannotStartContainerError: exec format error")
    );
}

#[test]
fn a_container_that_somebody_removed_has_vanished_after_the_second_look() {
    let mut world = web();
    world.settle(2);
    world.engine.vanish(&world.name("app"));
    world.list();
    assert_eq!(
        world.task.report().state,
        TaskState::Running,
        "one look is not enough"
    );
    world.settle(3);
    assert_eq!(world.task.report().state, TaskState::Stopped);
    assert!(
        world
            .told("app")
            .reason
            .as_deref()
            .unwrap()
            .starts_with("ContainerVanishedError: ")
    );
}

#[test]
fn an_engine_that_cannot_be_asked_ends_nothing() {
    let mut world = web();
    world.settle(2);
    world.engine.end(&world.name("app"), 0, world.now);
    world.hints();
    for _ in 0..50 {
        world.perform(0, Fate::RequestLost);
        world.pass(SignedDuration::from_secs(30));
    }
    assert_eq!(world.task.report().state, TaskState::Running);
    world.settle(2);
    assert_eq!(world.task.report().state, TaskState::Stopped);
}

#[test]
fn what_ignores_the_stop_signal_is_killed_after_the_grace_period() {
    let deaf = Program {
        stops_in: None,
        ..Program::default()
    };
    let mut world = World::of([container("app")], &[(image(), deaf)]);
    world.settle(2);
    world.stop(StopCode::ServiceSchedulerInitiated, "Scaling activity");
    assert_eq!(world.task.report().state, TaskState::Stopping);
    world.settle(2);
    assert_eq!(
        world.task.report().stop.as_ref().unwrap().reason,
        "Scaling activity"
    );
    assert_eq!(world.told("app").exit_code, Some(137));
}

#[test]
fn a_container_created_by_an_agent_that_died_is_adopted() {
    let mut world = web();
    world.perform(0, Fate::Answered);
    world.restart_agent(true);
    world.settle(3);
    assert_eq!(world.task.report().state, TaskState::Running);
}

#[test]
fn a_start_without_an_answer_in_time_is_fenced_by_removing_the_container() {
    let mut world = web();
    world.perform(0, Fate::Answered);
    world.perform(0, Fate::Answered);
    let start = world.orders.remove(0);
    assert_eq!(start.call, Call::Start);
    let late = Error::Timeout {
        after: Duration::from_mins(3),
    };
    world
        .task
        .done("app", Outcome::Started(Err(late)), 99, world.now);
    world.settle(4);
    let report = world.task.report();
    assert_eq!(report.state, TaskState::Stopped);
    assert!(
        world
            .told("app")
            .reason
            .as_deref()
            .unwrap()
            .starts_with("DockerTimeoutError")
    );
    assert!(
        world.engine.start(&world.name("app"), world.now).is_err(),
        "the late start finds nothing to start"
    );
}

#[test]
fn a_refused_task_makes_no_call_at_all() {
    let mut world = web();
    world.orders.clear();
    world.wanted.refusal = Some("RESOURCE:MEMORY".into());
    world.task = Task::new(world.wanted.clone(), TaskReport::default(), &Listed::new());
    world.step();
    assert!(world.orders.is_empty());
    assert_eq!(world.task.report().state, TaskState::Stopped);
    assert_eq!(
        world.task.report().stop.as_ref().unwrap().code,
        StopCode::TaskFailedToStart
    );
}

#[test]
fn a_task_that_the_controller_declared_stopped_is_put_down_and_its_report_stays() {
    let mut world = web();
    world.settle(2);
    let mut fenced = world.task.report().clone();
    fenced.state = TaskState::Stopped;
    world.stored = fenced.clone();
    world.task.declared_stopped(fenced.clone());
    // The fence is the controller's word: only here may a task be STOPPED while something lives.
    let orders = world.task.step(world.now);
    assert!(matches!(orders[0].call, Call::Stop { .. }));
    assert_eq!(world.task.report(), &fenced);
}
