//! What a task changes about its definition (`overrides` of `RunTask`).

use crate::api::shapes::{ContainerDefinition, ContainerOverride, TaskOverride};
use crate::api::task_definition::TaskDefinitionSpec;

/// The body of the definition with the task's overrides in place of its own values.
#[must_use]
pub(super) fn apply(
    spec: &TaskDefinitionSpec,
    overrides: Option<&TaskOverride>,
) -> TaskDefinitionSpec {
    let mut spec = spec.clone();
    let Some(overrides) = overrides else {
        return spec;
    };
    replace(&mut spec.cpu, overrides.cpu.as_ref());
    replace(&mut spec.memory, overrides.memory.as_ref());
    for change in overrides
        .container_overrides
        .iter()
        .flat_map(|all| all.iter())
    {
        let target = spec
            .container_definitions
            .iter_mut()
            .find(|container| Some(&container.name) == change.name.as_ref());
        if let Some(container) = target {
            apply_to(container, change);
        }
    }
    spec
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
