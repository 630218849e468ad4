//! Docker's JSON: what we send, and what we read out of its answers. Reading is lenient, see [`super::super::view`].

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::domain::definition::HealthCheck;
use crate::domain::resources::Protocol;
use crate::domain::task::Health;
use crate::runtime::view::metadata_id;
use crate::runtime::{
    Activity, ContainerSpec, ContainerState, ContainerSummary, ContainerView, Hint, Labels,
    METADATA_VARIABLE, Namespace, Network, PublishedPort,
};

const MIB: u64 = 1024 * 1024;

/// Body of a create. The restart policy is always `no`: who restarts what is ECS's decision, not Docker's.
pub(super) fn create_body(spec: &ContainerSpec) -> Value {
    let environment: Vec<String> = spec
        .environment
        .iter()
        .chain(spec.secrets.expose())
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let port = |port: u16, protocol: Protocol| format!("{port}/{}", protocol.as_str());
    let mut exposed = BTreeMap::new();
    let mut bindings: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    if spec.network == Network::Bridge {
        for publish in &spec.ports {
            let key = port(publish.container_port, publish.protocol);
            exposed.insert(key.clone(), json!({}));
            bindings
                .entry(key)
                .or_default()
                .push(json!({"HostPort": publish.host_port.to_string()}));
        }
    }
    let mut body = json!({
        "Image": spec.image,
        "Labels": spec.labels,
        "Env": environment,
        "ExposedPorts": exposed,
        "Healthcheck": health_check(spec.health_check.as_ref()),
        "HostConfig": {
            "CpuShares": spec.cpu_shares.clamp(2, 262_144),
            "Memory": mebibytes(spec.memory),
            "MemoryReservation": mebibytes(spec.memory_reservation),
            "PidsLimit": spec.pids.0,
            "PortBindings": bindings,
            "NetworkMode": match &spec.network {
                Network::Bridge => "bridge".to_owned(),
                Network::Host => "host".to_owned(),
                Network::Container(name) => format!("container:{name}"),
                Network::None => "none".to_owned(),
            },
            "PidMode": namespace(&spec.pid),
            "IpcMode": namespace(&spec.ipc),
            "Dns": spec.dns.servers,
            "DnsSearch": spec.dns.search,
            "DnsOptions": spec.dns.options,
            "Privileged": spec.privileged,
            "RestartPolicy": {"Name": "no"},
        },
    });
    let optional = [
        (
            "Entrypoint",
            spec.entry_point.as_ref().map(|words| json!(words)),
        ),
        ("Cmd", spec.command.as_ref().map(|words| json!(words))),
        ("User", spec.user.as_ref().map(|user| json!(user))),
        (
            "WorkingDir",
            spec.working_directory.as_ref().map(|path| json!(path)),
        ),
    ];
    if let Some(fields) = body.as_object_mut() {
        let given = optional
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        fields.extend(given);
    }
    super::settings::add(&mut body, spec);
    body
}

fn namespace(namespace: &Namespace) -> String {
    match namespace {
        Namespace::Engine => String::new(),
        Namespace::Shareable => "shareable".to_owned(),
        Namespace::Container(name) => format!("container:{name}"),
        Namespace::Host => "host".to_owned(),
        Namespace::None => "none".to_owned(),
    }
}

fn mebibytes(size: Option<u32>) -> u64 {
    u64::from(size.unwrap_or(0)) * MIB
}

/// `NONE` switches the image's own check off, because ECS monitors only what the definition names.
fn health_check(check: Option<&HealthCheck>) -> Value {
    let nanoseconds = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    check.map_or_else(
        || json!({"Test": ["NONE"]}),
        |check| {
            json!({
                "Test": check.command,
                "Interval": nanoseconds(check.interval),
                "Timeout": nanoseconds(check.timeout),
                "Retries": check.retries,
                "StartPeriod": nanoseconds(check.start_period),
            })
        },
    )
}

