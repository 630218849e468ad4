//! A model API server: objects with versions, a log that everybody follows at their own pace, and writes that can be
//! refused, lost, or answered to nobody.

use std::collections::BTreeMap;
use std::rc::Rc;

use jiff::Timestamp;

use super::objects::{Basis, Instance, Key, Object, Revision, Service, TaskObject};
use super::random::Random;
use crate::agent::step::TaskReport;
use crate::domain::task::Stop;

/// One commit. Its version is its place in the log, counted from 1.
#[derive(Debug, Clone)]
pub(super) struct Commit {
    pub(super) key: Key,
    /// `None` removes.
    pub(super) object: Option<Object>,
    /// What a controller knew when it started or stopped a task.
    pub(super) basis: Option<Rc<Basis>>,
    pub(super) by: String,
}

/// The objects.
#[derive(Default)]
pub(super) struct Api {
    log: Vec<Commit>,
    objects: BTreeMap<Key, (u64, Object)>,
    uids: u32,
    /// Nobody can reach it.
    pub(super) down: bool,
    /// Of every hundred writes so many lose their answer.
    pub(super) lossy: u32,
}

/// Why a write came to nothing, as far as its writer knows.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// No answer: it may have been committed.
    Unknown,
    /// The object changed since, or cannot be changed so.
    Conflict,
    /// The name is taken, by this.
    Exists(Object),
    /// There is no such object.
    Missing,
    /// The writer itself died right after the write.
    Crash,
}

/// One actor's way to the API.
#[derive(Debug, Default)]
pub(super) struct Link {
    pub(super) actor: String,
    pub(super) cut: bool,
    /// The actor dies after so many more writes.
    pub(super) dies_after: Option<u32>,
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
        change: impl FnOnce(&mut Self, &str) -> Result<u64, Failure>,
    ) -> Result<u64, Failure> {
        if !self.reached_by(link) {
            return Err(Failure::Unknown);
        }
        let answer = change(self, &link.actor);
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

    /// Makes a service, an instance or any other object be as given; equal content is no commit.
    pub(super) fn put(&mut self, key: Key, object: Object, by: &str) -> u64 {
        self.commit(key, Some(object), None, by)
    }

    /// A service as people change it.
    pub(super) fn edit_service(&mut self, name: &str, edit: impl FnOnce(&mut Service)) {
        let key = Key::Service(name.to_owned());
        if let Some((_, Object::Service(service))) = self.objects.get(&key) {
            let mut service = Service::clone(service);
            edit(&mut service);
            self.put(key, Object::Service(Rc::new(service)), "people");
        }
    }

    /// What the leader concluded of an instance.
    pub(super) fn put_instance(&mut self, instance: Instance, by: &str) -> u64 {
        self.put(
            Key::Instance(instance.name.clone()),
            Object::Instance(Rc::new(instance)),
            by,
        )
    }

    /// Records what a deployment number stands for.
    pub(super) fn create_revision(&mut self, revision: Revision, by: &str) -> Result<u64, Failure> {
        let key = Key::Revision(revision.service.clone(), revision.number);
        self.create(key, Object::Revision(Rc::new(revision)), None, by)
    }

    /// Creates a task, and gives it a UID.
    pub(super) fn create_task(
        &mut self,
        mut task: TaskObject,
        basis: Rc<Basis>,
        by: &str,
    ) -> Result<u64, Failure> {
        self.uids += 1;
        task.uid = format!("{:08x}-0000-4000-8000-000000000000", self.uids);
        self.create(
            Key::Task(task.name.clone()),
            Object::Task(Rc::new(task)),
            Some(basis),
            by,
        )
    }

    fn create(
        &mut self,
        key: Key,
        object: Object,
        basis: Option<Rc<Basis>>,
        by: &str,
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
        by: &str,
    ) -> Result<u64, Failure> {
        self.update(seen, basis, by, |task| {
            if task.stop.is_some() {
                return Err(Failure::Conflict);
            }
            task.stop = Some(stop);
            Ok(())
        })
    }

    /// DELETE of a task: it waits for its finalizer.
    pub(super) fn delete(&mut self, seen: (&TaskObject, u64), by: &str) -> Result<u64, Failure> {
        self.update(seen, None, by, |task| {
            task.deleting = true;
            Ok(())
        })
    }

    /// Removes the finalizer of a task that is being deleted, and with it the task.
    pub(super) fn release(&mut self, seen: (&TaskObject, u64), by: &str) -> Result<u64, Failure> {
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
        by: &str,
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
        by: &str,
    ) -> Result<u64, Failure> {
        self.update(seen, None, by, |task| {
            if task.is_stopped() && task.status != report {
                return Err(Failure::Conflict);
            }
            task.status = report;
            Ok(())
        })
    }

    fn update(
        &mut self,
        (seen, at): (&TaskObject, u64),
        basis: Option<Rc<Basis>>,
        by: &str,
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
        by: &str,
    ) -> u64 {
        self.log.push(Commit {
            key: key.clone(),
            object: object.clone(),
            basis,
            by: by.to_owned(),
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
