//! What a replica writes of tasks: it stops and starts them as planned, and closes those of gone instances.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use jiff::Timestamp;

use super::agent::later;
use super::controller::{Cluster, RESYNC, Replica};
use super::link::Failure;
use super::mutation::Mutation;
use super::objects::{Basis, Content, Key, Object, Service, TaskObject};
use super::observe::{is_refused, placeable};
use super::traffic::Traffic;
use super::{ground, oracle};
use crate::agent::step::TaskReport;
use crate::domain::events;
use crate::domain::ids;
use crate::domain::liveness::Presence;
use crate::domain::placement::{Group, Model, Request, ZONE};
use crate::domain::service::{Place, Plan, Start, StopTask, Task};
use crate::domain::task::{Stop, StopCode, TaskState};

/// What a pass over a service looks at.
pub(super) struct Scene {
    /// Its tasks as they are stored, by name.
    pub(super) objects: BTreeMap<String, (u64, Rc<TaskObject>)>,
    /// The same in the domain's terms.
    pub(super) tasks: Vec<Task>,
    pub(super) basis: Rc<Basis>,
}

/// What a pass decided, ready to be carried out.
pub(super) struct Decided {
    pub(super) service: Rc<Service>,
    pub(super) scene: Scene,
    pub(super) plan: Plan,
    /// The deployments that tasks are started for, and what they run.
    pub(super) starts: Vec<(i64, Content, Vec<Start>)>,
}

impl Replica {
    /// Closes tasks whose instance is gone for good.
    pub(super) fn fence(
        &mut self,
        objects: &BTreeMap<String, (u64, Rc<TaskObject>)>,
        cluster: &mut Cluster<'_>,
    ) -> Result<(), Failure> {
        for (version, task) in objects.values() {
            if task.is_stopped() || self.presence(&task.instance) != Presence::Fenced {
                continue;
            }
            let reason = events::host_terminated(&task.instance);
            let stop = Stop {
                code: StopCode::TerminationNotice,
                reason,
            };
            let told = task.status.stop.clone().or_else(|| task.stop.clone());
            let report = TaskReport {
                state: TaskState::Stopped,
                stop: Some(told.unwrap_or(stop)),
                stopped_at: Some(cluster.now),
                ..task.status.clone()
            };
            let key = Key::Task(task.name.clone());
            let over_anything = cluster.mutation == Mutation::OverwriteStatus;
            self.write(cluster, &key, |api, by| {
                if over_anything {
                    api.report(&task.name, &task.uid, report, by)
                } else {
                    api.close((task, *version), report, by)
                }
            })?;
        }
        Ok(())
    }

