//! Constraints and strategies by examples.

use super::*;
use crate::domain::query::Expression;

fn member_of(expression: &str) -> Constraint {
    Constraint::MemberOf(Expression::parse(expression).unwrap())
}

fn constrained(constraints: impl IntoIterator<Item = Constraint>) -> Rules {
    Rules {
        constraints: constraints.into_iter().collect(),
        strategies: Vec::new(),
    }
}

fn preferring(strategies: impl IntoIterator<Item = Strategy>) -> Rules {
    Rules {
        constraints: Vec::new(),
        strategies: strategies.into_iter().collect(),
    }
}

fn with(mut instance: Instance, attribute: &str, value: &str) -> Instance {
    instance
        .attributes
        .insert(attribute.to_owned(), value.to_owned());
    instance
}

fn chosen(instances: &mut [Instance], rules: &Rules, count: usize) -> Vec<String> {
    (0..count)
        .map(|n| {
            let seed = n.to_string();
            place_by(instances, &demand(8), rules, &seed)
                .unwrap()
                .instance
        })
        .collect()
}

#[test]
fn member_of_looks_at_the_values_of_attributes() {
    let mut instances = [
        with(instance("a"), "rack", "1"),
        with(instance("b"), "rack", "2"),
        instance("c"),
    ];
    let rules = constrained([member_of("attribute:rack == 2")]);
    assert_eq!(chosen(&mut instances, &rules, 2), ["b", "b"]);
}

#[test]
fn distinct_instances_take_one_task_of_the_group_each_and_those_that_end_count() {
    let mut instances = [instance("a"), instance("b"), instance("c")];
    instances[0].groups.add_ending(web());
    instances[1]
        .groups
        .add(Group::of_service("elsewhere", "web"));
    let rules = constrained([Constraint::DistinctInstance]);
    assert_eq!(chosen(&mut instances, &rules, 2), ["c", "b"]);
    let explanation = place_by(&mut instances, &demand(8), &rules, "").unwrap_err();
    assert_eq!(
        explanation.to_string(),
        "The closest matching (container-instance a) encountered error \"DistinctInstance placement constraint unsatisfied.\". Of 3 instances: DistinctInstance on 3."
    );
}

#[test]
fn what_an_instance_lacks_is_told_in_the_order_in_which_it_is_asked() {
    let mut instances = [
        instance("a"),
        with(instance("b"), "rack", "2"),
        instance("c"),
    ];
    instances[1].groups.add(web());
    instances[2].capacity.memory = 1;
    let rules = constrained([
        Constraint::DistinctInstance,
        member_of("attribute:rack exists"),
    ]);
    let explanation = place_by(&mut instances, &demand(8), &rules, "").unwrap_err();
    assert_eq!(
        explanation.counts(),
        BTreeMap::from([
            ("MemberOf", 1),
            ("DistinctInstance", 1),
            ("RESOURCE:MEMORY", 1)
        ])
    );
    assert_eq!(
        explanation.closest(),
        Some(("b", Unsuitable::DistinctInstance))
    );
    let explanation = place_by(&mut instances[..1], &demand(8), &rules, "").unwrap_err();
    assert!(explanation.to_string().starts_with(
        "The closest matching (container-instance a) encountered error \"MemberOf placement constraint unsatisfied.\"."
    ));
}

#[test]
fn task_group_sees_the_groups_of_the_same_namespace() {
    let mut instances = [instance("a"), instance("b")];
    instances[0].groups.add(Group::of_service("shop", "batch"));
    instances[1]
        .groups
        .add(Group::of_service("elsewhere", "batch"));
    let beside = constrained([member_of("task:group == service:batch")]);
    let apart = constrained([member_of("not (task:group == service:batch)")]);
    assert_eq!(chosen(&mut instances, &beside, 2), ["a", "a"]);
    assert_eq!(chosen(&mut instances, &apart, 2), ["b", "b"]);
}

#[test]
fn binpack_fills_the_instance_with_the_least_left_that_still_fits() {
    let mut instances = [instance("a"), instance("b"), instance("c")];
    instances[1].held.memory = CAPACITY.memory.into();
    instances[2].held.memory = 1000;
    let rules = preferring([Strategy::Binpack(Packed::Memory)]);
    assert_eq!(chosen(&mut instances, &rules, 4), ["c", "c", "c", "a"]);
}

#[test]
fn strategies_are_asked_in_their_order() {
    let mut instances = [
        in_zone("a1", "a"),
        in_zone("a2", "a"),
        in_zone("b1", "b"),
        in_zone("b2", "b"),
    ];
    instances[1].held.cpu = 100;
    instances[3].held.cpu = 200;
    let over_zones = Strategy::Spread(Spread::Attribute(ZONE.to_owned()));
    let rules = preferring([over_zones, Strategy::Binpack(Packed::Cpu)]);
    assert_eq!(chosen(&mut instances, &rules, 4), ["b2", "a2", "b2", "a2"]);
}

#[test]
fn instances_without_the_attribute_are_one_more_value_to_spread_over() {
    let mut instances = [
        with(instance("a"), "rack", "1"),
        with(instance("b"), "rack", "2"),
        instance("c"),
        instance("d"),
    ];
    let rules = preferring([Strategy::Spread(Spread::Attribute("rack".into()))]);
    assert_eq!(
        chosen(&mut instances, &rules, 6),
        ["a", "b", "c", "d", "a", "b"]
    );
}

#[test]
fn random_takes_each_instance_about_as_often_and_the_same_seed_takes_the_same() {
    let rules = preferring([Strategy::Random]);
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for n in 0..600 {
        let seed = format!("web-1f3a9c2e-{n}-1");
        let draw = || {
            let mut instances = ["a", "b", "c"].map(instance);
            place_by(&mut instances, &demand(8), &rules, &seed)
                .unwrap()
                .instance
        };
        assert_eq!(draw(), draw());
        *counts.entry(draw()).or_default() += 1;
    }
    assert!(
        counts.values().all(|count| (150..=250).contains(count)),
        "{counts:?}"
    );
}

#[test]
fn an_instance_without_a_dynamic_port_left_is_passed_over() {
    let mut instances = [instance("a"), instance("b")];
    let ports = (1..=65535).map(|port| HostPort {
        protocol: Protocol::Udp,
        port,
    });
    instances[0].held.ports.extend(ports.map(|port| (port, 1)));
    let wants = Demand {
        dynamic_ports: vec![Protocol::Udp],
        ..demand(8)
    };
    assert_eq!(place_one(&mut instances, &wants).unwrap().instance, "b");
    let explanation = place_one(&mut instances[..1], &wants).unwrap_err();
    assert_eq!(explanation.closest(), Some(("a", Unsuitable::Ports)));
}
