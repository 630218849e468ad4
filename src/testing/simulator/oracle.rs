//! What a controller could have known when it decided, worked out from the objects that it saw and from nothing else:
//! the invariants hold the domain's decisions against this, so none of the domain's own counting is used here.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};

use super::catalog::Catalog;
use super::controller::Policy;
use super::objects::{Basis, Service, TaskObject};
use super::observe::is_refused;
use super::view::View;
use crate::api::cluster::DisconnectPolicy;
use crate::domain::events;
use crate::domain::liveness::Presence;
use crate::domain::placement::Constraint;
use crate::domain::service::{Threshold, Trips};
use crate::domain::task::{Health, StopCode, TaskState};

/// The basis of a decision about a service.
pub(super) fn basis(
    service: &Rc<Service>,
    tasks: &BTreeMap<String, (u64, Rc<TaskObject>)>,
    (view, verdict): (&View, &BTreeMap<String, Presence>),
    catalog: &Catalog,
    (now, certain, policy): (Timestamp, bool, Policy),
) -> Basis {
    let tasks = || tasks.values().map(|(_, task)| task);
    let presence = |task: &TaskObject| verdict.get(&task.instance).copied();
    let reached = |task: &TaskObject| match presence(task) {
        Some(Presence::Lost) => policy.disconnect == DisconnectPolicy::Wait,
        Some(Presence::Fenced) => false,
        Some(Presence::Connected | Presence::Disconnected) | None => true,
    };
    let replaceable = |task: &TaskObject| match presence(task) {
        Some(Presence::Lost) => policy.disconnect == DisconnectPolicy::Replace,
        Some(Presence::Fenced) => true,
        Some(Presence::Connected | Presence::Disconnected) | None => false,
    };
    let checked = catalog.is_checked(&service.name);
    let balanced = catalog.is_balanced(&service.name);
    let names = |which: &dyn Fn(&TaskObject) -> bool| {
        let chosen = tasks().filter(|task| which(task));
        chosen.map(|task| task.name.clone()).collect()
    };
    let instances = || view.instances();
    let protected = |task: &TaskObject| {
        let drains = |name: &str| instances().any(|it| it.name == name && it.draining);
        let drained = drains(&task.instance) && !policy.draining_waits_for_protected;
        !drained && task.protected_until.is_some_and(|until| until > now)
    };
    let occupied = |name: &str| {
        tasks().any(|task| {
            task.instance == name && !task.is_stopped() && !task.is_ending() && reached(task)
        })
    };
    let daemons = instances().filter(|instance| {
        let connected = verdict.get(&instance.name) == Some(&Presence::Connected);
        is_allowed(service, &instance.name)
            && ((connected && !instance.draining) || occupied(&instance.name))
    });
    let number = service.status.newest().map(|newest| newest.number);
    let newest = || tasks().filter(|task| Some(task.deployment) == number);
    let proved = newest()
        .filter_map(|task| proved_at(task, checked, service, now))
        .max();
    let failed = |task: &TaskObject| {
        let at = task.status.stopped_at;
        is_failure(task) && proved.is_none_or(|proved| at.is_some_and(|at| at > proved))
    };
    Basis {
        service: Rc::clone(service),
        healthy: names(&|task| {
            let serves = !balanced || service.endpoints.contains(&task.uid);
            reached(task) && serves && is_healthy(task, checked, service, now)
        }),
        out_of_reach: names(&replaceable),
        protected: names(&protected),
        desired: if service.daemon {
            u32::try_from(daemons.count()).unwrap_or(u32::MAX)
        } else {
            service.desired
        },
        open: open(view),
        failures: u32::try_from(newest().filter(|task| failed(task)).count()).unwrap_or(u32::MAX),
        certain,
    }
}

/// The instances that take tasks.
pub(super) fn open(view: &View) -> BTreeSet<String> {
    let open = view.instances().filter(|instance| !instance.draining);
    open.map(|instance| instance.name.clone()).collect()
}

/// ECS API Reference, `minimumHealthyPercent`: RUNNING, and its check passes, or it ran for long enough without one.
pub(super) fn is_healthy(
    task: &TaskObject,
    checked: bool,
    service: &Service,
    now: Timestamp,
) -> bool {
    let runs = task.status.state == TaskState::Running && !task.is_ending();
    let well = if checked {
        task.status.health == Health::Healthy
    } else {
        proven_at(task, service).is_some_and(|at| at <= now)
    };
    runs && well
}

fn proven_at(task: &TaskObject, service: &Service) -> Option<Timestamp> {
    let after = SignedDuration::try_from(service.healthy_after).ok()?;
    task.status.started_at?.checked_add(after).ok()
}

fn proved_at(
    task: &TaskObject,
    checked: bool,
    service: &Service,
    now: Timestamp,
) -> Option<Timestamp> {
    let at = if checked {
        task.status.healthy_since?
    } else {
        proven_at(task, service)?
    };
    (at <= task.status.stopped_at.unwrap_or(now)).then_some(at)
}

/// ECS Developer Guide, "Deployment circuit breaker": it could not start, it ended, or its check failed. What befalls its
/// instance is no failure of the task's.
pub(super) fn is_failure(task: &TaskObject) -> bool {
    if !task.is_stopped() || is_refused(task) {
        return false;
    }
    let code = task.status.stop.as_ref().or(task.stop.as_ref());
    let ended = matches!(
        code.map(|stop| stop.code),
        Some(StopCode::TaskFailedToStart | StopCode::EssentialContainerExited)
    );
    let told = task.stop.as_ref();
    ended || told.is_some_and(|stop| events::tells_of_failed_checks(&stop.reason))
}

/// Whether a service's constraints allow an instance: `node-3` is the only one that any expression excludes.
pub(super) fn is_allowed(service: &Service, instance: &str) -> bool {
    let excludes = |constraint: &Constraint| matches!(constraint, Constraint::MemberOf(_));
    instance != "node-3" || !service.rules.constraints.iter().any(excludes)
}

/// How many failures end a deployment of so many tasks; `None` where the breaker is off.
pub(super) fn threshold(service: &Service, desired: u32) -> Option<u32> {
    let breaker = service.breaker;
    let part = |percent: u32| (desired * percent).div_ceil(100);
    (breaker.trips != Trips::Never).then(|| match breaker.threshold {
        Threshold::Count(count) => count.max(1),
        Threshold::BoundedPercent(percent) => part(percent).clamp(3, 200),
        Threshold::UnboundedPercent(percent) => part(percent).max(1),
    })
}
