//! The answers, in ECS's shapes (ECS Developer Guide, "Task metadata available for Amazon ECS tasks on EC2").

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::route::Version;
use crate::agent::step::{ContainerReport, ContainerStatus, Known};
use crate::agent::task::Task;
use crate::api::task::EcsTask;
use crate::domain::definition::{Container, NetworkMode};
use crate::domain::ids;
use crate::domain::resources::CPU_UNITS_PER_CORE;
use crate::domain::secret::Secret;
use crate::domain::supply::role::Validity;
use crate::domain::task::{Health, TaskState};
use crate::runtime::{ContainerState, ContainerView};

/// A task that somebody asks about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// As the agent holds it.
    pub task: &'a Task,
    /// As it stands in the API.
    pub object: &'a EcsTask,
}

/// What `version` says of one container of the task.
#[must_use]
pub fn container(subject: Subject<'_>, name: &str, version: Version) -> Option<Value> {
    let wanted = subject.task.wanted();
    let defined = wanted.container(name)?;
    let known = subject.task.known(name)?;
    let view = known.view();
    let reports = &subject.task.report().containers;
    let report = reports.iter().find(|report| report.name == name);
    let mut fields = Map::new();
    let mut put = |field: &str, value: Value| {
        if !value.is_null() {
            fields.insert(field.to_owned(), value);
        }
    };
    put("DockerId", json!(view.map(|view| &view.id)));
    put("Name", json!(name));
    put("DockerName", json!(known.engine_name));
    put("Image", json!(defined.image));
    put(
        "ImageID",
        json!(view.and_then(|view| view.image_id.as_ref())),
    );
    put("Ports", ports(report));
    put("Labels", json!(view.map(|view| &view.labels)));
    put("DesiredStatus", json!(desired(subject.task)));
    put("KnownStatus", json!(status(known, report)));
    put(
        "ExitCode",
        json!(report.and_then(|report| report.exit_code)),
    );
    put(
        "Limits",
        json!({"CPU": defined.cpu, "Memory": defined.memory.unwrap_or(0)}),
    );
    put("CreatedAt", time(view.and_then(|view| view.created_at)));
    put("StartedAt", time(view.and_then(|view| view.started_at)));
    put("FinishedAt", time(view.and_then(|view| view.finished_at)));
    put("Type", json!("NORMAL"));
    put("Networks", networks(wanted.definition.network_mode, view));
    if defined.health_check.is_some() {
        put("Health", json!({"status": health(view)}));
    }
    if version >= Version::Four {
        put("ContainerARN", json!(arn(subject.task, name)));
        if let Some(log) = &defined.log {
            put("LogDriver", json!(log.driver.as_str()));
            put("LogOptions", json!(log.options));
        }
    }
    Some(Value::Object(fields))
}

/// What `version` says of the task.
#[must_use]
pub fn task(subject: Subject<'_>, version: Version) -> Value {
    let (wanted, report) = (subject.task.wanted(), subject.task.report());
    let definition = &wanted.definition;
    let containers: Vec<Value> = definition
        .own_containers()
        .filter_map(|it: &Container| container(subject, &it.name, version))
        .collect();
    let mut fields = Map::new();
    let mut put = |field: &str, value: Value| {
        if !value.is_null() {
            fields.insert(field.to_owned(), value);
        }
    };
    put("Cluster", json!(wanted.cluster));
    put("TaskARN", json!(wanted.arn()));
    put("Family", json!(definition.family));
    put("Revision", json!(wanted.revision.to_string()));
    put("DesiredStatus", json!(desired(subject.task)));
    put("KnownStatus", json!(known_status(subject.task)));
    if definition.cpu.is_some() || definition.memory.is_some() {
        let cpu = definition.cpu.map(f64::from);
        let cpu = cpu.map(|cpu| cpu / f64::from(CPU_UNITS_PER_CORE));
        let limits = [("CPU", json!(cpu)), ("Memory", json!(definition.memory))];
        let limits = limits.into_iter().filter(|(_, value)| !value.is_null());
        put(
            "Limits",
            limits
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        );
    }
    put("PullStartedAt", time(report.pull_started_at));
    put("PullStoppedAt", time(report.pull_stopped_at));
    put("ExecutionStoppedAt", time(report.execution_stopped_at));
    if version >= Version::Four {
        put("LaunchType", json!("EC2"));
        put("ServiceName", json!(subject.object.service_name()));
        put("Group", json!(subject.object.spec.group));
    }
    put("Containers", json!(containers));
    Value::Object(fields)
}

