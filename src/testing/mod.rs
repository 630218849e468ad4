//! What tests stand on: an in-memory Kubernetes API server for the real client, and a seeded simulator.

pub mod api;
pub mod broker;
pub mod rights;
pub mod simulator;
