use proptest::prelude::*;

use super::*;
use crate::domain::definition::tests_support::container;

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

fn worlds() -> impl Strategy<Value = World> {
    let one = (
        program(),
        any::<bool>(),
        proptest::bool::weighted(0.1),
        volumes::mounts(),
    );
    proptest::collection::vec(one, 1..4).prop_map(|mut all| {
        all[0].1 = true;
        let names = ["a", "b", "c"];
        let containers = all
            .iter()
            .zip(names)
            .map(|((_, essential, missing, mounts), name)| {
                let from = mounts.from.filter(|_| name != "a");
                let mut it = container(name);
                it.essential = *essential;
                it.image = if *missing {
                    "missing".into()
                } else {
                    name.into()
                };
                it.mount_points.clone_from(&mounts.points);
                it.volumes_from = from.into_iter().map(volumes::from).collect();
                it
            });
        let programs: Vec<_> = all
            .iter()
            .zip(names)
            .map(|((program, _, _, _), name)| (name, program.clone()))
            .collect();
        World::of(containers, &programs)
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
        prop_assert_eq!(world.task.report().state, TaskState::Stopped);
        prop_assert!(world.engine.live().is_empty());
        prop_assert!(world.is_quiet(), "a stopped task is quiet: {:?}", world.orders);
    }

    #[test]
    fn whatever_happens_a_task_comes_to_run_or_to_stop(mut world in worlds(), history in events()) {
        for event in history {
            happen(&mut world, event);
        }
        world.settle(80);
        let report = world.task.report();
        let orders_alone = report.containers.iter().filter_map(|it| it.reason.as_ref());
        for reason in orders_alone {
            prop_assert!(!reason.contains("there is no volume"), "{}", reason);
        }
        let settled = matches!(report.state, TaskState::Running | TaskState::Stopped);
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
