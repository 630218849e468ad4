//! Port mappings of a container, from their shapes. A range becomes one mapping for each of its ports.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::super::shapes::{self, NetworkMode};
use super::{Problem, TaskDefinitionSpec, protocol};
use crate::domain::definition::PortMapping;
use crate::domain::resources::Protocol;

/// Ports of one container, those of ranges included: as many as ECS has mappings.
const MOST: usize = 100;

/// What is wrong with the ranges of a definition, and with the number of its ports.
pub(super) fn problems(spec: &TaskDefinitionSpec) -> Vec<Problem> {
    let mut found = Vec::new();
    for container in &spec.container_definitions {
        let mut problem = |message: String| {
            found.push(Problem {
                field: format!("containerDefinitions[{}].portMappings", container.name),
                message,
            });
        };
        for mapping in container.port_mappings.iter().flatten() {
            let Some(text) = mapping.container_port_range.as_ref() else {
                continue;
            };
            if range(text).is_none() {
                problem(format!(
                    "containerPortRange '{text}' is not a range: give first-last, such as 8000-8010"
                ));
            }
            if mapping.host_port.is_some_and(|port| port > 0) {
                problem(format!(
                    "containerPortRange {text} gets host ports that are free: leave out hostPort"
                ));
            }
            if spec.network_mode == Some(NetworkMode::Host) {
                problem(format!(
                    "containerPortRange {text} contradicts network mode host: give each containerPort an entry of its own"
                ));
            }
        }
        let ports = port_mappings(container).len();
        if ports > MOST {
            problem(format!(
                "has {ports} ports, those of ranges included: at most {MOST} are published"
            ));
        }
    }
    found
}

/// The ports that a container publishes.
pub(super) fn port_mappings(spec: &shapes::ContainerDefinition) -> Vec<PortMapping> {
    let mappings = spec.port_mappings.iter().flatten();
    mappings.flat_map(expanded).collect()
}

/// Those of its mappings that have a name.
pub(super) fn port_names(spec: &shapes::ContainerDefinition) -> BTreeMap<String, (u16, Protocol)> {
    let mappings = spec.port_mappings.iter().flatten();
    let named = mappings.filter_map(|mapping| {
        let name = mapping.name.as_ref().filter(|name| !name.is_empty())?;
        let first = expanded(mapping).into_iter().next()?;
        Some((name.to_string(), (first.container_port, first.protocol)))
    });
    named.collect()
}

fn expanded(mapping: &shapes::PortMapping) -> Vec<PortMapping> {
    let protocol = protocol(mapping.protocol);
    let ports = mapping.container_port_range.as_deref();
    if let Some(ports) = ports.and_then(|text| range(text)) {
        let first = *ports.start();
        return ports
            .map(|container_port| PortMapping {
                container_port,
                host_port: None,
                protocol,
                follows: container_port > first,
            })
            .collect();
    }
    let one = mapping.container_port.and_then(|port| port.try_into().ok());
    let one = one.map(|container_port| PortMapping {
        container_port,
        host_port: mapping
            .host_port
            .and_then(|port| u16::try_from(port).ok())
            .filter(|port| *port > 0),
        protocol,
        follows: false,
    });
    one.into_iter().collect()
}

/// `8000-8010`.
fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-')?;
    let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
    (0 < first && first < last).then_some(first..=last)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn spec(mapping: &Value) -> TaskDefinitionSpec {
        let app = json!({"name": "app", "image": "a", "memory": 8, "portMappings": [mapping]});
        serde_json::from_value(json!({"containerDefinitions": [app]})).unwrap()
    }

    #[test]
    fn a_range_becomes_ports_that_follow_each_other() {
        let spec = spec(&json!({"containerPortRange": "8000-8002", "protocol": "udp"}));
        assert_eq!(problems(&spec), []);
        let mappings = port_mappings(&spec.container_definitions[0]);
        let ports: Vec<_> = mappings
            .iter()
            .map(|it| (it.container_port, it.follows))
            .collect();
        assert_eq!(ports, [(8000, false), (8001, true), (8002, true)]);
    }

    #[test]
    fn what_is_no_range_or_too_long_or_has_a_host_port_is_refused() {
        for broken in ["8000", "8001-8000", "0-9", "a-b", "8000-8100"] {
            let spec = spec(&json!({"containerPortRange": broken}));
            assert_eq!(problems(&spec).len(), 1, "{broken}");
        }
        let fixed = spec(&json!({"containerPortRange": "80-90", "hostPort": 8080}));
        assert_eq!(problems(&fixed).len(), 1);
    }
}
