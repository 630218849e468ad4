//! The cluster that the bench measures: 5,000 instances of three sizes in three zones, and 100,000 tasks of 2,000 services
//! that take 90 % of the instances' memory and 85 % of their CPU. A seed makes it, so that every run measures the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ecs_operator::domain::placement::{
    Attributes, Constraint, Group, Holding, Instance, Packed, Placement, Request, Rules, Spread,
    Strategy, ZONE,
};
use ecs_operator::domain::query::Expression;
use ecs_operator::domain::resources::{Capacity, Demand, HostPort, PIDS_PER_CONTAINER, Protocol};

pub(crate) const INSTANCES: u64 = 5_000;
pub(crate) const TASKS: u64 = 100_000;
const SERVICES: u64 = 2_000;

/// Percent of memory and CPU that the tasks would take if all that were drawn found room; large ones find less, and smaller
/// ones take their place.
const FULL: u64 = 90;

/// Numbers that a seed decides (`SplitMix64`).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// 0 or more, less than `end`.
    pub(crate) const fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        let index = self.index(all.len());
        all.get(index).copied()
    }
}

/// What the tasks of a service ask.
pub(crate) struct Service {
    pub(crate) demand: Arc<Demand>,
    pub(crate) group: Arc<Group>,
    pub(crate) uid: Arc<str>,
    pub(crate) rules: Rules,
    attributes: Attributes,
    excluded: BTreeSet<String>,
    unusable: BTreeMap<String, BTreeSet<HostPort>>,
    /// Its share of the tasks.
    pub(crate) tasks: u64,
}

impl Service {
    pub(crate) fn request<'a>(&'a self, strategies: &'a [Strategy], seed: &'a str) -> Request<'a> {
        Request {
            demand: &self.demand,
            attributes: &self.attributes,
            group: &self.group,
            spread_group: None,
            constraints: self.rules.constraints.iter().collect(),
            strategies,
            seed,
            excluded: &self.excluded,
            unusable: &self.unusable,
        }
    }

    pub(crate) fn holding(&self, placement: &Placement) -> Holding {
        Holding {
            demand: Arc::clone(&self.demand),
            ports: placement.dynamic_ports.clone(),
            group: Arc::clone(&self.group),
            spread_group: None,
            running: true,
            ending: false,
        }
    }
}

/// Spread over the zones, then pack by memory.
pub(crate) fn spread_and_pack() -> Vec<Strategy> {
    vec![
        Strategy::Spread(Spread::Attribute(ZONE.to_owned())),
        Strategy::Binpack(Packed::Memory),
    ]
}

/// The services, of one to 250 tasks each.
pub(crate) fn services(random: &mut Random) -> Vec<Service> {
    let mut services: Vec<Service> = (0..SERVICES).map(|n| service(n, random)).collect();
    let mut left = TASKS - SERVICES;
    while left > 0 {
        // Squared, a few services get most.
        let share = random.below(1_000) * random.below(1_000) % SERVICES;
        let more = random.below(10).min(left);
        if let Some(service) = usize::try_from(share)
            .ok()
            .and_then(|n| services.get_mut(n))
            && service.tasks + more <= 250
        {
            service.tasks += more;
            left -= more;
        }
    }
    services
}

fn service(n: u64, random: &mut Random) -> Service {
    let memory = random.one_of(&[64, 128, 256, 256, 512, 512, 1024, 2048, 4096]);
    let cpu = random.one_of(&[0, 64, 128, 256, 256, 512, 1024]);
    let tcp = |port| HostPort {
        protocol: Protocol::Tcp,
        port,
    };
    // One in ten names a host port, one in four has a dynamic one.
    let fixed = (random.below(10) == 0).then(|| tcp(8_000 + u16::try_from(n % 20).unwrap_or(0)));
    let dynamic = (random.below(4) == 0).then_some(Protocol::Tcp);
    Service {
        demand: Arc::new(Demand {
            cpu: cpu.unwrap_or(0),
            memory: memory.unwrap_or(64),
            pids: PIDS_PER_CONTAINER,
            ports: fixed.into_iter().collect(),
            dynamic_ports: dynamic.into_iter().collect(),
            ..Demand::default()
        }),
        group: Arc::new(Group::of_service("shop", &format!("service-{n}"))),
        uid: format!("0d7c6b1e-7a55-4f0e-9d0a-{n:012}").into(),
        rules: Rules {
            constraints: constraints(random),
            strategies: spread_and_pack(),
        },
        attributes: (random.below(2) == 0)
            .then_some("ecs.capability.container-health-check".into())
            .into_iter()
            .collect(),
        excluded: BTreeSet::new(),
        unusable: BTreeMap::new(),
        tasks: 1,
    }
}

/// Half of the services have none; the others ask for one of these.
fn constraints(random: &mut Random) -> Vec<Constraint> {
    let member_of = |text: &str| Expression::parse(text).ok().map(Constraint::MemberOf);
    let asked = match random.below(20) {
        0..10 => None,
        10..12 => member_of("attribute:ecs.instance-type in [large, huge]"),
        12..14 => member_of("attribute:ecs.instance-type =~ '(medium|large)'"),
        14..16 => member_of("attribute:stack == general and attribute:rack exists"),
        16..18 => member_of("not (attribute:ecs.availability-zone == c)"),
        18 => member_of("attribute:rack <= 20 and agentVersion >= 0.1.0"),
        _ => Some(Constraint::DistinctInstance),
    };
    asked.into_iter().collect()
}

/// The instances, sized so that the services' tasks fill them as told.
pub(crate) fn instances(services: &[Service], random: &mut Random) -> Vec<Instance> {
    let sum = |of: fn(&Demand) -> u32| -> u64 {
        let each = services
            .iter()
            .map(|service| u64::from(of(&service.demand)) * service.tasks);
        each.sum()
    };
    let weight = |n: u64| match n % 3 {
        0 => 1,
        1 => 2,
        _ => 4,
    };
    let weights: Vec<u64> = (0..INSTANCES).map(weight).collect();
    let parts: u64 = weights.iter().sum();
    let per_part = |total: u64, percent: u64| total * 100 / percent / parts;
    let memory = per_part(sum(|demand| demand.memory), FULL);
    let cpu = per_part(sum(|demand| demand.cpu), FULL);
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let mut instances = Vec::new();
    for (n, weight) in (0..).zip(weights) {
        instances.push(Instance {
            name: format!("instance-{:04x}", random.below(1 << 16) * 0x2000 + n),
            active: true,
            connected: true,
            agent_version: "0.1.0".to_owned(),
            attributes: attributes(n, weight, random),
            capacity: Capacity {
                cpu: small(cpu * weight),
                memory: small(memory * weight),
                pids: small(100_000 * weight),
                gpus: 0,
            },
            ..Instance::default()
        });
    }
    instances.sort_by(|a, b| a.name.cmp(&b.name));
    instances
}

fn attributes(n: u64, weight: u64, random: &mut Random) -> BTreeMap<String, String> {
    let kind = match weight {
        1 => "medium",
        2 => "large",
        _ => "huge",
    };
    let zone = random.one_of(&["a", "b", "c"]).unwrap_or("a");
    let rack = (n % 50).to_string();
    let mut attributes = vec![
        (ZONE, zone),
        ("ecs.instance-type", kind),
        ("rack", rack.as_str()),
        ("ecs.os-type", "linux"),
    ];
    if random.below(5) > 0 {
        attributes.push(("ecs.capability.container-health-check", ""));
    }
    if random.below(2) == 0 {
        attributes.push(("stack", "general"));
    }
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    attributes.into_iter().map(owned).collect()
}
