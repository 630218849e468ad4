//! What is wrong with the settings of a container. Sources: ECS API Reference, `LinuxParameters`, `SystemControl`,
//! `ContainerDefinition`; Docker's own list of kernel parameters that a container may have.

use core::net::IpAddr;

use crate::domain::definition::settings::{Settings, Tmpfs};
use crate::domain::definition::{Container, IpcMode, NetworkMode, TaskDefinition};

/// Capabilities that can be named (ECS API Reference, `KernelCapabilities`).
const CAPABILITIES: [&str; 38] = [
    "ALL",
    "AUDIT_CONTROL",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

/// Kernel parameters of a container's own inter-process namespace.
const IPC_CONTROLS: [&str; 8] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];

/// Mount options that a file system in memory can have, without those that take a value.
const TMPFS_FLAGS: [&str; 24] = [
    "async",
    "atime",
    "defaults",
    "dev",
    "diratime",
    "dirsync",
    "exec",
    "mand",
    "noatime",
    "nodev",
    "nodiratime",
    "noexec",
    "nomand",
    "norelatime",
    "nostrictatime",
    "nosuid",
    "private",
    "rprivate",
    "relatime",
    "ro",
    "rw",
    "strictatime",
    "suid",
    "sync",
];

/// Mount options of a file system in memory that take a value; its size has a field of its own.
const TMPFS_VALUES: [&str; 6] = ["gid", "mode", "mpol", "nr_blocks", "nr_inodes", "uid"];

/// What is wrong with the settings of `container`, by field.
pub(super) fn problems(
    definition: &TaskDefinition,
    container: &Container,
) -> Vec<(&'static str, String)> {
    let settings = &container.settings;
    let mut found = Vec::new();
    linux(definition, container, &mut found);
    for limit in &settings.ulimits {
        let unlimited = |value: i64| if value < 0 { i64::MAX } else { value };
        if unlimited(limit.soft) > unlimited(limit.hard) {
            found.push((
                "ulimits",
                format!(
                    "{}: softLimit {} is above hardLimit {}: raise hardLimit, or lower softLimit",
                    limit.name, limit.soft, limit.hard
                ),
            ));
        }
    }
    for name in settings.system_controls.keys() {
        if let Some(message) = system_control(definition, name) {
            found.push(("systemControls", message));
        }
    }
    network(definition, container, &mut found);
    for option in &settings.security_options {
        if !is_security_option(option) {
            found.push((
                "dockerSecurityOptions",
                format!("{option}: give no-new-privileges, apparmor:PROFILE or label:VALUE"),
            ));
        }
    }
    found
}

