//! What comes back into the driver's loop from the work that it started beside it.

use super::api::{Failure, Found};
use super::cleanup::Look;
use crate::agent::broker;
use crate::agent::step::{Outcome, VolumeOutcome};
use crate::agent::task::CheckOrder;
use crate::api::task::EcsTaskStatus;
use crate::domain::secret::Secret;
use crate::domain::traffic::check;
use crate::runtime::{ContainerSummary, Error as EngineError, VolumeView};

/// What work that ran beside the loop came to.
pub(super) enum Done {
    Call {
        uid: String,
        container: String,
        outcome: Outcome,
    },
    Listed {
        began: u64,
        lines: Result<Vec<ContainerSummary>, EngineError>,
    },
    VolumesListed {
        began: u64,
        volumes: Result<Vec<VolumeView>, EngineError>,
    },
    Volume {
        uid: String,
        volume: String,
        engine_name: String,
        outcome: VolumeOutcome,
    },
    Bounded(Result<Vec<String>, EngineError>),
    Unbounded,
    Definition {
        key: (String, String),
        found: Result<Found, Failure>,
    },
    /// A pull may still run: time to tell how far it is, for the `times`th time.
    Pulling {
        uid: String,
        container: String,
        times: usize,
    },
    /// Another token of a task's role was asked for.
    Renewed {
        uid: String,
        renewed: Result<Secret<String>, broker::Error>,
    },
    ImagesListed(Look),
    ImagesRemoved,
    /// A target was checked.
    Checked {
        uid: String,
        order: CheckOrder,
        answer: Result<(), check::Failure>,
    },
    /// Somebody looked at a task's connections: whether none was left.
    Connections {
        uid: String,
        none: bool,
    },
    Wrote {
        uid: String,
        status: Box<EcsTaskStatus>,
        result: Result<(), Failure>,
    },
}
