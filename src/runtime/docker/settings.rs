//! Docker's JSON for the settings of a container: what a definition leaves out is left to the engine's defaults.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::domain::definition::settings::{Settings, Tmpfs};
use crate::runtime::ContainerSpec;

const MIB: u64 = 1024 * 1024;

/// Adds what `spec` sets to the body of a create.
pub(super) fn add(body: &mut Value, spec: &ContainerSpec) {
    let settings = &spec.settings;
    extend(body, own(settings));
    if let Some(host) = body.get_mut("HostConfig") {
        extend(host, of_host(spec));
    }
}

/// What Docker keeps with the container itself.
fn own(settings: &Settings) -> Vec<(&'static str, Value)> {
    let hostname = settings.hostname.iter().map(|name| json!(name));
    vec![
        ("OpenStdin", json!(settings.interactive)),
        ("Tty", json!(settings.pseudo_terminal)),
        ("NetworkDisabled", json!(settings.networking_disabled)),
    ]
    .into_iter()
    .chain(hostname.map(|name| ("Hostname", name)))
    .collect()
}

/// What Docker keeps with the container's place on its host.
fn of_host(spec: &ContainerSpec) -> Vec<(&'static str, Value)> {
    let settings = &spec.settings;
    let mut fields = vec![
        ("CapAdd", json!(settings.added_capabilities)),
        ("CapDrop", json!(settings.dropped_capabilities)),
        ("Devices", devices(settings)),
        ("Tmpfs", tmpfs(&settings.tmpfs)),
        ("Ulimits", ulimits(settings)),
        ("Sysctls", json!(settings.system_controls)),
        ("ExtraHosts", extra_hosts(settings)),
        ("SecurityOpt", security_options(settings)),
        ("ReadonlyRootfs", json!(settings.read_only_root)),
        ("Links", links(spec)),
        ("Binds", json!(super::volumes::binds(spec))),
        ("VolumesFrom", json!(super::volumes::volumes_from(spec))),
    ];
    if let Some(log) = &spec.log {
        let options = log.options.iter().chain(spec.log_secrets.expose());
        let options: BTreeMap<_, _> = options.collect();
        let log = json!({"Type": log.driver.as_str(), "Config": options});
        fields.push(("LogConfig", log));
    }
    if !spec.gpus.is_empty() {
        fields.push(("DeviceRequests", gpus(&spec.gpus)));
    }
    if let Some(size) = spec.disk {
        fields.push(("StorageOpt", json!({"size": format!("{size}G")})));
    }
    if let Some(parent) = &spec.cgroup_parent {
        fields.push(("CgroupParent", json!(parent)));
    }
    if spec.host_cgroups {
        fields.push(("CgroupnsMode", json!("host")));
    }
    if settings.init {
        fields.push(("Init", json!(true)));
    }
    if let Some(size) = settings.shared_memory {
        fields.push(("ShmSize", json!(u64::from(size) * MIB)));
    }
    // Docker counts swap together with memory, ECS beyond it.
    if let (Some(swap), Some(memory)) = (settings.maximum_swap, spec.memory) {
        let both = (u64::from(memory) + u64::from(swap)) * MIB;
        fields.push(("MemorySwap", json!(both)));
        let swappiness = settings.swappiness.map(|value| json!(value));
        fields.extend(swappiness.map(|value| ("MemorySwappiness", value)));
    }
    fields
}

/// Devices of the Container Device Interface are named `vendor/class=name`; all others are for the runtime that knows GPUs.
fn gpus(ids: &[String]) -> Value {
    let (named, others): (Vec<_>, Vec<_>) = ids.iter().partition(|id| id.contains('='));
    let mut requests = Vec::new();
    if !named.is_empty() {
        requests.push(json!({"Driver": "cdi", "DeviceIDs": named}));
    }
    if !others.is_empty() {
        requests.push(json!({"Capabilities": [["gpu"]], "DeviceIDs": others}));
    }
    json!(requests)
}

fn devices(settings: &Settings) -> Value {
    let devices = settings.devices.iter();
    devices
        .map(|device| {
            json!({
                "PathOnHost": device.host_path,
                "PathInContainer": device.container_path,
                "CgroupPermissions": device.permissions,
            })
        })
        .collect()
}

fn tmpfs(all: &[Tmpfs]) -> Value {
    let options = |tmpfs: &Tmpfs| {
        let mut words = tmpfs.options.clone();
        words.push(format!("size={}m", tmpfs.size));
        words.join(",")
    };
    let mounts: BTreeMap<&str, String> = all
        .iter()
        .map(|tmpfs| (tmpfs.path.as_str(), options(tmpfs)))
        .collect();
    json!(mounts)
}

fn ulimits(settings: &Settings) -> Value {
    let limits = settings.ulimits.iter();
    limits
        .map(|limit| json!({"Name": limit.name, "Soft": limit.soft, "Hard": limit.hard}))
        .collect()
}

fn extra_hosts(settings: &Settings) -> Value {
    let hosts = settings.extra_hosts.iter();
    hosts
        .map(|host| json!(format!("{}:{}", host.hostname, host.address)))
        .collect()
}

/// Docker writes `=` where ECS writes the first `:`.
fn security_options(settings: &Settings) -> Value {
    let options = settings.security_options.iter();
    options
        .map(|option| json!(option.replacen(':', "=", 1)))
        .collect()
}

fn links(spec: &ContainerSpec) -> Value {
    let links = spec.links.iter();
    links
        .map(|link| json!(format!("{}:{}", link.container, link.alias)))
        .collect()
}

fn extend(object: &mut Value, fields: Vec<(&'static str, Value)>) {
    if let Some(object) = object.as_object_mut() {
        let fields = fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        object.extend(fields.collect::<Map<_, _>>());
    }
}