fn linux(
    definition: &TaskDefinition,
    container: &Container,
    found: &mut Vec<(&'static str, String)>,
) {
    let settings = &container.settings;
    let named = [
        (
            "linuxParameters.capabilities.add",
            &settings.added_capabilities,
        ),
        (
            "linuxParameters.capabilities.drop",
            &settings.dropped_capabilities,
        ),
    ];
    for (field, names) in named {
        let known = |name: &&String| CAPABILITIES.contains(&name.as_str());
        if let Some(name) = names.iter().find(|name| !known(name)) {
            found.push((
                field,
                format!("{name} is not a capability: write it without CAP_ and in capitals, such as SYS_PTRACE"),
            ));
        }
    }
    let paths = settings
        .devices
        .iter()
        .flat_map(|device| [&device.host_path, &device.container_path]);
    if let Some(path) = paths.into_iter().find(|path| !path.starts_with('/')) {
        found.push((
            "linuxParameters.devices",
            format!("'{path}' is not an absolute path: begin it with '/'"),
        ));
    }
    for tmpfs in &settings.tmpfs {
        if let Some(message) = tmpfs_problem(tmpfs) {
            found.push(("linuxParameters.tmpfs", message));
        }
    }
    if settings.maximum_swap.is_some() && container.memory.or(definition.memory).is_none() {
        found.push((
            "linuxParameters.maxSwap",
            "needs memory: swap is counted beyond that limit".into(),
        ));
    }
}

fn tmpfs_problem(tmpfs: &Tmpfs) -> Option<String> {
    let Tmpfs {
        path,
        size,
        options,
    } = tmpfs;
    if !path.starts_with('/') || path.contains(':') {
        return Some(format!(
            "'{path}' is not an absolute path without ':': correct containerPath"
        ));
    }
    if *size == 0 {
        return Some(format!("{path}: give a size of at least 1 MiB"));
    }
    let known = |option: &&String| match option.split_once('=') {
        // A comma would begin another option.
        Some((name, value)) => TMPFS_VALUES.contains(&name) && !value.contains(','),
        None => TMPFS_FLAGS.contains(&option.as_str()),
    };
    let unknown = options.iter().find(|option| !known(option))?;
    Some(format!(
        "{path}: mount option '{unknown}' is not one of a file system in memory: give some of {}, or {} with a value",
        TMPFS_FLAGS.join(", "),
        TMPFS_VALUES.join(", ")
    ))
}

fn system_control(definition: &TaskDefinition, name: &str) -> Option<String> {
    let of_network = name.starts_with("net.");
    let of_ipc = IPC_CONTROLS.contains(&name) || name.starts_with("fs.mqueue.");
    if of_network && definition.network_mode == NetworkMode::Host {
        return Some(format!(
            "{name} would change the instance itself with network mode host: use another network mode, or set it on the instance"
        ));
    }
    if of_ipc && definition.ipc_mode == IpcMode::Host {
        return Some(format!(
            "{name} would change the instance itself with ipcMode host: use another ipcMode, or set it on the instance"
        ));
    }
    (!of_network && !of_ipc).then(|| {
        format!(
            "{name} is not a parameter of a container's own: set it on the instance; containers have net.*, fs.mqueue.* and {}",
            IPC_CONTROLS.join(", ")
        )
    })
}

fn network(
    definition: &TaskDefinition,
    container: &Container,
    found: &mut Vec<(&'static str, String)>,
) {
    let Settings {
        dns_servers,
        extra_hosts,
        networking_disabled,
        hostname,
        ..
    } = &container.settings;
    // The network is the pause container's, and so are the names in it.
    if definition.network_mode == NetworkMode::Awsvpc {
        let given = [
            ("hostname", hostname.is_some()),
            ("extraHosts", !extra_hosts.is_empty()),
            ("disableNetworking", *networking_disabled),
        ];
        let given = given.into_iter().filter(|(_, is_given)| *is_given);
        found.extend(given.map(|(field, _)| {
            let why = "cannot be used with network mode awsvpc, whose containers share one network: leave it out";
            (field, why.to_owned())
        }));
    }
    let is_address = |text: &str| text.parse::<IpAddr>().is_ok();
    if let Some(server) = dns_servers.iter().find(|server| !is_address(server)) {
        found.push((
            "dnsServers",
            format!("'{server}' is not an address: give an IPv4 or IPv6 address"),
        ));
    }
    for host in extra_hosts {
        if host.hostname.is_empty() || host.hostname.contains(':') || !is_address(&host.address) {
            found.push((
                "extraHosts",
                format!(
                    "'{} {}' is not a name with an address: give hostname and an IPv4 or IPv6 ipAddress",
                    host.hostname, host.address
                ),
            ));
        }
    }
    if *networking_disabled && !container.port_mappings.is_empty() {
        found.push((
            "disableNetworking",
            "leaves nothing to publish: leave out portMappings, or disableNetworking".into(),
        ));
    }
    if *networking_disabled && definition.network_mode == NetworkMode::Host {
        found.push((
            "disableNetworking",
            "contradicts network mode host: use one of both".into(),
        ));
    }
    for link in &container.links {
        let (other, alias) = (&link.container, &link.alias);
        if definition.network_mode != NetworkMode::Bridge {
            found.push((
                "links",
                "exist only with network mode bridge: leave them out".into(),
            ));
        } else if *other == container.name {
            found.push(("links", format!("{other} is this container itself")));
        } else if !definition.containers.iter().any(|it| it.name == *other) {
            found.push((
                "links",
                format!("the task has no container '{other}': name one that it has"),
            ));
        } else if alias.is_empty() || alias.contains(':') {
            found.push(("links", format!("'{other}:{alias}' is not name:alias")));
        }
    }
}

fn is_security_option(option: &str) -> bool {
    match option.split_once(':') {
        None => option == "no-new-privileges",
        Some(("no-new-privileges", value)) => matches!(value, "true" | "false"),
        Some(("apparmor" | "label", value)) => !value.is_empty(),
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests;
