//! The whole: machines, agents, replicas, the API, and time.

use std::collections::BTreeMap;
use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};

use super::agent::{Agent, Surroundings, later};
use super::api::{Api, start_of_time};
use super::catalog::{Catalog, Quality, Recipe};
use super::controller::{Cluster, Policy, Replica};
use super::history::History;
use super::invariants::Invariants;
use super::machine::Machine;
use super::mutation::Mutation;
use super::objects::{Instance, Key, Object, Service};
use super::observe::zone_of;
use super::random::Random;
use super::script::Script;
use super::shape;
use super::tally::Tally;
use super::trouble::Undo;
use super::view::View;
use crate::api::cluster::DisconnectPolicy;
use crate::domain::liveness::{Presence, Sign};
use crate::domain::placement::Constraint;
use crate::domain::resources::Capacity;
use crate::domain::task::Health;
use crate::runtime::model::{Deed, ModelEngine};

/// A simulated installation.
pub(super) struct World {
    pub(super) now: Timestamp,
    pub(super) random: Random,
    pub(super) api: Api,
    pub(super) machines: BTreeMap<String, Machine>,
    pub(super) agents: BTreeMap<String, Agent>,
    pub(super) replicas: Vec<Replica>,
    pub(super) catalog: Catalog,
    pub(super) history: History,
    pub(super) tally: Tally,
    pub(super) script: Script,
    pub(super) undo: Vec<(Timestamp, Undo)>,
    /// Services that are deleted and to be made again.
    pub(super) remake: Vec<Service>,
    /// Of every hundred calls to an engine so many get lost.
    pub(super) lossy: u32,
    /// A new leader starts from a stale cache.
    pub(super) stale_takeover: bool,
    pub(super) capacity: Capacity,
    pub(super) mutation: Mutation,
    pub(super) invariants: Invariants,
    leases: BTreeMap<String, Sign>,
    beats: BTreeMap<String, u64>,
    /// Until the leader has read up to here, it may not know what another leader wrote.
    doubtful: u64,
    pub(super) policy: Policy,
}

impl World {
    /// The world of a seed, before anything happened.
    pub(super) fn new(seed: u64, mutation: Mutation, recorded: bool) -> Self {
        let mut random = Random::new(seed, 1);
        let small = random.chance(15);
        let capacity = Capacity {
            cpu: 4096,
            memory: if small { 240 } else { 640 },
            pids: 1_000_000,
            gpus: 0,
        };
        let mut world = Self::empty(capacity, mutation, recorded);
        let policies = [
            DisconnectPolicy::Replace,
            DisconnectPolicy::Replace,
            DisconnectPolicy::Replace,
            DisconnectPolicy::Wait,
            DisconnectPolicy::AtMostOnce,
        ];
        world.policy = Policy {
            disconnect: random.pick(&policies).unwrap_or_default(),
            draining_waits_for_protected: random.chance(30),
        };
        for index in 0..3 + random.below(2) {
            let ahead = if random.chance(20) {
                random.time(0, 120_000) - SignedDuration::from_secs(60)
            } else {
                SignedDuration::ZERO
            };
            world.add_machine(index, ahead);
        }
        for replica in &mut world.replicas {
            replica.leading.clock = random.time(0, 15_000);
        }
        let mut shapes = Random::new(seed, 2);
        for name in ["web", "api"].into_iter().take(1 + random.below(2)) {
            let recipe = Recipe::draw(&mut random, &mut shapes, name == "web");
            let uid = world.api.uid();
            let mut service = super::draw::service(&mut random, name, uid, &recipe);
            world.catalog.add(name, recipe);
            service.desired = service.desired.min(world.most_of(&service));
            world.add_service(service);
        }
        let (machines, services) = (world.machines.len(), world.services().len());
        world.script = super::script::draw(&mut random, machines, services);
        world.random = random;
        world
    }

