//! What people do: they scale, deploy, go back, change how deployments go, delete, and put right what they broke.

use std::collections::BTreeSet;
use std::rc::Rc;

use jiff::SignedDuration;

use super::agent::later;
use super::catalog::Quality;
use super::objects::{Object, Service, Status, TaskObject};
use super::script::{Edit, End};
use super::traffic::Traffic;
use super::world::World;
use crate::agent::step::TaskReport;
use crate::domain::events;
use crate::domain::ids;
use crate::domain::service::{Percents, Rollout};
use crate::domain::task::{Stop, StopCode};

/// How long people protect a task from scale-in and deployments.
const PROTECTION: SignedDuration = SignedDuration::from_mins(4);

impl World {
    pub(super) fn edit(&mut self, service: usize, edit: Edit) {
        let services = self.services();
        let Some(service) = service
            .checked_rem(services.len())
            .and_then(|index| services.get(index))
        else {
            return;
        };
        let name = &service.name;
        let newest = service.content.version;
        match edit {
            Edit::Scale { desired } => {
                let desired = desired.min(self.most_of(service));
                self.api.edit_service(name, |it| it.desired = desired);
            }
            Edit::Deploy { quality } => self.deploy(service, quality),
            Edit::Revert => self.api.edit_service(name, |it| {
                it.content.version = newest.saturating_sub(1).max(1);
            }),
            Edit::Force => self.api.edit_service(name, |it| it.content.force += 1),
            Edit::Percents(percents) => {
                let (minimum_healthy, maximum) = if service.daemon {
                    (percents.minimum_healthy.min(50), 100)
                } else {
                    (percents.minimum_healthy, percents.maximum)
                };
                self.api.edit_service(name, |it| {
                    it.percents = Percents {
                        minimum_healthy,
                        maximum,
                    };
                });
            }
            Edit::Breaker(breaker) => self.api.edit_service(name, |it| it.breaker = breaker),
            Edit::Recreate => {
                if !service.deleting {
                    self.remake.push(Service::clone(service));
                }
                self.api.edit_service(name, |it| it.deleting = true);
            }
            Edit::Squat => self.squat(service),
        }
    }

    /// Services that are gone are made again, under new UIDs.
    pub(super) fn make_again(&mut self) {
        let is_gone =
            |api: &super::api::Api, service: &Service| api.service(&service.name).is_none();
        let api = &self.api;
        let gone: Vec<Service> = self
            .remake
            .extract_if(.., |service| is_gone(api, service))
            .collect();
        for service in gone {
            let uid = self.api.uid();
            self.history
                .say(self.now, || format!("people make {} again", service.name));
            self.add_service(Service {
                uid,
                endpoints: BTreeSet::new(),
                status: Status::default(),
                ..service
            });
        }
    }

    /// Somebody takes the name that the next task in the service's first place would have.
    fn squat(&mut self, service: &Service) {
        let Some(newest) = service.status.newest() else {
            return;
        };
        let number = newest.number;
        let mine = |object: &Object| match object {
            Object::Task(task) if task.service_uid == service.uid && task.slot == 0 => {
                Some(task.attempt).filter(|_| task.deployment == number)
            }
            Object::Task(_) | Object::Instance(_) | Object::Revision(_) | Object::Service(_) => {
                None
            }
        };
        let attempt = self.api.all().filter_map(mine).max().unwrap_or(0) + 1;
        let task = TaskObject {
            name: ids::service_task_name(&service.name, &service.uid, number, 0, attempt),
            uid: String::new(),
            service: "nobody".to_owned(),
            service_uid: String::new(),
            deployment: 0,
            slot: 0,
            attempt: 0,
            version: 1,
            instance: String::new(),
            dynamic_ports: Vec::new(),
            protected_until: None,
            stop: None,
            deleting: false,
            created_at: self.now,
            traffic: Traffic::default(),
            status: TaskReport::default(),
        };
        if self.api.create_task(task, None, &"people".into()).is_err() {
            self.history
                .say(self.now, || "the name is taken already".to_owned());
        }
    }

    pub(super) fn end_task(&mut self, which: usize, end: End) {
        let Some((version, task)) = self.task(which, end == End::Delete) else {
            return;
        };
        let seen = (&*task, version);
        let ended = match end {
            End::Stop => {
                let reason = events::STOPPED_BY_USER.to_owned();
                let stop = Stop {
                    code: StopCode::UserInitiated,
                    reason,
                };
                self.api.stop(seen, stop, None, &"people".into())
            }
            End::Delete => self.api.delete(seen, &"people".into()),
            End::Protect => {
                let until = later(self.now, PROTECTION);
                self.api.protect(seen, until, &"people".into())
            }
        };
        if ended.is_err() {
            self.history.say(self.now, || {
                format!("{} was told to end already", task.name)
            });
        }
    }

    /// One of the services' tasks that have not ended; to clean up, one on a machine that is silent, if there is any.
    fn task(&self, which: usize, cleans_up: bool) -> Option<(u64, Rc<TaskObject>)> {
        let tasks = self.api.all().filter_map(|object| match object {
            Object::Task(task) if !task.is_stopped() && !task.instance.is_empty() => Some(task),
            Object::Task(_) | Object::Instance(_) | Object::Revision(_) | Object::Service(_) => {
                None
            }
        });
        let silent = |task: &TaskObject| {
            let machine = self.machines.get(&task.instance);
            machine.is_some_and(|machine| machine.cut || !machine.powered)
        };
        let (silent, others): (Vec<_>, Vec<_>) = tasks.partition(|task| cleans_up && silent(task));
        let chosen = if silent.is_empty() { others } else { silent };
        let index = which.checked_rem(chosen.len())?;
        self.api.task(&chosen.get(index)?.name)
    }

    fn deploy(&mut self, service: &Service, quality: Quality) {
        // Without a health check nobody would see that it is sick.
        let quality = if quality == Quality::Sick && !self.catalog.is_checked(&service.name) {
            Quality::EndsSoon
        } else {
            quality
        };
        let version = self.catalog.newest(&service.name) + 1;
        self.publish(&service.name, version, quality);
        self.api
            .edit_service(&service.name, |it| it.content.version = version);
    }

    /// People make all services such that they can be what they are wanted to be. Half of what failed is tried again.
    pub(super) fn mend_services(&mut self) {
        let small = self.capacity.memory < 300;
        for service in self.services() {
            let name = &service.name;
            if self.catalog.quality(name, service.content.version) != Quality::Good {
                self.deploy(&service, Quality::Good);
            } else if service.status.newest().map(|it| it.rollout) == Some(Rollout::Failed)
                && self.random.chance(50)
            {
                self.api.edit_service(name, |it| it.content.force += 1);
            }
            if small {
                self.api
                    .edit_service(name, |it| it.desired = it.desired.min(1));
            }
            self.api.edit_service(name, |it| {
                if it.daemon {
                    it.percents.minimum_healthy = 0;
                } else if it.percents.cannot_move(it.desired).is_some() {
                    it.percents = Percents {
                        minimum_healthy: 0,
                        maximum: 200,
                    };
                }
            });
        }
        for service in &mut self.remake {
            service.content.version = self.catalog.good(&service.name);
            service.percents = Percents {
                minimum_healthy: 0,
                maximum: if service.daemon { 100 } else { 200 },
            };
            if small {
                service.desired = service.desired.min(1);
            }
        }
    }
}
