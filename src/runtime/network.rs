//! Networks of an engine.

use super::Labels;

/// All that a network of the engine's own kind (a bridge of its instance) is created from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkSpec {
    /// Unique within the engine.
    pub name: String,
    /// Addresses of the network, such as `169.254.170.0/30`.
    pub subnet: String,
    /// The instance's own address in it.
    pub gateway: String,
    /// Labels.
    pub labels: Labels,
}

/// Name resolution inside a container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dns {
    /// Addresses of the servers.
    pub servers: Vec<String>,
    /// Domains that short names are tried in.
    pub search: Vec<String>,
    /// Such as `ndots:5`.
    pub options: Vec<String>,
}
