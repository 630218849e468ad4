//! Accelerators of a container, from their shapes.

use super::super::shapes::{ContainerDefinition, ResourceRequirement, ResourceType};
use super::{Problem, TaskDefinitionSpec};

/// GPUs that one container can have; more are in no machine.
const MOST: u32 = 64;

/// What is wrong with the requirements of a definition. Kinds other than GPUs are refused elsewhere.
pub(super) fn problems(spec: &TaskDefinitionSpec) -> Vec<Problem> {
    let mut found = Vec::new();
    for container in &spec.container_definitions {
        let wrong = requirements(container).filter(|it| count(it).is_none());
        found.extend(wrong.map(|requirement| Problem {
            field: format!(
                "containerDefinitions[{}].resourceRequirements",
                container.name
            ),
            message: format!(
                "'{}' is no number of GPUs: give a whole number from 1 to {MOST}",
                requirement.value.as_deref().map_or("", String::as_str)
            ),
        }));
    }
    found
}

/// GPUs of a container.
pub(super) fn gpus(spec: &ContainerDefinition) -> u32 {
    let counts = requirements(spec).filter_map(count);
    counts.fold(0, u32::saturating_add)
}

fn requirements(spec: &ContainerDefinition) -> impl Iterator<Item = &ResourceRequirement> {
    let all = spec.resource_requirements.iter().flatten();
    all.filter(|requirement| requirement.kind == ResourceType::Gpu)
}

fn count(requirement: &ResourceRequirement) -> Option<u32> {
    let count: u32 = requirement.value.as_ref()?.parse().ok()?;
    (1..=MOST).contains(&count).then_some(count)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: &str) -> (u32, usize) {
        let requirements = json!([{"type": "GPU", "value": value}]);
        let container =
            json!({"name": "train", "image": "a", "resourceRequirements": requirements});
        let spec = json!({"containerDefinitions": [container]});
        let spec: TaskDefinitionSpec = serde_json::from_value(spec).unwrap();
        (gpus(&spec.container_definitions[0]), problems(&spec).len())
    }

    #[test]
    fn gpus_are_counted_and_what_is_no_number_is_said() {
        assert_eq!(read("2"), (2, 0));
        for value in ["0", "ALL", "-1", "1000", ""] {
            assert_eq!(read(value), (0, 1), "{value}");
        }
    }
}
