//! A task definition that was parsed once and can be relied on.
//!
//! [`TaskDefinition`] holds only what this release carries out; [`rules`] says what is wrong with one.

pub mod firelens;
pub mod limits;
pub mod logs;
pub mod namespaces;
pub mod order;
pub mod restart;
pub mod rules;
pub mod settings;
#[cfg(any(test, feature = "testing"))]
pub mod tests_support;
pub mod volumes;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub use namespaces::{IpcMode, PidMode};
pub use order::{Condition, Dependency};
pub use restart::RestartPolicy;

use firelens::Router;
use logs::{LogConfiguration, LogDriver};
use settings::{Link, Settings};
use volumes::{DockerVolume, MountPoint, Volume, VolumeKind, VolumesFrom};

use super::placement::{Attributes, Constraint};
use super::resources::{Demand, HostPort, PIDS_PER_CONTAINER, Protocol};
use super::supply::{Content, File, SecretReference, TaskRole};

/// Seconds between the stop signal and SIGKILL where the container names none (`ECS_CONTAINER_STOP_TIMEOUT`).
pub const DEFAULT_STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// Attribute of instances whose agent can give containers files. ECS has none for it.
pub const FILES: &str = "ecs-operator.capability.files";

/// Attribute of instances whose kernel bounds swap; without it `maxSwap` would be ignored there. ECS has none for it.
pub const SWAP_LIMIT: &str = "ecs-operator.capability.swap-limit";

/// A registered task definition: what a task runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskDefinition {
    /// Name of the family.
    pub family: String,
    /// How the containers are connected.
    pub network_mode: NetworkMode,
    /// CPU units reserved for the whole task; overrides the sum over the containers.
    pub cpu: Option<u32>,
    /// MiB reserved for the whole task; overrides the sum over the containers.
    pub memory: Option<u32>,
    /// GiB that each container may write beside its image (`ephemeralStorage`); as much as the instance has where it is not told.
    pub disk: Option<u32>,
    /// What the images are built for; any where it is not told.
    pub architecture: Option<Architecture>,
    /// Whose processes its containers see.
    pub pid_mode: PidMode,
    /// Whose means of communication between processes its containers use.
    pub ipc_mode: IpcMode,
    /// In the order of the definition.
    pub containers: Vec<Container>,
    /// Volumes that its containers can mount.
    pub volumes: Vec<Volume>,
    /// Secrets of the namespace with credentials of registries, for containers that name none of their own.
    pub image_pull_secrets: Vec<String>,
    /// Whom its tasks are.
    pub task_role: Option<TaskRole>,
    /// Rules that each instance must meet that runs a task of the definition; of type `memberOf` only.
    pub placement_constraints: Vec<Constraint>,
}

/// Processor architectures (ECS API Reference, `RuntimePlatform`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// 64-bit x86.
    X8664,
    /// 64-bit ARM.
    Arm64,
}

impl Architecture {
    /// What an instance of it registers, as `name=value`.
    const fn attribute(self) -> &'static str {
        match self {
            Self::X8664 => "ecs.cpu-architecture=x86_64",
            Self::Arm64 => "ecs.cpu-architecture=arm64",
        }
    }
}

/// How the containers of a task are connected (`networkMode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NetworkMode {
    /// Docker's default bridge, with published host ports.
    #[default]
    Bridge,
    /// The instance's own network.
    Host,
    /// One network with an address of its own for the whole task.
    Awsvpc,
    /// No network.
    None,
}

/// One container of a task.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Container {
    /// Unique within the task.
    pub name: String,
    /// Image reference as written.
    pub image: String,
    /// All tasks of a service revision run the same content of the image, whatever becomes of its tag.
    pub version_consistency: bool,
    /// The task ends when this container ends.
    pub essential: bool,
    /// Replaces the image's entry point.
    pub entry_point: Option<Vec<String>>,
    /// Replaces the image's command.
    pub command: Option<Vec<String>>,
    /// Variables of the environment.
    pub environment: BTreeMap<String, String>,
    /// `user[:group]`.
    pub user: Option<String>,
    /// Working directory inside the container.
    pub working_directory: Option<String>,
    /// CPU units (Docker's CPU shares).
    pub cpu: u32,
    /// Hard limit in MiB.
    pub memory: Option<u32>,
    /// Soft limit in MiB, which is what placement counts.
    pub memory_reservation: Option<u32>,
    /// GPUs that are its alone.
    pub gpus: u32,
    /// Ports to publish.
    pub port_mappings: Vec<PortMapping>,
    /// Its mappings that have a name, for Service Connect: container port and protocol.
    pub port_names: BTreeMap<String, (u16, Protocol)>,
    /// Replaces the image's health check; without one the container has none.
    pub health_check: Option<HealthCheck>,
    /// Labels of the user.
    pub docker_labels: BTreeMap<String, String>,
    /// Between the stop signal and SIGKILL.
    pub stop_timeout: Option<Duration>,
    /// Containers that must have come so far before this one starts.
    pub depends_on: Vec<Dependency>,
    /// From its start, the time in which it must be complete, successful or healthy for those that wait for that.
    pub start_timeout: Option<Duration>,
    /// When it is started again after it ended; without one never.
    pub restart_policy: Option<RestartPolicy>,
    /// All the powers of the host; subject to [`crate::domain::security::admit`].
    pub privileged: bool,
    /// What the engine carries out as it stands.
    pub settings: Settings,
    /// Containers that this one reaches by name; only on the bridge.
    pub links: Vec<Link>,
    /// Where its output goes; the instance decides where it does not say.
    pub log: Option<LogConfiguration>,
    /// It routes what others of its task write.
    pub router: Option<Router>,
    /// Where it has volumes of the task.
    pub mount_points: Vec<MountPoint>,
    /// Containers whose volumes it has too.
    pub volumes_from: Vec<VolumesFrom>,
    /// Variables of the environment whose values are secrets.
    pub secrets: Vec<SecretReference>,
    /// Names the secret with the credentials of the image's registry.
    pub repository_credentials: Option<String>,
    /// Names files with variables of the environment; the first that has a variable counts.
    pub environment_files: Vec<String>,
    /// Options of its log driver whose values are secrets.
    pub log_secrets: Vec<SecretReference>,
    /// Files that it finds.
    pub files: Vec<File>,
}

