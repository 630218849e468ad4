//! What a replica does for traffic: it lists the tasks that can serve, and records of each that it may get requests, and that it
//! gets none any more. Who serves, and what is recorded when, is the domain's.

use std::collections::BTreeSet;
use std::rc::Rc;

use jiff::Timestamp;

use super::api::Api;
use super::book::Signal;
use super::controller::{Cluster, Replica};
use super::invariants::{Invariants, Verdict};
use super::link::Failure;
use super::mutation::Mutation;
use super::objects::{Key, Object, Service, TaskObject};
use crate::domain::liveness::Host;
use crate::domain::traffic::{Attend, Facts, TargetState, attend, serves};

/// `status.traffic` of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Traffic {
    pub(super) registered_at: Option<Timestamp>,
    pub(super) deregistered_at: Option<Timestamp>,
}

impl Replica {
    /// One pass over the endpoints of all services.
    pub(super) fn bring_traffic(&mut self, cluster: &mut Cluster<'_>) -> Result<(), Failure> {
        if !self.is_ready(cluster) {
            return Ok(());
        }
        let names: Vec<String> = self
            .view
            .services()
            .map(|(_, service)| service.name.clone())
            .filter(|name| cluster.catalog.is_balanced(name))
            .collect();
        for name in names {
            match self.bring_traffic_to(&name, cluster) {
                Err(Failure::Crash) => return Err(Failure::Crash),
                // Looked at again with the next pass.
                Ok(())
                | Err(
                    Failure::Unknown | Failure::Conflict | Failure::Missing | Failure::Exists(_),
                ) => {}
            }
        }
        Ok(())
    }

    fn bring_traffic_to(&mut self, name: &str, cluster: &mut Cluster<'_>) -> Result<(), Failure> {
        let Some((version, service)) = self.service_named(name) else {
            return Ok(());
        };
        let tasks: Vec<(u64, Rc<TaskObject>)> = self
            .view
            .tasks()
            .filter(|(_, task)| task.service_uid == service.uid)
            .map(|(version, task)| (version, Rc::clone(task)))
            .collect();
        let careless = cluster.mutation == Mutation::DeregisterWhatIsListed;
        if careless {
            self.record(&tasks, &BTreeSet::new(), cluster)?;
        }
        self.list(&service, version, &tasks, cluster)?;
        let endpoints = self.service_named(name).map(|(_, it)| it.endpoints.clone());
        self.record(&tasks, &endpoints.unwrap_or_default(), cluster)
    }

    /// Lists the tasks that can serve.
    fn list(
        &mut self,
        service: &Service,
        version: u64,
        tasks: &[(u64, Rc<TaskObject>)],
        cluster: &mut Cluster<'_>,
    ) -> Result<(), Failure> {
        let all = cluster.mutation == Mutation::ListTheEnding;
        let listed = |task: &TaskObject| {
            let mut facts = self.facts(task, cluster);
            if all {
                (facts.stopping, facts.deregistered) = (false, false);
            }
            states(task).into_iter().any(|state| serves(facts, state))
        };
        let wanted: BTreeSet<String> = tasks
            .iter()
            .filter(|(_, task)| listed(task))
            .map(|(_, task)| task.uid.clone())
            .collect();
        if wanted == service.endpoints {
            return Ok(());
        }
        let key = Key::Service(service.name.clone());
        self.write(cluster, &key, |api, by| {
            api.put_endpoints((service, version), wanted, by)
        })?;
        Ok(())
    }

    /// Records what has become of each task's traffic, of which `endpoints` are listed.
    fn record(
        &mut self,
        tasks: &[(u64, Rc<TaskObject>)],
        endpoints: &BTreeSet<String>,
        cluster: &mut Cluster<'_>,
    ) -> Result<(), Failure> {
        for (version, task) in tasks {
            let is_listed = endpoints.contains(&task.uid);
            let traffic = match attend(self.facts(task, cluster), &states(task), is_listed) {
                Attend::Nothing | Attend::Withdraw => continue,
                Attend::Register => Traffic {
                    registered_at: Some(cluster.now),
                    ..task.traffic
                },
                Attend::Deregister => Traffic {
                    deregistered_at: Some(cluster.now),
                    ..task.traffic
                },
            };
            let key = Key::Task(task.name.clone());
            self.write(cluster, &key, |api, by| {
                api.put_traffic((task, *version), traffic, by)
            })?;
        }
        Ok(())
    }

