//! The controller's half of each instance's status, written when something in it changed.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::api::bounded::Str;
use crate::api::conditions::{self, READY, condition};
use crate::api::container_instance::{ContainerInstance, InstanceControl, InstanceState};
use crate::controllers::context::Context;
use crate::controllers::writes::{Error, apply_status};
use crate::domain::liveness::Presence;
use crate::domain::task::TaskState;

/// Writes what changed.
pub(super) async fn report(context: &Context) -> Result<(), Error> {
    let presence = context.presence().await;
    let mut counts: BTreeMap<String, (i32, i32)> = BTreeMap::new();
    for task in context.world.tasks.all() {
        let Some(name) = task.instance().filter(|_| !task.is_stopped()) else {
            continue;
        };
        let count = counts.entry(name.to_owned()).or_default();
        if task.state() >= TaskState::Running {
            count.0 += 1;
        } else {
            count.1 += 1;
        }
    }
    let borrowers = super::borrowers(context);
    let api: Api<ContainerInstance> = Api::all(context.client.clone());
    for instance in context.world.instances.all() {
        let name = instance.name_any();
        let presence = presence
            .get(&name)
            .copied()
            .unwrap_or(Presence::Disconnected);
        let counts = counts.get(&name).copied().unwrap_or_default();
        let before = instance
            .status
            .as_ref()
            .and_then(|status| status.control.clone());
        let control = control(
            &instance,
            before.as_ref(),
            verdict(&instance, presence, borrowers.get(&name)),
            presence,
            counts,
            context,
        );
        if before.as_ref() == Some(&control) {
            continue;
        }
        tell(context, &instance, before.as_ref(), &control).await;
        apply_status(
            &api,
            &context.world.instances,
            &instance,
            &json!({"control": control}),
        )
        .await?;
    }
    Ok(())
}

fn control(
    instance: &ContainerInstance,
    before: Option<&InstanceControl>,
    (ready, reason, message): (bool, &'static str, String),
    presence: Presence,
    (running, pending): (i32, i32),
    context: &Context,
) -> InstanceControl {
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
        agent_connected: presence == Presence::Connected,
        lost: matches!(presence, Presence::Lost | Presence::Fenced),
        reason: (!ready).then(|| Str::cut(&message)),
        running_tasks_count: running,
        pending_tasks_count: pending,
        conditions: conditions.into(),
    }
}

/// Whether the instance takes tasks, and why not.
fn verdict(
    instance: &ContainerInstance,
    presence: Presence,
    owner: Option<&String>,
) -> (bool, &'static str, String) {
    let report = instance
        .status
        .as_ref()
        .and_then(|status| status.agent.as_ref());
    let engine = report.and_then(|report| report.engine.as_ref());
    let said = |ready, reason, message: &str| (ready, reason, message.to_owned());
    match presence {
        Presence::Fenced => said(false, "HostGone", "its node or pod is gone"),
        Presence::Lost => said(
            false,
            "Lost",
            "its agent is silent and its node is not Ready: its tasks are replaced elsewhere",
        ),
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
            Some(_) if let Some(owner) = owner => said(
                false,
                "EngineShared",
                &format!(
                    "its Docker Engine is that of container instance {owner}, which runs the tasks: give each node an engine of its own, or use a CapacityProvider"
                ),
            ),
            Some(_) if instance.spec.status == InstanceState::Draining => said(
                false,
                "Draining",
                "spec.status is DRAINING: nothing new is placed here",
            ),
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
