//! The placer with its default strategies; the others, and what always holds, are in the folder.

mod model;
mod properties;
mod rules;

use std::sync::Arc;

use proptest::prelude::*;
use proptest::strategy::Strategy as Generator;

use super::Strategy;
use super::*;
use crate::domain::resources::{Capacity, Protocol};

const CAPACITY: Capacity = Capacity {
    cpu: 2048,
    memory: 1024,
    pids: 16384,
    gpus: 0,
};

fn instance(name: &str) -> Instance {
    Instance {
        name: name.into(),
        active: true,
        connected: true,
        capacity: CAPACITY,
        ..Instance::default()
    }
}

fn in_zone(name: &str, zone: &str) -> Instance {
    Instance {
        attributes: [(ZONE.to_owned(), zone.to_owned())].into(),
        ..instance(name)
    }
}

fn web() -> Group {
    Group::of_service("shop", "web")
}

#[test]
fn a_summary_counts_all_instances_and_names_a_hundred() {
    let reason = |number| {
        if number == 120 {
            Unsuitable::Ports
        } else {
            Unsuitable::Memory
        }
    };
    let names: Vec<String> = (0..150).map(|number| format!("i{number:03}")).collect();
    let all = || {
        (0..150)
            .zip(&names)
            .map(|(number, name)| (name.as_str(), reason(number)))
    };
    let summary = all().collect::<Explanation>().summary(all());
    assert_eq!((summary.instances.len(), summary.not_named), (100, 50));
    assert_eq!(summary.closest.as_deref(), Some("i120"));
    let counts = [("RESOURCE:MEMORY", 149), ("RESOURCE:PORTS", 1)];
    assert_eq!(summary.reasons, counts.into());
    assert!(summary.message.contains("Of 150 instances"));
}

fn place_one(instances: &mut [Instance], demand: &Demand) -> Result<Placement, Explanation> {
    place_by(instances, demand, &Rules::default(), "")
}

fn place_by(
    instances: &mut [Instance],
    demand: &Demand,
    rules: &Rules,
    seed: &str,
) -> Result<Placement, Explanation> {
    let group = web();
    let request = Request {
        constraints: rules.constraints.iter().collect(),
        strategies: &rules.strategies,
        seed,
        ..Request::of(demand, &group)
    };
    place(instances, &request)
}

/// Places by a model of these instances, as the naive placer does, and counts the task.
fn place(instances: &mut [Instance], request: &Request<'_>) -> Result<Placement, Explanation> {
    let mut model: Model = instances.iter().cloned().collect();
    let placed = model.place(request);
    let all: Vec<&Instance> = instances.iter().collect();
    assert_eq!(placed, naive::place(&all, request));
    let placement = placed?;
    let chosen = instances
        .iter_mut()
        .find(|instance| instance.name == placement.instance);
    chosen.unwrap().take(&Holding {
        demand: Arc::new(request.demand.clone()),
        ports: placement.dynamic_ports.clone(),
        group: Arc::new(request.group.clone()),
        spread_group: None,
        running: false,
        ending: false,
    });
    Ok(placement)
}

fn demand(memory: u32) -> Demand {
    Demand {
        memory,
        pids: 1024,
        ..Demand::default()
    }
}

#[test]
fn tasks_spread_over_zones_first_and_then_over_instances() {
    let mut instances = [in_zone("a1", "a"), in_zone("a2", "a"), in_zone("b1", "b")];
    let chosen: Vec<String> = (0..4)
        .map(|_| place_one(&mut instances, &demand(8)).unwrap().instance)
        .collect();
    assert_eq!(chosen, ["a1", "b1", "a2", "b1"]);
}

#[test]
fn a_task_that_fits_nowhere_is_explained_by_the_closest_instance() {
    let mut instances = [instance("a"), instance("b"), instance("c")];
    instances[0].connected = false;
    instances[1].active = false;
    let explanation = place_one(&mut instances, &demand(4096)).unwrap_err();
    assert_eq!(
        explanation.to_string(),
        "The closest matching (container-instance c) has insufficient memory available. Of 3 instances: AGENT on 1, DRAINING on 1, RESOURCE:MEMORY on 1."
    );
    assert_eq!(
        place_one(&mut [], &demand(1)).unwrap_err().to_string(),
        "Reason: No Container Instances were found in your cluster."
    );
}

#[test]
fn dynamic_ports_reuse_those_of_other_instances_and_avoid_those_that_failed() {
    let wants = Demand {
        dynamic_ports: vec![Protocol::Tcp],
        ..demand(8)
    };
    let mut instances = [instance("a"), instance("b")];
    let first = place_one(&mut instances, &wants).unwrap();
    let second = place_one(&mut instances, &wants).unwrap();
    let third = place_one(&mut instances, &wants).unwrap();
    assert_eq!(
        (first.instance.as_str(), second.instance.as_str()),
        ("a", "b")
    );
    assert_eq!(first.dynamic_ports, second.dynamic_ports);
    assert_ne!(first.dynamic_ports, third.dynamic_ports);
    let unusable = BTreeMap::from([(
        "b".to_owned(),
        third.dynamic_ports.iter().copied().collect(),
    )]);
    let group = web();
    let request = Request {
        unusable: &unusable,
        ..Request::of(&wants, &group)
    };
    let fourth = place(&mut instances, &request).unwrap();
    assert_eq!(fourth.instance, "b");
    assert_ne!(fourth.dynamic_ports, third.dynamic_ports);
}

#[test]
fn an_instance_that_refused_is_passed_over() {
    let mut instances = [instance("a"), instance("b")];
    let excluded = BTreeSet::from(["a".to_owned()]);
    let wants = demand(8);
    let group = web();
    let request = Request {
        excluded: &excluded,
        ..Request::of(&wants, &group)
    };
    assert_eq!(place(&mut instances, &request).unwrap().instance, "b");
}