    fn service_named(&self, name: &str) -> Option<(u64, Rc<Service>)> {
        let mut services = self.view.services();
        let found = services.find(|(_, service)| service.name == name);
        found.map(|(version, service)| (version, Rc::clone(service)))
    }

    fn facts(&self, task: &TaskObject, cluster: &Cluster<'_>) -> Facts {
        let sign = cluster.signs.get(&task.instance);
        Facts {
            state: task.status.state,
            stopping: task.is_ending(),
            registered: task.traffic.registered_at.is_some(),
            deregistered: task.traffic.deregistered_at.is_some(),
            presence: self.presence(&task.instance),
            host_ready: sign.is_some_and(|sign| sign.host == Host::Ready),
        }
    }
}

impl Api {
    /// Writes the slices of this very version of a service's target group.
    pub(super) fn put_endpoints(
        &mut self,
        (seen, at): (&Service, u64),
        endpoints: BTreeSet<String>,
        by: &Rc<str>,
    ) -> Result<u64, Failure> {
        let (version, known) = self.service(&seen.name).ok_or(Failure::Missing)?;
        if version != at || known.uid != seen.uid {
            return Err(Failure::Conflict);
        }
        let service = Service {
            endpoints,
            ..Service::clone(&known)
        };
        let key = Key::Service(seen.name.clone());
        Ok(self.put(key, Object::Service(Rc::new(service)), by))
    }

    /// Records what has become of a task's traffic.
    pub(super) fn put_traffic(
        &mut self,
        seen: (&TaskObject, u64),
        traffic: Traffic,
        by: &Rc<str>,
    ) -> Result<u64, Failure> {
        self.update(seen, None, by, |task| {
            task.traffic = traffic;
            Ok(())
        })
    }
}

impl Invariants {
    /// T1: whoever is listed was registered first, and is not said to get no requests.
    pub(super) fn listed(&mut self, service: &Service, lawful: bool) -> Verdict {
        let tasks = self.tasks.values();
        let wrong: Vec<_> = tasks
            .filter(|task| service.endpoints.contains(&task.uid))
            .filter(|task| {
                let traffic = task.traffic;
                traffic.registered_at.is_none() || traffic.deregistered_at.is_some()
            })
            .collect();
        let verdict = match wrong.first() {
            Some(task) if lawful => Err(format!(
                "T1: {} is listed with {:?}",
                task.name, task.traffic
            )),
            Some(_) | None => Ok(()),
        };
        self.misled
            .extend(wrong.iter().map(|task| task.uid.clone()));
        let endpoints = service.endpoints.clone();
        self.endpoints.insert(service.uid.clone(), endpoints);
        verdict
    }

    /// T1: nobody is said to get no requests while it is listed.
    pub(super) fn deregistered(
        &mut self,
        before: &TaskObject,
        after: &TaskObject,
        lawful: bool,
    ) -> Verdict {
        let now =
            before.traffic.deregistered_at.is_none() && after.traffic.deregistered_at.is_some();
        let endpoints = self.endpoints.get(&after.service_uid);
        if now && endpoints.is_some_and(|listed| listed.contains(&after.uid)) {
            if lawful {
                return Err(format!("T1: {} is deregistered and listed", after.name));
            }
            self.misled.insert(after.uid.clone());
        }
        Ok(())
    }

    /// T2: no container is told to end while requests may be sent to it, unless its task died by itself, no controller
    /// answers, or one that could not know better said that none are sent.
    pub(super) fn signalled(&self, api: &Api, signal: &Signal) -> Verdict {
        let lists = |object: &Object| match object {
            Object::Service(service) => service.endpoints.contains(&signal.uid),
            Object::Instance(_) | Object::Revision(_) | Object::Task(_) => false,
        };
        let is_excused = signal.is_excused || self.misled.contains(&signal.uid);
        if !is_excused && api.all().any(lists) {
            return Err(format!("T2: {} is told to end and is listed", signal.task));
        }
        Ok(())
    }
}

/// Health of a task's targets.
pub(super) fn states(task: &TaskObject) -> Vec<TargetState> {
    let targets = task.status.targets.iter();
    targets.map(|target| target.health.into()).collect()
}
