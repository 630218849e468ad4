//! Names under which the tasks of a service are found (`serviceRegistries`, `serviceConnectConfiguration`), as the target
//! groups that carry them.

use super::{Problem, transport};
use crate::api::service::EcsServiceSpec;
use crate::api::shapes::{ServiceConnectConfiguration, ServiceConnectService, ServiceRegistry};
use crate::api::target_group::{
    FrontingService, HealthCheck, ServiceType, TargetGroupProtocol, TargetGroupSpec,
};
use crate::api::task::TaskLoadBalancer;
use crate::domain::definition::{Container, NetworkMode, TaskDefinition};
use crate::domain::resources::Protocol;
use crate::domain::traffic::DISCOVERY_DELAY;

/// A name under which tasks are found.
#[derive(Debug, Clone, PartialEq)]
pub struct Discovered {
    /// The target group that carries it, of that name.
    pub group: TargetGroupSpec,
    /// Which port of the tasks it leads to.
    pub port: TaskLoadBalancer,
}

impl Discovered {
    /// The name.
    pub fn name(&self) -> &str {
        &self.port.target_group
    }
}

/// The names of a service in this namespace.
///
/// # Errors
/// All problems, each naming its field.
pub fn discovered(
    spec: &EcsServiceSpec,
    namespace: &str,
    definition: &TaskDefinition,
) -> Result<Vec<Discovered>, Vec<Problem>> {
    names(
        spec.service_registries.iter().flatten(),
        spec.service_connect_configuration.as_ref(),
        namespace,
        definition,
    )
}

