//! Whether all is as it is wanted: what has to come true once nothing goes wrong any more.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::invariants;
use super::objects::{Deployment, Object, Service, TaskObject};
use super::oracle;
use super::order::part_of;
use super::world::World;
use crate::domain::service::Rollout;
use crate::domain::task::{Health, TaskState};

impl World {
    /// Whether all is as it is wanted, or what is not.
    pub(super) fn discrepancy(&self) -> Option<String> {
        if let Some(service) = self.remake.first() {
            return Some(format!("{} is to be made again", service.name));
        }
        let tasks: Vec<&Rc<TaskObject>> = self
            .api
            .all()
            .filter_map(|object| match object {
                Object::Task(task) => Some(task),
                Object::Instance(_) | Object::Revision(_) | Object::Service(_) => None,
            })
            .collect();
        let services = self.services();
        let wrong = services.iter().find_map(|service| {
            let mine = tasks.iter().filter(|task| {
                task.service_uid == service.uid && (!task.is_stopped() || task.deleting)
            });
            let what = self.unfinished(service, &mine.copied().collect::<Vec<_>>())?;
            Some(format!("{} {what}", service.name))
        });
        wrong.or_else(|| {
            let living = |name: &str| {
                let id = invariants::task_of(name);
                tasks
                    .iter()
                    .any(|task| !task.is_stopped() && invariants::id(&task.uid) == id)
            };
            let mut live = self.machines.values().flat_map(|machine| &machine.live);
            let stray = live.find(|name| !living(name));
            stray.map(|name| format!("{name} lives and is nobody's"))
        })
    }

    fn unfinished(&self, service: &Service, left: &[&Rc<TaskObject>]) -> Option<String> {
        let Some(newest) = service.status.newest() else {
            return Some("has no deployment".to_owned());
        };
        let settled = left.iter().filter(|task| self.is_settled(task)).count();
        let desired = self.desired(service);
        let found = || {
            let found = left
                .iter()
                .map(|task| format!("{} {} on {}", task.name, task.status.state, task.instance));
            found.collect::<Vec<_>>().join(", ")
        };
        if settled != left.len() || left.len() > desired {
            return Some(format!("is to have {desired} tasks at rest: {}", found()));
        }
        let running: BTreeSet<String> = left.iter().map(|task| task.uid.clone()).collect();
        let sound = left.iter().all(|task| self.is_fine(task, newest));
        if sound && self.catalog.is_balanced(&service.name) && service.endpoints != running {
            let listed = &service.endpoints;
            return Some(format!("T3: lists {listed:?} of {running:?}: {}", found()));
        }
        if let Some(task) = left.iter().find(|task| self.is_draining(&task.instance)) {
            let (name, instance) = (&task.name, &task.instance);
            return Some(format!("still has {name} on {instance}, which drains"));
        }
        let complete = || {
            let mut tasks = left.iter();
            left.len() == desired && tasks.all(|task| self.is_fine(task, newest))
        };
        match newest.rollout {
            Rollout::InProgress => Some(format!(
                "goes on with deployment {}, waits for {:?}: {}",
                newest.number,
                newest.waiting_for,
                found()
            )),
            Rollout::Completed if !complete() => {
                Some(format!("wants {desired} tasks of {newest:?}: {}", found()))
            }
            Rollout::Completed if newest.content == service.content => None,
            Rollout::Completed | Rollout::Failed => {
                let failed = service.status.failed.map(|failed| failed.content);
                (failed != Some(service.content))
                    .then(|| format!("does not try {:?}, which never failed", service.content))
            }
        }
    }

    fn desired(&self, service: &Service) -> usize {
        if !service.daemon {
            return usize::try_from(service.desired).unwrap_or(usize::MAX);
        }
        let machines = self.machines.iter();
        let takes_one =
            |name: &&String| oracle::is_allowed(service, name) && !self.is_draining(name);
        let there = machines.filter(|(_, machine)| machine.powered && !machine.gone);
        there.map(|(name, _)| name).filter(takes_one).count()
    }

    /// Nothing is on its way with it.
    fn is_settled(&self, task: &TaskObject) -> bool {
        let id = invariants::id(&task.uid);
        let machine = self.machines.get(&task.instance);
        !task.is_ending()
            && task.status.state == TaskState::Running
            && machine.is_some_and(|machine| {
                let lives = |part: &str| {
                    let mut live = machine.live.iter();
                    live.any(|name| name.ends_with(&id) && part_of(name) == part)
                };
                machine.powered && self.catalog.essential(&task.service).all(lives)
            })
    }

    fn is_fine(&self, task: &TaskObject, newest: &Deployment) -> bool {
        let sound =
            !self.catalog.is_checked(&task.service) || task.status.health == Health::Healthy;
        task.deployment == newest.number && sound
    }

    fn is_draining(&self, name: &str) -> bool {
        let mut all = self.api.all();
        all.any(|object| match object {
            Object::Instance(instance) => instance.name == name && instance.draining,
            Object::Revision(_) | Object::Service(_) | Object::Task(_) => false,
        })
    }
}
