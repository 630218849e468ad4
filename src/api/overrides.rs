//! What a task changes about its definition (`overrides` of `RunTask`).

use super::shapes::{ContainerDefinition, ContainerOverride, TaskOverride};
use super::task_definition::TaskDefinitionSpec;
use crate::domain::definition::rules::Problem;

/// Longest `overrides` as JSON, in characters (ECS API Reference, `TaskOverride`).
const LONGEST: usize = 8192;

/// The body of the definition with the task's overrides in place of its own values.
///
/// # Errors
/// All problems of the overrides, each naming its field. Whether the result can run is for
/// [`super::parse::task_definition`] to say.
pub(super) fn apply(
    spec: &TaskDefinitionSpec,
    overrides: &TaskOverride,
) -> Result<TaskDefinitionSpec, Vec<Problem>> {
    let mut problems = Vec::new();
    let length = serde_json::to_string(overrides).map_or(0, |json| json.chars().count());
    if length > LONGEST {
        problems.push(Problem {
            field: "overrides".to_owned(),
            message: format!("have {length} characters as JSON: at most {LONGEST} are allowed"),
        });
    }
    let mut spec = spec.clone();
    replace(&mut spec.cpu, overrides.cpu.as_ref());
    replace(&mut spec.memory, overrides.memory.as_ref());
    replace(&mut spec.task_role_arn, overrides.task_role_arn.as_ref());
    replace(
        &mut spec.ephemeral_storage,
        overrides.ephemeral_storage.as_ref(),
    );
    let changes = overrides.container_overrides.iter().flatten();
    for (index, change) in changes.enumerate() {
        let mut containers = spec.container_definitions.iter_mut();
        match containers.find(|container| Some(&container.name) == change.name.as_ref()) {
            Some(container) => apply_to(container, change),
            None => problems.push(unknown(&spec, index, change)),
        }
    }
    if problems.is_empty() {
        Ok(spec)
    } else {
        Err(problems)
    }
}

fn unknown(spec: &TaskDefinitionSpec, index: usize, change: &ContainerOverride) -> Problem {
    let containers = spec.container_definitions.iter();
    let names: Vec<&str> = containers
        .map(|container| container.name.as_str())
        .collect();
    let names = names.join(", ");
    let message = match &change.name {
        Some(name) => format!("the task definition has no container '{name}': it has {names}"),
        None => format!("is missing: name the container to override, one of {names}"),
    };
    Problem {
        field: format!("overrides.containerOverrides[{index}].name"),
        message,
    }
}

fn apply_to(container: &mut ContainerDefinition, change: &ContainerOverride) {
    if let Some(command) = &change.command {
        container.command = Some(command.iter().map(|word| word.as_str().into()).collect());
    }
    replace(&mut container.cpu, change.cpu.as_ref());
    replace(&mut container.memory, change.memory.as_ref());
    replace(
        &mut container.memory_reservation,
        change.memory_reservation.as_ref(),
    );
    replace(
        &mut container.environment_files,
        change.environment_files.as_ref(),
    );
    replace(
        &mut container.resource_requirements,
        change.resource_requirements.as_ref(),
    );
    if let Some(added) = &change.environment {
        let mut environment = container.environment.take().unwrap_or_default();
        environment.retain(|pair| !added.iter().any(|new| new.name == pair.name));
        environment.extend(added.iter().cloned());
        container.environment = Some(environment);
    }
}

fn replace<T: Clone>(value: &mut Option<T>, by: Option<&T>) {
    if let Some(by) = by {
        *value = Some(by.clone());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn definition() -> TaskDefinitionSpec {
        serde_json::from_value(json!({"containerDefinitions": [
            {"name": "app", "image": "a", "memory": 64, "command": ["serve"], "environment": [{"name": "A", "value": "1"}]},
            {"name": "side", "image": "b", "memory": 64},
        ]}))
        .unwrap()
    }

    fn problems(overrides: serde_json::Value) -> Vec<String> {
        let overrides = serde_json::from_value(overrides).unwrap();
        let found = apply(&definition(), &overrides).unwrap_err();
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn only_what_is_named_is_replaced_and_the_environment_is_merged() {
        let overrides = serde_json::from_value(json!({
            "cpu": "256", "taskRoleArn": "serviceaccount:once",
            "containerOverrides": [{"name": "app", "command": ["migrate"], "environment": [{"name": "B", "value": "2"}],
                "environmentFiles": [{"type": "s3", "value": "configmap:once:env"}]}],
        }))
        .unwrap();
        let changed = apply(&definition(), &overrides).unwrap();
        let before = definition();
        let [app, side] = &changed.container_definitions[..] else {
            unreachable!("two containers");
        };
        assert_eq!(changed.cpu.as_ref().unwrap().as_str(), "256");
        assert_eq!(app.command.as_ref().unwrap()[0].as_str(), "migrate");
        assert_eq!(app.environment.as_ref().unwrap().len(), 2);
        assert_eq!(app.environment_files.as_ref().unwrap().len(), 1);
        assert_eq!(
            changed.task_role_arn.as_ref().unwrap().as_str(),
            "serviceaccount:once"
        );
        assert_eq!(app.memory, Some(64));
        assert_eq!(side, &before.container_definitions[1]);
    }

    #[test]
    fn a_container_that_the_definition_lacks_is_refused_with_those_that_it_has() {
        assert_eq!(
            problems(json!({"containerOverrides": [{"name": "app"}, {"name": "ap"}, {"cpu": 1}]})),
            [
                "overrides.containerOverrides[1].name: the task definition has no container 'ap': it has app, side",
                "overrides.containerOverrides[2].name: is missing: name the container to override, one of app, side",
            ]
        );
    }

    #[test]
    fn overrides_that_are_longer_than_ecs_allows_are_refused() {
        let words = vec!["x".repeat(8000), "y".repeat(200)];
        let found = problems(json!({"containerOverrides": [{"name": "app", "command": words}]}));
        assert!(found[0].starts_with("overrides: have 82"), "{found:?}");
    }
}
