//! A model API server: objects with versions, a log that everybody follows at their own pace, and writes that can be
//! refused, lost, or answered to nobody.

use std::collections::BTreeMap;
use std::rc::Rc;

use jiff::Timestamp;

use super::link::{Failure, Lease, Link};
use super::objects::{Basis, Instance, Key, Object, Revision, Service, Status, TaskObject};
use super::random::Random;
use crate::agent::step::TaskReport;
use crate::domain::liveness::Presence;
use crate::domain::task::Stop;

/// One commit. Its version is its place in the log, counted from 1.
#[derive(Debug, Clone)]
pub(super) struct Commit {
    pub(super) key: Key,
    /// `None` removes.
    pub(super) object: Option<Object>,
    /// What a controller knew when it started or stopped a task.
    pub(super) basis: Option<Rc<Basis>>,
    pub(super) by: Rc<str>,
    /// A controller wrote it that did not hold the Lease.
    pub(super) usurped: bool,
}

/// The objects.
#[derive(Default)]
pub(super) struct Api {
    log: Vec<Commit>,
    objects: BTreeMap<Key, (u64, Object)>,
    uids: u32,
    pub(super) lease: Lease,
    /// Nobody can reach it.
    pub(super) down: bool,
    /// Of every hundred writes so many lose their answer.
    pub(super) lossy: u32,
}

impl Api {
    /// Version of the newest commit.
    pub(super) fn version(&self) -> u64 {
        u64::try_from(self.log.len()).unwrap_or(u64::MAX)
    }

    /// Commits after `version`, with their versions.
    pub(super) fn since(&self, version: u64) -> impl Iterator<Item = (u64, &Commit)> {
        let from = usize::try_from(version).unwrap_or(usize::MAX);
        (version + 1..).zip(self.log.iter().skip(from))
    }

    /// The object and its version, read from the source.
    pub(super) fn get(&self, key: &Key) -> Option<(u64, Object)> {
        self.objects.get(key).cloned()
    }

    /// The task of this name, read from the source.
    pub(super) fn task(&self, name: &str) -> Option<(u64, Rc<TaskObject>)> {
        match self.objects.get(&Key::Task(name.to_owned()))? {
            (version, Object::Task(task)) => Some((*version, Rc::clone(task))),
            (_, Object::Instance(_) | Object::Revision(_) | Object::Service(_)) => None,
        }
    }

    /// All objects.
    pub(super) fn all(&self) -> impl Iterator<Item = &Object> {
        self.objects.values().map(|(_, object)| object)
    }

    /// Whether `link` reaches the API.
    pub(super) const fn reached_by(&self, link: &Link) -> bool {
        !self.down && !link.cut
    }

    /// Carries out a write of `link`'s actor. Answers with the version at which it is visible.
    pub(super) fn write(
        &mut self,
        link: &mut Link,
        random: &mut Random,
        change: impl FnOnce(&mut Self, &Rc<str>) -> Result<u64, Failure>,
    ) -> Result<u64, Failure> {
        if !self.reached_by(link) {
            return Err(Failure::Unknown);
        }
        let before = self.log.len();
        let answer = change(self, &link.actor);
        if link.leads && self.lease.holder.as_ref() != Some(&link.actor) {
            let written = self.log.iter_mut().skip(before);
            written.for_each(|commit| commit.usurped = true);
        }
        if let Some(left) = &mut link.dies_after {
            *left = left.saturating_sub(1);
            if *left == 0 {
                link.dies_after = None;
                return Err(Failure::Crash);
            }
        }
        if random.chance(self.lossy) {
            Err(Failure::Unknown)
        } else {
            answer
        }
    }

    /// Makes an object be as given.
    pub(super) fn put(&mut self, key: Key, object: Object, by: &Rc<str>) -> u64 {
        self.commit(key, Some(object), None, by)
    }

    /// The service of this name, read from the source.
    pub(super) fn service(&self, name: &str) -> Option<(u64, Rc<Service>)> {
        match self.objects.get(&Key::Service(name.to_owned()))? {
            (version, Object::Service(service)) => Some((*version, Rc::clone(service))),
            (_, Object::Instance(_) | Object::Revision(_) | Object::Task(_)) => None,
        }
    }