/// As [`discovered`], from the two parts that say so.
///
/// # Errors
/// All problems, each naming its field.
pub fn names<'a>(
    registries: impl IntoIterator<Item = &'a ServiceRegistry>,
    connect: Option<&ServiceConnectConfiguration>,
    namespace: &str,
    definition: &TaskDefinition,
) -> Result<Vec<Discovered>, Vec<Problem>> {
    let registries = registries.into_iter().enumerate().map(|(index, registry)| {
        registered(registry, definition).map_err(|(field, message)| Problem {
            field: format!("serviceRegistries[{index}].{field}"),
            message,
        })
    });
    let connect = connect.filter(|connect| connect.enabled);
    let services = connect.iter().flat_map(|it| it.services.iter().flatten());
    let services = services.enumerate().map(|(index, service)| {
        connected(service, namespace, definition).map_err(|(field, message)| Problem {
            field: format!("serviceConnectConfiguration.services[{index}].{field}"),
            message,
        })
    });
    let (mut found, mut problems): (Vec<Discovered>, Vec<Problem>) = (Vec::new(), Vec::new());
    for name in registries.chain(services) {
        match name {
            Ok(name) if found.iter().any(|other| other.name() == name.name()) => {
                problems.push(Problem {
                    field: "serviceConnectConfiguration".to_owned(),
                    message: format!("the name {} stands twice", name.name()),
                });
            }
            Ok(name) => found.push(name),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() {
        Ok(found)
    } else {
        Err(problems)
    }
}

type Fault = (&'static str, String);

fn registered(
    registry: &ServiceRegistry,
    definition: &TaskDefinition,
) -> Result<Discovered, Fault> {
    let arn = registry.registry_arn.as_ref().filter(|arn| !arn.is_empty());
    let arn = arn.ok_or_else(|| {
        (
            "registryArn",
            "is missing: give the name under which tasks are found".to_owned(),
        )
    })?;
    let name = arn.rsplit('/').next().unwrap_or(arn);
    let name = label("registryArn", name)?;
    let wanted = registry
        .container_port
        .or(registry.port)
        .filter(|port| *port > 0);
    let mut candidates = definition.containers.iter().filter(|container| {
        let named = registry.container_name.as_ref();
        named.is_none_or(|name| container.name == **name)
    });
    let found = candidates.find_map(|container| {
        let mut ports = container.port_mappings.iter();
        let port = ports
            .find(|mapping| wanted.is_none_or(|port| i32::from(mapping.container_port) == port))?;
        Some((container, (port.container_port, port.protocol)))
    });
    let (container, port) = found.ok_or_else(|| {
        (
            "containerPort",
            "no container of the task definition has such a portMapping: add it, or name another container and port".to_owned(),
        )
    })?;
    carried(
        name,
        i32::from(port.0),
        ServiceType::Headless,
        container,
        port,
        definition,
    )
}

fn connected(
    service: &ServiceConnectService,
    namespace: &str,
    definition: &TaskDefinition,
) -> Result<Discovered, Fault> {
    let port_name = service.port_name.as_str();
    let found = definition.containers.iter().find_map(|container| {
        let port = container.port_names.get(port_name)?;
        Some((container, *port))
    });
    let (container, port) = found.ok_or_else(|| {
        (
            "portName",
            format!("no portMapping of the task definition has the name '{port_name}': give one that name"),
        )
    })?;
    let alias = service.client_aliases.iter().flatten().next();
    let discovery = service
        .discovery_name
        .as_ref()
        .map_or(port_name, |name| name.as_str());
    let dns = alias.and_then(|alias| alias.dns_name.as_ref());
    let name = dns.map_or(discovery, |name| name.as_str());
    // What cluster DNS finds for `name.namespace` is the Service `name`.
    let name = name.strip_suffix(&format!(".{namespace}")).unwrap_or(name);
    let name = label("clientAliases", name)?;
    let client = alias.map(|alias| alias.port).filter(|port| *port > 0);
    let client = client.unwrap_or_else(|| i32::from(port.0));
    carried(
        name,
        client,
        ServiceType::ClusterIp,
        container,
        port,
        definition,
    )
}

/// Names are those of Services.
fn label<'a>(field: &'static str, name: &'a str) -> Result<&'a str, Fault> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    let is_label = begins && name.len() <= 63 && name.chars().all(inner) && !name.ends_with('-');
    if is_label {
        Ok(name)
    } else {
        Err((
            field,
            format!(
                "'{name}' cannot be the name of a Service: give lower-case letters, digits and '-', at most 63, beginning with a letter"
            ),
        ))
    }
}

fn carried(
    name: &str,
    client_port: i32,
    kind: ServiceType,
    container: &Container,
    (port, protocol): (u16, Protocol),
    definition: &TaskDefinition,
) -> Result<Discovered, Fault> {
    if definition.network_mode == NetworkMode::None {
        return Err((
            "portName",
            "the tasks have no network: give the task definition another networkMode than none"
                .to_owned(),
        ));
    }
    let group_protocol = match protocol {
        Protocol::Tcp => TargetGroupProtocol::Tcp,
        Protocol::Udp => TargetGroupProtocol::Udp,
    };
    Ok(Discovered {
        group: TargetGroupSpec {
            protocol: group_protocol,
            port: client_port,
            health_check: Some(HealthCheck {
                enabled: Some(false),
                ..HealthCheck::default()
            }),
            deregistration_delay_seconds: Some(DISCOVERY_DELAY),
            slow_start_seconds: None,
            stickiness: None,
            service: Some(FrontingService {
                type_: Some(kind),
                ..FrontingService::default()
            }),
        },
        port: TaskLoadBalancer {
            target_group: name.into(),
            container_name: container.name.as_str().into(),
            container_port: i32::from(port),
            protocol: transport(group_protocol).into(),
        },
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::parse::task_definition;

    fn found(service: Value) -> Result<Vec<Discovered>, String> {
        let spec = json!({"containerDefinitions": [{"name": "app", "image": "web:1", "memory": 64, "portMappings": [
            {"containerPort": 8080, "name": "http"}, {"containerPort": 53, "protocol": "udp"},
        ]}]});
        let definition = task_definition("web", &serde_json::from_value(spec).unwrap()).unwrap();
        let spec: EcsServiceSpec = serde_json::from_value(service).unwrap();
        discovered(&spec, "shop", &definition)
            .map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    fn connect(service: Value) -> Result<Vec<Discovered>, String> {
        found(json!({"serviceConnectConfiguration": {"enabled": true, "services": [service]}}))
    }

    #[test]
    fn a_client_alias_is_a_service_of_its_name_and_port() {
        let orders =
            json!({"portName": "http", "clientAliases": [{"port": 80, "dnsName": "orders"}]});
        let names = connect(orders).unwrap();
        assert_eq!(
            (
                names[0].name(),
                names[0].group.port,
                names[0].port.container_port
            ),
            ("orders", 80, 8080)
        );
        let qualified =
            json!({"portName": "http", "clientAliases": [{"port": 80, "dnsName": "orders.shop"}]});
        assert_eq!(connect(qualified).unwrap()[0].name(), "orders");
        let bare = connect(json!({"portName": "http", "discoveryName": "api"})).unwrap();
        assert_eq!((bare[0].name(), bare[0].group.port), ("api", 8080));
    }

    #[test]
    fn a_name_that_no_service_can_have_and_a_port_that_is_not_there_are_named() {
        let elsewhere = json!({"portName": "http", "clientAliases": [{"port": 80, "dnsName": "orders.internal"}]});
        assert!(
            connect(elsewhere)
                .unwrap_err()
                .contains("services[0].clientAliases: 'orders.internal' cannot be")
        );
        assert!(
            connect(json!({"portName": "grpc"}))
                .unwrap_err()
                .contains("no portMapping")
        );
        let missing = json!({"serviceRegistries": [{"registryArn": "web", "containerName": "app", "containerPort": 9}]});
        assert!(
            found(missing)
                .unwrap_err()
                .starts_with("serviceRegistries[0].containerPort")
        );
    }

    #[test]
    fn a_registry_is_a_headless_service_of_its_last_name() {
        let arn = "arn:aws:servicediscovery:eu-central-1:123456789012:service/srv-abcd";
        let names = found(json!({"serviceRegistries": [{"registryArn": arn, "containerName": "app", "containerPort": 53}]})).unwrap();
        assert_eq!(names[0].name(), "srv-abcd");
        assert_eq!(names[0].group.protocol, TargetGroupProtocol::Udp);
        assert_eq!(
            names[0].group.service.as_ref().unwrap().type_,
            Some(ServiceType::Headless)
        );
    }
}
