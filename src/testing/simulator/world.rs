//! The whole: machines, agents, replicas, the API, and time.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::agent::{Agent, Surroundings, later};
use super::api::{Api, start_of_time};
use super::catalog::{Catalog, Quality, Recipe};
use super::controller::{Cluster, Replica};
use super::history::History;
use super::invariants::{self, Invariants};
use super::machine::Machine;
use super::mutation::Mutation;
use super::objects::{Instance, Key, Object, Service};
use super::random::Random;
use super::script::Script;
use crate::domain::liveness::{Presence, Sign};
use crate::domain::resources::Capacity;
use crate::domain::task::Health;
use crate::runtime::model::ModelEngine;

/// How long a Lease outlives its leader.
const LEASE: SignedDuration = SignedDuration::from_secs(15);

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
    pub(super) script: Script,
    pub(super) undo: Vec<(Timestamp, super::trouble::Undo)>,
    /// Of every hundred calls to an engine so many get lost.
    pub(super) lossy: u32,
    /// A new leader starts from a stale cache.
    pub(super) stale_takeover: bool,
    mutation: Mutation,
    invariants: Invariants,
    leases: BTreeMap<String, Sign>,
    beats: BTreeMap<String, u64>,
    /// When somebody takes over from a leader that is gone.
    takeover: Option<Timestamp>,
    /// Until the leader has read up to here, it may not know what another leader wrote.
    doubtful: u64,
    capacity: Capacity,
}

impl World {
    /// The world of a seed, before anything happened.
    pub(super) fn new(seed: u64, mutation: Mutation, recorded: bool) -> Self {
        let mut random = Random::new(seed, 1);
        let now = start_of_time();
        let capacity = Capacity {
            cpu: 4096,
            memory: 640,
            pids: 1_000_000,
        };
        let mut world = Self {
            now,
            api: Api::default(),
            machines: BTreeMap::new(),
            agents: BTreeMap::new(),
            replicas: vec![Replica::new("controller-0"), Replica::new("controller-1")],
            catalog: Catalog::default(),
            history: History::new(recorded),
            script: Script::new(),
            undo: Vec::new(),
            lossy: 0,
            stale_takeover: false,
            mutation,
            invariants: Invariants::default(),
            leases: BTreeMap::new(),
            beats: BTreeMap::new(),
            takeover: Some(now),
            doubtful: 0,
            capacity,
            random: random.clone(),
        };
        for index in 0..3 + random.below(2) {
            let name = format!("node-{index}");
            world
                .machines
                .insert(name.clone(), Machine::new(ModelEngine::default()));
            world
                .agents
                .insert(name.clone(), Agent::new(&name, capacity, now));
            world.api.put_instance(
                Instance {
                    name,
                    capacity,
                    presence: Presence::Connected,
                },
                "people",
            );
        }
        for index in 0..=random.below(2) {
            world.add_service(index, &mut random);
        }
        world.script =
            super::script::draw(&mut random, world.machines.len(), world.services().len());
        world.random = random;
        world
    }

    fn add_service(&mut self, index: usize, random: &mut Random) {
        let name = ["web", "api"]
            .get(index)
            .map_or("other", |name| name)
            .to_owned();
        let bounds = [(100, 200), (50, 200), (0, 100), (0, 200)];
        let (minimum, maximum) = random.pick(&bounds).unwrap_or((100, 200));
        let recipe = Recipe::draw(random, minimum == 0 && index == 0);
        let most = if recipe.is_exclusive() {
            self.machines.len().saturating_sub(1)
        } else {
            6
        };
        self.catalog.add(&name, recipe);
        self.publish(&name, 1, Quality::Good);
        let service = Service {
            uid: format!("service-{index}"),
            desired: u32::try_from(random.below(most)).unwrap_or(1),
            minimum,
            maximum,
            version: 1,
            healthy_after: Duration::from_secs(10),
            name: name.clone(),
        };
        self.api.put(
            Key::Service(name),
            Object::Service(Rc::new(service)),
            "people",
        );
    }

    /// Names of the services.
    pub(super) fn services(&self) -> Vec<Rc<Service>> {
        let services = self.api.all().filter_map(|object| match object {
            Object::Service(service) => Some(Rc::clone(service)),
            Object::Instance(_) | Object::Revision(_) | Object::Task(_) => None,
        });
        services.collect()
    }

    /// Makes a version of a service's image available, on every engine.
    pub(super) fn publish(&mut self, service: &str, version: u32, quality: Quality) {
        let engines = self
            .machines
            .values_mut()
            .map(|machine| &mut machine.engine);
        self.catalog.publish(service, version, quality, engines);
    }

    /// Most tasks that fit at once, for services that exclude themselves from an instance.
    pub(super) fn most_of(&self, service: &str) -> u32 {
        let exclusive = self
            .catalog
            .recipe(service)
            .is_some_and(Recipe::is_exclusive);
        // One machine may go for good, and one is needed for a replacement.
        let spare = u32::try_from(self.machines.len())
            .unwrap_or(0)
            .saturating_sub(2);
        if exclusive { spare } else { 5 }
    }

    /// Lets `time` pass, and everybody do what is due.
    pub(super) fn tick(&mut self, time: SignedDuration) -> Result<(), String> {
        self.now = later(self.now, time);
        self.trouble();
        self.machines()?;
        self.agents();
        self.invariants
            .commits(&self.api, &self.machines, self.now)?;
        self.replicas();
        self.invariants.commits(&self.api, &self.machines, self.now)
    }