/// A port of a container that is reachable at its instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortMapping {
    /// Port inside the container.
    pub container_port: u16,
    /// Port of the instance; `None` lets the placer choose.
    pub host_port: Option<u16>,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// It is of a range: its host port is the one after that of the mapping before.
    pub follows: bool,
}

/// Container health check (ECS API Reference, `HealthCheck`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// Starts with `CMD` or `CMD-SHELL`.
    pub command: Vec<String>,
    /// Between two checks; 30 s by default.
    pub interval: Duration,
    /// A check that takes longer fails; 5 s by default.
    pub timeout: Duration,
    /// Failures in a row before UNHEALTHY; 3 by default.
    pub retries: u32,
    /// Failures in this time after the start do not count; none by default.
    pub start_period: Duration,
}

impl HealthCheck {
    /// An engine that carries the check out has come to a result by then: twice the time of as many failures as count, and
    /// a minute at least.
    #[must_use]
    pub fn overdue_after(&self) -> Duration {
        let failures = (self.interval + self.timeout).saturating_mul(self.retries);
        let longest = self.start_period.saturating_add(failures);
        longest.saturating_mul(2).max(Duration::from_mins(1))
    }
}

impl TaskDefinition {
    /// What a task of this definition takes from an instance: the task's own size where it has one, otherwise
    /// the sum over its containers, counting the reservation before the limit.
    pub fn demand(&self) -> Demand {
        let containers = || self.own_containers();
        let count = u32::try_from(containers().count()).unwrap_or(u32::MAX);
        let sum = |of: fn(&Container) -> u32| containers().map(of).fold(0, u32::saturating_add);
        let mappings = || containers().flat_map(|container| &container.port_mappings);
        let ports: BTreeSet<HostPort> = mappings()
            .filter_map(|mapping| {
                Some(HostPort {
                    protocol: mapping.protocol,
                    port: self.fixed_port(mapping)?,
                })
            })
            .collect();
        let dynamic = || mappings().filter(|mapping| self.fixed_port(mapping).is_none());
        let dynamic_ports = dynamic().map(|mapping| mapping.protocol).collect();
        let following = dynamic().enumerate().filter(|(_, mapping)| mapping.follows);
        Demand {
            cpu: self.cpu.unwrap_or_else(|| sum(|container| container.cpu)),
            memory: self
                .memory
                .unwrap_or_else(|| sum(Container::reserved_memory)),
            pids: count.saturating_mul(PIDS_PER_CONTAINER),
            gpus: sum(|container| container.gpus),
            ports,
            dynamic_ports,
            following: following.map(|(index, _)| index).collect(),
        }
    }

    /// The host port that the definition itself decides: on the host network it is the container's. A task with an
    /// address of its own decides none: traffic reaches it through a port that nobody but the operator needs to know.
    pub fn fixed_port(&self, mapping: &PortMapping) -> Option<u16> {
        match self.network_mode {
            NetworkMode::Host => Some(mapping.container_port),
            NetworkMode::Bridge => mapping.host_port,
            NetworkMode::Awsvpc | NetworkMode::None => None,
        }
    }

