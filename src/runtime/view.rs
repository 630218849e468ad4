//! What goes into an engine and comes out of it, in types of ours.
//!
//! They are lenient where they are read: a word that a newer engine says and we do not know becomes `Unknown`, and
//! never fails the whole answer.

use super::reference;
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Dns, Labels, Mount};
use crate::domain::definition::HealthCheck;
use crate::domain::definition::logs::LogConfiguration;
use crate::domain::definition::settings::{Link, Settings};
use crate::domain::definition::volumes::VolumesFrom;
use crate::domain::resources::{PIDS_PER_CONTAINER, Protocol};
use crate::domain::secret::Secret;
use crate::domain::task::Health;

/// All that a container is created from. What has no field here cannot reach the engine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContainerSpec {
    /// Unique within the engine.
    pub name: String,
    /// Image reference.
    pub image: String,
    /// Digest that the image must have, in its own repository.
    pub digest: Option<String>,
    /// Labels, ours and the user's.
    pub labels: Labels,
    /// Variables of the environment.
    pub environment: BTreeMap<String, String>,
    /// More of them, whose values nobody else may see.
    pub secrets: Secret<BTreeMap<String, String>>,
    /// Replaces the image's entry point.
    pub entry_point: Option<Vec<String>>,
    /// Replaces the image's command.
    pub command: Option<Vec<String>>,
    /// `user[:group]`.
    pub user: Option<String>,
    /// Working directory inside the container.
    pub working_directory: Option<String>,
    /// Relative weight of the CPU.
    pub cpu_shares: u32,
    /// Hard limit in MiB.
    pub memory: Option<u32>,
    /// Soft limit in MiB.
    pub memory_reservation: Option<u32>,
    /// Processes and threads.
    pub pids: Pids,
    /// Ports to publish on the instance.
    pub ports: Vec<Publish>,
    /// Whose network the container uses.
    pub network: Network,
    /// Whose processes it sees.
    pub pid: Namespace,
    /// Whose means of communication between processes it uses.
    pub ipc: Namespace,
    /// Name resolution inside the container; the engine's own when empty.
    pub dns: Dns,
    /// Without one the container has none, whatever its image says.
    pub health_check: Option<HealthCheck>,
    /// All the powers of the host.
    pub privileged: bool,
    /// What the engine carries out as it stands; its name resolution is in `dns`.
    pub settings: Settings,
    /// Containers, by their names in the engine, that this one reaches by name.
    pub links: Vec<Link>,
    /// Where its output goes; to the engine's own driver where it is not told.
    pub log: Option<LogConfiguration>,
    /// More options of its log driver, whose values nobody else may see.
    pub log_secrets: Secret<BTreeMap<String, String>>,
    /// What it has of the instance.
    pub mounts: Vec<Mount>,
    /// Containers, by their names in the engine, whose mounts it has too.
    pub volumes_from: Vec<VolumesFrom>,
    /// Contents of files that are written into it before it starts, by their absolute paths.
    pub files: BTreeMap<String, String>,
    /// Ids of the GPUs that it has.
    pub gpus: Vec<String>,
    /// GiB that it may write beside its image.
    pub disk: Option<u32>,
    /// The cgroup that its own is made in; the engine's default where it is not told.
    pub cgroup_parent: Option<String>,
    /// It sees the cgroups of the instance by their own names.
    pub host_cgroups: bool,
}

impl ContainerSpec {
    /// The image by its digest, where it must have a certain one.
    pub fn pinned(&self) -> Option<String> {
        reference::pinned(&self.image, self.digest.as_ref()?)
    }
}

/// Limit of the processes and threads of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pids(pub u32);

impl Default for Pids {
    fn default() -> Self {
        Self(PIDS_PER_CONTAINER)
    }
}

/// Whose network a container uses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Network {
    /// The engine's default bridge.
    #[default]
    Bridge,
    /// The instance's own.
    Host,
    /// That of the container with this name.
    Container(String),
    /// None.
    None,
}

/// Whose namespace a container uses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Namespace {
    /// As the engine is set up.
    #[default]
    Engine,
    /// Its own, which others may join.
    Shareable,
    /// That of the container with this name.
    Container(String),
    /// The instance's.
    Host,
    /// None.
    None,
}

/// A port to publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Publish {
    /// Port inside the container.
    pub container_port: u16,
    /// Port of the instance; 0 lets the engine choose.
    pub host_port: u16,
    /// TCP or UDP.
    pub protocol: Protocol,
}

/// What a create came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Created {
    /// A new container.
    New {
        /// Its id.
        id: String,
    },
    /// The name was taken: this is who has it. Look at the labels before taking it for one's own.
    AlreadyExists(Box<ContainerView>),
}

