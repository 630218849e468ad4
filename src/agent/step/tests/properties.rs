use proptest::prelude::*;

use super::*;
use crate::domain::definition::tests_support::container;
use crate::domain::definition::{Dependency, HealthCheck, RestartPolicy};

#[derive(Debug, Clone)]
enum Event {
    Perform(usize, Fate),
    List,
    Hints,
    Pass(i64),
    Save,
    RestartAgent(bool),
    RestartEngine,
    End(usize),
    Vanish(usize),
    Health(usize, Health),
    Stop,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let fate = prop_oneof![6 => Just(Fate::Answered), 1 => Just(Fate::AnswerLost), 1 => Just(Fate::RequestLost)];
    let event = prop_oneof![
        30 => (any::<usize>(), fate).prop_map(|(index, fate)| Event::Perform(index, fate)),
        5 => Just(Event::List),
        5 => Just(Event::Hints),
        10 => (1_i64..20_000).prop_map(Event::Pass),
        8 => Just(Event::Save),
        2 => any::<bool>().prop_map(Event::RestartAgent),
        1 => Just(Event::RestartEngine),
        2 => (0_usize..3).prop_map(Event::End),
        1 => (0_usize..3).prop_map(Event::Vanish),
        4 => (0_usize..3, prop_oneof![3 => Just(Health::Healthy), 1 => Just(Health::Unhealthy)])
            .prop_map(|(index, health)| Event::Health(index, health)),
        1 => Just(Event::Stop),
    ];
    proptest::collection::vec(event, 0..60)
}

fn program() -> impl Strategy<Value = Program> {
    let seconds = || proptest::option::of((0_i64..60).prop_map(SignedDuration::from_secs));
    (
        seconds(),
        0_i64..3,
        seconds(),
        proptest::bool::weighted(0.1),
    )
        .prop_map(|(runs_for, exit_code, stops_in, broken)| Program {
            runs_for,
            exit_code,
            stops_in,
            start_error: broken.then(|| "exec format error".to_owned()),
        })
}

/// What a container waits for, of those before it. Whether these are essential does not matter to the agent.
fn waits() -> impl Strategy<Value = Vec<Option<Condition>>> {
    let one = prop_oneof![
        4 => Just(None),
        2 => Just(Some(Condition::Start)),
        1 => Just(Some(Condition::Complete)),
        1 => Just(Some(Condition::Success)),
        1 => Just(Some(Condition::Healthy)),
    ];
    proptest::collection::vec(one, 3)
}

fn restart_policy() -> impl Strategy<Value = Option<RestartPolicy>> {
    let policy = (5_u64..40, any::<bool>()).prop_map(|(period, ignores)| RestartPolicy {
        ignored_exit_codes: ignores.then_some(1).into_iter().collect(),
        attempt_period: Duration::from_secs(period),
    });
    proptest::option::weighted(0.3, policy)
}

fn always_asked() -> HealthCheck {
    let second = Duration::from_secs(1);
    HealthCheck {
        command: vec!["CMD".into(), "true".into()],
        interval: second,
        timeout: second,
        retries: 1,
        start_period: second,
    }
}

fn worlds() -> impl Strategy<Value = World> {
    let one = (
        program(),
        any::<bool>(),
        proptest::bool::weighted(0.1),
        waits(),
        restart_policy(),
        volumes::mounts(),
    );
    let shared = proptest::bool::weighted(0.2);
    let containers = proptest::collection::vec(one, 1..4);
    (containers, shared).prop_map(|(mut all, shared)| {
        all[0].1 = true;
        let names = ["a", "b", "c"];
        let containers = all.iter().zip(names).map(
            |((_, essential, missing, waits, restart_policy, mounts), name)| {
                let mut it = container(name);
                // Only on those before it, so that there is no circle.
                let before = names.iter().take_while(|other| *other != &name);
                it.depends_on = before
                    .zip(waits)
                    .filter_map(|(other, condition)| {
                        Some(Dependency {
                            container: (*other).to_owned(),
                            condition: (*condition)?,
                        })
                    })
                    .collect();
                it.start_timeout = essential.then_some(Duration::from_secs(20));
                it.health_check = Some(always_asked());
                it.restart_policy.clone_from(restart_policy);
                it.essential = *essential;
                it.image = if *missing {
                    "missing".into()
                } else {
                    name.into()
                };
                it.mount_points.clone_from(&mounts.points);
                let from = mounts.from.filter(|_| name != "a");
                it.volumes_from = from.into_iter().map(volumes::from).collect();
                it
            },
        );
        let mut definition = tests_support::definition("web", containers);
        if shared {
            definition.network_mode = NetworkMode::Awsvpc;
            definition = definition.with_pause("pause");
        }
        let programs: Vec<_> = all
            .iter()
            .zip(names)
            .map(|((program, ..), name)| (name, program.clone()))
            .collect();
        let pause = ("pause", Program::default());
        World::new(definition, &[programs, vec![pause]].concat())
    })
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("orders", &self.orders)
            .field("task", &self.task)
            .finish_non_exhaustive()
    }
}

