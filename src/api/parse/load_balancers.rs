//! Load balancers of a service, from what people wrote to the ports of its tasks.

use super::Problem;
use crate::api::shapes::LoadBalancer;
use crate::api::target_group::TargetGroupProtocol;
use crate::api::task::TaskLoadBalancer;
use crate::domain::definition::{NetworkMode, TaskDefinition};
use crate::domain::resources::Protocol;

/// The name in a name or an ARN (`arn:…:targetgroup/<name>/<id>`) of a target group.
pub fn target_group_name(text: &str) -> &str {
    let Some((_, rest)) = text.split_once(":targetgroup/") else {
        return text;
    };
    rest.split_once('/').map_or(rest, |(name, _)| name)
}

/// What carries the traffic of a group.
pub const fn transport(protocol: TargetGroupProtocol) -> Protocol {
    match protocol {
        TargetGroupProtocol::Udp => Protocol::Udp,
        TargetGroupProtocol::Http
        | TargetGroupProtocol::Https
        | TargetGroupProtocol::Tcp
        | TargetGroupProtocol::Grpc => Protocol::Tcp,
    }
}

/// The ports of a task that requests are sent to. `protocol_of` says what carries the traffic of a target group; one that
/// does not exist is taken for TCP.
///
/// # Errors
/// All problems, each naming its field.
pub fn load_balancers<'a>(
    given: impl IntoIterator<Item = &'a LoadBalancer>,
    definition: &TaskDefinition,
    protocol_of: impl Fn(&str) -> Option<Protocol>,
) -> Result<Vec<TaskLoadBalancer>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut ports: Vec<TaskLoadBalancer> = Vec::new();
    for (index, given) in given.into_iter().enumerate() {
        match port(given, definition, &protocol_of) {
            Ok(port) if ports.contains(&port) => problems.push(Problem {
                field: format!("loadBalancers[{index}]"),
                message: "stands twice: name each target group, container and port once".to_owned(),
            }),
            Ok(port) => ports.push(port),
            Err((field, message)) => problems.push(Problem {
                field: format!("loadBalancers[{index}].{field}"),
                message,
            }),
        }
    }
    if problems.is_empty() {
        Ok(ports)
    } else {
        Err(problems)
    }
}

fn port(
    given: &LoadBalancer,
    definition: &TaskDefinition,
    protocol_of: impl Fn(&str) -> Option<Protocol>,
) -> Result<TaskLoadBalancer, (&'static str, String)> {
    let missing = |field, what: &str| (field, format!("is missing: give {what}"));
    let group = given
        .target_group_arn
        .as_ref()
        .filter(|group| !group.is_empty())
        .ok_or_else(|| missing("targetGroupArn", "the name of a TargetGroup"))?;
    let group = target_group_name(group);
    let container_name = given
        .container_name
        .as_ref()
        .ok_or_else(|| missing("containerName", "the container that gets the requests"))?;
    let container_port = given
        .container_port
        .ok_or_else(|| missing("containerPort", "the port on which the container listens"))?;
    let mut containers = definition.containers.iter();
    let container = containers
        .find(|container| container.name == **container_name)
        .ok_or_else(|| {
            let names: Vec<&str> = definition
                .containers
                .iter()
                .map(|it| it.name.as_str())
                .collect();
            (
                "containerName",
                format!(
                    "the task definition has no container '{container_name}': it has {}",
                    names.join(", ")
                ),
            )
        })?;
    if definition.network_mode == NetworkMode::None {
        return Err((
            "containerPort",
            "the tasks have no network: give the task definition another networkMode than none"
                .to_owned(),
        ));
    }
    let wanted = protocol_of(group).unwrap_or(Protocol::Tcp);
    let mut mappings = container.port_mappings.iter();
    let is_mapped = mappings.any(|mapping| {
        i32::from(mapping.container_port) == container_port && mapping.protocol == wanted
    });
    if !is_mapped {
        let protocol = match wanted {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        };
        return Err((
            "containerPort",
            format!(
                "container '{container_name}' has no portMapping with containerPort {container_port} and protocol {protocol}: add it to the task definition"
            ),
        ));
    }
    Ok(TaskLoadBalancer {
        target_group: group.into(),
        container_name: container_name.clone(),
        container_port,
        protocol: wanted.into(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::parse::task_definition;

    fn ports(given: serde_json::Value) -> Result<Vec<TaskLoadBalancer>, Vec<String>> {
        let spec = json!({"containerDefinitions": [{"name": "app", "image": "web:1", "memory": 64, "portMappings": [
            {"containerPort": 80}, {"containerPort": 53, "protocol": "udp"},
        ]}]});
        let definition = task_definition("web", &serde_json::from_value(spec).unwrap()).unwrap();
        let given: Vec<LoadBalancer> = serde_json::from_value(given).unwrap();
        let protocol = |group: &str| (group == "dns").then_some(Protocol::Udp);
        load_balancers(&given, &definition, protocol)
            .map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_target_group_is_named_by_its_name_or_an_arn() {
        let arn =
            "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/web/6d0ecf831eec9f09";
        assert_eq!(target_group_name(arn), "web");
        assert_eq!(target_group_name("web"), "web");
        let found =
            ports(json!([{"targetGroupArn": arn, "containerName": "app", "containerPort": 80}]));
        assert_eq!(found.unwrap()[0].target_group, "web");
    }

    #[test]
    fn what_does_not_fit_the_definition_is_named_with_what_would() {
        let problem = |given| ports(json!([given])).unwrap_err().join("");
        assert_eq!(
            problem(json!({"targetGroupArn": "web", "containerName": "ap", "containerPort": 80})),
            "loadBalancers[0].containerName: the task definition has no container 'ap': it has app"
        );
        assert_eq!(
            problem(json!({"targetGroupArn": "web", "containerName": "app", "containerPort": 53})),
            "loadBalancers[0].containerPort: container 'app' has no portMapping with containerPort 53 and protocol tcp: add it to the task definition"
        );
        assert!(
            ports(json!([{"targetGroupArn": "dns", "containerName": "app", "containerPort": 53}]))
                .is_ok()
        );
        assert_eq!(
            problem(json!({"containerName": "app", "containerPort": 80})),
            "loadBalancers[0].targetGroupArn: is missing: give the name of a TargetGroup"
        );
    }
}