    fn machines(&mut self) -> Result<(), String> {
        let names: Vec<String> = self.machines.keys().cloned().collect();
        for name in names {
            let (Some(machine), Some(agent)) =
                (self.machines.get_mut(&name), self.agents.get(&name))
            else {
                continue;
            };
            machine.pass(self.now, agent.rules());
            let catalog = &self.catalog;
            let health = |container: &str| health(catalog, container);
            let deeds = machine.look(self.now, &mut self.random, health);
            for (container, deed) in deeds {
                self.history
                    .say(self.now, || format!("{name}: {container} {deed:?}"));
                self.invariants.deed(
                    &name,
                    &container,
                    deed,
                    &self.machines,
                    self.capacity,
                    &self.catalog,
                )?;
            }
        }
        Ok(())
    }

    fn agents(&mut self) {
        for (name, agent) in &mut self.agents {
            let Some(machine) = self.machines.get_mut(name) else {
                continue;
            };
            let mut around = Surroundings {
                now: self.now,
                api: &mut self.api,
                machine,
                catalog: &self.catalog,
                random: &mut self.random,
                history: &mut self.history,
                lossy: self.lossy,
                mutation: self.mutation,
            };
            let beat = agent.act(&mut around);
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
    }

    fn replicas(&mut self) {
        let leaders = self.replicas.iter().filter(|replica| replica.leads).count();
        if leaders == 0 {
            let at = *self.takeover.get_or_insert_with(|| later(self.now, LEASE));
            if at <= self.now && !self.api.down {
                self.take_over();
            }
        }
        let alone = leaders <= 1
            && self
                .replicas
                .iter()
                .all(|it| !it.leads || it.view.at >= self.doubtful);
        for replica in &mut self.replicas {
            let mut cluster = Cluster {
                now: self.now,
                api: &mut self.api,
                signs: &self.leases,
                catalog: &self.catalog,
                random: &mut self.random,
                history: &mut self.history,
                alone: alone || self.mutation == Mutation::TrustTwoLeaders,
                mutation: self.mutation,
            };
            replica.act(&mut cluster);
        }
    }

    /// One of the replicas takes the Lease.
    fn take_over(&mut self) {
        self.takeover = None;
        let stale = std::mem::take(&mut self.stale_takeover);
        let index = self.random.below(self.replicas.len());
        let back = u64::try_from(self.random.below(60)).unwrap_or(0);
        if let Some(replica) = self.replicas.get_mut(index) {
            if stale {
                replica.view = super::view::View::default();
                replica
                    .view
                    .follow(&self.api, self.api.version().saturating_sub(back));
            }
            self.history.say(self.now, || {
                format!(
                    "{} leads{}",
                    replica.link.actor,
                    if stale { ", stale" } else { "" }
                )
            });
            replica.lead(&self.api, stale);
            if stale && self.mutation != Mutation::TrustStaleCache {
                self.doubt();
            }
        }
    }

    /// From now on a leader is in doubt until it has read all that was written.
    pub(super) fn doubt(&mut self) {
        self.doubtful = self.api.version();
    }

    /// Whether all is as it is wanted, or what is not.
    pub(super) fn discrepancy(&self) -> Option<String> {
        for service in self.services() {
            let tasks = self.api.all().filter_map(|object| match object {
                Object::Task(task) if task.service == service.name => Some(task),
                Object::Task(_)
                | Object::Instance(_)
                | Object::Revision(_)
                | Object::Service(_) => None,
            });
            let left: Vec<_> = tasks
                .filter(|task| !task.is_stopped() || task.deleting)
                .collect();
            let fine = left.iter().filter(|task| {
                let machine = self
                    .machines
                    .get(&task.instance)
                    .filter(|machine| machine.powered);
                let app = ("-app-", invariants::id(&task.uid));
                task.version == service.version
                    && !task.is_ending()
                    && task.status.state == crate::domain::task::TaskState::Running
                    && (!self.is_checked(&service.name) || task.status.health == Health::Healthy)
                    && machine.is_some_and(|machine| {
                        let mut live = machine.live.iter();
                        live.any(|name| name.contains(app.0) && name.ends_with(&app.1))
                    })
            });
            let desired = usize::try_from(service.desired).unwrap_or(usize::MAX);
            if fine.count() != desired || left.len() != desired {
                let found: Vec<String> = left
                    .iter()
                    .map(|task| format!("{} {} on {}", task.name, task.status.state, task.instance))
                    .collect();
                return Some(format!(
                    "{} wants {desired} tasks of version {}, there are {found:?}",
                    service.name, service.version
                ));
            }
        }
        let wanted: Vec<String> = self
            .api
            .all()
            .filter_map(|object| match object {
                Object::Task(task) if !task.is_stopped() => {
                    Some(task.uid.chars().take(8).collect())
                }
                Object::Task(_)
                | Object::Instance(_)
                | Object::Revision(_)
                | Object::Service(_) => None,
            })
            .collect();
        let stray = self
            .machines
            .values()
            .flat_map(|machine| &machine.live)
            .find(|name| !wanted.iter().any(|uid| name.contains(uid.as_str())));
        stray.map(|name| format!("{name} lives and is nobody's"))
    }

    fn is_checked(&self, service: &str) -> bool {
        self.catalog
            .recipe(service)
            .is_some_and(|recipe| recipe.checked)
    }
}

/// What the health check of a container comes to, if it has one.
fn health(catalog: &Catalog, container: &str) -> Option<Health> {
    let mut words = container.strip_prefix("ecs-")?.split('-');
    let (service, version, name) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
    let checked = name == "app" && catalog.recipe(service).is_some_and(|recipe| recipe.checked);
    checked.then(|| match catalog.quality(service, version) {
        Quality::Sick => Health::Unhealthy,
        Quality::Good | Quality::CannotStart | Quality::NoImage | Quality::EndsSoon => {
            Health::Healthy
        }
    })
}