    /// A world with two replicas and nothing else.
    pub(super) fn empty(capacity: Capacity, mutation: Mutation, recorded: bool) -> Self {
        Self {
            now: start_of_time(),
            random: Random::new(0, 0),
            api: Api::default(),
            machines: BTreeMap::new(),
            agents: BTreeMap::new(),
            replicas: vec![Replica::new("controller-0"), Replica::new("controller-1")],
            catalog: Catalog::default(),
            history: History::new(recorded),
            tally: Tally::default(),
            script: Script::new(),
            undo: Vec::new(),
            remake: Vec::new(),
            lossy: 0,
            stale_takeover: false,
            capacity,
            mutation,
            invariants: Invariants::default(),
            leases: BTreeMap::new(),
            beats: BTreeMap::new(),
            doubtful: 0,
            policy: Policy {
                disconnect: DisconnectPolicy::Replace,
                draining_waits_for_protected: false,
            },
        }
    }

    pub(super) fn add_machine(&mut self, index: usize, ahead: SignedDuration) {
        let name = format!("node-{index}");
        let mut machine = Machine::new(shape::offer(ModelEngine::default()));
        machine.ahead = ahead;
        let agent = Agent::new(&name, self.capacity, machine.clock(self.now));
        self.machines.insert(name.clone(), machine);
        self.agents.insert(name.clone(), agent);
        let instance = Instance {
            zone: zone_of(&name),
            capacity: self.capacity,
            draining: false,
            presence: Presence::Connected,
            name: name.clone(),
        };
        let object = Object::Instance(Rc::new(instance));
        self.api.put(Key::Instance(name), object, &"people".into());
    }

    /// Makes a service, of which the catalog knows what it runs.
    pub(super) fn add_service(&mut self, service: Service) {
        let version = service.content.version;
        if self.catalog.is_unknown(&service.name, version) {
            self.publish(&service.name, version, Quality::Good);
        }
        let key = Key::Service(service.name.clone());
        let object = Object::Service(Rc::new(service));
        self.api.put(key, object, &"people".into());
    }

    /// The services.
    pub(super) fn services(&self) -> Vec<Rc<Service>> {
        let services = self.api.all().filter_map(|object| match object {
            Object::Service(service) => Some(Rc::clone(service)),
            Object::Instance(_) | Object::Revision(_) | Object::Task(_) => None,
        });
        services.collect()
    }

    /// Makes a version of a service's image available, on every engine.
    pub(super) fn publish(&mut self, service: &str, version: u32, quality: Quality) {
        let machines = self.machines.values_mut();
        let engines = machines.map(|machine| &mut machine.engine);
        self.catalog.publish(service, version, quality, engines);
    }

    /// Most tasks that fit at once, for services that exclude themselves from an instance.
    pub(super) fn most_of(&self, service: &Service) -> u32 {
        let recipe = self.catalog.recipe(&service.name);
        let constraints = &service.rules.constraints;
        let exclusive = recipe.is_some_and(Recipe::has_fixed_ports)
            || constraints.contains(&Constraint::DistinctInstance);
        // One machine may go for good, and one is needed for a replacement.
        let spare = u32::try_from(self.machines.len())
            .unwrap_or(0)
            .saturating_sub(2);
        match (exclusive, constraints.is_empty()) {
            (true, _) => spare,
            (false, false) => 3,
            (false, true) => 5,
        }
    }

    /// Lets `time` pass, and everybody do what is due.
    pub(super) fn tick(&mut self, time: SignedDuration) -> Result<(), String> {
        self.now = later(self.now, time);
        self.trouble();
        self.make_again();
        self.machines()?;
        self.agents()?;
        // Two leaders, or one that does not know what was written before it, may do what one alone would not.
        let lawful = self.alone();
        self.judge(lawful)?;
        self.replicas();
        self.judge(lawful && self.alone())
    }

    fn judge(&mut self, lawful: bool) -> Result<(), String> {
        let waits = self.policy.disconnect == DisconnectPolicy::Wait;
        self.invariants.commits(
            &self.api,
            &self.machines,
            (self.now, lawful, waits),
            &mut self.tally,
        )
    }

