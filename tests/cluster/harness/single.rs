//! Single tasks, without a service: run, looked at on the engines and in the API, and waited for.

use std::collections::BTreeMap;

use ecs_operator::api::task::EcsTask;
use serde_json::{Value, json};

use super::engine::{CONTAINER, Inspected, TASK_UID};
use super::fixtures::{Fixture, object};
use super::{LATER, Scene};

/// Runs one task of a fixture's definition, which is applied first.
pub(crate) async fn run(scene: &Scene, name: &str, fixture: &Fixture) {
    scene
        .put(&fixture.definition_object(&scene.namespace))
        .await;
    let spec = json!({"taskDefinition": fixture.name});
    scene
        .put(&object("EcsTask", &scene.namespace, name, &spec))
        .await;
}

/// Waits until a task is RUNNING.
pub(crate) async fn running(scene: &Scene, name: &str) -> EcsTask {
    becomes(scene, name, "/lastStatus", json!("RUNNING")).await
}

/// Waits until a task is STOPPED; gives the reason of its first container.
pub(crate) async fn why_stopped(scene: &Scene, name: &str) -> String {
    let stopped = becomes(scene, name, "/lastStatus", json!("STOPPED")).await;
    let status = serde_json::to_value(&stopped.status).unwrap();
    let reason = status.pointer("/containers/0/reason");
    let reason = reason.and_then(Value::as_str);
    reason
        .unwrap_or_else(|| panic!("no reason: {status}"))
        .to_owned()
}

/// What the engines show of the containers of a task, by name in its definition.
pub(crate) async fn seen(
    scene: &Scene,
    task: &EcsTask,
) -> Result<BTreeMap<String, Inspected>, String> {
    let uid = task.metadata.uid.clone().unwrap();
    let mut found = BTreeMap::new();
    for engine in scene.machine.engines() {
        for container in engine.list(&format!("{TASK_UID}={uid}")).await? {
            if let Some(inspected) = engine.inspect(&container.id).await? {
                found.insert(container.label(CONTAINER).to_owned(), inspected);
            }
        }
    }
    Ok(found)
}

/// The task of this name.
pub(crate) async fn task(scene: &Scene, name: &str) -> Result<EcsTask, String> {
    let found = scene.api::<EcsTask>().get(name).await;
    found.map_err(|error| error.to_string())
}

/// Waits until a task shows something.
pub(crate) async fn becomes(scene: &Scene, name: &str, pointer: &str, value: Value) -> EcsTask {
    let what = format!("{pointer} of task {name} to be {value}");
    scene
        .eventually(&what, LATER, async || {
            let task = task(scene, name).await?;
            let status = serde_json::to_value(&task.status).unwrap();
            if status.pointer(pointer) == Some(&value) {
                Ok(task)
            } else {
                Err(status.to_string())
            }
        })
        .await
}
