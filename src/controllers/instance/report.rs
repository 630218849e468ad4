//! The controller's half of each instance's status, written when something in it changed.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{Api, ResourceExt};
use serde_json::json;

use super::{Draining, drains};
use crate::api::bounded::Str;
use crate::api::conditions::{self, READY, condition};
use crate::api::container_instance::{ContainerInstance, InstanceControl};
use crate::controllers::context::Context;
use crate::controllers::world::World;
use crate::controllers::writes::{Error, apply_status};
use crate::domain::liveness::Presence;

/// Between two writes of an instance of which only the counts of its tasks changed.
const BETWEEN_COUNTS: Duration = Duration::from_secs(2);

/// Writes what changed. Says when to look again, if a write was put off.
pub(super) async fn report(context: &Context) -> Result<Option<Duration>, Error> {
    let mut again: Option<Duration> = None;
    let presence = context.presence().await;
    let world = &context.world;
    let api: Api<ContainerInstance> = Api::all(context.client.clone());
    for instance in world.instances.all() {
        let name = instance.name_any();
        let owner = world.ledger.fleet(world, &presence, |fleet| {
            fleet.lender(&name).map(ToOwned::to_owned)
        });
        let (running, pending) = counts(world, &name);
        let facts = Facts {
            presence: presence
                .get(&name)
                .copied()
                .unwrap_or(Presence::Disconnected),
            owner,
            draining: drains(world, &instance),
            running,
            pending,
        };
        let before = instance
            .status
            .as_ref()
            .and_then(|status| status.control.clone());
        let control = control(&instance, before.as_ref(), &facts, context);
        if before.as_ref() == Some(&control) {
            continue;
        }
        if before
            .as_ref()
            .is_some_and(|it| differ_in_counts(it, &control))
            && let Some(wait) = context.pace(&*instance, BETWEEN_COUNTS)
        {
            again = Some(again.map_or(wait, |other| other.min(wait)));
            continue;
        }
        tell(context, &instance, before.as_ref(), &control).await;
        apply_status(
            &api,
            &world.instances,
            &instance,
            &json!({"control": control}),
        )
        .await?;
    }
    Ok(again)
}

/// Whether nothing but the counts of tasks has changed.
fn differ_in_counts(before: &InstanceControl, now: &InstanceControl) -> bool {
    let counted = InstanceControl {
        running_tasks_count: now.running_tasks_count,
        pending_tasks_count: now.pending_tasks_count,
        ..before.clone()
    };
    counted == *now
}

/// How many tasks of an instance run, and how many are to.
fn counts(world: &World, instance: &str) -> (i32, i32) {
    world.ledger.tasks(world, |tasks| {
        let count = |running: bool| {
            let holdings = tasks.holdings_on(instance);
            let count = holdings.filter(|task| task.running == running).count();
            i32::try_from(count).unwrap_or(i32::MAX)
        };
        (count(true), count(false))
    })
}

/// What is known of an instance besides its object.
struct Facts {
    presence: Presence,
    /// The instance that owns its engine, where that is another one.
    owner: Option<String>,
    draining: Option<Draining>,
    running: i32,
    pending: i32,
}

fn control(
    instance: &ContainerInstance,
    before: Option<&InstanceControl>,
    facts: &Facts,
    context: &Context,
) -> InstanceControl {
    let (ready, reason, message) = verdict(instance, facts);
    let mut conditions: Vec<Condition> = before
        .map(|before| before.conditions.to_vec())
        .unwrap_or_default();
    let generation = instance.metadata.generation;
    conditions::set(
        &mut conditions,
        condition(
            READY,
            ready,
            reason,
            &message,
            generation,
            context.clock.now(),
        ),
    );
    InstanceControl {
        observed_generation: generation.unwrap_or(0),
        agent_connected: facts.presence == Presence::Connected,
        lost: matches!(facts.presence, Presence::Lost | Presence::Fenced),
        reason: (!ready).then(|| Str::cut(&message)),
        running_tasks_count: facts.running,
        pending_tasks_count: facts.pending,
        conditions: conditions.into(),
    }
}

/// Whether the instance takes tasks, and why not.
fn verdict(instance: &ContainerInstance, facts: &Facts) -> (bool, &'static str, String) {
    let report = instance
        .status
        .as_ref()
        .and_then(|status| status.agent.as_ref());
    let engine = report.and_then(|report| report.engine.as_ref());
    let said = |ready, reason, message: &str| (ready, reason, message.to_owned());
    match facts.presence {
        Presence::Fenced => said(false, "HostGone", "its node or pod is gone"),
        Presence::Lost => said(
            false,
            "Lost",
            "its agent is silent and its node is not Ready: its tasks are replaced elsewhere",
        ),
        Presence::Disconnected if report.is_none() => {
            said(false, "Registering", "its agent has not been heard of yet")
        }
        Presence::Disconnected => said(
            false,
            "AgentDisconnected",
            "its agent has not renewed its Lease for 30 seconds: nothing new is placed here, what runs is left alone",
        ),
        Presence::Connected => match engine {
            None => said(
                false,
                "Registering",
                "its agent has not reported its engine yet",
            ),
            Some(engine) if !engine.ready => {
                let message = engine
                    .message
                    .as_ref()
                    .map_or("its Docker Engine does not answer", |text| text.as_str());
                said(false, "EngineNotReady", message)
            }
            Some(_) if let Some(owner) = &facts.owner => said(
                false,
                "EngineShared",
                &format!(
                    "its Docker Engine is that of container instance {owner}, which runs the tasks: give each node an engine of its own, or use a CapacityProvider"
                ),
            ),
            Some(_) if let Some(why) = facts.draining => {
                let why = match why {
                    Draining::Asked => "spec.status is DRAINING",
                    Draining::Cordoned => "its node is unschedulable",
                };
                match facts.running + facts.pending {
                    0 => (false, "Drained", format!("{why}, and no task is left")),
                    left => (
                        false,
                        "Draining",
                        format!("{why}: services move their tasks away, {left} left"),
                    ),
                }
            }
            Some(_) => said(true, "Active", "takes tasks"),
        },
    }
}

/// One event for each change that a person would want to know of.
async fn tell(
    context: &Context,
    instance: &ContainerInstance,
    before: Option<&InstanceControl>,
    now: &InstanceControl,
) {
    let ready = |control: &InstanceControl| {
        conditions::get(&control.conditions, READY)
            .map(|ready| (ready.status.clone(), ready.reason.clone()))
    };
    if before.and_then(ready) == ready(now) {
        return;
    }
    if let Some(condition) = conditions::get(&now.conditions, READY) {
        context
            .tell(
                instance,
                condition.status != "True",
                &condition.reason,
                &condition.message,
            )
            .await;
    }
}