#[test]
fn an_instance_of_another_architecture_is_passed_over() {
    let mut instances = [instance("a"), instance("b")];
    for (index, architecture) in ["x86_64", "arm64"].into_iter().enumerate() {
        let attributes = &mut instances[index].attributes;
        attributes.insert("ecs.cpu-architecture".into(), architecture.into());
    }
    let wants = demand(8);
    let needed = Attributes::from(["ecs.cpu-architecture=arm64".into()]);
    let group = web();
    let request = Request {
        attributes: &needed,
        ..Request::of(&wants, &group)
    };
    assert_eq!(place(&mut instances, &request).unwrap().instance, "b");
}

#[test]
fn an_instance_without_a_needed_capability_is_passed_over() {
    let mut instances = [instance("a"), instance("b")];
    instances[1].attributes.insert(
        "ecs.capability.container-health-check".into(),
        String::new(),
    );
    let wants = demand(8);
    let needed = Attributes::from(["ecs.capability.container-health-check".into()]);
    let group = web();
    let request = Request {
        attributes: &needed,
        ..Request::of(&wants, &group)
    };
    assert_eq!(place(&mut instances, &request).unwrap().instance, "b");
    instances[1].attributes.clear();
    let explanation = place(&mut instances, &request).unwrap_err();
    assert_eq!(explanation.counts(), BTreeMap::from([("ATTRIBUTE", 2)]));
    assert_eq!(
        explanation.to_string(),
        "The closest matching (container-instance a) is missing an attribute required by your task. It has no \
         ecs.capability.container-health-check. Of 2 instances: ATTRIBUTE on 2."
    );
}

#[test]
fn eligible_instances_are_those_that_may_run_the_task_however_full_or_out_of_reach() {
    let gpu = |mut instance: Instance| {
        instance.attributes.insert("gpu".into(), String::new());
        instance
    };
    let mut instances = [
        gpu(instance("a")),
        gpu(instance("b")),
        instance("c"),
        gpu(instance("d")),
    ];
    instances[0].active = false;
    instances[1].capacity.memory = 1;
    instances[3].groups.add(web());
    let wants = demand(8);
    let group = web();
    let request = Request {
        attributes: &["gpu".into()].into(),
        constraints: vec![&Constraint::DistinctInstance],
        ..Request::of(&wants, &group)
    };
    let model: Model = instances.into_iter().collect();
    let names: Vec<&str> = model
        .eligible(&request)
        .map(|instance| instance.name.as_str())
        .collect();
    assert_eq!(names, ["a", "b", "d"]);
    let lacks = |name| model.place_on(name, &request).unwrap_err().counts();
    assert_eq!(lacks("a"), BTreeMap::from([("DRAINING", 1)]));
    assert_eq!(lacks("b"), BTreeMap::from([("RESOURCE:MEMORY", 1)]));
    assert_eq!(lacks("d"), BTreeMap::from([("DistinctInstance", 1)]));
    assert_eq!(lacks("nobody"), BTreeMap::new());
}

fn demands() -> impl Generator<Value = Vec<Demand>> {
    let one = (
        0_u32..1024,
        1_u32..600,
        prop::option::of(8000_u16..8004),
        0_usize..3,
    )
        .prop_map(|(cpu, memory, port, dynamic)| Demand {
            cpu,
            memory,
            pids: 1024,
            gpus: 0,
            ports: port
                .into_iter()
                .map(|port| HostPort {
                    protocol: Protocol::Tcp,
                    port,
                })
                .collect(),
            dynamic_ports: vec![Protocol::Tcp; dynamic],
            // Half of them want their ports in a row.
            following: (1..dynamic).filter(|_| memory % 2 == 0).collect(),
        });
    prop::collection::vec(one, 0..40)
}

proptest! {
    #[test]
    fn no_instance_is_ever_oversubscribed_and_no_port_is_given_twice(wanted in demands(), count in 1_usize..5) {
        let mut instances: Vec<Instance> = (0..count).map(|n| instance(&format!("i{n}"))).collect();
        let mut placed: BTreeMap<String, Vec<(Demand, Vec<HostPort>)>> = BTreeMap::new();
        for demand in wanted {
            let before = instances.clone();
            match place_one(&mut instances, &demand) {
                Ok(placement) => placed.entry(placement.instance).or_default().push((demand, placement.dynamic_ports)),
                Err(explanation) => {
                    prop_assert_eq!(&before, &instances);
                    prop_assert_eq!(explanation.instances(), count);
                }
            }
        }
        for tasks in placed.values() {
            prop_assert!(tasks.iter().map(|(d, _)| d.cpu).sum::<u32>() <= CAPACITY.cpu);
            prop_assert!(tasks.iter().map(|(d, _)| d.memory).sum::<u32>() <= CAPACITY.memory);
            let ports: Vec<HostPort> = tasks.iter().flat_map(|(d, dynamic)| d.ports.iter().chain(dynamic).copied()).collect();
            let distinct: BTreeSet<HostPort> = ports.iter().copied().collect();
            prop_assert_eq!(ports.len(), distinct.len());
        }
    }

    #[test]
    fn equal_tasks_on_equal_instances_differ_by_one_at_most(tasks in 0_usize..30, count in 1_usize..6) {
        let mut instances: Vec<Instance> = (0..count).map(|n| instance(&format!("i{n}"))).collect();
        for _ in 0..tasks.min(count * 16) {
            prop_assert!(place_one(&mut instances, &demand(8)).is_ok());
        }
        let counts: Vec<u32> = instances.iter().map(|i| i.groups.staying(&web())).collect();
        prop_assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1);
    }
}
