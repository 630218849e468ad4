//! From what people wrote to what can be relied on: specs become domain types once, here.

mod accelerators;
mod discovery;
mod load_balancers;
mod logs;
mod namespaces;
mod order;
mod placement;
mod ports;
mod secrets;
mod settings;
mod size;
mod target_group;
mod volumes;

use std::time::Duration;

pub use discovery::{Discovered, discovered, names as discovered_names};
pub use load_balancers::{load_balancers, target_group_name, transport};
pub use placement::{service_placement, task_placement, too_many_constraints};
pub use secrets::{environment_files, files, image_pull_secrets, log_secrets, secrets, task_role};
pub use target_group::target_group;

use super::bounded::{List, Str};
use super::task_definition::TaskDefinitionSpec;
use super::{overrides, shapes};
use crate::domain::definition::rules::{self, Problem};
use crate::domain::definition::{Architecture, Container, HealthCheck, TaskDefinition};
use crate::domain::fields::{self, Body};
use crate::domain::resources::Protocol;

/// Texts that the list `withoutEffect` of a status has room for.
const LISTED: usize = 128;

/// A task definition that can run, from the body that was registered for `family`.
///
/// # Errors
/// All problems, each naming its field: what this release refuses, and what can never run.
pub fn task_definition(
    family: &str,
    spec: &TaskDefinitionSpec,
) -> Result<TaskDefinition, Vec<Problem>> {
    read(family, spec, size::problem(spec))
}

/// The definition without a look at its size; `problem` is one that is known already.
fn read(
    family: &str,
    spec: &TaskDefinitionSpec,
    problem: Option<Problem>,
) -> Result<TaskDefinition, Vec<Problem>> {
    let mut problems = refused(Body::RegisterTaskDefinition, spec);
    problems.extend(problem);
    problems.extend(ports::problems(spec));
    problems.extend(accelerators::problems(spec));
    let mut sized = |size: Result<Option<u32>, Problem>| {
        size.unwrap_or_else(|problem| {
            problems.push(problem);
            None
        })
    };
    let text = |text: &Option<Str<_>>| text.as_ref().map(ToString::to_string);
    let cpu = sized(size::of_task("cpu", text(&spec.cpu), "vcpu"));
    let memory = sized(size::of_task("memory", text(&spec.memory), "gb"));
    let constraints = spec.placement_constraints.as_deref();
    let placement_constraints =
        placement::definition_constraints(constraints.map_or(&[], Vec::as_slice), &mut problems);
    let mut containers: Vec<Container> = spec.container_definitions.iter().map(container).collect();
    for container in &mut containers {
        container.files = files(spec, &container.name);
    }
    problems.extend(secrets::files_for_nobody(spec, &containers));
    let definition = TaskDefinition {
        family: family.to_owned(),
        network_mode: namespaces::network_mode(spec.network_mode),
        pid_mode: namespaces::pid_mode(spec.pid_mode),
        ipc_mode: namespaces::ipc_mode(spec.ipc_mode),
        cpu,
        memory,
        disk: disk(spec),
        architecture: architecture(spec),
        containers,
        volumes: volumes::volumes(spec, &mut problems),
        image_pull_secrets: image_pull_secrets(spec),
        task_role: task_role(spec),
        placement_constraints,
    }
    .with_routed_logs();
    problems.extend(rules::problems(&definition));
    if problems.is_empty() {
        Ok(definition)
    } else {
        Err(problems)
    }
}

/// The definition as a task runs it: with what the task overrides.
///
/// # Errors
/// All problems of the overrides, each naming its field.
pub fn overridden(
    spec: &TaskDefinitionSpec,
    overrides: Option<&shapes::TaskOverride>,
) -> Result<TaskDefinitionSpec, Vec<Problem>> {
    match overrides {
        Some(overrides) => overrides::apply(spec, overrides),
        None => Ok(spec.clone()),
    }
}

/// As [`task_definition`], with what a task overrides.
///
/// # Errors
/// All problems, each naming its field of the definition or of the overrides.
pub fn task_definition_of_task(
    family: &str,
    spec: &TaskDefinitionSpec,
    overrides: Option<&shapes::TaskOverride>,
) -> Result<TaskDefinition, Vec<Problem>> {
    match overrides {
        Some(overrides) => {
            let overridden = overrides::apply(spec, overrides)?;
            read(family, &overridden, size::problem(spec))
        }
        None => task_definition(family, spec),
    }
}

