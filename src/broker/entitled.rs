//! Whether a task may be given anything, and to this instance.

use kube::ResourceExt;

use super::Refusal;
use crate::api::task::EcsTask;

/// Checks that `task` is the one with this UID, is bound to the caller's instance and may still start.
///
/// # Errors
/// Says which of it is not so. What stands there instead is not told: it is none of the caller's business.
pub fn entitled(task: &EcsTask, uid: &str, instance: &str) -> Result<(), Refusal> {
    let refused = |what: &str| Err(Refusal::NotYours(what.to_owned()));
    if task.instance() != Some(instance) {
        return refused("the task is not bound to this instance");
    }
    if task.uid().as_deref() != Some(uid) {
        return refused("the task is another one of the same name");
    }
    if task.is_stopping() || task.is_stopped() {
        return refused("the task is to stop");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(change: impl FnOnce(&mut Value)) -> Result<(), Refusal> {
        let mut task = json!({
            "apiVersion": "ecs-operator.io/v1alpha1", "kind": "EcsTask",
            "metadata": {"name": "one", "namespace": "shop", "uid": "u"},
            "spec": {"taskDefinition": "web:1", "containerInstance": "node-1"},
            "status": {"lastStatus": "PENDING"},
        });
        change(&mut task);
        entitled(&serde_json::from_value(task).unwrap(), "u", "node-1")
    }

    #[test]
    fn only_a_task_of_the_instance_that_may_still_start_is_given_anything() {
        assert_eq!(check(|_| {}), Ok(()));
        let refused = [
            check(|task| task["spec"]["containerInstance"] = json!("node-2")),
            check(|task| task["spec"]["containerInstance"] = Value::Null),
            check(|task| task["metadata"]["uid"] = json!("other")),
            check(|task| task["spec"]["stop"] = json!({"code": "UserInitiated"})),
            check(|task| task["status"]["lastStatus"] = json!("STOPPED")),
            check(|task| task["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z")),
        ];
        for refusal in refused {
            assert!(matches!(refusal, Err(Refusal::NotYours(_))), "{refusal:?}");
        }
    }
}
