//! Why a task is as it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;

use super::bind::{Obstacle, choose};
use crate::api::task::EcsTask;
use crate::controllers::context::Context;
use crate::controllers::ended::Ended;
use crate::controllers::instance::drains;
use crate::domain::liveness::Presence;
use crate::domain::placement::Summary;

/// Why a task is as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskAnswer {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub task: String,
    /// What it runs.
    pub task_definition: String,
    /// Where it is in its life.
    pub last_status: &'static str,
    /// The service that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Its instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Its instance sheds its tasks.
    pub draining: bool,
    /// Until when neither a scale-in nor a deployment stops it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protected_until: Option<Timestamp>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    /// Of a task without an instance: what would become of it, were it placed now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placed_now: Option<PlacedNow>,
}

/// What would become of a task, were it placed now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum PlacedNow {
    /// It would run there.
    Instance(String),
    /// No instance can take it.
    Unplaced(Summary),
    /// It would not be placed at all.
    Refused(String),
    /// Its definition is not registered yet.
    Waits,
}

/// Explains a task, in a world of one's own.
pub(in crate::controllers) fn explain(
    context: &Context,
    presence: &Arc<BTreeMap<String, Presence>>,
    task: &EcsTask,
    now: Timestamp,
) -> TaskAnswer {
    let instance = task.instance();
    let object = instance.and_then(|name| context.world.instance(name));
    TaskAnswer {
        namespace: task.namespace().unwrap_or_default(),
        task: task.name_any(),
        task_definition: task.revision_name().to_owned(),
        last_status: task.state().as_str(),
        service: task.service_name().map(ToOwned::to_owned),
        draining: object.is_some_and(|object| drains(&context.world, &object).is_some()),
        protected_until: task.protected_until().filter(|until| *until > now),
        ended: Ended::of(task),
        placed_now: instance
            .is_none()
            .then(|| match choose(context, task, presence) {
                Ok((_, instance)) => PlacedNow::Instance(instance),
                Err(Obstacle::Waits) => PlacedNow::Waits,
                Err(Obstacle::Fails(why)) => PlacedNow::Refused(why),
                Err(Obstacle::Unplaced(summary)) => PlacedNow::Unplaced(*summary),
            }),
        instance: instance.map(ToOwned::to_owned),
    }
}
