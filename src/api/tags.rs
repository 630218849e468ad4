//! The tags that a task gets when it is created (ECS Developer Guide, "How Amazon ECS resources are tagged").

use super::bounded::{List, Str};
use super::service::EcsServiceSpec;
use super::shapes::{PropagateTags, Tag};
use super::task::EcsTaskSpec;

/// Tags of ECS's own, on tasks that ask for them.
const CLUSTER: &str = "aws:ecs:clusterName";
const SERVICE: &str = "aws:ecs:serviceName";

/// Most that a task has.
const MAXIMUM: usize = 50;

/// The tags of a service's task: those of the service or of the definition, as `propagateTags` says, and with
/// `enableECSManagedTags` the names of its cluster and its service.
pub fn of_service_task(
    service: &EcsServiceSpec,
    name: &str,
    cluster: &str,
    definition: &[Tag],
) -> Option<List<Tag, 50>> {
    let propagated = match service.propagate_tags {
        Some(PropagateTags::Service) => listed(service.tags.as_ref()),
        Some(PropagateTags::TaskDefinition) => definition,
        Some(PropagateTags::None) | None => &[],
    };
    let managed = [tag(CLUSTER, cluster), tag(SERVICE, name)];
    let managed = managed
        .into_iter()
        .filter(|_| service.enable_ecs_managed_tags == Some(true));
    joined(managed.chain(propagated.iter().cloned()))
}

/// The tags of a task that a person starts: its own, those of the definition where `propagateTags` says so, and with
/// `enableECSManagedTags` the name of its cluster.
pub fn of_task(task: &EcsTaskSpec, cluster: &str, definition: &[Tag]) -> Option<List<Tag, 50>> {
    let propagated = match task.propagate_tags {
        Some(PropagateTags::TaskDefinition) => definition,
        Some(PropagateTags::Service | PropagateTags::None) | None => &[],
    };
    let managed = (task.enable_ecs_managed_tags == Some(true)).then(|| tag(CLUSTER, cluster));
    let own = listed(task.tags.as_ref()).iter().chain(propagated).cloned();
    joined(managed.into_iter().chain(own))
}

fn listed(tags: Option<&List<Tag, 50>>) -> &[Tag] {
    tags.map_or(&[], |tags| tags.as_slice())
}

fn tag(key: &str, value: &str) -> Tag {
    Tag {
        key: Some(Str::cut(key)),
        value: Some(Str::cut(value)),
    }
}

/// Of tags with the same key the first counts.
fn joined(tags: impl Iterator<Item = Tag>) -> Option<List<Tag, 50>> {
    let mut joined: Vec<Tag> = Vec::new();
    for tag in tags {
        if joined.iter().all(|known| known.key != tag.key) {
            joined.push(tag);
        }
    }
    joined.truncate(MAXIMUM);
    (!joined.is_empty()).then(|| joined.into())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn definition() -> Vec<Tag> {
        serde_json::from_value(
            json!([{"key": "team", "value": "d"}, {"key": "cost", "value": "d"}]),
        )
        .unwrap()
    }

    fn of_service(spec: &Value) -> Value {
        let spec: EcsServiceSpec = serde_json::from_value(spec.clone()).unwrap();
        json!(of_service_task(&spec, "web", "main", &definition()))
    }

    #[test]
    fn a_services_task_has_the_tags_that_the_service_propagates_and_no_others() {
        let own = json!([{"key": "team", "value": "s"}]);
        assert_eq!(of_service(&json!({"tags": own})), Value::Null);
        let propagated = of_service(&json!({"tags": own, "propagateTags": "SERVICE"}));
        assert_eq!(propagated, own);
        let propagated = of_service(&json!({"tags": own, "propagateTags": "TASK_DEFINITION"}));
        assert_eq!(propagated, json!(definition()));
        assert_eq!(
            of_service(&json!({"tags": own, "enableECSManagedTags": true})),
            json!([{"key": "aws:ecs:clusterName", "value": "main"}, {"key": "aws:ecs:serviceName", "value": "web"}])
        );
    }

    #[test]
    fn the_own_tags_of_a_task_count_before_those_of_its_definition() {
        let spec: EcsTaskSpec = serde_json::from_value(json!({
            "taskDefinition": "web", "tags": [{"key": "team", "value": "t"}],
            "propagateTags": "TASK_DEFINITION", "enableECSManagedTags": true,
        }))
        .unwrap();
        assert_eq!(
            json!(of_task(&spec, "main", &definition())),
            json!([
                {"key": "aws:ecs:clusterName", "value": "main"}, {"key": "team", "value": "t"}, {"key": "cost", "value": "d"},
            ])
        );
    }
}