    /// A service as people change it; what changes nothing is no commit.
    pub(super) fn edit_service(&mut self, name: &str, edit: impl FnOnce(&mut Service)) {
        let Some((_, known)) = self.service(name) else {
            return;
        };
        let mut service = Service::clone(&known);
        edit(&mut service);
        if service != *known {
            let key = Key::Service(name.to_owned());
            self.put(key, Object::Service(Rc::new(service)), &"people".into());
        }
    }

    /// Applies the status of this very version of a service.
    pub(super) fn put_status(
        &mut self,
        (seen, at): (&Service, u64),
        status: Status,
        by: &Rc<str>,
    ) -> Result<u64, Failure> {
        let (version, known) = self.service(&seen.name).ok_or(Failure::Missing)?;
        if version != at || known.uid != seen.uid {
            return Err(Failure::Conflict);
        }
        if known.status == status {
            return Ok(version);
        }
        let service = Service {
            status,
            ..Service::clone(&known)
        };
        let key = Key::Service(seen.name.clone());
        Ok(self.put(key, Object::Service(Rc::new(service)), by))
    }

    /// Removes the finalizer of a service that is being deleted, and with it the service.
    pub(super) fn let_go(
        &mut self,
        (seen, at): (&Service, u64),
        by: &Rc<str>,
    ) -> Result<u64, Failure> {
        let (version, known) = self.service(&seen.name).ok_or(Failure::Missing)?;
        if version != at || known.uid != seen.uid || !known.deleting {
            return Err(Failure::Conflict);
        }
        Ok(self.commit(Key::Service(seen.name.clone()), None, None, by))
    }

    /// Changes an instance: people its wish, the leader its conclusion.
    pub(super) fn edit_instance(
        &mut self,
        name: &str,
        by: &Rc<str>,
        edit: impl FnOnce(&mut Instance),
    ) -> Result<u64, Failure> {
        let key = Key::Instance(name.to_owned());
        let Some((version, Object::Instance(known))) = self.objects.get(&key) else {
            return Err(Failure::Missing);
        };
        let mut instance = Instance::clone(known);
        edit(&mut instance);
        if instance == **known {
            return Ok(*version);
        }
        Ok(self.put(key, Object::Instance(Rc::new(instance)), by))
    }

    /// What the leader concluded of an instance.
    pub(super) fn put_presence(
        &mut self,
        name: &str,
        presence: Presence,
        by: &Rc<str>,
    ) -> Result<u64, Failure> {
        self.edit_instance(name, by, |instance| instance.presence = presence)
    }

    /// Records what a deployment number stands for.
    pub(super) fn create_revision(
        &mut self,
        revision: Revision,
        by: &Rc<str>,
    ) -> Result<u64, Failure> {
        let key = Key::Revision(revision.service_uid.clone(), revision.number);
        self.create(key, Object::Revision(Rc::new(revision)), None, by)
    }

    /// DELETE of what a deployment number stood for.
    pub(super) fn delete_revision(
        &mut self,
        revision: &Revision,
        by: &Rc<str>,
    ) -> Result<u64, Failure> {
        let key = Key::Revision(revision.service_uid.clone(), revision.number);
        self.objects.get(&key).ok_or(Failure::Missing)?;
        Ok(self.commit(key, None, None, by))
    }

    /// Creates a task, and gives it a UID.
    pub(super) fn create_task(
        &mut self,
        mut task: TaskObject,
        basis: Option<Rc<Basis>>,
        by: &Rc<str>,
    ) -> Result<u64, Failure> {
        task.uid = self.uid();
        let key = Key::Task(task.name.clone());
        self.create(key, Object::Task(Rc::new(task)), basis, by)
    }

    /// A UID that nothing had before.
    pub(super) fn uid(&mut self) -> String {
        self.uids += 1;
        format!("{:08x}-0000-4000-8000-000000000000", self.uids)
    }

    fn create(
        &mut self,
        key: Key,
        object: Object,
        basis: Option<Rc<Basis>>,
        by: &Rc<str>,
    ) -> Result<u64, Failure> {
        match self.objects.get(&key) {
            Some((_, present)) => Err(Failure::Exists(present.clone())),
            None => Ok(self.commit(key, Some(object), basis, by)),
        }
    }