    /// Carries out what was decided. True when a task found no instance.
    pub(super) fn carry_out(
        &mut self,
        decided: &Decided,
        cluster: &mut Cluster<'_>,
    ) -> Result<bool, Failure> {
        let scene = &decided.scene;
        for stop in &decided.plan.stops {
            self.stop(stop, scene, cluster)?;
        }
        for (deployment, content, starts) in &decided.starts {
            for start in starts {
                let placed = self.start(
                    &decided.service,
                    (*deployment, *content),
                    start,
                    scene,
                    cluster,
                )?;
                if !placed {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn stop(
        &mut self,
        stop: &StopTask,
        scene: &Scene,
        cluster: &mut Cluster<'_>,
    ) -> Result<(), Failure> {
        let Some((version, task)) = scene.objects.get(&stop.name) else {
            return Ok(());
        };
        if task.stop.is_some() {
            return Ok(());
        }
        cluster.history.say(cluster.now, || {
            format!("{} stops {}: {:?}", self.link.actor, stop.name, stop.cause)
        });
        let basis = Some(Rc::clone(&scene.basis));
        self.tell_to_stop((task, *version), stop.stop.clone(), basis, cluster)
    }

    pub(super) fn tell_to_stop(
        &mut self,
        (task, version): (&Rc<TaskObject>, u64),
        stop: Stop,
        basis: Option<Rc<Basis>>,
        cluster: &mut Cluster<'_>,
    ) -> Result<(), Failure> {
        let key = Key::Task(task.name.clone());
        self.write(cluster, &key, |api, by| {
            api.stop((task, version), stop, basis, by)
        })
        .map(drop)
    }

    /// Places a task and creates it; false when there is no place for it.
    fn start(
        &mut self,
        service: &Service,
        (deployment, content): (i64, Content),
        start: &Start,
        scene: &Scene,
        cluster: &mut Cluster<'_>,
    ) -> Result<bool, Failure> {
        let name = ids::service_task_name(
            &service.name,
            &service.uid,
            deployment,
            start.slot,
            start.attempt,
        );
        let held = |task: &TaskObject| {
            !task.is_ending() || cluster.mutation != Mutation::FreeAtStopRequest
        };
        let mut instances = placeable(&self.view, &self.verdict, cluster, held);
        if !service.daemon {
            ground::keep_room(&mut instances, &self.view, cluster);
        }
        match &start.place {
            Place::Anywhere => {}
            Place::Instance(name) => instances.retain(|instance| instance.name == *name),
            Place::Zone(zone) => {
                instances.retain(|instance| instance.attributes.get(ZONE) == Some(zone));
            }
        }
        let excluded = refusals(scene, cluster.now);
        let demand = cluster.catalog.demand(&service.name);
        let request = Request {
            attributes: &BTreeSet::new(),
            demand,
            group: &Group::of_service("", &service.name),
            spread_group: None,
            constraints: service.rules.constraints.iter().collect(),
            strategies: &service.rules.strategies,
            seed: &name,
            excluded: &excluded,
            unusable: &BTreeMap::new(),
        };
        let Ok(placement) = instances.into_iter().collect::<Model>().place(&request) else {
            // A service that is only less even than it could be has all its tasks.
            return Ok(matches!(start.place, Place::Zone(_)));
        };
        cluster.history.say(cluster.now, || {
            format!(
                "{} creates {name} on {}",
                self.link.actor, placement.instance
            )
        });
        let task = TaskObject {
            name: name.clone(),
            uid: String::new(),
            service: service.name.clone(),
            service_uid: service.uid.clone(),
            deployment,
            slot: start.slot,
            attempt: start.attempt,
            version: content.version,
            instance: placement.instance,
            dynamic_ports: placement.dynamic_ports,
            protected_until: None,
            stop: None,
            deleting: false,
            created_at: cluster.now,
            traffic: Traffic::default(),
            status: TaskReport::default(),
        };
        // It was decided before that a task is needed, and now where.
        let basis = Basis {
            open: oracle::open(&self.view),
            ..Basis::clone(&scene.basis)
        };
        self.create(service, task, start, basis, cluster)?;
        Ok(true)
    }

    fn create(
        &mut self,
        service: &Service,
        task: TaskObject,
        start: &Start,
        basis: Basis,
        cluster: &mut Cluster<'_>,
    ) -> Result<(), Failure> {
        let key = Key::Task(task.name.clone());
        let basis = Some(Rc::new(basis));
        let (name, reserved) = (task.name.clone(), Object::Task(Rc::new(task.clone())));
        let answer = self.write(cluster, &key, |api, by| api.create_task(task, basis, by));
        match answer {
            Ok(_) => {
                cluster.tally.tasks_created += 1;
                Ok(())
            }
            Err(Failure::Exists(Object::Task(found)))
                if found.service_uid == service.uid
                    || cluster.mutation == Mutation::AdoptByName =>
            {
                if let Some((version, _)) = cluster.api.task(&name) {
                    self.view.wrote(key, version, Object::Task(found));
                }
                Ok(())
            }
            Err(Failure::Exists(_)) => {
                let burned = self.burned.entry(service.uid.clone()).or_default();
                burned.insert(start.slot, start.attempt);
                Ok(())
            }
            Err(failure) => {
                let forgets = cluster.mutation == Mutation::ForgetUnanswered;
                if matches!(failure, Failure::Unknown) && !forgets {
                    self.view.reserve(key, reserved);
                }
                Err(failure)
            }
        }
    }
}

/// Instances that lately would not have a task of the service.
fn refusals(scene: &Scene, now: Timestamp) -> BTreeSet<String> {
    let recent = |task: &TaskObject| {
        let stopped = task.status.stopped_at;
        stopped.is_some_and(|at| later(at, RESYNC) > now)
    };
    scene
        .objects
        .values()
        .filter(|(_, task)| is_refused(task) && recent(task))
        .map(|(_, task)| task.instance.clone())
        .collect()
}