/// What this release refuses of a body.
pub fn refused(body: Body, spec: &impl serde::Serialize) -> Vec<Problem> {
    let problem = |finding: fields::Finding| {
        let message = finding
            .message
            .strip_prefix(&finding.path)
            .unwrap_or(&finding.message);
        Problem {
            message: message.trim_start().to_owned(),
            field: finding.path,
        }
    };
    examined(body, spec)
        .refused
        .into_iter()
        .map(problem)
        .collect()
}

/// Fields of a body that are accepted and change nothing here, each with the reason; the last text counts those for which
/// a status has no room.
pub fn without_effect(body: Body, spec: &impl serde::Serialize) -> Vec<String> {
    let text = |finding: fields::Finding| finding.message;
    let found = examined(body, spec).without_effect;
    let more = found.len().saturating_sub(LISTED - 1);
    let mut texts: Vec<String> = found.into_iter().map(text).collect();
    if more > 1 {
        texts.truncate(LISTED - 1);
        texts.push(format!("and {more} more fields"));
    }
    texts
}

/// The texts of [`without_effect`] as a status lists them.
pub fn listed(texts: &[String]) -> List<Str<1024>, LISTED> {
    List::cut(texts.iter().map(|text| Str::cut(text)))
}

fn examined(body: Body, spec: &impl serde::Serialize) -> fields::Findings {
    // A spec of ours always has a JSON form.
    let value = serde_json::to_value(spec).unwrap_or_default();
    fields::examine(body, &value)
}

fn disk(spec: &TaskDefinitionSpec) -> Option<u32> {
    let storage = spec.ephemeral_storage.as_ref()?;
    positive(Some(storage.size_in_gib))
}

fn architecture(spec: &TaskDefinitionSpec) -> Option<Architecture> {
    let platform = spec.runtime_platform.as_ref()?;
    Some(match platform.cpu_architecture? {
        shapes::CpuArchitecture::X8664 => Architecture::X8664,
        shapes::CpuArchitecture::Arm64 => Architecture::Arm64,
    })
}

fn container(spec: &shapes::ContainerDefinition) -> Container {
    let words = |list: &[Str<16384>]| list.iter().map(ToString::to_string).collect();
    Container {
        name: spec.name.to_string(),
        image: spec.image.to_string(),
        version_consistency: spec.version_consistency != Some(shapes::VersionConsistency::Disabled),
        essential: spec.essential.unwrap_or(true),
        entry_point: spec
            .entry_point
            .as_ref()
            .filter(|list| !list.is_empty())
            .map(|list| words(list)),
        command: spec
            .command
            .as_ref()
            .filter(|list| !list.is_empty())
            .map(|list| words(list)),
        environment: spec
            .environment
            .iter()
            .flat_map(|list| list.iter())
            .map(|pair| {
                (
                    pair.name.to_string(),
                    pair.value.as_deref().cloned().unwrap_or_default(),
                )
            })
            .collect(),
        user: spec
            .user
            .as_ref()
            .filter(|user| !user.is_empty())
            .map(ToString::to_string),
        working_directory: spec
            .working_directory
            .as_ref()
            .filter(|path| !path.is_empty())
            .map(ToString::to_string),
        cpu: positive(spec.cpu).unwrap_or(0),
        memory: positive(spec.memory),
        memory_reservation: positive(spec.memory_reservation),
        gpus: accelerators::gpus(spec),
        port_mappings: ports::port_mappings(spec),
        port_names: ports::port_names(spec),
        health_check: spec.health_check.as_ref().map(health_check),
        docker_labels: spec
            .docker_labels
            .iter()
            .flat_map(|labels| labels.iter())
            .map(|(key, value)| (key.clone(), value.to_string()))
            .collect(),
        stop_timeout: seconds(spec.stop_timeout),
        depends_on: order::dependencies(spec),
        start_timeout: order::start_timeout(spec),
        restart_policy: order::restart_policy(spec),
        privileged: spec.privileged.unwrap_or(false),
        settings: settings::settings(spec),
        links: settings::links(spec),
        log: logs::log(spec),
        router: logs::router(spec),
        mount_points: volumes::mount_points(spec),
        volumes_from: volumes::volumes_from(spec),
        secrets: secrets(spec),
        repository_credentials: spec
            .repository_credentials
            .as_ref()
            .map(|credentials| credentials.credentials_parameter.to_string()),
        environment_files: environment_files(spec),
        log_secrets: log_secrets(spec),
        files: Vec::new(),
    }
}