fn happen(world: &mut World, event: Event) {
    let name = |world: &World, index: usize| {
        let containers = &world.wanted.definition.containers;
        world.name(&containers[index % containers.len()].name)
    };
    match event {
        Event::Perform(index, fate) => world.perform(index, fate),
        Event::List => world.list(),
        Event::Hints => world.hints(),
        Event::Pass(millis) => world.pass(SignedDuration::from_millis(millis)),
        Event::Save => world.save(),
        Event::RestartAgent(reaches) => world.restart_agent(reaches),
        Event::RestartEngine => world.engine.restart(world.now),
        Event::End(index) => {
            let name = name(world, index);
            world.engine.end(&name, 1, world.now);
        }
        Event::Vanish(index) => {
            let name = name(world, index);
            world.engine.vanish(&name);
        }
        Event::Health(index, health) => {
            let containers = &world.wanted.definition.containers;
            let name = containers[index % containers.len()].name.clone();
            world.set_health(&name, health);
        }
        Event::Stop => world.stop(StopCode::UserInitiated, "enough"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn whatever_happens_a_stop_leads_to_stopped_and_nothing_runs_twice(mut world in worlds(), history in events()) {
        for event in history {
            happen(&mut world, event);
        }
        world.stop(StopCode::UserInitiated, "enough");
        world.settle(40);
        world.quiesce();
        prop_assert_eq!(world.task.report().state, TaskState::Stopped);
        prop_assert!(world.engine.live().is_empty());
        prop_assert!(world.is_quiet(), "a stopped task is quiet: {:?}", world.orders);
    }

    #[test]
    fn whatever_happens_a_task_comes_to_run_or_to_stop_or_waits_for_what_lives(mut world in worlds(), history in events()) {
        for event in history {
            happen(&mut world, event);
        }
        world.settle(80);
        world.hints();
        world.quiesce();
        let report = world.task.report();
        let orders_alone = report.containers.iter().filter_map(|it| it.reason.as_ref());
        for reason in orders_alone {
            prop_assert!(!reason.contains("there is no volume"), "{}", reason);
        }
        let waits = world.wanted.definition.containers.iter().any(|container| {
            let mut awaited = container.dependencies();
            !report.exists(&container.name)
                && !report.is_stopped(&container.name)
                && awaited.any(|(name, _)| world.engine.live().contains(&world.name(name)))
        });
        let settled = matches!(report.state, TaskState::Running | TaskState::Stopped) || waits;
        prop_assert!(settled, "stays {}", report.state);
        prop_assert!(world.is_quiet(), "a settled task is quiet: {:?}", world.orders);
        if report.state == TaskState::Stopped {
            prop_assert!(report.stop.is_some() && report.stopped_at.is_some());
        }
    }

    #[test]
    fn a_discarded_task_leaves_nothing_behind(mut world in worlds(), history in events()) {
        for event in history {
            happen(&mut world, event);
        }
        world.task.discard();
        world.step();
        world.settle(40);
        prop_assert!(world.task.is_discarded());
        prop_assert!(world.engine.list(&Labels::new(), world.now).is_empty());
        prop_assert!(world.task.volumes_are_gone());
        prop_assert_eq!(world.own_volumes(), 0);
    }
}
