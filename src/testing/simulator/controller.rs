//! A controller replica's outside: its cache, its leadership, its writes. What it decides is the domain's: liveness,
//! the service planner, the breaker, the rollback, and the placer.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::acts::{Decided, Scene};
use super::agent::later;
use super::api::Api;
use super::catalog::Catalog;
use super::history::History;
use super::leading::Leading;
use super::link::{Failure, Link};
use super::mutation::Mutation;
use super::objects::{Instance, Key, Service};
use super::random::Random;
use super::tally::Tally;
use super::view::View;
use super::{ground, oracle, tamper};
use crate::api::cluster::DisconnectPolicy;
use crate::domain::ids;
use crate::domain::liveness::{Presence, Sign, Watch};
use crate::domain::service;

pub(super) const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(5);
const LOST_AFTER: Duration = Duration::from_mins(1);
/// The real one keeps stopped tasks for an hour.
pub(super) const KEEP_STOPPED: SignedDuration = SignedDuration::from_secs(300);
pub(super) const RESYNC: SignedDuration = SignedDuration::from_secs(60);
const UNPLACED_AGAIN: SignedDuration = SignedDuration::from_secs(15);
const BACKOFF: SignedDuration = SignedDuration::from_secs(1);

/// A controller process.
pub(super) struct Replica {
    pub(super) link: Link,
    pub(super) leading: Leading,
    /// Its watch is silent.
    pub(super) stalled: bool,
    /// It stands still for so long before it carries out what it decides next.
    pub(super) freezes: Option<SignedDuration>,
    /// It stands still until then.
    pub(super) frozen_until: Timestamp,
    pub(super) stash: Option<Decided>,
    pub(super) view: View,
    watch: Watch,
    looked_at: Option<Timestamp>,
    pub(super) collected_at: Option<Timestamp>,
    pub(super) verdict: BTreeMap<String, Presence>,
    pub(super) burned: BTreeMap<String, BTreeMap<i64, i64>>,
    /// Writes without an answer: what came of them is read before anything else is decided.
    unsure: BTreeSet<Key>,
    /// When each service is to be looked at although nothing changed.
    again: BTreeMap<String, Timestamp>,
    seen: u64,
}

/// What is set of the cluster.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    pub(super) disconnect: DisconnectPolicy,
    pub(super) draining_waits_for_protected: bool,
}

/// All that a replica acts upon.
pub(super) struct Cluster<'a> {
    pub(super) now: Timestamp,
    pub(super) api: &'a mut Api,
    pub(super) signs: &'a BTreeMap<String, Sign>,
    pub(super) catalog: &'a Catalog,
    pub(super) random: &'a mut Random,
    pub(super) history: &'a mut History,
    pub(super) tally: &'a mut Tally,
    /// Nobody else leads, and nobody wrote what the leader may not have read.
    pub(super) alone: bool,
    pub(super) policy: Policy,
    pub(super) mutation: Mutation,
}

impl Replica {
    pub(super) fn new(name: &str) -> Self {
        Self {
            link: Link::new(name, true),
            leading: Leading::default(),
            stalled: false,
            freezes: None,
            frozen_until: Timestamp::default(),
            stash: None,
            view: View::default(),
            watch: Watch::default(),
            looked_at: None,
            collected_at: None,
            verdict: BTreeMap::new(),
            burned: BTreeMap::new(),
            unsure: BTreeSet::new(),
            again: BTreeMap::new(),
            seen: 0,
        }
    }

    /// kill -9, or a lost Lease: what it knew is gone, and Kubernetes starts it again.
    pub(super) fn die(&mut self, now: Timestamp) {
        let mut view = std::mem::take(&mut self.view);
        view.forget_own_writes();
        let actor = Rc::clone(&self.link.actor);
        let cut = self.link.cut;
        *self = Self {
            view,
            leading: Leading::after_death(&self.leading, now),
            ..Self::new(&actor)
        };
        self.link.cut = cut;
    }

