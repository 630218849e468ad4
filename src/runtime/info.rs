//! What an engine says of itself.

/// Which engine this is and what it offers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EngineInfo {
    /// The engine's own id. Machine images clone it.
    pub id: String,
    /// Boot id of the kernel that the engine runs on.
    pub boot_id: Option<String>,
    /// Version of the engine.
    pub version: String,
    /// Folder in which it keeps everything, volumes included.
    pub root: String,
    /// Newest API version that it speaks.
    pub api_version: String,
    /// Logical CPUs.
    pub cpus: u32,
    /// Bytes of memory.
    pub memory: u64,
    /// Such as `linux`.
    pub os_type: String,
    /// Such as `Debian GNU/Linux 12`.
    pub operating_system: String,
    /// Such as `x86_64`.
    pub architecture: String,
    /// Process ids that the kernel gives out.
    pub pids: Option<u32>,
    /// `1` or `2`.
    pub cgroup_version: Option<String>,
    /// systemd owns the cgroups, and makes those of containers.
    pub systemd_cgroups: bool,
    /// Whether containers' disks can be bounded.
    pub disk_limits: DiskLimits,
    /// Whether containers' swap can be bounded.
    pub swap_limit: bool,
    /// Such as `apparmor`, `seccomp` and `selinux`.
    pub security_options: Vec<String>,
    /// Ids of the GPUs that it can give to containers.
    pub gpus: Vec<String>,
    /// Drivers of volumes that it has, its own (`local`) and those of plugins, as definitions name them.
    pub volume_drivers: Vec<String>,
    /// Log drivers that it has.
    pub log_drivers: Vec<String>,
    /// The one of containers that name none.
    pub log_driver: String,
}

/// Whether an engine can bound what a container writes beside its image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DiskLimits {
    /// Its storage driver cannot.
    #[default]
    Never,
    /// It can where its file system is mounted with project quotas, which it does not tell.
    WithProjectQuotas,
    /// It can.
    Always,
}
