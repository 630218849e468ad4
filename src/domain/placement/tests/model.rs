//! A model that went through any changes chooses as the naive placer does over the same instances.

use super::*;
use crate::domain::query::Expression;

const GROUPS: [&str; 3] = ["web", "batch", "cache"];

/// One thing that happens to a cluster.
#[derive(Debug, Clone)]
enum Event {
    /// An instance comes, or offers something else.
    Offer(Instance),
    Leave(usize),
    /// A task is placed, and starts if there is room.
    Place(Box<Ask>),
    /// A task is told to stop, or runs.
    Turn(usize, bool),
    Gone(usize),
}

#[derive(Debug, Clone)]
struct Ask {
    demand: Demand,
    group: Group,
    /// It is spread together with others of its kind.
    spreads: bool,
    rules: Rules,
    needs_gpu: bool,
    excluded: Option<usize>,
    unusable: Option<(usize, u16)>,
    seed: u32,
}

fn offers() -> impl Generator<Value = Instance> {
    let zone = prop::option::of(prop::sample::select(vec!["a", "b", "c"]));
    let room = (0_u32..3, 0_u32..4);
    let flags = (
        prop::bool::weighted(0.9),
        prop::bool::weighted(0.9),
        any::<bool>(),
    );
    (0_usize..8, zone, room, flags).prop_map(
        |(n, zone, (cpu, memory), (active, connected, gpu))| {
            let zone = zone.map(|zone| (ZONE.to_owned(), zone.to_owned()));
            let gpu = gpu.then(|| ("ecs.capability.gpu".to_owned(), String::new()));
            Instance {
                active,
                connected,
                attributes: zone.into_iter().chain(gpu).collect(),
                capacity: Capacity {
                    cpu: cpu * 512,
                    memory: memory * 256,
                    pids: 12_288,
                    gpus: 0,
                },
                ..instance(&format!("i{n}"))
            }
        },
    )
}

fn groups() -> impl Generator<Value = Group> {
    let namespace = prop::sample::select(vec!["shop", "bank"]);
    (namespace, prop::sample::select(GROUPS.to_vec()))
        .prop_map(|(namespace, name)| Group::of_service(namespace, name))
}

fn wants() -> impl Generator<Value = Demand> {
    let one = (
        prop::sample::select(vec![0, 128, 256]),
        prop::sample::select(vec![0, 32, 64, 200]),
        prop::option::weighted(0.3, 8000_u16..8003),
        0_usize..3,
    );
    one.prop_map(|(cpu, memory, port, dynamic)| Demand {
        cpu,
        memory,
        pids: 1024,
        ports: port
            .into_iter()
            .map(|port| HostPort {
                protocol: Protocol::Tcp,
                port,
            })
            .collect(),
        dynamic_ports: [Protocol::Tcp, Protocol::Udp]
            .into_iter()
            .take(dynamic)
            .collect(),
        ..Demand::default()
    })
}

fn rules() -> impl Generator<Value = Rules> {
    let expressions = [
        "attribute:ecs.availability-zone in [a, b]",
        "not (attribute:ecs.availability-zone == c)",
        "runningTasksCount < 2",
        "ec2InstanceId =~ 'i[0-3]'",
        "task:group == service:web",
        "not (task:group == service:batch) and agentConnected == true",
    ];
    let known = expressions
        .map(|text| Constraint::MemberOf(Expression::parse(text).unwrap()))
        .into_iter()
        .chain([Constraint::DistinctInstance, Constraint::AtMost(2)])
        .collect::<Vec<_>>();
    let strategy = prop::sample::select(vec![
        Strategy::Random,
        Strategy::Spread(Spread::Instance),
        Strategy::Spread(Spread::Attribute(ZONE.to_owned())),
        Strategy::Spread(Spread::Attribute("nowhere".to_owned())),
        Strategy::Binpack(Packed::Cpu),
        Strategy::Binpack(Packed::Memory),
    ]);
    let constraints = prop::collection::vec(prop::sample::select(known), 0..3);
    let strategies = prop::collection::vec(strategy, 0..4);
    (constraints, strategies).prop_map(|(constraints, strategies)| Rules {
        constraints,
        strategies,
    })
}

fn asks() -> impl Generator<Value = Ask> {
    let history = (
        prop::option::weighted(0.1, 0_usize..8),
        prop::option::weighted(0.2, (0_usize..8, 61000_u16..61004)),
    );
    let flags = (prop::bool::weighted(0.2), prop::bool::weighted(0.3));
    (wants(), groups(), rules(), flags, history, 0_u32..50).prop_map(
        |(demand, group, rules, (needs_gpu, spreads), (excluded, unusable), seed)| Ask {
            demand,
            group,
            spreads,
            rules,
            needs_gpu,
            excluded,
            unusable,
            seed,
        },
    )
}

