//! Which deployment a service is in, and what is written of it: the shell around [`Remembered`], which decides.

use std::collections::BTreeSet;
use std::rc::Rc;

use jiff::Timestamp;

use super::acts::Scene;
use super::controller::{Cluster, Replica};
use super::link::Failure;
use super::mutation::Mutation;
use super::objects::{Content, Deployment, Key, Object, Record, Revision, Service, Status};
use crate::domain::service::rollout::{Aftermath, Next};
use crate::domain::service::{Plan, Remembered, Rollout, Task, Wanted};

/// Snapshots that are kept even if nothing refers to them; the real controller keeps twenty.
const SNAPSHOTS_KEPT: usize = 3;

/// Where a service is.
pub(super) struct Current {
    pub(super) newest: Deployment,
    /// The one that failed, while it is what is wanted.
    pub(super) failed: Option<Record>,
    /// The one that completed last before it.
    pub(super) before: Option<Record>,
}

impl Replica {
    /// The deployment that a service is in; `None` when one was just recorded and is to be read back.
    pub(super) fn current(
        &mut self,
        seen: (&Rc<Service>, u64),
        scene: &Scene,
        cluster: &mut Cluster<'_>,
    ) -> Result<Option<Current>, Failure> {
        let (service, _) = seen;
        let mut status = service.status.clone();
        if cluster.mutation == Mutation::RetryWhatFailed {
            status.failed = None;
        }
        let is_wanted = |number| status.content_of(number) == Some(service.content);
        let next = status.remembered().next(is_wanted);
        let failed = match (next, status.newest()) {
            (Next::Begin, _) | (_, None) => {
                let number = self.snapshot(service, scene, service.content, cluster)?;
                let mut status = begun(&status, number, service.content, cluster.now);
                status.failed = None;
                if cluster.mutation == Mutation::RollBackToWhateverWas {
                    let newest = service.status.newest();
                    status.completed = newest.map(record).or(status.completed);
                }
                self.put_status(seen, status, cluster)?;
                cluster.tally.deployments_begun += 1;
                return Ok(None);
            }
            (Next::Keep, Some(_)) => None,
            (Next::KeepInsteadOfFailed, Some(_)) => status.failed,
        };
        let before = status.remembered().completed_before();
        Ok(status.newest().map(|newest| Current {
            newest: newest.clone(),
            failed,
            before: status.completed.filter(|_| before.is_some()),
        }))
    }

    /// The newest deployment has failed: one write says so, and begins the way back where there is one.
    pub(super) fn fail(
        &mut self,
        seen: (&Rc<Service>, u64),
        current: &Current,
        scene: &Scene,
        cluster: &mut Cluster<'_>,
    ) -> Result<(), Failure> {
        let (service, _) = seen;
        let mut status = service.status.clone();
        let remembered = Remembered {
            failed: current.failed.map(|failed| failed.number),
            ..status.remembered()
        };
        let can_return = |number| status.content_of(number) != Some(current.newest.content);
        let aftermath = remembered.aftermath(service.breaker.trips, can_return);
        if let Some(newest) = status.deployments.first_mut() {
            newest.rollout = Rollout::Failed;
            newest.waiting_for = None;
        }
        if !remembered.goes_back() {
            status.failed = Some(Record {
                number: current.newest.number,
                content: current.newest.content,
            });
        }
        cluster.tally.deployments_failed += 1;
        if let (Aftermath::RollsBack, Some(back)) = (aftermath, current.before) {
            let number = self.snapshot(service, scene, back.content, cluster)?;
            status = begun(&status, number, back.content, cluster.now);
            cluster.tally.deployments_rolled_back += 1;
        }
        cluster.history.say(cluster.now, || {
            format!(
                "{} gives up deployment {} of {}: {aftermath:?}",
                self.link.actor, current.newest.number, service.name
            )
        });
        self.put_status(seen, status, cluster)
    }

