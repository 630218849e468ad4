//! What a replica writes: it stops and starts tasks as planned, closes those of gone instances, and collects old ones.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::agent::later;
use super::api::Failure;
use super::controller::{Cluster, KEEP_STOPPED, LOOK_EVERY, RESYNC, Replica};
use super::mutation::Mutation;
use super::objects::{Basis, Key, Object, Revision, Service, TaskObject};
use super::observe::{attempts_kept, placeable};
use crate::agent::step::TaskReport;
use crate::domain::events;
use crate::domain::ids;
use crate::domain::liveness::Presence;
use crate::domain::placement::{Group, Model, Request};
use crate::domain::service::{Plan, Start};
use crate::domain::task::{Stop, StopCode, TaskState};

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
            let report = TaskReport {
                state: TaskState::Stopped,
                stop: Some(
                    task.status
                        .stop
                        .clone()
                        .or_else(|| task.stop.clone())
                        .unwrap_or(stop),
                ),
                stopped_at: Some(cluster.now),
                ..task.status.clone()
            };
            let closed = TaskObject {
                status: report.clone(),
                ..TaskObject::clone(task)
            };
            let key = Key::Task(task.name.clone());
            let shown = Some(Object::Task(Rc::new(closed)));
            if cluster.mutation == Mutation::OverwriteStatus {
                self.write(
                    cluster,
                    &key,
                    |api, by| api.report(&task.name, &task.uid, report, by),
                    shown,
                )?;
            } else {
                self.write(
                    cluster,
                    &key,
                    |api, by| api.close((task, *version), report, by),
                    shown,
                )?;
            }
        }
        Ok(())
    }

    pub(super) fn carry_out(
        &mut self,
        service: &Service,
        deployment: &Revision,
        plan: &Plan,
        objects: &BTreeMap<String, (u64, Rc<TaskObject>)>,
        basis: &Rc<Basis>,
        cluster: &mut Cluster<'_>,
    ) -> Result<(), Failure> {
        for stop in &plan.stops {
            let Some((version, task)) = objects.get(&stop.name) else {
                continue;
            };
            cluster.history.say(cluster.now, || {
                format!("{} stops {}: {:?}", self.link.actor, stop.name, stop.cause)
            });
            let stopped = TaskObject {
                stop: Some(stop.stop.clone()),
                ..TaskObject::clone(task)
            };
            let key = Key::Task(stop.name.clone());
            let shown = Some(Object::Task(Rc::new(stopped)));
            let (reason, basis) = (stop.stop.clone(), Rc::clone(basis));
            self.write(
                cluster,
                &key,
                |api, by| api.stop((task, *version), reason, Some(basis), by),
                shown,
            )?;
        }
        for start in &plan.starts {
            self.start(service, deployment, start, basis, cluster)?;
        }
        Ok(())
    }

    fn start(
        &mut self,
        service: &Service,
        deployment: &Revision,
        start: &Start,
        basis: &Rc<Basis>,
        cluster: &mut Cluster<'_>,
    ) -> Result<(), Failure> {
        let definition = cluster
            .catalog
            .definition(&service.name, deployment.version);
        let held = |task: &TaskObject| {
            !task.is_ending() || cluster.mutation != Mutation::FreeAtStopRequest
        };
        let instances = placeable(&self.view, &self.verdict, cluster.catalog, held);
        let excluded: BTreeSet<String> = self
            .view
            .tasks()
            .filter(|(_, task)| task.service == service.name && super::observe::is_refused(task))
            .filter(|(_, task)| {
                task.status
                    .stopped_at
                    .is_some_and(|at| later(at, RESYNC) > cluster.now)
            })
            .map(|(_, task)| task.instance.clone())
            .collect();
        let demand = definition.demand();
        let request = Request {
            attributes: &BTreeSet::new(),
            demand: &demand,
            group: &Group::of_service("", &service.name),
            spread_group: None,
            constraints: Vec::new(),
            strategies: &[],
            seed: &service.name,
            excluded: &excluded,
            unusable: &BTreeMap::new(),
        };
        let Ok(placement) = instances.into_iter().collect::<Model>().place(&request) else {
            return Err(Failure::Missing);
        };
        let name = ids::service_task_name(
            &service.name,
            &service.uid,
            deployment.number,
            start.slot,
            start.attempt,
        );
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
            deployment: deployment.number,
            slot: start.slot,
            attempt: start.attempt,
            version: deployment.version,
            instance: placement.instance,
            dynamic_ports: placement.dynamic_ports,
            stop: None,
            deleting: false,
            created_at: cluster.now,
            status: TaskReport::default(),
        };
        let basis = Rc::clone(basis);
        let reserved = Object::Task(Rc::new(task.clone()));
        match self.write(
            cluster,
            &Key::Task(name.clone()),
            |api, by| api.create_task(task, basis, by),
            None,
        ) {
            Ok(version) => {
                let counts = cluster.mutation != Mutation::ForgetOwnWrites;
                if let Some((_, made)) = cluster.api.task(&name).filter(|_| counts) {
                    self.view
                        .wrote(Key::Task(name), version, Object::Task(made));
                }
                Ok(())
            }
            Err(Failure::Exists(Object::Task(found))) if found.service_uid == service.uid => {
                if let Some((version, _)) = cluster.api.task(&name) {
                    self.view
                        .wrote(Key::Task(name), version, Object::Task(found));
                }
                Ok(())
            }
            Err(Failure::Exists(_)) => {
                self.burned
                    .entry(service.name.clone())
                    .or_default()
                    .insert(start.slot, start.attempt);
                Ok(())
            }
            Err(failure) => {
                if matches!(failure, Failure::Unknown)
                    && cluster.mutation != Mutation::ForgetUnanswered
                {
                    self.view.reserve(Key::Task(name), reserved);
                }
                Err(failure)
            }
        }
    }

    /// Deletes stopped tasks after their time, and lets go of deleted ones that hold nothing any more.
    pub(super) fn collect(&mut self, cluster: &mut Cluster<'_>) -> Result<(), Failure> {
        if self
            .collected_at
            .is_some_and(|at| later(at, LOOK_EVERY) > cluster.now)
        {
            return Ok(());
        }
        self.collected_at = Some(cluster.now);
        let kept = attempts_kept(&self.view);
        let all: Vec<(u64, Rc<TaskObject>)> = self
            .view
            .tasks()
            .map(|(version, task)| (version, Rc::clone(task)))
            .collect();
        for (version, task) in all {
            let gone = matches!(
                self.presence(&task.instance),
                Presence::Lost | Presence::Fenced
            );
            let old = task
                .status
                .stopped_at
                .is_some_and(|at| later(at, KEEP_STOPPED) <= cluster.now);
            let key = Key::Task(task.name.clone());
            let outcome = if task.deleting
                && (task.is_stopped() || gone || cluster.mutation == Mutation::LetGoAtOnce)
            {
                self.write(
                    cluster,
                    &key,
                    |api, by| api.release((&task, version), by),
                    None,
                )
            } else if task.is_stopped() && !task.deleting && old && !kept.contains(&task.name) {
                self.write(
                    cluster,
                    &key,
                    |api, by| api.delete((&task, version), by),
                    None,
                )
            } else {
                continue;
            };
            if matches!(outcome, Err(Failure::Crash)) {
                return Err(Failure::Crash);
            }
        }
        Ok(())
    }
}
