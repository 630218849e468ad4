//! A controller replica's outside: its cache, its leadership, its writes. What it decides is the domain's: liveness,
//! the service planner and the placer.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::agent::later;
use super::api::{Api, Failure, Link};
use super::catalog::Catalog;
use super::history::History;
use super::mutation::Mutation;
use super::objects::{Basis, Instance, Key, Object, Revision, Service, TaskObject};
use super::observe::{domain_task, healthy};
use super::random::Random;
use super::view::View;
use crate::domain::ids;
use crate::domain::liveness::{Presence, Sign, Watch};
use crate::domain::service;

pub(super) const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(5);
const LOST_AFTER: Duration = Duration::from_mins(1);
/// The real one keeps stopped tasks for an hour.
pub(super) const KEEP_STOPPED: SignedDuration = SignedDuration::from_secs(300);
pub(super) const RESYNC: SignedDuration = SignedDuration::from_secs(60);
const BACKOFF: SignedDuration = SignedDuration::from_secs(1);

/// A controller process.
pub(super) struct Replica {
    pub(super) link: Link,
    pub(super) up: bool,
    pub(super) leads: bool,
    /// Its watch is silent.
    pub(super) stalled: bool,
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

/// All that a replica acts upon.
pub(super) struct Cluster<'a> {
    pub(super) now: Timestamp,
    pub(super) api: &'a mut Api,
    pub(super) signs: &'a BTreeMap<String, Sign>,
    pub(super) catalog: &'a Catalog,
    pub(super) random: &'a mut Random,
    pub(super) history: &'a mut History,
    /// Nobody else leads.
    pub(super) alone: bool,
    pub(super) mutation: Mutation,
}

