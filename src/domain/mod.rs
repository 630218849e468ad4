//! What ECS decides, as pure functions: no I/O, no clock, no Kubernetes, no Docker.
//!
//! Every decision takes what was observed (and the time, where it matters) and returns data: a plan, a
//! placement, a verdict, a text. The shells in [`crate::controllers`] and [`crate::agent`] observe, ask here,
//! and carry out what they were told.

pub mod definition;
pub mod engines;
pub mod events;
pub mod fields;
pub mod fleet;
pub mod ids;
pub mod liveness;
pub mod placement;
pub mod pulls;
pub mod query;
pub mod registry;
pub mod resources;
pub mod secret;
pub mod security;
pub mod service;
pub mod supply;
pub mod task;
pub mod traffic;
