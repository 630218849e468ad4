//! What makes a task definition impossible to run, each problem naming the field and the fix.
//!
//! CEL in the schema refuses most of this at apply; these rules also cover what CEL cannot afford to check, and
//! objects that were stored before a rule existed. Sources: ECS API Reference, `ContainerDefinition`; Docker's
//! own minimum of memory.

mod firelens;
mod logs;
mod ports;
mod references;
mod settings;
mod volumes;

use std::collections::BTreeSet;

use super::{Container, TaskDefinition, order};

/// Docker refuses a container with a smaller hard limit, in MiB.
pub const MINIMUM_MEMORY: u32 = 6;

/// Containers that one task definition may have.
pub const MAXIMUM_CONTAINERS: usize = 10;

/// One reason why a definition cannot run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct Problem {
    /// Path of the field, such as `containerDefinitions[app].memory`.
    pub field: String,
    /// What is wrong and how to mend it.
    pub message: String,
}

/// All problems of a definition, in the order of its fields. Empty means that it can run.
#[must_use]
pub fn problems(definition: &TaskDefinition) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut problem = |field: String, message: String| found.push(Problem { field, message });
    let containers = &definition.containers;
    if containers.is_empty() || containers.len() > MAXIMUM_CONTAINERS {
        problem(
            "containerDefinitions".into(),
            format!(
                "holds {} containers: give 1 to {MAXIMUM_CONTAINERS}",
                containers.len()
            ),
        );
    }
    if !containers.is_empty() && !containers.iter().any(|container| container.essential) {
        problem(
            "containerDefinitions".into(),
            "at least one container must be essential".into(),
        );
    }
    let mut names = BTreeSet::new();
    for container in containers {
        let at = |field: &str| format!("containerDefinitions[{}].{field}", container.name);
        if !names.insert(&container.name) {
            problem(
                at("name"),
                "stands twice: container names are unique within a task".into(),
            );
        }
        let of_memory = memory_problems(definition, container).into_iter();
        for (field, message) in of_memory
            .chain(settings::problems(definition, container))
            .chain(volumes::mounts(definition, container))
            .chain(logs::problems(container))
            .chain(references::problems(container))
        {
            problem(at(field), message);
        }
        if container
            .health_check
            .as_ref()
            .is_some_and(|check| check.command.len() < 2)
        {
            problem(
                at("healthCheck.command"),
                "give CMD or CMD-SHELL and the command".into(),
            );
        }
        if let Some(name) = container
            .environment
            .keys()
            .find(|name| name.is_empty() || name.contains('='))
        {
            problem(
                at("environment"),
                format!(
                    "'{name}' is not a name of a variable: names are not empty and hold no '='"
                ),
            );
        }
    }
    found.extend(volumes::problems(definition));
    found.extend(ports::problems(definition));
    found.extend(order::problems(definition));
    found.extend(firelens::problems(definition));
    if let Some(limit) = definition.cpu {
        let sum: u64 = containers
            .iter()
            .map(|container| u64::from(container.cpu))
            .sum();
        if sum > u64::from(limit) {
            found.push(Problem {
                field: "cpu".into(),
                message: format!(
                    "is {limit}, less than the {sum} CPU units of the containers together: raise it, or lower containerDefinitions[].cpu"
                ),
            });
        }
    }
    found
}

fn memory_problems(
    definition: &TaskDefinition,
    container: &Container,
) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let limit = container.memory.filter(|memory| *memory > 0);
    let reservation = container.memory_reservation.filter(|memory| *memory > 0);
    if definition.memory.is_none() && limit.is_none() && reservation.is_none() {
        found.push(("memory", format!(
            "Invalid setting for container '{}'. At least one of 'memory' or 'memoryReservation' must be specified.",
            container.name
        )));
    }
    if let Some(limit) = limit.filter(|limit| *limit < MINIMUM_MEMORY) {
        found.push((
            "memory",
            format!("is {limit} MiB: Docker needs at least {MINIMUM_MEMORY}"),
        ));
    }
    if let (Some(limit), Some(reservation)) = (limit, reservation)
        && limit <= reservation
    {
        found.push((
            "memory",
            format!("is {limit} MiB: it must be greater than memoryReservation ({reservation})"),
        ));
    }
    if let (Some(limit), Some(task)) = (limit, definition.memory)
        && limit > task
    {
        found.push((
            "memory",
            format!("is {limit} MiB: more than the task's own memory ({task})"),
        ));
    }
    found
}