fn events() -> impl Generator<Value = Vec<Event>> {
    let event = prop_oneof![
        3 => offers().prop_map(Event::Offer),
        1 => (0_usize..8).prop_map(Event::Leave),
        12 => asks().prop_map(|ask| Event::Place(Box::new(ask))),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(task, ends)| Event::Turn(task, ends)),
        3 => any::<usize>().prop_map(Event::Gone),
    ];
    prop::collection::vec(event, 0..80)
}

/// A model, and beside it the plain list of instances and tasks that it must agree with.
#[derive(Default)]
struct Both {
    model: Model,
    instances: Vec<Instance>,
    tasks: Vec<(String, Holding)>,
}

impl Both {
    fn perform(&mut self, event: Event) {
        match event {
            Event::Offer(mut offer) => {
                self.model.upsert(offer.clone());
                if let Some(known) = self.find(&offer.name) {
                    offer.held = known.held.clone();
                    offer.groups = known.groups.clone();
                    offer.running = known.running;
                    *known = offer;
                } else {
                    self.instances.push(offer);
                }
            }
            Event::Leave(n) => {
                let name = format!("i{n}");
                self.model.remove(&name);
                self.instances.retain(|instance| instance.name != name);
                self.tasks.retain(|(instance, _)| *instance != name);
            }
            Event::Place(ask) => self.place(&ask),
            Event::Turn(n, ends) => {
                if let Some((name, holding)) = self.take_out(n) {
                    let holding = Holding {
                        running: holding.running || !ends,
                        ending: holding.ending || ends,
                        ..holding
                    };
                    self.put(name, holding);
                }
            }
            Event::Gone(n) => {
                self.take_out(n);
            }
        }
    }

    fn find(&mut self, name: &str) -> Option<&mut Instance> {
        let mut instances = self.instances.iter_mut();
        instances.find(|instance| instance.name == name)
    }

    fn put(&mut self, name: String, holding: Holding) {
        self.model.take(&name, &holding);
        self.find(&name).unwrap().take(&holding);
        self.tasks.push((name, holding));
    }

    fn take_out(&mut self, n: usize) -> Option<(String, Holding)> {
        let n = n.checked_rem(self.tasks.len())?;
        let (name, holding) = self.tasks.swap_remove(n);
        self.model.give_back(&name, &holding);
        self.find(&name).unwrap().give_back(&holding);
        Some((name, holding))
    }

    fn place(&mut self, ask: &Ask) {
        let needed: Attributes = ask
            .needs_gpu
            .then_some("ecs.capability.gpu".into())
            .into_iter()
            .collect();
        let port = |port| HostPort {
            protocol: Protocol::Tcp,
            port,
        };
        let unusable = ask
            .unusable
            .iter()
            .map(|(n, failed)| (format!("i{n}"), [port(*failed)].into()));
        let spread = ask.spreads.then(|| Group::of_spread("shop", "front"));
        let request = Request {
            demand: &ask.demand,
            attributes: &needed,
            group: &ask.group,
            spread_group: spread.as_ref(),
            constraints: ask.rules.constraints.iter().collect(),
            strategies: &ask.rules.strategies,
            seed: &ask.seed.to_string(),
            excluded: &ask.excluded.iter().map(|n| format!("i{n}")).collect(),
            unusable: &unusable.collect(),
        };
        let placed = self.model.place(&request);
        let all: Vec<&Instance> = self.instances.iter().collect();
        assert_eq!(placed, naive::place(&all, &request));
        assert_eq!(placed, self.model.place(&request), "asked twice");
        for instance in &self.instances {
            let alone = naive::place(&[instance], &request);
            let here = self.model.place_on(&instance.name, &request);
            assert_eq!(here.map(drop), alone.map(drop));
        }
        if let Ok(placement) = placed {
            let on = self.model.place_on(&placement.instance, &request);
            assert_eq!(on.as_ref(), Ok(&placement));
            self.put(
                placement.instance,
                Holding {
                    demand: Arc::new(ask.demand.clone()),
                    ports: placement.dynamic_ports,
                    group: Arc::new(ask.group.clone()),
                    spread_group: spread.map(Arc::new),
                    running: false,
                    ending: false,
                },
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn a_model_that_was_changed_step_by_step_chooses_as_the_naive_placer(all in events()) {
        let mut both = Both::default();
        for event in all {
            both.perform(event);
            let mut instances = both.instances.clone();
            instances.sort_by(|a, b| a.name.cmp(&b.name));
            prop_assert!(both.model.instances().eq(&instances));
        }
    }
}