/// Filters of a list or of events, as JSON.
pub(super) fn label_filter(labels: &Labels, types: &[&str]) -> String {
    let labels: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let mut filters = json!({"label": labels});
    if let (Some(fields), false) = (filters.as_object_mut(), types.is_empty()) {
        fields.insert("type".to_owned(), json!(types));
    }
    filters.to_string()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectJson {
    id: String,
    name: String,
    #[serde(default)]
    created: Option<String>,
    #[serde(default)]
    image: Option<String>,
    #[serde(default)]
    state: StateJson,
    #[serde(default)]
    config: ConfigJson,
    #[serde(default)]
    network_settings: NetworkJson,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct StateJson {
    status: String,
    exit_code: Option<i64>,
    #[serde(rename = "OOMKilled")]
    oom_killed: bool,
    error: Option<String>,
    started_at: Option<String>,
    finished_at: Option<String>,
    health: Option<HealthJson>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct HealthJson {
    status: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct ConfigJson {
    labels: Option<Labels>,
    env: Option<Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct NetworkJson {
    ports: Option<BTreeMap<String, Option<Vec<BindingJson>>>>,
    networks: Option<BTreeMap<String, EndpointJson>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct EndpointJson {
    #[serde(rename = "IPAddress")]
    address: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct BindingJson {
    #[serde(rename = "HostIp")]
    host_ip: Option<String>,
    host_port: Option<String>,
}

/// Answer of an inspect.
pub(super) fn view(body: Value) -> Result<ContainerView, serde_json::Error> {
    let found: InspectJson = serde_json::from_value(body)?;
    let state = ContainerState::read(&found.state.status);
    let variables = found.config.env.as_deref().unwrap_or_default();
    Ok(ContainerView {
        metadata_id: metadata_uri(variables).and_then(metadata_id),
        created_at: instant(found.created.as_deref()),
        id: found.id,
        name: found.name.trim_start_matches('/').to_owned(),
        labels: found.config.labels.unwrap_or_default(),
        state,
        exit_code: found.state.exit_code.filter(|_| state.has_ended()),
        oom_killed: found.state.oom_killed,
        error: found.state.error.filter(|error| !error.is_empty()),
        started_at: instant(found.state.started_at.as_deref()),
        finished_at: instant(found.state.finished_at.as_deref()),
        health: found
            .state
            .health
            .and_then(|health| health.status)
            .map_or(Health::Unknown, |word| health(&word)),
        ports: published(found.network_settings.ports.unwrap_or_default()),
        address: found
            .network_settings
            .networks
            .and_then(|networks| networks.get("bridge")?.address.clone())
            .filter(|address| !address.is_empty()),
        image_id: found.image,
    })
}

fn metadata_uri(variables: &[String]) -> Option<&str> {
    let mut variables = variables.iter().filter_map(|text| text.split_once('='));
    let (_, uri) = variables.find(|(name, _)| *name == METADATA_VARIABLE)?;
    Some(uri)
}

/// Docker says the year 1 where it means never.
fn instant(text: Option<&str>) -> Option<Timestamp> {
    let at: Timestamp = text?.parse().ok()?;
    (at > Timestamp::UNIX_EPOCH).then_some(at)
}

fn health(word: &str) -> Health {
    match word {
        "healthy" => Health::Healthy,
        "unhealthy" => Health::Unhealthy,
        _ => Health::Unknown,
    }
}

/// Ports that are bound on IPv4, as ECS shows them (IPv6 bindings are left out by default).
fn published(ports: BTreeMap<String, Option<Vec<BindingJson>>>) -> Vec<PublishedPort> {
    let mut found = Vec::new();
    for (key, bindings) in ports {
        let (port, protocol) = key.split_once('/').unwrap_or((&key, "tcp"));
        let protocol = if protocol == "udp" {
            Protocol::Udp
        } else {
            Protocol::Tcp
        };
        for binding in bindings.into_iter().flatten() {
            let bind_ip = binding.host_ip.unwrap_or_default();
            let host_port = binding.host_port.and_then(|port| port.parse().ok());
            if let (Ok(container_port), Some(host_port), false) =
                (port.parse(), host_port, bind_ip.contains(':'))
            {
                found.push(PublishedPort {
                    bind_ip,
                    container_port,
                    host_port,
                    protocol,
                });
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SummaryJson {
    id: String,
    #[serde(default)]
    names: Option<Vec<String>>,
    #[serde(default)]
    labels: Option<Labels>,
    #[serde(default)]
    state: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    created: i64,
    #[serde(default)]
    image: String,
    #[serde(default, rename = "ImageID")]
    image_id: String,
}

/// Answer of a list. Health stands in a text such as `Up 2 minutes (healthy)`.
pub(super) fn summaries(body: Value) -> Result<Vec<ContainerSummary>, serde_json::Error> {
    let found: Vec<SummaryJson> = serde_json::from_value(body)?;
    Ok(found
        .into_iter()
        .map(|line| ContainerSummary {
            id: line.id,
            // Names of links look like `/other/alias`.
            name: line
                .names
                .unwrap_or_default()
                .into_iter()
                .map(|name| name.trim_start_matches('/').to_owned())
                .find(|name| !name.contains('/'))
                .unwrap_or_default(),
            labels: line.labels.unwrap_or_default(),
            state: ContainerState::read(&line.state),
            health: line
                .status
                .rsplit_once('(')
                .map_or(Health::Unknown, |(_, word)| {
                    health(word.trim_end_matches(')'))
                }),
            created_at: Timestamp::from_second(line.created).unwrap_or_default(),
            image_id: line.image_id,
            image: line.image,
        })
        .collect())
}

/// One line of the event stream.
pub(super) fn hint(line: &Value) -> Option<Hint> {
    let container = line.pointer("/Actor/Attributes/name")?.as_str()?.to_owned();
    let action = line
        .get("Action")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let activity = match action {
        "start" => Activity::Started,
        "die" | "oom" => Activity::Ended,
        "destroy" => Activity::Removed,
        _ if action.starts_with("health_status") => Activity::Health,
        // A health check is an exec: twice an event for nothing at every interval.
        _ if action.starts_with("exec_") => return None,
        _ => Activity::Other,
    };
    Some(Hint {
        container,
        activity,
    })
}

/// A string of an object; empty where there is none.
pub(super) fn text(object: &Value, field: &str) -> String {
    object
        .get(field)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests;