    /// Writes what a pass saw and did.
    pub(super) fn report(
        &mut self,
        seen: (&Rc<Service>, u64),
        current: &Current,
        (wanted, plan): (&Wanted, &Plan),
        (tasks, unplaced): (&[Task], bool),
        cluster: &mut Cluster<'_>,
    ) -> Result<(), Failure> {
        let mut status = seen.0.status.clone();
        status.failed = current.failed;
        if cluster.mutation == Mutation::WriteAtEveryLook {
            status.looks += 1;
        }
        status.deployments.retain(|deployment| {
            let mut tasks = tasks.iter();
            deployment.number == current.newest.number
                || tasks.any(|task| task.deployment == deployment.number && task.is_live())
        });
        for older in status.deployments.iter_mut().skip(1) {
            older.waiting_for = None;
        }
        if let Some(newest) = status.deployments.first_mut() {
            newest.fresh = false;
            if wanted.rollout != Rollout::Failed {
                newest.failed_tasks = plan.failures.count;
            }
            if plan.steady && newest.rollout == Rollout::InProgress {
                newest.rollout = Rollout::Completed;
                cluster.tally.deployments_completed += 1;
            }
            let goes_on = newest.rollout == Rollout::InProgress;
            let waiting = if unplaced {
                Some("an instance with room".to_owned())
            } else {
                plan.waiting_for(wanted, tasks, cluster.now)
            };
            newest.waiting_for = waiting.filter(|_| goes_on);
            if plan.steady {
                status.completed = Some(record(newest));
            }
        }
        self.put_status(seen, status, cluster)
    }

    /// Makes the snapshot of a new deployment; one that an earlier leader left behind is taken if it says the same.
    fn snapshot(
        &mut self,
        service: &Service,
        scene: &Scene,
        content: Content,
        cluster: &mut Cluster<'_>,
    ) -> Result<i64, Failure> {
        let revisions = self.view.revisions(&service.uid);
        let tasks = scene.objects.values();
        let known = revisions
            .map(|revision| revision.number)
            .chain(tasks.map(|(_, task)| task.deployment))
            .max();
        let mut number = known.unwrap_or(0).max(service.status.last_number) + 1;
        loop {
            let revision = Revision {
                service_uid: service.uid.clone(),
                number,
                content,
            };
            cluster.history.say(cluster.now, || {
                format!("{} records {revision:?}", self.link.actor)
            });
            let key = Key::Revision(service.uid.clone(), number);
            let answer = self.write(cluster, &key, |api, by| api.create_revision(revision, by));
            match answer {
                Ok(_) => return Ok(number),
                Err(Failure::Exists(Object::Revision(found))) if found.content == content => {
                    return Ok(number);
                }
                Err(Failure::Exists(_)) => number += 1,
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Deletes old snapshots that no deployment, record or task refers to. The newest are kept.
    pub(super) fn collect_snapshots(
        &mut self,
        service: &Service,
        scene: &Scene,
        cluster: &mut Cluster<'_>,
    ) -> Result<(), Failure> {
        let mut known: Vec<Rc<Revision>> =
            self.view.revisions(&service.uid).map(Rc::clone).collect();
        let surplus = known.len().saturating_sub(SNAPSHOTS_KEPT);
        if surplus == 0 {
            return Ok(());
        }
        known.sort_by_key(|revision| revision.number);
        let status = &service.status;
        let mut used: BTreeSet<i64> = scene
            .objects
            .values()
            .map(|(_, task)| task.deployment)
            .collect();
        used.extend(status.deployments.iter().map(|it| it.number));
        let records = [status.completed, status.failed].into_iter().flatten();
        used.extend(records.map(|record| record.number));
        if cluster.mutation == Mutation::CollectWhatIsUsed {
            used.clear();
        }
        let unused = |revision: &&Rc<Revision>| !used.contains(&revision.number);
        for revision in known.iter().take(surplus).filter(unused) {
            let key = Key::Revision(service.uid.clone(), revision.number);
            match self.write(cluster, &key, |api, by| api.delete_revision(revision, by)) {
                Ok(_) | Err(Failure::Missing) => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    pub(super) fn put_status(
        &mut self,
        (service, version): (&Rc<Service>, u64),
        status: Status,
        cluster: &mut Cluster<'_>,
    ) -> Result<(), Failure> {
        if status == service.status {
            return Ok(());
        }
        let key = Key::Service(service.name.clone());
        self.write(cluster, &key, |api, by| {
            api.put_status((service, version), status, by)
        })
        .map(drop)
    }
}

const fn record(deployment: &Deployment) -> Record {
    Record {
        number: deployment.number,
        content: deployment.content,
    }
}

/// The status with a new deployment first, which supersedes the others.
fn begun(status: &Status, number: i64, content: Content, begun_at: Timestamp) -> Status {
    let mut status = status.clone();
    status.last_number = number;
    let deployment = Deployment {
        number,
        content,
        rollout: Rollout::InProgress,
        begun_at,
        failed_tasks: 0,
        waiting_for: None,
        fresh: true,
    };
    status.deployments.insert(0, deployment);
    status
}
