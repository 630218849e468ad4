//! Amazon ECS semantics inside any Kubernetes cluster.
//!
//! Read [`domain`] for what ECS decides, [`api`] for what people write, [`controllers`] and [`agent`] for who carries it
//! out, [`runtime`] for the Docker Engine, and [`broker`] for who may read secrets.

pub mod agent;
pub mod api;
pub mod broker;
pub mod cli;
pub mod controllers;
pub mod domain;
pub mod gateway;
pub mod platform;
pub mod runtime;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
