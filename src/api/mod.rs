//! The custom resources: what people write, what the controller and the agents report, and the way from there into
//! [`crate::domain`].

pub mod bounded;
pub mod capacity_provider;
pub mod cluster;
pub mod conditions;
pub mod container_instance;
pub mod crds;
pub mod names;
mod overrides;
pub mod parse;
pub mod reading;
pub mod service;
pub mod shapes;
pub mod streams;
pub mod supply;
pub mod tags;
pub mod target_group;
pub mod task;
pub mod task_definition;
mod words;