/// What a container does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContainerState {
    /// Never started, or its start failed.
    Created,
    /// Its processes run.
    Running,
    /// Its processes are frozen.
    Paused,
    /// The engine starts it again by itself; ours never are.
    Restarting,
    /// It ran and ended.
    Exited,
    /// It ended, and the engine failed to remove it.
    Dead,
    /// It is being removed.
    Removing,
    /// A word that we do not know: nothing may be concluded.
    Unknown,
}

impl ContainerState {
    /// Reads the engine's word.
    #[must_use]
    pub fn read(word: &str) -> Self {
        match word {
            "created" => Self::Created,
            "running" => Self::Running,
            "paused" => Self::Paused,
            "restarting" => Self::Restarting,
            "exited" | "stopped" => Self::Exited,
            "dead" => Self::Dead,
            "removing" => Self::Removing,
            _ => Self::Unknown,
        }
    }

    /// Whether processes of the container may run.
    #[must_use]
    pub const fn is_live(self) -> bool {
        match self {
            Self::Running | Self::Paused | Self::Restarting | Self::Unknown => true,
            Self::Created | Self::Exited | Self::Dead | Self::Removing => false,
        }
    }

    /// Whether the container ran and has ended.
    #[must_use]
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Exited | Self::Dead)
    }
}

/// One line of a list of containers: enough to see what changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerSummary {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Labels.
    pub labels: Labels,
    /// State.
    pub state: ContainerState,
    /// Health, as far as the list tells.
    pub health: Health,
    /// When it was created.
    pub created_at: Timestamp,
    /// Id of its image.
    pub image_id: String,
    /// The name of its image that it was created by; the id, where that name is another image's by now.
    pub image: String,
}

/// Variable of a container's environment that says where its metadata is.
pub const METADATA_VARIABLE: &str = "ECS_CONTAINER_METADATA_URI_V4";

/// The id by which a container asks, out of the value of [`METADATA_VARIABLE`].
pub(super) fn metadata_id(uri: &str) -> Option<String> {
    uri.rsplit_once('/').map(|(_, id)| id.to_owned())
}

/// All that is known of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerView {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Labels.
    pub labels: Labels,
    /// State.
    pub state: ContainerState,
    /// Of a container that has ended.
    pub exit_code: Option<i64>,
    /// The kernel killed it for its memory. Not reliable on cgroup v2.
    pub oom_killed: bool,
    /// Why the start failed.
    pub error: Option<String>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When it last started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Result of its health check.
    pub health: Health,
    /// By which it asks for its metadata: the end of [`METADATA_VARIABLE`] in its environment.
    pub metadata_id: Option<String>,
    /// Ports that are really bound.
    pub ports: Vec<PublishedPort>,
    /// IPv4 address on the engine's bridge, while it runs with a network of its own there.
    pub address: Option<String>,
    /// Id of the image, which is a digest of its configuration.
    pub image_id: Option<String>,
}

impl ContainerView {
    /// A container that was just created: nothing has happened to it yet.
    #[must_use]
    pub fn created(id: String, name: String) -> Self {
        Self {
            id,
            name,
            labels: Labels::new(),
            state: ContainerState::Created,
            exit_code: None,
            oom_killed: false,
            error: None,
            created_at: None,
            started_at: None,
            finished_at: None,
            health: Health::Unknown,
            metadata_id: None,
            ports: Vec::new(),
            address: None,
            image_id: None,
        }
    }
}

/// A port that the engine has bound.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublishedPort {
    /// Address on the instance.
    pub bind_ip: String,
    /// Port inside the container.
    pub container_port: u16,
    /// Port of the instance.
    pub host_port: u16,
    /// TCP or UDP.
    pub protocol: Protocol,
}

/// An image that the engine has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Id.
    pub id: String,
    /// Digest in the registry that it came from.
    pub digest: Option<String>,
}

/// One line of a list of images.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LocalImage {
    /// Id.
    pub id: String,
    /// Its names with a tag.
    pub tags: Vec<String>,
    /// Its names with a digest.
    pub digests: Vec<String>,
    /// Bytes on disk, counting layers that other images share.
    pub size: u64,
}

/// A sign of life of a pull.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PullProgress {
    /// In the engine's words.
    pub status: String,
    /// The layer that it is about.
    pub layer: Option<String>,
    /// Bytes of that layer that were downloaded, and all that there are.
    pub downloaded: Option<(u64, u64)>,
}

/// Something happened to a container: look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// Name of the container.
    pub container: String,
    /// What happened.
    pub activity: Activity,
}

/// What happened to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// It started.
    Started,
    /// It ended.
    Ended,
    /// It was removed.
    Removed,
    /// Its health changed.
    Health,
    /// Anything else.
    Other,
}