    fn machines(&mut self) -> Result<(), String> {
        for (name, agent) in &self.agents {
            let Some(machine) = self.machines.get_mut(name) else {
                continue;
            };
            machine.pass(self.now);
            let catalog = &self.catalog;
            let health = |container: &str| health(catalog, container);
            let deeds = machine.look(self.now, &mut self.random, health);
            for (container, deed) in deeds {
                self.history
                    .say(self.now, || format!("{name}: {container} {deed:?}"));
                if let Some(machine) = self.machines.get(name) {
                    let what = (container.as_str(), deed);
                    self.invariants.in_order(what, machine, &self.catalog)?;
                }
                if matches!(deed, Deed::Started | Deed::StartedAgain { .. }) {
                    self.tally.containers_started += 1;
                    self.invariants.started(
                        (name, &container),
                        &self.machines,
                        agent,
                        (self.capacity, &self.catalog),
                    )?;
                }
            }
        }
        Ok(())
    }

    fn agents(&mut self) -> Result<(), String> {
        for (name, agent) in &mut self.agents {
            let Some(machine) = self.machines.get_mut(name) else {
                continue;
            };
            let mut around = Surroundings {
                now: machine.clock(self.now),
                api: &mut self.api,
                machine,
                catalog: &self.catalog,
                random: &mut self.random,
                history: &mut self.history,
                lossy: self.lossy,
                mutation: self.mutation,
            };
            let beat = agent.act(&mut around);
            for signal in agent.signals.drain(..) {
                self.invariants.signalled(&self.api, &signal)?;
                Invariants::told_in_order(&signal)?;
            }
            let beats = self.beats.entry(name.clone()).or_default();
            *beats += u64::from(beat);
            let renewal = (*beats > 0).then(|| beats.to_string());
            self.leases.insert(
                name.clone(),
                Sign {
                    renewal,
                    host: machine.host(self.now),
                },
            );
        }
        Ok(())
    }

    fn replicas(&mut self) {
        for index in 0..self.replicas.len() {
            let (now, mutation) = (self.now, self.mutation);
            let begins = self
                .replicas
                .get_mut(index)
                .is_some_and(|replica| replica.stand(&mut self.api, now, mutation));
            if begins {
                self.take_over(index);
            }
        }
        let alone = self.alone();
        for replica in &mut self.replicas {
            let mut cluster = Cluster {
                now: self.now,
                api: &mut self.api,
                signs: &self.leases,
                catalog: &self.catalog,
                random: &mut self.random,
                history: &mut self.history,
                tally: &mut self.tally,
                alone,
                policy: self.policy,
                mutation: self.mutation,
            };
            replica.act(&mut cluster);
        }
    }

    /// Nobody leads against the Lease, and whoever leads has read all that was written before.
    fn alone(&self) -> bool {
        let mut leaders = self.replicas.iter().filter(|it| it.leading.leads);
        leaders.all(|it| !it.leading.forced && it.view.at >= self.doubtful)
    }

    /// A replica begins to lead.
    fn take_over(&mut self, index: usize) {
        let stale = std::mem::take(&mut self.stale_takeover);
        let back = u64::try_from(self.random.below(60)).unwrap_or(0);
        let Some(replica) = self.replicas.get_mut(index) else {
            return;
        };
        self.history.say(self.now, || {
            let stale = if stale { ", stale" } else { "" };
            format!("{} leads{stale}", replica.link.actor)
        });
        if stale {
            replica.view = View::default();
            let version = self.api.version().saturating_sub(back);
            replica.view.follow(&self.api, version);
            replica.stalled = true;
            let lag = self.random.time(1_000, 15_000);
            self.later(lag, Undo::WatchGoesOn);
            if self.mutation != Mutation::TrustStaleCache {
                self.doubt();
            }
        } else {
            replica.view.follow(&self.api, self.api.version());
        }
    }

    /// From now on a leader is in doubt until it has read all that was written.
    pub(super) fn doubt(&mut self) {
        self.doubtful = self.api.version();
    }
}

/// What the health check of a container comes to, if it has one.
fn health(catalog: &Catalog, container: &str) -> Option<Health> {
    let mut words = container.strip_prefix("ecs-")?.split('-');
    let (service, version, name) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
    if name == "store" {
        return Some(Health::Healthy);
    }
    let checked = name == "app" && catalog.is_checked(service);
    checked.then(|| match catalog.quality(service, version) {
        Quality::Sick => Health::Unhealthy,
        Quality::Good | Quality::CannotStart | Quality::NoImage | Quality::EndsSoon => {
            Health::Healthy
        }
    })
}
