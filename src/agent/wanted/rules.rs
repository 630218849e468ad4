//! What an agent is told once, for all of its tasks.

use crate::agent::dns::ClusterDns;
use crate::api::cluster::ImagePullBehavior;
use crate::domain::registry::ImagePattern;
use crate::domain::security::Profile;

/// What of the agent's settings concerns every task.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// Name of the container instance.
    pub instance: String,
    /// What tasks may ask of the engine.
    pub profile: Profile,
    /// When images are pulled.
    pub pull: ImagePullBehavior,
    /// The cluster's name resolution; the engine's own is used where it is not known.
    pub dns: Option<ClusterDns>,
    /// The engine's log driver for containers that name none.
    pub log_driver: String,
    /// Folder in which the engine keeps everything.
    pub engine_root: String,
    /// Image of pause containers.
    pub pause_image: String,
    /// Tasks can ask for their metadata.
    pub metadata: bool,
    /// The folder of all tasks' files, as the engine sees it; without one tasks get none.
    pub files: Option<String>,
    /// Images for which the broker may have credentials that no definition names.
    pub registry_access: Vec<ImagePattern>,
}
