//! Settings of one container that its engine carries out as they stand: what its processes may do, what they see of
//! the system, and what bounds them (ECS API Reference, `ContainerDefinition` and `LinuxParameters`).

use std::collections::BTreeMap;

/// What a container has beyond, or instead of, its engine's defaults.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a field of ECS that is true or false"
)]
pub struct Settings {
    /// Capabilities beyond the engine's default set, without `CAP_`; `ALL` names all.
    pub added_capabilities: Vec<String>,
    /// Capabilities of the default set that the container does not get. Dropping comes before adding.
    pub dropped_capabilities: Vec<String>,
    /// Devices of the instance.
    pub devices: Vec<Device>,
    /// An init process forwards signals and reaps processes.
    pub init: bool,
    /// Size of `/dev/shm` in MiB.
    pub shared_memory: Option<u32>,
    /// File systems in memory.
    pub tmpfs: Vec<Tmpfs>,
    /// Swap in MiB beyond the memory limit; `Some(0)` is none.
    pub maximum_swap: Option<u32>,
    /// How readily the kernel swaps, 0 to 100; read only with `maximum_swap`.
    pub swappiness: Option<u32>,
    /// Resource limits.
    pub ulimits: Vec<Ulimit>,
    /// Kernel parameters of the container's namespaces, by name.
    pub system_controls: BTreeMap<String, String>,
    /// Name servers, in place of the cluster's.
    pub dns_servers: Vec<String>,
    /// Domains that short names are tried in, in place of the namespace's.
    pub dns_search_domains: Vec<String>,
    /// Lines of `/etc/hosts`.
    pub extra_hosts: Vec<HostEntry>,
    /// Such as `no-new-privileges` and `apparmor:PROFILE`.
    pub security_options: Vec<String>,
    /// The root file system cannot be written.
    pub read_only_root: bool,
    /// Standard input stays open.
    pub interactive: bool,
    /// The container has a terminal.
    pub pseudo_terminal: bool,
    /// Host name.
    pub hostname: Option<String>,
    /// The container has no network.
    pub networking_disabled: bool,
}

/// A device of the instance in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Path on the instance.
    pub host_path: String,
    /// Path in the container.
    pub container_path: String,
    /// Letters of what is allowed: `r`ead, `w`rite, `m`knod.
    pub permissions: String,
}

/// A file system in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tmpfs {
    /// Path in the container.
    pub path: String,
    /// Largest size in MiB.
    pub size: u32,
    /// Mount options.
    pub options: Vec<String>,
}

/// A resource limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ulimit {
    /// As the kernel calls it, such as `nofile`.
    pub name: &'static str,
    /// In force at first; -1 is unlimited.
    pub soft: i64,
    /// Up to which the container may raise it; -1 is unlimited.
    pub hard: i64,
}

/// A line of `/etc/hosts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostEntry {
    /// The host's name.
    pub hostname: String,
    /// Its address.
    pub address: String,
}

/// Another container of the task that this one reaches by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The other container's name in the definition.
    pub container: String,
    /// By which this one knows it.
    pub alias: String,
}
