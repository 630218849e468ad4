//! What a replica clears away: stopped tasks after their time, and services that are deleted.

use std::collections::BTreeMap;
use std::rc::Rc;

use jiff::Timestamp;

use super::acts::Scene;
use super::agent::later;
use super::controller::{Cluster, KEEP_STOPPED, LOOK_EVERY, RESYNC, Replica};
use super::link::Failure;
use super::mutation::Mutation;
use super::objects::{Key, Service, TaskObject};
use crate::domain::events;
use crate::domain::ids;
use crate::domain::liveness::Presence;
use crate::domain::task::{Stop, StopCode, TaskState};

/// Slot of a deployment of a service.
type Place = (String, i64, i64);

impl Replica {
    /// Deletes stopped tasks after their time, and lets go of deleted ones that hold nothing any more.
    pub(super) fn collect(&mut self, cluster: &mut Cluster<'_>) -> Result<(), Failure> {
        let due = self.collected_at;
        if due.is_some_and(|at| later(at, LOOK_EVERY) > cluster.now) {
            return Ok(());
        }
        self.collected_at = Some(cluster.now);
        let newest = self.newest_attempts();
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
            let careless = cluster.mutation == Mutation::LetGoAtOnce;
            let key = Key::Task(task.name.clone());
            let outcome = if task.deleting && (task.is_stopped() || gone || careless) {
                self.write(cluster, &key, |api, by| api.release((&task, version), by))
            } else if self.is_over(&task, &newest, cluster.now) {
                self.write(cluster, &key, |api, by| api.delete((&task, version), by))
            } else {
                continue;
            };
            if matches!(outcome, Err(Failure::Crash)) {
                return Err(Failure::Crash);
            }
        }
        Ok(())
    }

    /// Nobody needs it any more: not to read it, not to count failures, not to number attempts.
    fn is_over(&self, task: &TaskObject, newest: &BTreeMap<Place, i64>, now: Timestamp) -> bool {
        let stopped = task.status.stopped_at;
        let old = stopped.is_some_and(|at| later(at, KEEP_STOPPED) <= now);
        if !task.is_stopped() || task.deleting || !old {
            return false;
        }
        let Some((service, rollout)) = self.service_of(task).and_then(|service| {
            let mut listed = service.status.deployments.iter();
            let mine = listed.find(|deployment| deployment.number == task.deployment)?;
            Some((service, mine.rollout))
        }) else {
            return true;
        };
        let counted = service.breaker.watches(rollout);
        !counted && newest.get(&place_of(task)) != Some(&task.attempt)
    }

    fn service_of(&self, task: &TaskObject) -> Option<&Rc<Service>> {
        let found = self.view.services().map(|(_, service)| service);
        found
            .filter(|service| service.uid == task.service_uid)
            .last()
    }

    fn newest_attempts(&self) -> BTreeMap<Place, i64> {
        let mut newest: BTreeMap<Place, i64> = BTreeMap::new();
        for (_, task) in self.view.tasks() {
            let attempt = newest.entry(place_of(task)).or_insert(task.attempt);
            *attempt = (*attempt).max(task.attempt);
        }
        newest
    }

    /// A deleted service ends its tasks, and goes when none is left.
    pub(super) fn drain(
        &mut self,
        (service, version): (&Rc<Service>, u64),
        scene: &Scene,
        cluster: &mut Cluster<'_>,
    ) -> Result<Option<Timestamp>, Failure> {
        let id = ids::deployment_id(&service.uid, service.status.last_number);
        let stop = Stop {
            code: StopCode::ServiceSchedulerInitiated,
            reason: events::scaling_activity(&id),
        };
        let mut left = 0;
        for (at, task) in scene.objects.values() {
            let overlooked = cluster.mutation == Mutation::OverlookUnstarted
                && task.status.state < TaskState::Running;
            if overlooked {
                continue;
            }
            left += 1;
            if task.is_stopped() {
                if !task.deleting {
                    let key = Key::Task(task.name.clone());
                    self.write(cluster, &key, |api, by| api.delete((task, *at), by))?;
                }
            } else if task.stop.is_none() {
                self.tell_to_stop((task, *at), stop.clone(), None, cluster)?;
            }
        }
        if left == 0 {
            let key = Key::Service(service.name.clone());
            self.write(cluster, &key, |api, by| api.let_go((service, version), by))?;
        }
        Ok(Some(later(cluster.now, RESYNC)))
    }
}

fn place_of(task: &TaskObject) -> Place {
    (task.service_uid.clone(), task.deployment, task.slot)
}
