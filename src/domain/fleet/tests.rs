//! What a fleet knows does not depend on how it came to know it.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::domain::placement::{Group, Holding};
use crate::domain::resources::{Capacity, Demand, HostPort, Protocol};

fn name(n: usize) -> TaskName {
    ("shop".to_owned(), format!("task-{n}"))
}

fn offers() -> impl Strategy<Value = Offer> {
    let cluster = prop::sample::select(vec!["default", "batch"]);
    let engine = prop::option::of(prop::sample::select(vec!["same", "other"]));
    (0_usize..5, cluster, engine, 0_i64..3, 1_u32..4).prop_map(
        |(n, cluster, engine, since, memory)| {
            let name = format!("i{n}");
            let claim = engine.map(|engine| Claim {
                instance: name.clone(),
                engine: engine.to_owned(),
                boot: "boot".to_owned(),
                since: jiff::Timestamp::from_second(since).ok(),
            });
            Offer {
                cluster: cluster.to_owned(),
                claim,
                instance: Instance {
                    active: true,
                    connected: true,
                    capacity: Capacity {
                        cpu: 1024,
                        memory: memory * 256,
                        pids: 4096,
                        gpus: 0,
                    },
                    name,
                    ..Instance::default()
                },
            }
        },
    )
}

fn entries() -> impl Strategy<Value = Entry> {
    let bound = prop::option::weighted(0.9, 0_usize..6);
    let flags = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.2));
    let port = prop::option::of(61000_u16..61003);
    (bound, flags, port, 0_u32..3).prop_map(|(bound, (running, ending, stopped), port, size)| {
        let holding = Holding {
            demand: Arc::new(Demand {
                memory: size * 64,
                pids: 1024,
                ..Demand::default()
            }),
            ports: port
                .into_iter()
                .map(|port| HostPort {
                    protocol: Protocol::Tcp,
                    port,
                })
                .collect(),
            group: Arc::new(Group::of_service("shop", "web")),
            spread_group: (size == 1).then(|| Arc::new(Group::of_spread("shop", "front"))),
            running,
            ending,
        };
        Entry {
            service: Some(format!("uid-{size}").into()),
            revision: ("shop".into(), format!("web:{size}").into()),
            instance: bound.map(|n| format!("i{n}").into()),
            holding: (bound.is_some() && !stopped).then_some(holding),
            stopped,
        }
    })
}

#[derive(Debug, Clone)]
enum Event {
    Offer(Offer),
    Leave(usize),
    Enter(usize, Entry),
    Gone(usize),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        3 => offers().prop_map(Event::Offer),
        1 => (0_usize..5).prop_map(Event::Leave),
        8 => (0_usize..12, entries()).prop_map(|(n, entry)| Event::Enter(n, entry)),
        2 => (0_usize..12).prop_map(Event::Gone),
    ];
    prop::collection::vec(event, 0..60)
}

/// What was told last of each object.
#[derive(Default)]
struct Told {
    offers: BTreeMap<String, Offer>,
    tasks: BTreeMap<TaskName, Entry>,
}

impl Told {
    fn tell(&mut self, fleet: &mut Fleet, event: Event) {
        match event {
            Event::Offer(offer) => {
                let name = offer.instance.name.clone();
                fleet.offer(&name, Some(offer.clone()));
                self.offers.insert(name, offer);
            }
            Event::Leave(n) => {
                fleet.offer(&format!("i{n}"), None);
                self.offers.remove(&format!("i{n}"));
            }
            Event::Enter(n, entry) => {
                fleet.enter(&name(n), Some(entry.clone()));
                self.tasks.insert(name(n), entry);
            }
            Event::Gone(n) => {
                fleet.enter(&name(n), None);
                self.tasks.remove(&name(n));
            }
        }
    }

    /// The instances of a cluster, from scratch.
    fn instances(&self, cluster: &str) -> Vec<Instance> {
        let claims = self.offers.values().filter_map(|offer| offer.claim.clone());
        let borrowers = claims.collect::<Engines>().borrowers();
        let offers = self
            .offers
            .iter()
            .filter(|(name, offer)| offer.cluster == cluster && !borrowers.contains_key(*name));
        let load = |(name, offer): (&String, &Offer)| {
            let mut instance = offer.instance.clone();
            for task in self.tasks.values() {
                if let (Some(on), Some(holding)) = (&task.instance, &task.holding)
                    && **on == **name
                {
                    instance.take(holding);
                }
            }
            instance
        };
        offers.map(load).collect()
    }
}

proptest! {
    #[test]
    fn a_fleet_knows_what_the_last_entries_say_whatever_came_before(all in events()) {
        let (mut fleet, mut told) = (Fleet::default(), Told::default());
        for event in all {
            told.tell(&mut fleet, event.clone());
            // Told again, it is no news.
            told.tell(&mut fleet, event);
            for cluster in ["default", "batch"] {
                let known: Vec<Instance> = fleet.cluster(cluster).instances().cloned().collect();
                prop_assert_eq!(known, told.instances(cluster));
            }
            let tasks = fleet.tasks();
            prop_assert!(tasks.names().eq(told.tasks.keys()));
            let of = |wanted: &dyn Fn(&Entry) -> bool| -> Vec<TaskName> {
                told.tasks.iter().filter(|(_, task)| wanted(task)).map(|(name, _)| name.clone()).collect()
            };
            let service = tasks.of_service("uid-1").cloned().collect::<Vec<_>>();
            prop_assert_eq!(service, of(&|task| task.service.as_deref() == Some("uid-1")));
            let revision = tasks.of_revision("shop", "web:2").cloned().collect::<Vec<_>>();
            prop_assert_eq!(revision, of(&|task| &*task.revision.1 == "web:2"));
            let unbound = tasks.unbound().cloned().collect::<Vec<_>>();
            prop_assert_eq!(unbound, of(&|task| task.instance.is_none() && !task.stopped));
        }
    }
}
