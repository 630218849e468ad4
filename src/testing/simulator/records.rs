//! What must hold of services' deployments at every step.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};

use super::agent::later;
use super::api::Commit;
use super::invariants::Verdict;
use super::objects::{Basis, Content, Deployment, Service, TaskObject};
use super::oracle;
use crate::domain::service::Rollout;

/// Starts that one service may have in a minute, for each task that it may have at once.
const STARTS_A_MINUTE: usize = 14;

/// What was seen of services so far.
#[derive(Default)]
pub(super) struct Records {
    /// By name.
    services: BTreeMap<String, Rc<Service>>,
    /// By UID.
    known: BTreeMap<String, Known>,
}

#[derive(Default)]
struct Known {
    deployments: BTreeMap<i64, (Content, Rollout)>,
    /// Content of the deployment that completed last.
    completed: Option<Content>,
    /// What failed, until something else is wanted.
    failed: Option<Content>,
    /// Tasks that failed, by deployment.
    failures: BTreeMap<i64, u32>,
    /// Tasks that ran, by deployment.
    ran: BTreeMap<i64, u32>,
    /// When tasks were started lately.
    starts: VecDeque<Timestamp>,
}

impl Records {
    /// Judges a change of a service.
    pub(super) fn changed(
        &mut self,
        service: &Rc<Service>,
        commit: &Commit,
        lawful: bool,
    ) -> Verdict {
        let before = self
            .services
            .insert(service.name.clone(), Rc::clone(service));
        let known = self.known.entry(service.uid.clone()).or_default();
        let content = before.filter(|before| before.uid == service.uid);
        if content.is_some_and(|before| before.content != service.content) {
            known.failed = None;
        }
        if commit.by.starts_with("people") {
            return Ok(());
        }
        let name = &service.name;
        let deployments = &service.status.deployments;
        let numbers = deployments.iter().map(|it| it.number);
        if !numbers.is_sorted_by(|newer, older| newer > older) {
            return Err(format!("S11: the deployments of {name} are out of order"));
        }
        for deployment in deployments.iter().rev() {
            match known.deployments.get(&deployment.number) {
                None => known.begun(service, deployment, lawful)?,
                Some((content, rollout)) => {
                    let stays = *rollout == deployment.rollout;
                    if *content != deployment.content || !(stays || *rollout == Rollout::InProgress)
                    {
                        return Err(format!(
                            "S11: {deployment:?} of {name} was {content:?} {rollout:?}"
                        ));
                    }
                    if !stays {
                        known.ended(service, deployment, lawful)?;
                    }
                }
            }
            let now = (deployment.content, deployment.rollout);
            known.deployments.insert(deployment.number, now);
        }
        let silent = |newest: &Deployment| {
            newest.rollout == Rollout::InProgress && !newest.fresh && newest.waiting_for.is_none()
        };
        match service.status.newest().filter(|newest| silent(newest)) {
            Some(newest) => Err(format!(
                "L2: deployment {} of {name} does not say what it waits for: {service:?}",
                newest.number
            )),
            None => Ok(()),
        }
    }

    /// L3: a service goes after the last of its tasks.
    pub(super) fn removed(
        &mut self,
        name: &str,
        tasks: &BTreeMap<String, Rc<TaskObject>>,
    ) -> Verdict {
        let Some(service) = self.services.remove(name) else {
            return Ok(());
        };
        let left = tasks.values().find(|task| task.service_uid == service.uid);
        left.map_or(Ok(()), |task| {
            Err(format!("L3: {name} is gone before {}", task.name))
        })
    }

    /// R1: what a deployment ran stays known for as long as a task or a record refers to it.
    pub(super) fn forgotten(
        &self,
        service_uid: &str,
        number: i64,
        tasks: &BTreeMap<String, Rc<TaskObject>>,
    ) -> Verdict {
        let mut tasks = tasks.values();
        let by_task =
            tasks.any(|task| task.service_uid == service_uid && task.deployment == number);
        let mut services = self.services.values();
        let service = services.find(|service| service.uid == service_uid);
        let by_record = service.is_some_and(|service| service.status.content_of(number).is_some());
        if by_task || by_record {
            return Err(format!(
                "R1: what deployment {number} ran is forgotten too early"
            ));
        }
        Ok(())
    }

    /// Q2: starts come at a bounded rate.
    pub(super) fn started(&mut self, task: &TaskObject, basis: &Basis, now: Timestamp) -> Verdict {
        let known = self.known.entry(task.service_uid.clone()).or_default();
        known.starts.push_back(now);
        let minute = SignedDuration::from_mins(1);
        while known
            .starts
            .front()
            .is_some_and(|at| later(*at, minute) < now)
        {
            known.starts.pop_front();
        }
        // The bound may have been a higher one at the beginning of the minute.
        let most = STARTS_A_MINUTE * basis.upper().max(5);
        if known.starts.len() > most {
            let count = known.starts.len();
            return Err(format!(
                "Q2: {count} starts of {} in a minute",
                task.service
            ));
        }
        Ok(())
    }

    /// A task became STOPPED.
    pub(super) fn ended(&mut self, task: &TaskObject) {
        if oracle::is_failure(task) {
            let known = self.known.entry(task.service_uid.clone()).or_default();
            *known.failures.entry(task.deployment).or_default() += 1;
        }
    }

    /// A task reached RUNNING.
    pub(super) fn ran(&mut self, task: &TaskObject) {
        let known = self.known.entry(task.service_uid.clone()).or_default();
        *known.ran.entry(task.deployment).or_default() += 1;
    }
}

impl Known {
    fn begun(&self, service: &Service, new: &Deployment, lawful: bool) -> Verdict {
        let newest = self.deployments.keys().next_back();
        if newest.is_some_and(|newest| *newest >= new.number) || new.rollout != Rollout::InProgress
        {
            return Err(format!("S11: {new:?} of {} is not a new one", service.name));
        }
        if !lawful {
            return Ok(());
        }
        if new.content == service.content && self.failed == Some(new.content) {
            return Err(format!(
                "F1: {} tries again what failed: {new:?}",
                service.name
            ));
        }
        if new.content != service.content && self.completed != Some(new.content) {
            return Err(format!(
                "S12: {} goes back to what did not complete last: {new:?}, completed is {:?}",
                service.name, self.completed
            ));
        }
        Ok(())
    }

    fn ended(&mut self, service: &Service, deployment: &Deployment, lawful: bool) -> Verdict {
        let (name, number) = (&service.name, deployment.number);
        let count = |counts: &BTreeMap<i64, u32>| counts.get(&number).copied().unwrap_or(0);
        if deployment.rollout == Rollout::Completed {
            self.completed = Some(deployment.content);
            let ran = count(&self.ran);
            if ran < service.desired && !service.daemon {
                return Err(format!("S11: {name} completed when {ran} tasks had run"));
            }
        }
        if deployment.rollout == Rollout::Failed {
            if deployment.content == service.content {
                self.failed = Some(deployment.content);
            }
            let failures = count(&self.failures);
            let desired = if service.daemon { 1 } else { service.desired };
            let threshold = oracle::threshold(service, desired);
            let enough = threshold.is_some_and(|threshold| failures >= threshold);
            if lawful && !enough {
                return Err(format!("S13: {name} gives up after {failures} failures"));
            }
        }
        Ok(())
    }
}
