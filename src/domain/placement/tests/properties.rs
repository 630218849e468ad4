//! What holds of every world, whatever the constraints and strategies.

use super::*;
use crate::domain::query::Expression;

fn instances() -> impl Generator<Value = Vec<Instance>> {
    let zone = prop::option::of(prop::sample::select(vec!["a", "b", "c"]));
    let one = (zone, 0_u32..2048, 0_u32..1024, 0_u32..20, any::<bool>());
    prop::collection::vec(one, 1..7).prop_map(|all| {
        let build = |(n, (zone, cpu, memory, running, connected)): (usize, _)| {
            let zone: Option<&str> = zone;
            Instance {
                attributes: zone
                    .map(|zone| (ZONE.to_owned(), zone.to_owned()))
                    .into_iter()
                    .collect(),
                capacity: Capacity {
                    cpu,
                    memory,
                    ..CAPACITY
                },
                connected,
                running,
                ..instance(&format!("i{n}"))
            }
        };
        all.into_iter().enumerate().map(build).collect()
    })
}

fn strategies() -> impl Generator<Value = Vec<Strategy>> {
    let one = prop::sample::select(vec![
        Strategy::Random,
        Strategy::Spread(Spread::Instance),
        Strategy::Spread(Spread::Attribute(ZONE.to_owned())),
        Strategy::Spread(Spread::Attribute("nowhere".to_owned())),
        Strategy::Binpack(Packed::Cpu),
        Strategy::Binpack(Packed::Memory),
    ]);
    prop::collection::vec(one, 0..=MAXIMUM_STRATEGIES)
}

fn rules() -> impl Generator<Value = Rules> {
    let expressions = [
        "attribute:ecs.availability-zone in [a, b]",
        "not (attribute:ecs.availability-zone == c)",
        "runningTasksCount < 10",
        "ec2InstanceId =~ 'i[0-3]'",
        "not (task:group == service:web)",
    ];
    let known = expressions
        .map(|text| Constraint::MemberOf(Expression::parse(text).unwrap()))
        .into_iter()
        .chain([Constraint::DistinctInstance, Constraint::AtMost(2)])
        .collect::<Vec<_>>();
    let constraints = prop::collection::vec(prop::sample::select(known), 0..3);
    (constraints, strategies()).prop_map(|(constraints, strategies)| Rules {
        constraints,
        strategies,
    })
}

/// Tasks of the group by the value of the spread attribute, without the values.
fn counts_per_zone(instances: &[Instance]) -> Vec<u32> {
    let mut counts: BTreeMap<Option<&String>, u32> = BTreeMap::new();
    for instance in instances {
        *counts.entry(instance.attributes.get(ZONE)).or_default() +=
            instance.groups.staying(&web());
    }
    let mut counts: Vec<u32> = counts.into_values().collect();
    counts.sort_unstable();
    counts
}

proptest! {
    #[test]
    fn no_strategy_ever_oversubscribes(start in instances(), rules in rules(), wanted in demands()) {
        let mut world = start;
        for (n, demand) in wanted.iter().enumerate() {
            let before = world.clone();
            match place_by(&mut world, demand, &rules, &n.to_string()) {
                Ok(placement) => {
                    let taken = before.iter().find(|instance| instance.name == placement.instance).unwrap();
                    prop_assert_eq!(taken.held.shortage(taken.capacity, demand), None);
                    prop_assert!(taken.connected);
                }
                Err(explanation) => {
                    prop_assert_eq!(explanation.instances(), world.len());
                    prop_assert_eq!(&before, &world);
                }
            }
        }
        for instance in &world {
            prop_assert!(instance.held.cpu <= u64::from(instance.capacity.cpu));
            prop_assert!(instance.held.memory <= u64::from(instance.capacity.memory));
        }
    }

    #[test]
    fn an_idle_instance_more_never_makes_a_placeable_task_unplaceable(
        start in instances(), rules in rules(), wanted in demands(), zone in "[a-d]",
    ) {
        let mut world = start;
        for (n, demand) in wanted.iter().enumerate() {
            let seed = n.to_string();
            let mut larger = world.clone();
            larger.push(in_zone("idle", &zone));
            let placed = place_by(&mut world, demand, &rules, &seed);
            prop_assert!(placed.is_err() || place_by(&mut larger, demand, &rules, &seed).is_ok());
        }
    }

    #[test]
    fn other_names_of_instances_change_no_count_per_spread_value(start in instances(), tasks in 0_usize..60) {
        let over_zones = Rules {
            strategies: vec![Strategy::Spread(Spread::Attribute(ZONE.to_owned()))],
            ..Rules::default()
        };
        for rules in [over_zones, Rules::default()] {
            let (mut world, mut renamed) = (start.clone(), start.clone());
            for (n, instance) in renamed.iter_mut().enumerate() {
                instance.name = format!("z{}", 99 - n);
            }
            for _ in 0..tasks {
                let here = place_by(&mut world, &demand(30), &rules, "").is_ok();
                let there = place_by(&mut renamed, &demand(30), &rules, "").is_ok();
                prop_assert_eq!(here, there);
                prop_assert_eq!(counts_per_zone(&world), counts_per_zone(&renamed));
            }
        }
    }

    #[test]
    fn the_order_in_which_instances_are_listed_changes_nothing(start in instances(), rules in rules(), wanted in demands()) {
        let (mut world, mut reversed) = (start.clone(), start);
        reversed.reverse();
        for (n, demand) in wanted.iter().enumerate() {
            let seed = n.to_string();
            let here = place_by(&mut world, demand, &rules, &seed);
            prop_assert_eq!(here, place_by(&mut reversed, demand, &rules, &seed));
        }
    }

    #[test]
    fn what_is_placed_meets_every_constraint_and_what_is_not_met_none_could_take(
        start in instances(), rules in rules(), tasks in 0_usize..12,
    ) {
        let mut world = start;
        for n in 0..tasks {
            let before = world.clone();
            let meets = |instance: &Instance| rules.constraints.iter().all(|rule| rule.broken_by(instance, &web()).is_none());
            let fits = |instance: &Instance| instance.connected && instance.held.shortage(instance.capacity, &demand(8)).is_none();
            match place_by(&mut world, &demand(8), &rules, &n.to_string()) {
                Ok(placement) => {
                    let taken = before.iter().find(|instance| instance.name == placement.instance).unwrap();
                    prop_assert!(meets(taken) && fits(taken));
                }
                Err(_) => prop_assert!(!before.iter().any(|instance| meets(instance) && fits(instance))),
            }
        }
        if rules.constraints.contains(&Constraint::DistinctInstance) {
            prop_assert!(world.iter().all(|instance| instance.groups.staying(&web()) <= 1));
        }
    }

    #[test]
    fn binpack_uses_no_more_equal_instances_than_equal_tasks_need(tasks in 1_usize..60, size in 10_u32..200) {
        let rules = Rules { strategies: vec![Strategy::Binpack(Packed::Memory)], ..Rules::default() };
        let mut world: Vec<Instance> = (0..8).map(|n| instance(&format!("i{n}"))).collect();
        for instance in &mut world {
            instance.capacity.pids = u32::MAX;
        }
        let placed = (0..tasks).filter(|_| place_by(&mut world, &demand(size), &rules, "").is_ok()).count();
        let used = world.iter().filter(|instance| instance.held.memory > 0).count();
        prop_assert_eq!(used, placed.div_ceil(usize::try_from(CAPACITY.memory / size).unwrap()));
    }
}