/// Defaults: ECS API Reference, `HealthCheck`. A bare list is taken as CMD.
fn health_check(spec: &shapes::HealthCheck) -> HealthCheck {
    let mut command: Vec<String> = spec.command.iter().map(ToString::to_string).collect();
    if !matches!(
        command.first().map(String::as_str),
        Some("CMD" | "CMD-SHELL")
    ) {
        command.insert(0, "CMD".to_owned());
    }
    HealthCheck {
        command,
        interval: seconds(spec.interval).unwrap_or(Duration::from_secs(30)),
        timeout: seconds(spec.timeout).unwrap_or(Duration::from_secs(5)),
        retries: positive(spec.retries).unwrap_or(3),
        start_period: seconds(spec.start_period).unwrap_or(Duration::ZERO),
    }
}

fn positive(value: Option<i32>) -> Option<u32> {
    value
        .and_then(|value| u32::try_from(value).ok())
        .filter(|value| *value > 0)
}

fn seconds(value: Option<i32>) -> Option<Duration> {
    value
        .and_then(|value| u64::try_from(value).ok())
        .map(Duration::from_secs)
}

/// TCP where a mapping names none.
pub fn protocol(spec: Option<shapes::TransportProtocol>) -> Protocol {
    match spec {
        Some(shapes::TransportProtocol::Udp) => Protocol::Udp,
        Some(shapes::TransportProtocol::Tcp) | None => Protocol::Tcp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(yaml: &str) -> Result<TaskDefinition, Vec<Problem>> {
        task_definition("web", &serde_saphyr::from_str(yaml).unwrap())
    }

    #[test]
    fn more_fields_without_effect_than_a_status_holds_are_counted() {
        let mapping = serde_json::json!({"containerPort": 80, "appProtocol": "http"});
        let spec = |mappings: usize| {
            serde_json::json!({"containerDefinitions": [
                {"name": "app", "image": "nginx:1", "portMappings": vec![mapping.clone(); mappings]},
            ]})
        };
        let texts = |mappings| without_effect(Body::RegisterTaskDefinition, &spec(mappings));
        assert_eq!(texts(LISTED).len(), LISTED);
        assert_eq!(texts(1000).len(), LISTED);
        assert_eq!(
            texts(1000).last().map(String::as_str),
            Some("and 873 more fields")
        );
    }

    #[test]
    fn an_aws_body_becomes_what_a_task_runs() {
        let definition = parsed(
            "
            cpu: 0.25 vCPU
            memory: '512'
            containerDefinitions:
            - name: app
              image: nginx:1
              portMappings: [{containerPort: 80, hostPort: 0}, {containerPort: 53, hostPort: 5353, protocol: udp}]
              healthCheck: {command: [CMD-SHELL, 'true']}
            ",
        )
        .unwrap();
        assert_eq!((definition.cpu, definition.memory), (Some(256), Some(512)));
        let app = &definition.containers[0];
        assert!(app.essential);
        assert_eq!(app.port_mappings[0].host_port, None);
        assert_eq!(app.port_mappings[1].protocol, Protocol::Udp);
        assert_eq!(
            app.health_check.as_ref().unwrap().interval,
            Duration::from_secs(30)
        );
    }

    #[test]
    fn every_problem_names_its_field() {
        let problems = parsed(
            "
            cpu: many
            containerDefinitions:
            - {name: app, image: a, memory: 8, portMappings: [{containerPort: 80, hostPort: 8080}]}
            - {name: side, image: a, memory: 8, credentialSpecs: [a], portMappings: [{containerPort: 81, hostPort: 8080}]}
            ",
        )
        .unwrap_err();
        let fields: Vec<&str> = problems
            .iter()
            .map(|problem| problem.field.as_str())
            .collect();
        assert_eq!(
            fields,
            [
                "containerDefinitions[side].credentialSpecs",
                "cpu",
                "containerDefinitions[side].portMappings"
            ]
        );
    }
}
