//! Dependencies, from the first container to the last.

use super::*;
use crate::domain::definition::HealthCheck;
use crate::domain::definition::tests_support::waiting;
use crate::runtime::model::Deed;

impl World {
    /// What a container waits for has really happened, before it is created.
    pub(super) fn check_order_of_creation(&mut self, container: &Container) {
        for (name, condition) in container.dependencies() {
            let name = self.wanted.engine_name(name);
            let ever = |wanted: Deed| {
                let mut deeds = self.engine.deeds().iter();
                deeds.any(|(who, deed)| *who == name && *deed == wanted)
            };
            let reached = match condition {
                Condition::Start => ever(Deed::Started),
                Condition::Complete => ever(Deed::Ended),
                Condition::Healthy => self.healthy.contains(&name),
                Condition::Success => {
                    ever(Deed::Ended)
                        && self
                            .engine
                            .inspect(&name, self.now)
                            .map_or(true, |view| view.exit_code == Some(0))
                }
            };
            assert!(
                reached,
                "{} came before {condition:?} of {name}",
                container.name
            );
        }
    }

    /// Nothing that waited for a container outlives it where the agent ends it.
    pub(super) fn check_order_of_end(&self, ended: &str) {
        let live = self.engine.live();
        let mut containers = self.wanted.definition.containers.iter();
        let outlives = containers
            .find(|it| it.depends_on(ended) && live.contains(&self.wanted.engine_name(&it.name)));
        let is_stopping = self.task.report().stop.is_some();
        assert!(
            !is_stopping || outlives.is_none(),
            "{ended} is stopped before {}",
            outlives.unwrap().name
        );
    }
}

/// A container of its own image that waits for others.
fn waits(name: &str, dependencies: &[(&str, Condition)]) -> Container {
    Container {
        image: name.into(),
        ..waiting(name, dependencies)
    }
}

fn optional(container: Container) -> Container {
    Container {
        essential: false,
        ..container
    }
}

fn checked(container: Container) -> Container {
    let second = Duration::from_secs(1);
    Container {
        health_check: Some(HealthCheck {
            command: vec!["CMD".into(), "true".into()],
            interval: second,
            timeout: second,
            retries: 1,
            start_period: second,
        }),
        ..container
    }
}

fn ends(seconds: i64, exit_code: i64) -> Program {
    Program {
        runs_for: Some(SignedDuration::from_secs(seconds)),
        exit_code,
        ..Program::default()
    }
}

/// Names of containers in the order of a deed.
fn order_of(world: &World, deed: Deed) -> Vec<String> {
    let name = |engine_name: &String| {
        let mut containers = world.wanted.definition.containers.iter();
        let found = containers.find(|it| world.name(&it.name) == *engine_name);
        found.unwrap().name.clone()
    };
    let deeds = world.engine.deeds().iter();
    deeds
        .filter(|(_, done)| *done == deed)
        .map(|(who, _)| name(who))
        .collect()
}

#[test]
fn containers_start_in_the_order_of_their_dependencies_and_stop_in_the_reverse() {
    let mut world = World::of(
        [
            waits("proxy", &[("app", Condition::Start)]),
            waits("app", &[("db", Condition::Start)]),
            waits("db", &[]),
        ],
        &[
            ("proxy", Program::default()),
            ("app", Program::default()),
            ("db", Program::default()),
        ],
    );
    world.settle(3);
    assert_eq!(world.task.report().state, TaskState::Running);
    assert_eq!(order_of(&world, Deed::Started), ["db", "app", "proxy"]);
    world.stop(StopCode::UserInitiated, "enough");
    world.settle(3);
    assert_eq!(world.task.report().state, TaskState::Stopped);
    assert_eq!(order_of(&world, Deed::Ended), ["proxy", "app", "db"]);
}

#[test]
fn an_application_waits_until_its_migration_succeeded_and_only_then_is_the_task_running() {
    let mut world = World::of(
        [
            waits("app", &[("migrate", Condition::Success)]),
            optional(waits("migrate", &[])),
        ],
        &[("app", Program::default()), ("migrate", ends(5, 0))],
    );
    world.settle(3);
    assert_eq!(world.task.report().state, TaskState::Pending);
    assert_eq!(world.told("app").status, ContainerStatus::Pending);
    world.settle(5);
    assert_eq!(world.task.report().state, TaskState::Running);
    assert_eq!(world.told("migrate").exit_code, Some(0));
}