    /// Lets the replica do what is due.
    pub(super) fn act(&mut self, cluster: &mut Cluster<'_>) {
        if self.frozen_until > cluster.now || !self.leading.is_up(cluster.now) {
            return;
        }
        if cluster.api.reached_by(&self.link) && !self.stalled {
            self.view.follow_some(cluster.api, cluster.random);
        }
        if !self.leading.leads {
            return;
        }
        let stash = self.stash.take();
        let outcome = stash
            .map_or(Ok(false), |decided| self.carry_out(&decided, cluster))
            .and_then(|_| self.look(cluster))
            .and_then(|()| self.bring_traffic(cluster))
            .and_then(|()| self.reconcile_all(cluster))
            .and_then(|()| self.collect(cluster));
        if matches!(outcome, Err(Failure::Crash)) {
            cluster.history.say(cluster.now, || {
                format!("{} crashes after a write", self.link.actor)
            });
            self.die(cluster.now);
        }
    }

    /// Looks at all instances, and writes down what changed.
    fn look(&mut self, cluster: &mut Cluster<'_>) -> Result<(), Failure> {
        let due = self.looked_at;
        if due.is_some_and(|at| later(at, LOOK_EVERY) > cluster.now)
            || !cluster.api.reached_by(&self.link)
        {
            return Ok(());
        }
        let elapsed = due.map_or(SignedDuration::ZERO, |at| cluster.now.duration_since(at));
        self.looked_at = Some(cluster.now);
        let known: BTreeMap<String, Rc<Instance>> = self
            .view
            .instances()
            .map(|instance| (instance.name.clone(), Rc::clone(instance)))
            .collect();
        let was = |name: &str| known.get(name).map(|instance| instance.presence);
        let elapsed = Duration::try_from(elapsed).unwrap_or_default();
        self.watch.look(elapsed, cluster.signs, |name| {
            was(name).is_some_and(|presence| presence != Presence::Connected)
        });
        let (mut verdict, _) = self.watch.judge(
            cluster.signs,
            |_| LOST_AFTER,
            |name| was(name) == Some(Presence::Lost),
        );
        tamper::verdict(cluster.mutation, &mut verdict);
        self.verdict = verdict;
        for (name, instance) in known {
            let presence = self.presence(&name);
            if instance.presence != presence {
                cluster.history.say(cluster.now, || {
                    format!("{} finds {name} {presence:?}", self.link.actor)
                });
                let key = Key::Instance(name.clone());
                self.write(cluster, &key, |api, by| {
                    api.put_presence(&name, presence, by)
                })?;
                self.again.clear();
            }
        }
        Ok(())
    }

    pub(super) fn presence(&self, instance: &str) -> Presence {
        self.verdict
            .get(instance)
            .copied()
            .unwrap_or(Presence::Disconnected)
    }

    /// Whether anything can be decided: the instances were looked at, and what came of unanswered writes is known.
    pub(super) fn is_ready(&mut self, cluster: &Cluster<'_>) -> bool {
        if self.looked_at.is_none() || !cluster.api.reached_by(&self.link) {
            return false;
        }
        let mut unsure = std::mem::take(&mut self.unsure);
        if cluster.mutation == Mutation::ForgetUnanswered {
            unsure.clear();
        }
        for key in unsure {
            let found = cluster.api.get(&key);
            self.view.settle(key, found);
        }
        true
    }

    fn reconcile_all(&mut self, cluster: &mut Cluster<'_>) -> Result<(), Failure> {
        if !self.is_ready(cluster) {
            return Ok(());
        }
        let changed = self.seen != self.view.at;
        self.seen = self.view.at;
        let now = cluster.now;
        if !changed && !self.again.is_empty() && self.again.values().all(|at| *at > now) {
            return Ok(());
        }
        let services: Vec<(u64, Rc<Service>)> = self
            .view
            .services()
            .map(|(version, service)| (version, Rc::clone(service)))
            .collect();
        for (version, service) in services {
            let again = self.again.get(&service.name).copied();
            let due = again.is_none_or(|at| at <= cluster.now);
            let pausing = again.is_some_and(|at| later(at, -BACKOFF) >= cluster.now);
            if !due && (!changed || !pausing) {
                continue;
            }
            let wake = match self.reconcile(&service, version, cluster) {
                Ok(wake) => wake.unwrap_or_else(|| later(cluster.now, RESYNC)),
                Err(Failure::Crash) => return Err(Failure::Crash),
                Err(
                    Failure::Unknown | Failure::Conflict | Failure::Missing | Failure::Exists(_),
                ) => later(cluster.now, BACKOFF),
            };
            self.again.insert(service.name.clone(), wake);
            if self.stash.is_some() {
                break;
            }
        }
        Ok(())
    }