    /// Attributes that an instance must have to carry the definition out (ECS's `requiresAttributes`), so that agents of
    /// different versions can serve one cluster. `name=value` asks for that value.
    pub fn required_attributes(&self) -> Attributes {
        let mut required = BTreeSet::new();
        let any = |wanted: fn(&Container) -> bool| self.containers.iter().any(wanted);
        if any(|container| container.health_check.is_some()) {
            required.insert("ecs.capability.container-health-check");
        }
        if any(|container| container.privileged) {
            required.insert("com.amazonaws.ecs.capability.privileged-container");
        }
        if any(|container| container.port_mappings.iter().any(|it| it.follows)) {
            required.insert("ecs.capability.network.container-port-range");
        }
        let any_option = |kind: &str| {
            let options = self.containers.iter();
            let mut options = options.flat_map(|container| &container.settings.security_options);
            options.any(|option| option.starts_with(kind))
        };
        if any_option("apparmor:") {
            required.insert("com.amazonaws.ecs.capability.apparmor");
        }
        if any_option("label:") {
            required.insert("com.amazonaws.ecs.capability.selinux");
        }
        if any(|container| container.settings.maximum_swap.is_some()) {
            required.insert(SWAP_LIMIT);
        }
        if self.limits().is_some() {
            required.insert(limits::TASK_LIMITS);
        }
        if self.disk.is_some() {
            required.insert(limits::DISK_LIMIT);
        }
        required.extend(self.architecture.map(Architecture::attribute));
        let logs = self.containers.iter().filter_map(|it| it.log.as_ref());
        let drivers = logs.map(|log| log.driver);
        required.extend(drivers.map(LogDriver::attribute));
        required.extend(self.router().map(|(_, router)| router.kind.attribute()));
        if any(|container| container.dependencies().next().is_some()) {
            required.insert("ecs.capability.container-ordering");
        }
        if any(|container| container.restart_policy.is_some()) {
            required.insert("ecs.capability.container-restart-policy");
        }
        if self.network_mode == NetworkMode::Awsvpc {
            required.insert("ecs.capability.task-eni");
        }
        if self.pid_mode != PidMode::Container || self.ipc_mode != IpcMode::Engine {
            required.insert("ecs.capability.pid-ipc-namespace-sharing");
        }
        if any(|container| !container.secrets.is_empty()) {
            required.insert("ecs.capability.secrets.asm.environment-variables");
        }
        if any(|container| !container.environment_files.is_empty()) {
            required.insert("ecs.capability.env-files.s3");
        }
        if any(|container| !container.log_secrets.is_empty()) {
            required.insert("ecs.capability.secrets.asm.bootstrap.log-driver");
        }
        if any(|container| !container.files.is_empty()) {
            required.insert(FILES);
        }
        if any(Container::has_files_from_elsewhere) {
            required.insert("ecs.capability.secrets.asm.environment-variables");
        }
        if self.task_role.is_some() {
            required.insert("com.amazonaws.ecs.capability.task-iam-role");
        }
        if self
            .containers
            .iter()
            .any(|container| self.may_need_credentials(container))
        {
            required.insert("ecs.capability.private-registry-authentication.secretsmanager");
        }
        let fixed = required.into_iter().map(Cow::Borrowed);
        let volumes = self.volumes.iter().filter_map(Volume::plugin);
        let drivers = volumes.map(|driver| Cow::Owned(volumes::driver_attribute(driver)));
        fixed.chain(drivers).collect()
    }

    /// The engine's volume behind a volume of the task, where there is one.
    pub fn docker_volume(&self, name: &str) -> Option<&DockerVolume> {
        let mut volumes = self.volumes.iter();
        match &volumes.find(|volume| volume.name == name)?.kind {
            VolumeKind::Docker(volume) => Some(volume),
            VolumeKind::Host { .. } => None,
        }
    }

    /// Whether the image may have to be pulled by somebody in particular.
    fn may_need_credentials(&self, container: &Container) -> bool {
        container.repository_credentials.is_some() || !self.image_pull_secrets.is_empty()
    }

    /// Whether the broker has to be asked before the container is pulled and created.
    pub fn needs_supply(&self, container: &Container) -> bool {
        if container.is_pause() {
            return false;
        }
        !container.secrets.is_empty()
            || !container.environment_files.is_empty()
            || !container.log_secrets.is_empty()
            || container.has_files_from_elsewhere()
            || self.task_role.is_some()
            || self.may_need_credentials(container)
    }

    /// Whether an essential container has a health check, so that the task's health is ever known.
    pub fn has_health_check(&self) -> bool {
        self.containers
            .iter()
            .any(|container| container.essential && container.health_check.is_some())
    }
}

impl Container {
    /// MiB that placement counts for this container.
    pub fn reserved_memory(&self) -> u32 {
        self.memory_reservation
            .filter(|reservation| *reservation > 0)
            .or(self.memory)
            .unwrap_or(0)
    }

    /// Whether what stands in one of its files is not in the definition.
    fn has_files_from_elsewhere(&self) -> bool {
        let mut files = self.files.iter();
        files.any(|file| matches!(file.content, Content::From(_)))
    }

    /// How long the container may take between the stop signal and SIGKILL.
    pub fn stop_timeout(&self) -> Duration {
        self.stop_timeout.unwrap_or(DEFAULT_STOP_TIMEOUT)
    }
}
