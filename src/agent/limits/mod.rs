//! `cpu` and `memory` of a task: bounds of all its containers together, kept by a cgroup that theirs are made in.
//!
//! # Expected flow
//! The cgroups of an instance are where its engine is, and the agent need not be. So the [`hand`] makes them: a part of the
//! relay that the agent keeps on its engine. Before a container is created, and before each start, the agent asks for the
//! task's cgroup by the [`client`], and creates the container in it. Once nothing of a task lives, the agent has its cgroup removed.
//!
//! # Guarantees
//! No container of a task with bounds starts outside of them. Asking twice changes nothing, so that an agent may be killed
//! at any moment; what it forgot is seen in the next list of cgroups. One that still holds a container cannot be removed.
//!
//! # Assumptions
//! The relay's own cgroup is beside those of other containers, so that limits which hold for the engine as a whole, as for
//! that of an instance pod, hold for its tasks.

pub mod client;
pub mod hand;
mod quotas;
mod tree;

use serde::{Deserialize, Serialize};

pub use tree::Tree;

use crate::domain::definition::limits::TaskLimits;

/// Name of the Unix socket at which the hand is asked, beside that of the agent.
pub const SOCKET: &str = "limits.sock";

/// What the agent asks for: one line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// The cgroup of a task, with these bounds.
    Provide {
        /// Its id.
        task: String,
        /// Its bounds.
        limits: TaskLimits,
    },
    /// Whether the engine's file system has project quotas.
    Quotas,
    /// The tasks that have cgroups.
    List,
    /// That of a task of which nothing lives goes.
    Remove {
        /// Its id.
        task: String,
    },
}

/// What the hand answers: one line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The cgroup, as the engine calls it.
    Provided(String),
    /// Whether there are quotas.
    Quotas(bool),
    /// Ids of tasks.
    Tasks(Vec<String>),
    /// It is gone.
    Removed,
    /// It could not be done, for this reason.
    Failed(String),
}