    fn reconcile(
        &mut self,
        service: &Rc<Service>,
        version: u64,
        cluster: &mut Cluster<'_>,
    ) -> Result<Option<Timestamp>, Failure> {
        let scene = self.observe(service, cluster);
        self.fence(&scene.objects, cluster)?;
        let seen = (service, version);
        if service.deleting {
            return self.drain(seen, &scene, cluster);
        }
        let Some(current) = self.current(seen, &scene, cluster)? else {
            return Ok(Some(cluster.now));
        };
        self.collect_snapshots(service, &scene, cluster)?;
        let scheduling = ground::scheduling(service, &self.view, &self.verdict, cluster);
        let mut wanted = service.wanted(
            (&current.newest, current.before),
            (scheduling, &scene.tasks),
            cluster.policy.draining_waits_for_protected,
        );
        let mut tasks = scene.tasks.clone();
        tamper::input(
            cluster.mutation,
            &mut wanted,
            &mut tasks,
            self.leading.since,
        );
        let id = ids::deployment_id(&service.uid, current.newest.number);
        let burned = self.burned.get(&service.uid).cloned().unwrap_or_default();
        let mut plan = service::plan(&wanted, &id, &tasks, &burned, cluster.now);
        tamper::plan(cluster.mutation, &mut plan, &scene.tasks);
        if plan.tripped {
            self.fail(seen, &current, &scene, cluster)?;
            return Ok(Some(cluster.now));
        }
        let newest = (current.newest.number, current.newest.content);
        let mut starts = vec![(newest.0, newest.1, plan.starts.clone())];
        let restarts = current.before.map(|before| {
            let restarts = plan.restarts.clone();
            (before.number, before.content, restarts)
        });
        starts.extend(restarts);
        tamper::starts(cluster.mutation, &mut starts);
        let decided = Decided {
            service: Rc::clone(service),
            scene,
            plan,
            starts,
        };
        let does_something = !decided.plan.stops.is_empty()
            || decided
                .starts
                .iter()
                .any(|(_, _, starts)| !starts.is_empty());
        if let Some(time) = self.freezes.take_if(|_| does_something) {
            self.frozen_until = later(cluster.now, time);
            self.stash = Some(decided);
            return Ok(Some(cluster.now));
        }
        let unplaced = self.carry_out(&decided, cluster)?;
        let (plan, tasks) = (&decided.plan, &decided.scene.tasks);
        self.report(seen, &current, (&wanted, plan), (tasks, unplaced), cluster)?;
        let again = later(cluster.now, UNPLACED_AGAIN);
        Ok(if unplaced { Some(again) } else { plan.wake_at })
    }

    /// Reads all that a pass over a service decides on.
    fn observe(&self, service: &Rc<Service>, cluster: &Cluster<'_>) -> Scene {
        let objects: BTreeMap<_, _> = self
            .view
            .tasks()
            .filter(|(_, task)| task.service_uid == service.uid)
            .map(|(version, task)| (task.name.clone(), (version, Rc::clone(task))))
            .collect();
        let tasks = objects
            .values()
            .map(|(_, task)| {
                let presence = self.presence(&task.instance);
                ground::task(task, service, (&self.view, presence), cluster)
            })
            .collect();
        let basis = oracle::basis(
            service,
            &objects,
            (&self.view, &self.verdict),
            cluster.catalog,
            (cluster.now, cluster.alone, cluster.policy),
        );
        Scene {
            objects,
            tasks,
            basis: Rc::new(basis),
        }
    }

    /// A write; its result counts at once. None leaves a replica whose Lease may end before the write is over.
    pub(super) fn write(
        &mut self,
        cluster: &mut Cluster<'_>,
        key: &Key,
        change: impl FnOnce(&mut Api, &Rc<str>) -> Result<u64, Failure>,
    ) -> Result<u64, Failure> {
        let careless = matches!(
            cluster.mutation,
            Mutation::WriteWithoutLease | Mutation::ApplyLate
        );
        if !careless && !self.leading.permits(cluster.now) {
            return Err(Failure::Conflict);
        }
        let answer = cluster.api.write(&mut self.link, cluster.random, change);
        if matches!(answer, Err(Failure::Unknown)) {
            self.unsure.insert(key.clone());
        }
        let version = answer?;
        let answered = cluster.api.get(key);
        if let Some((_, object)) =
            answered.filter(|_| cluster.mutation != Mutation::ForgetOwnWrites)
        {
            self.view.wrote(key.clone(), version, object);
        }
        Ok(version)
    }
}
