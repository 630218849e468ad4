//! What is wrong with the ports of a task. Source: ECS API Reference, `PortMapping`.

use std::collections::BTreeSet;

use super::Problem;
use crate::domain::definition::{NetworkMode, TaskDefinition};

/// What is wrong with the port mappings of `definition`.
pub(super) fn problems(definition: &TaskDefinition) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut host_ports = BTreeSet::new();
    let mut shared_ports = BTreeSet::new();
    for container in &definition.containers {
        let field = format!("containerDefinitions[{}].portMappings", container.name);
        let mut problem = |message: String| {
            found.push(Problem {
                field: field.clone(),
                message,
            });
        };
        if definition.network_mode == NetworkMode::None && !container.port_mappings.is_empty() {
            problem(
                "nothing reaches a task with network mode none: remove them, or use another mode"
                    .into(),
            );
        }
        for mapping in &container.port_mappings {
            let ports_are_its_own = matches!(
                definition.network_mode,
                NetworkMode::Host | NetworkMode::Awsvpc
            );
            if ports_are_its_own
                && mapping
                    .host_port
                    .is_some_and(|port| port != mapping.container_port)
            {
                problem(
                    "with network mode host or awsvpc, leave hostPort out or make it equal containerPort"
                        .into(),
                );
            }
            if definition.network_mode == NetworkMode::Awsvpc
                && !shared_ports.insert((mapping.protocol, mapping.container_port))
            {
                problem(format!(
                    "port {}/{} stands twice: with network mode awsvpc the containers share their ports",
                    mapping.container_port,
                    mapping.protocol.as_str()
                ));
            }
            if let Some(port) = definition.fixed_port(mapping)
                && !host_ports.insert((mapping.protocol, port))
            {
                problem(format!(
                    "host port {port}/{} is already mapped by this task: use another hostPort, or 0 for a dynamic one",
                    mapping.protocol.as_str()
                ));
            }
        }
    }
    found
}