    /// Sets `spec.stop`: once, the first writer wins.
    pub(super) fn stop(
        &mut self,
        seen: (&TaskObject, u64),
        stop: Stop,
        basis: Option<Rc<Basis>>,
        by: &Rc<str>,
    ) -> Result<u64, Failure> {
        self.update(seen, basis, by, |task| {
            if task.stop.is_some() {
                return Err(Failure::Conflict);
            }
            task.stop = Some(stop);
            Ok(())
        })
    }

    /// `UpdateTaskProtection`
    pub(super) fn protect(
        &mut self,
        seen: (&TaskObject, u64),
        until: Timestamp,
        by: &Rc<str>,
    ) -> Result<u64, Failure> {
        self.update(seen, None, by, |task| {
            task.protected_until = Some(until);
            Ok(())
        })
    }

    /// DELETE of a task: it waits for its finalizer.
    pub(super) fn delete(
        &mut self,
        seen: (&TaskObject, u64),
        by: &Rc<str>,
    ) -> Result<u64, Failure> {
        self.update(seen, None, by, |task| {
            task.deleting = true;
            Ok(())
        })
    }

    /// Removes the finalizer of a task that is being deleted, and with it the task.
    pub(super) fn release(
        &mut self,
        seen: (&TaskObject, u64),
        by: &Rc<str>,
    ) -> Result<u64, Failure> {
        let (version, task) = self.task(&seen.0.name).ok_or(Failure::Missing)?;
        if task.uid != seen.0.uid || version != seen.1 || !task.deleting {
            return Err(Failure::Conflict);
        }
        Ok(self.commit(Key::Task(task.name.clone()), None, None, by))
    }

    /// Applies the status of a task, whatever its version.
    pub(super) fn report(
        &mut self,
        name: &str,
        uid: &str,
        report: TaskReport,
        by: &Rc<str>,
    ) -> Result<u64, Failure> {
        let (version, task) = self.task(name).ok_or(Failure::Missing)?;
        if task.uid != uid {
            return Err(Failure::Missing);
        }
        self.close((&task, version), report, by)
    }

    /// Applies the status of this very version of a task. STOPPED is final, which the CRD's transition rule holds.
    pub(super) fn close(
        &mut self,
        seen: (&TaskObject, u64),
        report: TaskReport,
        by: &Rc<str>,
    ) -> Result<u64, Failure> {
        self.update(seen, None, by, |task| {
            if task.is_stopped() && task.status != report {
                return Err(Failure::Conflict);
            }
            task.status = report;
            Ok(())
        })
    }

    pub(super) fn update(
        &mut self,
        (seen, at): (&TaskObject, u64),
        basis: Option<Rc<Basis>>,
        by: &Rc<str>,
        change: impl FnOnce(&mut TaskObject) -> Result<(), Failure>,
    ) -> Result<u64, Failure> {
        let (version, task) = self.task(&seen.name).ok_or(Failure::Missing)?;
        if task.uid != seen.uid || version != at {
            return Err(Failure::Conflict);
        }
        let mut task = TaskObject::clone(&task);
        let before = task.clone();
        change(&mut task)?;
        if task == before {
            return Ok(version);
        }
        Ok(self.commit(
            Key::Task(task.name.clone()),
            Some(Object::Task(Rc::new(task))),
            basis,
            by,
        ))
    }

    fn commit(
        &mut self,
        key: Key,
        object: Option<Object>,
        basis: Option<Rc<Basis>>,
        by: &Rc<str>,
    ) -> u64 {
        self.log.push(Commit {
            key: key.clone(),
            object: object.clone(),
            basis,
            by: Rc::clone(by),
            usurped: false,
        });
        let version = self.version();
        match object {
            Some(object) => self.objects.insert(key, (version, object)),
            None => self.objects.remove(&key),
        };
        version
    }
}

/// Where the clock of every simulation starts.
pub(super) fn start_of_time() -> Timestamp {
    Timestamp::from_second(1_767_225_600).unwrap_or(Timestamp::UNIX_EPOCH)
}
