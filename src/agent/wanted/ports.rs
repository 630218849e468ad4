//! Host ports that the controller chose; those of ranges it has to, because no engine promises ports in a row.

use std::collections::BTreeMap;

use crate::api::parse;
use crate::api::task::{EcsTask, TaskExtensions};
use crate::domain::definition::TaskDefinition;
use crate::domain::definition::rules::Problem;
use crate::domain::resources::Protocol;

/// By container, port and protocol, the host port.
pub(super) fn chosen(extensions: &TaskExtensions) -> BTreeMap<(String, u16, Protocol), u16> {
    let ports = extensions.host_ports.iter();
    let ports = ports.filter_map(|port| {
        let container_port = u16::try_from(port.container_port).ok()?;
        let host_port = u16::try_from(port.host_port).ok()?;
        let protocol = parse::protocol(Some(port.protocol));
        let container = port.container_name.to_string();
        Some(((container, container_port, protocol), host_port))
    });
    ports.collect()
}

/// Containers with a range of ports for which nobody chose host ports, as in a task that a person bound.
pub(super) fn left_to_chance(task: &EcsTask, definition: &TaskDefinition) -> Vec<Problem> {
    let extensions = task.spec.extensions.as_ref();
    let chosen = |container: &str, port: u16| {
        extensions.is_some_and(|extensions| {
            let mut ports = extensions.host_ports.iter();
            ports.any(|it| it.container_name == *container && it.container_port == i32::from(port))
        })
    };
    let containers = definition.containers.iter();
    let without = containers.filter(|container| {
        let mut mappings = container.port_mappings.iter().filter(|it| it.follows);
        mappings.any(|mapping| !chosen(&container.name, mapping.container_port))
    });
    without
        .map(|container| Problem {
            field: format!("containerDefinitions[{}].portMappings", container.name),
            message: "containerPortRange needs host ports that the controller chooses: leave containerInstance of the task unset".to_owned(),
        })
        .collect()
}