#[test]
fn a_migration_that_fails_fails_the_start_and_the_container_says_why() {
    let mut world = World::of(
        [
            waits("app", &[("migrate", Condition::Success)]),
            optional(waits("migrate", &[])),
        ],
        &[("app", Program::default()), ("migrate", ends(1, 3))],
    );
    world.settle(5);
    let report = world.task.report();
    assert_eq!(report.state, TaskState::Stopped);
    let stop = report.stop.as_ref().unwrap();
    assert_eq!(
        (stop.code, stop.reason.as_str()),
        (StopCode::TaskFailedToStart, "Task failed to start")
    );
    let reason = world.told("app").reason.as_deref().unwrap();
    assert!(
        reason.starts_with(
            "TaskDependencyError: Task dependencies cannot be resolved, taskArn: arn:aws:ecs:"
        ),
        "{reason}"
    );
    assert!(
        reason.ends_with("waits for SUCCESS of container migrate, which ended with exit code 3"),
        "{reason}"
    );
    assert_eq!(order_of(&world, Deed::Created), ["migrate"]);
}

#[test]
fn an_end_of_any_kind_completes_and_counts_as_a_start() {
    let mut world = World::of(
        [
            waits("app", &[("once", Condition::Complete)]),
            optional(waits("log", &[("once", Condition::Start)])),
            optional(waits("once", &[])),
        ],
        &[
            ("app", Program::default()),
            ("log", Program::default()),
            ("once", ends(0, 9)),
        ],
    );
    world.settle(4);
    assert_eq!(world.task.report().state, TaskState::Running);
}

#[test]
fn who_waits_for_a_container_that_cannot_be_started_is_given_up_with_all_behind_it() {
    let mut world = World::of(
        [
            waits("app", &[]),
            optional(waits("third", &[("second", Condition::Start)])),
            optional(waits("second", &[("first", Condition::Start)])),
            optional(waits("first", &[])),
        ],
        &[
            ("app", Program::default()),
            ("second", Program::default()),
            ("third", Program::default()),
        ],
    );
    world.settle(3);
    assert_eq!(
        world.task.report().state,
        TaskState::Running,
        "app is alone"
    );
    for name in ["first", "second", "third"] {
        assert_eq!(world.told(name).status, ContainerStatus::Stopped, "{name}");
    }
    let reason = world.told("third").reason.as_deref().unwrap();
    assert!(
        reason.ends_with("waits for START of container second, which could not be started"),
        "{reason}"
    );
}

#[test]
fn healthy_opens_the_way_and_the_start_timeout_of_the_awaited_container_closes_it() {
    let db = |start_timeout| {
        checked(Container {
            start_timeout: Some(Duration::from_secs(start_timeout)),
            ..waits("db", &[])
        })
    };
    let world = |db| {
        World::of(
            [waits("app", &[("db", Condition::Healthy)]), db],
            &[("app", Program::default()), ("db", Program::default())],
        )
    };
    let mut sound = world(db(30));
    sound.settle(5);
    assert_eq!(sound.task.report().state, TaskState::Pending);
    sound.set_health("db", Health::Healthy);
    sound.settle(2);
    assert_eq!(sound.task.report().state, TaskState::Running);
    sound.set_health("db", Health::Unhealthy);
    sound.settle(40);
    assert_eq!(
        sound.task.report().state,
        TaskState::Running,
        "a dependency is asked only at the start"
    );

    let mut sick = world(db(30));
    sick.settle(3);
    let woken = sick.task.wake(sick.now).unwrap();
    assert_eq!(
        woken,
        sick.told("db").started_at.unwrap() + SignedDuration::from_secs(30)
    );
    sick.settle(40);
    let reason = sick.told("app").reason.as_deref().unwrap();
    assert!(
        reason.ends_with("which was not there within its startTimeout of 30 s"),
        "{reason}"
    );
    assert_eq!(sick.task.report().state, TaskState::Stopped);
}

#[test]
fn an_agent_that_comes_back_goes_on_where_the_order_stood() {
    let mut world = World::of(
        [
            waits("app", &[("migrate", Condition::Success)]),
            optional(waits("migrate", &[])),
        ],
        &[("app", Program::default()), ("migrate", ends(5, 0))],
    );
    world.settle(2);
    world.pass(SignedDuration::from_mins(1));
    world.restart_agent(true);
    world.settle(3);
    assert_eq!(world.task.report().state, TaskState::Running);
    assert_eq!(order_of(&world, Deed::Started), ["migrate", "app"]);
}