/// The same with the task's tags.
#[must_use]
pub fn task_with_tags(subject: Subject<'_>, version: Version) -> Value {
    let mut found = task(subject, version);
    let tags = subject.object.spec.tags.iter().flat_map(|tags| tags.iter());
    let tags: BTreeMap<String, String> = tags
        .filter_map(|tag| {
            let value = tag.value.as_ref().map(ToString::to_string);
            Some((tag.key.as_ref()?.to_string(), value.unwrap_or_default()))
        })
        .collect();
    if let Some(fields) = found.as_object_mut() {
        fields.insert("TaskTags".to_owned(), json!(tags));
        let instance = subject.object.spec.container_instance.as_ref();
        fields.insert(
            "ContainerInstanceTags".to_owned(),
            json!(instance.map_or_else(BTreeMap::new, |name| BTreeMap::from([(
                "ecs-operator.io/instance",
                name.to_string()
            )]))),
        );
    }
    found
}

/// What the credentials endpoint says to a task with a role. It is ECS's answer without a pair of keys, which only AWS can
/// make: the token is one of Kubernetes.
#[must_use]
pub fn credentials(task: &Task, token: &Secret<String>) -> Option<Value> {
    let role = task.wanted().definition.task_role.as_ref()?;
    let until = Validity::of(token)?.until;
    Some(json!({
        "RoleArn": role.name,
        "Token": token.expose(),
        "Expiration": until.to_string(),
    }))
}

/// What the protection endpoint says of a task that is protected until then.
#[must_use]
pub fn protection(task: &Task, until: Option<Timestamp>) -> Value {
    let mut protection = json!({
        "ProtectionEnabled": until.is_some(),
        "TaskArn": task.wanted().arn(),
    });
    if let (Some(fields), Some(until)) = (protection.as_object_mut(), until) {
        fields.insert("ExpirationDate".to_owned(), time(Some(until)));
    }
    json!({"protection": protection})
}

/// What the protection endpoint says where it cannot do as it was told.
#[must_use]
pub fn protection_error(task: &Task, code: &str, message: &str) -> Value {
    json!({
        "requestID": task.wanted().uid,
        "error": {"Arn": task.wanted().arn(), "Code": code, "Message": message},
    })
}

fn desired(task: &Task) -> &'static str {
    if task.report().stop.is_some() {
        "STOPPED"
    } else {
        "RUNNING"
    }
}

/// ECS's words for how far a container is.
fn status(known: &Known, report: Option<&ContainerReport>) -> &'static str {
    if report.is_some_and(|report| report.status == ContainerStatus::Stopped) {
        return "STOPPED";
    }
    match known.view().map(|view| view.state) {
        None if known.image.is_some() => "PULLED",
        None | Some(ContainerState::Unknown) => "NONE",
        Some(ContainerState::Created) => "CREATED",
        Some(ContainerState::Running | ContainerState::Paused | ContainerState::Restarting) => {
            "RUNNING"
        }
        Some(ContainerState::Exited | ContainerState::Dead | ContainerState::Removing) => "STOPPED",
    }
}

fn known_status(task: &Task) -> &'static str {
    match task.report().state {
        TaskState::Provisioning | TaskState::Pending => "NONE",
        TaskState::Activating
        | TaskState::Running
        | TaskState::Deactivating
        | TaskState::Stopping => "RUNNING",
        TaskState::Deprovisioning | TaskState::Stopped => "STOPPED",
    }
}

fn ports(report: Option<&ContainerReport>) -> Value {
    let bindings = report.iter().flat_map(|report| &report.bindings);
    let ports: Vec<Value> = bindings
        .map(|port| {
            json!({
                "ContainerPort": port.container_port,
                "Protocol": port.protocol.as_str(),
                "HostPort": port.host_port,
                "HostIp": port.bind_ip,
            })
        })
        .collect();
    if ports.is_empty() {
        Value::Null
    } else {
        json!(ports)
    }
}

fn networks(mode: NetworkMode, view: Option<&ContainerView>) -> Value {
    let mode = match mode {
        NetworkMode::Bridge => "bridge",
        NetworkMode::Host => "host",
        NetworkMode::Awsvpc => "awsvpc",
        NetworkMode::None => "none",
    };
    let addresses = view.iter().filter_map(|view| view.address.as_ref());
    json!([{"NetworkMode": mode, "IPv4Addresses": addresses.collect::<Vec<_>>()}])
}

fn health(view: Option<&ContainerView>) -> &'static str {
    match view.map_or(Health::Unknown, |view| view.health) {
        Health::Healthy => "HEALTHY",
        Health::Unhealthy => "UNHEALTHY",
        Health::Unknown => "UNKNOWN",
    }
}

/// ARN of a container: its last part is no secret, unlike the id by which it asks.
fn arn(task: &Task, container: &str) -> String {
    let wanted = task.wanted();
    let digits = ids::hash(&["container", &wanted.uid, container], 32);
    let task = wanted.arn().replacen(":task/", ":container/", 1);
    format!("{task}/{digits}")
}

fn time(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, |at| json!(at.to_string()))
}