impl Replica {
    pub(super) fn new(name: &str) -> Self {
        Self {
            link: Link {
                actor: name.to_owned(),
                ..Link::default()
            },
            up: true,
            leads: false,
            stalled: false,
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

    /// kill -9, or a lost lease: what it knew is gone.
    pub(super) fn die(&mut self) {
        let mut view = std::mem::take(&mut self.view);
        view.forget_own_writes();
        let actor = std::mem::take(&mut self.link.actor);
        *self = Self {
            up: false,
            view,
            ..Self::new(&actor)
        };
    }

    /// Becomes the leader, with what a fresh list shows, or (`stale`) with what it happens to know.
    pub(super) fn lead(&mut self, api: &Api, stale: bool) {
        self.up = true;
        self.leads = true;
        if !stale {
            self.view.follow(api, api.version());
        }
    }

    /// Lets the replica do what is due.
    pub(super) fn act(&mut self, cluster: &mut Cluster<'_>) {
        if !self.up {
            return;
        }
        if cluster.api.reached_by(&self.link) && !self.stalled {
            self.view.follow_some(cluster.api, cluster.random);
        }
        if !self.leads {
            return;
        }
        let outcome = self
            .look(cluster)
            .and_then(|()| self.reconcile_all(cluster))
            .and_then(|()| self.collect(cluster));
        if matches!(outcome, Err(Failure::Crash)) {
            cluster.history.say(cluster.now, || {
                format!("{} crashes after a write", self.link.actor)
            });
            self.die();
        }
    }

    /// Looks at all instances, and writes down what changed.
    fn look(&mut self, cluster: &mut Cluster<'_>) -> Result<(), Failure> {
        let due = self
            .looked_at
            .is_none_or(|at| later(at, LOOK_EVERY) <= cluster.now);
        if !due || !cluster.api.reached_by(&self.link) {
            return Ok(());
        }
        let elapsed = self
            .looked_at
            .map_or(SignedDuration::ZERO, |at| cluster.now.duration_since(at));
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
        let (verdict, _) = self.watch.judge(
            cluster.signs,
            |_| LOST_AFTER,
            |name| was(name) == Some(Presence::Lost),
        );
        self.verdict = verdict;
        if cluster.mutation == Mutation::SilentIsLost {
            let silent = self
                .verdict
                .values_mut()
                .filter(|presence| **presence == Presence::Disconnected);
            silent.for_each(|presence| *presence = Presence::Lost);
        }
        for (name, instance) in known {
            let presence = self.presence(&name);
            if instance.presence != presence {
                cluster.history.say(cluster.now, || {
                    format!("{} finds {name} {presence:?}", self.link.actor)
                });
                let changed = Instance {
                    presence,
                    ..Instance::clone(&instance)
                };
                let object = Object::Instance(Rc::new(changed.clone()));
                self.write(
                    cluster,
                    &Key::Instance(name),
                    |api, by| Ok(api.put_instance(changed, by)),
                    Some(object),
                )?;
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

    fn reconcile_all(&mut self, cluster: &mut Cluster<'_>) -> Result<(), Failure> {
        if self.looked_at.is_none() || !cluster.api.reached_by(&self.link) {
            return Ok(());
        }
        let mut unsure = std::mem::take(&mut self.unsure);
        if cluster.mutation == Mutation::ForgetUnanswered {
            unsure.clear();
        }
        for key in unsure {
            let found = cluster.api.get(&key);
            self.view.settle(key, found);
        }
        let changed = self.seen != self.view.at;
        self.seen = self.view.at;
        let services: Vec<Rc<Service>> = self.view.services().cloned().collect();
        for service in services {
            let due = self
                .again
                .get(&service.name)
                .is_none_or(|at| *at <= cluster.now);
            let pausing = self
                .again
                .get(&service.name)
                .is_some_and(|at| later(*at, -BACKOFF) >= cluster.now);
            if !due && (!changed || !pausing) {
                continue;
            }
            let wake = match self.reconcile(&service, cluster) {
                Ok(wake) => wake.unwrap_or_else(|| later(cluster.now, RESYNC)),
                Err(Failure::Crash) => return Err(Failure::Crash),
                Err(
                    Failure::Unknown | Failure::Conflict | Failure::Missing | Failure::Exists(_),
                ) => later(cluster.now, BACKOFF),
            };
            self.again.insert(service.name.clone(), wake);
        }
        Ok(())
    }

    fn reconcile(
        &mut self,
        service: &Service,
        cluster: &mut Cluster<'_>,
    ) -> Result<Option<Timestamp>, Failure> {
        let Some(deployment) = self.deployment(service, cluster)? else {
            return Ok(Some(cluster.now));
        };
        let objects: BTreeMap<String, (u64, Rc<TaskObject>)> = self
            .view
            .tasks()
            .filter(|(_, task)| task.service_uid == service.uid)
            .map(|(version, task)| (task.name.clone(), (version, Rc::clone(task))))
            .collect();
        self.fence(&objects, cluster)?;
        let tasks: Vec<service::Task> = objects
            .values()
            .map(|(_, task)| domain_task(task, self.presence(&task.instance), cluster.catalog))
            .collect();
        let wanted = service.wanted(deployment.number);
        let id = ids::deployment_id(&service.uid, deployment.number);
        let burned = self.burned.entry(service.name.clone()).or_default().clone();
        let plan = service::plan(&wanted, &id, &tasks, &burned, cluster.now);
        let basis = Rc::new(Basis {
            healthy: healthy(&tasks, &wanted, cluster.now),
            out_of_reach: tasks
                .iter()
                .filter(|task| matches!(task.presence, Presence::Lost | Presence::Fenced))
                .map(|task| task.name.clone())
                .collect(),
            lower: wanted.lower_bound(),
            upper: wanted.upper_bound(),
            certain: cluster.alone,
        });
        self.carry_out(service, &deployment, &plan, &objects, &basis, cluster)?;
        Ok(plan.wake_at)
    }

    /// The deployment that is wanted; `None` when one was just recorded and is to be read back.
    fn deployment(
        &mut self,
        service: &Service,
        cluster: &mut Cluster<'_>,
    ) -> Result<Option<Revision>, Failure> {
        let newest = self
            .view
            .deployment(&service.name)
            .map(|revision| Revision::clone(revision));
        if let Some(newest) = newest
            .clone()
            .filter(|newest| newest.version == service.version)
        {
            return Ok(Some(newest));
        }
        let number = newest.map_or(0, |newest| newest.number) + 1;
        let revision = Revision {
            service: service.name.clone(),
            number,
            version: service.version,
        };
        cluster.history.say(cluster.now, || {
            format!("{} records {revision:?}", self.link.actor)
        });
        let key = Key::Revision(service.name.clone(), number);
        let object = Object::Revision(Rc::new(revision.clone()));
        self.write(
            cluster,
            &key,
            |api, by| api.create_revision(revision, by),
            Some(object),
        )?;
        Ok(None)
    }

    /// A write; its result counts at once.
    pub(super) fn write(
        &mut self,
        cluster: &mut Cluster<'_>,
        key: &Key,
        change: impl FnOnce(&mut Api, &str) -> Result<u64, Failure>,
        shown: Option<Object>,
    ) -> Result<u64, Failure> {
        let answer = cluster.api.write(&mut self.link, cluster.random, change);
        if matches!(answer, Err(Failure::Unknown)) {
            self.unsure.insert(key.clone());
        }
        let version = answer?;
        if let Some(object) = shown.filter(|_| cluster.mutation != Mutation::ForgetOwnWrites) {
            self.view.wrote(key.clone(), version, object);
        }
        Ok(version)
    }
}
