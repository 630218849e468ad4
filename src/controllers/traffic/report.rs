//! What a target group shows of itself: how many targets there are, and where they are reached.

use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use kube::{Api, ResourceExt};

use super::front::Front;
use super::targets::tasks_of;
use crate::api::bounded::{List, Str};
use crate::api::conditions::{self, Progress, TARGETS_UNAVAILABLE, reason};
use crate::api::target_group::{ServiceType, TargetCounts, TargetGroup, TargetGroupStatus};
use crate::api::task::{TargetHealth, TaskTarget};
use crate::controllers::context::Context;
use crate::controllers::writes::{Error, api_of, apply_status};

/// Between two writes that nobody waits for.
const BETWEEN_WRITES: Duration = Duration::from_secs(2);

/// Writes the status where it changed; returns for how long a write was put off.
pub(super) async fn report(
    context: &Context,
    group: &TargetGroup,
    front: &Front,
) -> Result<Option<Duration>, Error> {
    let before = group.status.clone().unwrap_or_default();
    let now = context.clock.now();
    let generation = group.metadata.generation;
    let mut status = TargetGroupStatus {
        observed_generation: generation.unwrap_or(0),
        conditions: before.conditions.clone(),
        ..TargetGroupStatus::default()
    };
    let (ready, stalled, reason, message) = match front {
        Front::Ours(service) => show_service(&mut status, group, service),
        Front::Foreign => (
            false,
            true,
            reason::SERVICE_NAME_TAKEN,
            format!(
                "a Service {} exists that is not of this TargetGroup: delete it, or make a TargetGroup of another name",
                group.name_any()
            ),
        ),
        Front::Refused(message) => (false, true, reason::SERVICE_REFUSED, message.clone()),
    };
    let progress = Progress {
        ready,
        stalled,
        reason,
        message: &message,
    };
    conditions::set_progress(&mut status.conditions, progress, generation, now);
    let unreachable = count(context, group, &mut status);
    let (reason, message) = match &unreachable {
        Some(why) => (reason::UNREACHABLE, why.as_str()),
        None => (reason::ALL_REACHABLE, ""),
    };
    let condition = conditions::condition(
        TARGETS_UNAVAILABLE,
        unreachable.is_some(),
        reason,
        message,
        generation,
        now,
    );
    conditions::set(&mut status.conditions, condition);
    if status == before {
        return Ok(None);
    }
    let urgent = status.observed_generation != before.observed_generation
        || status.service != before.service
        || status.conditions != before.conditions;
    if let Some(wait) = context.pace(group, BETWEEN_WRITES).filter(|_| !urgent) {
        return Ok(Some(wait));
    }
    let api: Api<TargetGroup> = api_of(&context.client, group.namespace());
    apply_status(&api, &context.world.target_groups, group, &status).await?;
    Ok(None)
}

fn show_service(
    status: &mut TargetGroupStatus,
    group: &TargetGroup,
    service: &Service,
) -> (bool, bool, &'static str, String) {
    let name = format!(
        "{}.{}.svc",
        group.name_any(),
        group.namespace().unwrap_or_default()
    );
    status.service = Some(name.as_str().into());
    let spec = service.spec.clone().unwrap_or_default();
    let ingress = service
        .status
        .as_ref()
        .and_then(|status| status.load_balancer.as_ref()?.ingress.clone())
        .unwrap_or_default();
    let outside: Vec<String> = ingress
        .into_iter()
        .filter_map(|ingress| ingress.hostname.or(ingress.ip))
        .collect();
    let waits = spec.type_.as_deref() == Some("LoadBalancer") && outside.is_empty();
    let inside = spec.cluster_ip.filter(|address| address != "None");
    let addresses = inside.into_iter().chain(outside);
    status.addresses = List::cut(addresses.map(|address| Str::cut(&address)));
    let mut ports = spec.ports.iter().flatten();
    status.node_port = ports.find_map(|port| port.node_port);
    if waits {
        let message = format!(
            "no load balancer has taken up Service {} yet: see its events, and whether the cluster provides load balancers",
            group.name_any()
        );
        return (false, false, reason::WAITING_FOR_LOAD_BALANCER, message);
    }
    let port = group.spec.port;
    let how = match group.spec.service.as_ref().and_then(|front| front.type_) {
        Some(ServiceType::NodePort) => status.node_port.map_or_else(String::new, |port| {
            format!(", and at port {port} of each node")
        }),
        Some(ServiceType::ClusterIp | ServiceType::Headless | ServiceType::LoadBalancer) | None => {
            String::new()
        }
    };
    let message = format!("targets are reached at {name}:{port}{how}");
    (true, false, reason::SERVICE_READY, message)
}

/// Counts the targets; returns why some cannot be reached.
fn count(context: &Context, group: &TargetGroup, status: &mut TargetGroupStatus) -> Option<String> {
    let name = group.name_any();
    let mut counts = TargetCounts::default();
    let mut unreachable = None;
    let tasks = tasks_of(context, group);
    let targets = tasks.iter().filter(|task| !task.is_stopped());
    let targets = targets.flat_map(|task| {
        let mine = task.targets().iter();
        let mine = mine.filter(|target| target.target_group.as_str() == name);
        mine.map(move |target| (task, target))
    });
    for (task, target) in targets {
        let ending = task.is_stopping();
        let count = match target.health {
            _ if ending => &mut counts.draining,
            TargetHealth::Healthy => &mut counts.healthy,
            TargetHealth::Unhealthy => &mut counts.unhealthy,
            TargetHealth::Initial => &mut counts.initial,
            TargetHealth::Draining => &mut counts.draining,
            TargetHealth::Unavailable | TargetHealth::Unused => &mut counts.unavailable,
        };
        *count += 1;
        if target.health == TargetHealth::Unavailable && !ending {
            unreachable.get_or_insert_with(|| why(&task.name_any(), target));
        }
    }
    status.targets = Some(counts);
    unreachable
}

fn why(task: &str, target: &TaskTarget) -> String {
    let told = target.description.as_ref().map(Str::as_str);
    format!(
        "target {task}: {}",
        told.unwrap_or("it cannot be reached on the way that requests take")
    )
}
