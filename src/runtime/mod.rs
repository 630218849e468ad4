//! Containers as the agent sees them: one [`Engine`] trait, the Docker Engine behind it, and a model of one.
//!
//! The promise of every implementation: an answer is what the engine said. Where the engine could not be asked, or
//! did not answer in time, the error says so ([`Error::is_unknown`]), and nobody may conclude anything from it.

#[cfg(any(test, feature = "testing"))]
pub mod contract;
pub mod docker;
#[cfg(any(test, feature = "testing"))]
pub mod fake;
mod info;
#[cfg(any(test, feature = "testing"))]
pub mod model;
mod network;
mod reference;
pub mod streams;
mod view;
mod volume;

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::BoxStream;

pub use info::{DiskLimits, EngineInfo};
pub use network::{Dns, NetworkSpec};
pub use reference::full_reference;
pub use view::{
    Activity, ContainerSpec, ContainerState, ContainerSummary, ContainerView, Created, Hint, Image,
    LocalImage, METADATA_VARIABLE, Namespace, Network, Pids, Publish, PublishedPort, PullProgress,
};

pub use volume::{Mount, VolumeSpec, VolumeView};

use crate::domain::registry::Credentials;

/// Labels of a container, or those that a container must have.
pub type Labels = BTreeMap<String, String>;

/// An archive of images, in parts, as it is read.
pub type Archive = BoxStream<'static, std::io::Result<bytes::Bytes>>;

/// What a call to the engine comes to.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, Error>>;

/// One container engine. Every call has a deadline of its own, so that one hung container stops nothing else.
///
/// **Guarantees.** `create` is an atomic test-and-set by name. `start`, `stop` and `remove` succeed when what they
/// ask for is already so. A call that is dropped, or whose answer is lost, may still take effect.
pub trait Engine: Send + Sync {
    /// Which engine this is and what it offers.
    fn info(&self) -> Answer<'_, EngineInfo>;

    /// Whether the engine answers, within two seconds.
    fn ping(&self) -> Answer<'_, ()>;

    /// All containers that carry `labels`, whatever their state.
    fn list<'a>(&'a self, labels: &'a Labels) -> Answer<'a, Vec<ContainerSummary>>;

    /// All there is to know of the container called `name`.
    fn inspect<'a>(&'a self, name: &'a str) -> Answer<'a, ContainerView>;

    /// Creates a container, or says what stands under its name already.
    fn create<'a>(&'a self, spec: &'a ContainerSpec) -> Answer<'a, Created>;

    /// Starts a container that was created.
    fn start<'a>(&'a self, name: &'a str) -> Answer<'a, ()>;

    /// Writes a file into a container, over one that is there; folders are made as needed.
    fn write_file<'a>(&'a self, name: &'a str, path: &'a str, content: &'a str) -> Answer<'a, ()>;

    /// Sends the stop signal, and SIGKILL after `grace`; answers when the container has ended.
    fn stop<'a>(&'a self, name: &'a str, grace: Duration) -> Answer<'a, ()>;

    /// Sends SIGKILL.
    fn kill<'a>(&'a self, name: &'a str) -> Answer<'a, ()>;

    /// Removes a container that does not run, and its anonymous volumes.
    fn remove<'a>(&'a self, name: &'a str) -> Answer<'a, ()>;

    /// Pulls an image, as whoever the credentials name. The stream ends after the last layer, or with an error; silence
    /// is an error too.
    fn pull<'a>(
        &'a self,
        image: &'a str,
        credentials: Option<&'a Credentials>,
    ) -> BoxStream<'a, Result<PullProgress, Error>>;

    /// The image of this name that the engine has, if it has one.
    fn image<'a>(&'a self, image: &'a str) -> Answer<'a, Option<Image>>;

    /// Makes a network, unless there is one of its name.
    fn provide_network<'a>(&'a self, spec: &'a NetworkSpec) -> Answer<'a, ()>;

    /// Creates a volume, or shows the one that has its name: look at the labels before taking it for one's own.
    fn create_volume<'a>(&'a self, spec: &'a VolumeSpec) -> Answer<'a, VolumeView>;

    /// The volume of this name, if there is one.
    fn volume<'a>(&'a self, name: &'a str) -> Answer<'a, Option<VolumeView>>;

    /// All volumes that carry `labels`.
    fn list_volumes<'a>(&'a self, labels: &'a Labels) -> Answer<'a, Vec<VolumeView>>;

    /// Removes a volume that no container has.
    fn remove_volume<'a>(&'a self, name: &'a str) -> Answer<'a, ()>;

    /// Takes in an image called `image` out of an archive as `docker save` writes it.
    fn load<'a>(&'a self, image: &'a str, archive: Archive) -> Answer<'a, ()>;
    /// All images that the engine has, but for layers that only other images use.
    fn images(&self) -> Answer<'_, Vec<LocalImage>>;

    /// Takes one name from an image, and removes the image with its last. Never by force: the last name of an image that
    /// a container uses is a conflict.
    fn remove_image<'a>(&'a self, reference: &'a str) -> Answer<'a, ()>;

    /// What happens to containers that carry `labels`, from now on. Hints only: some get lost, so list as well.
    fn events<'a>(&'a self, labels: &'a Labels) -> BoxStream<'a, Result<Hint, Error>>;
}

/// Why the engine did not do what it was asked, sorted by what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The engine says that there is no such container or image.
    #[error("{message}")]
    NotFound {
        /// In the engine's words.
        message: String,
    },
    /// The engine says that the present state forbids it, such as removing a container that runs.
    #[error("{message}")]
    Conflict {
        /// In the engine's words.
        message: String,
    },
    /// Nobody answered: no socket, connection refused or broken. What was asked may have been done.
    #[error("the container engine cannot be reached: {message}")]
    Unreachable {
        /// What the operating system said.
        message: String,
        /// There is no socket at all.
        no_socket: bool,
    },
    /// No answer in time. What was asked may be done at any later moment.
    #[error("no answer within {after:?}")]
    Timeout {
        /// The deadline that passed.
        after: Duration,
    },
    /// The engine refused, for a reason of its own.
    #[error("{message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// In the engine's words.
        message: String,
    },
}

impl Error {
    /// Whether nothing is known: the call may or may not have had its effect, so look before acting.
    #[must_use]
    pub const fn is_unknown(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } => true,
            Self::NotFound { .. } | Self::Conflict { .. } | Self::Refused { .. } => false,
        }
    }

    /// One word for metrics.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "NotFound",
            Self::Conflict { .. } => "Conflict",
            Self::Unreachable { .. } => "Unreachable",
            Self::Timeout { .. } => "Timeout",
            Self::Refused { .. } => "Refused",
        }
    }
}
