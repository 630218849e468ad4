//! The ports of a task that are reached through Kubernetes Services.

use crate::api::parse;
use crate::api::task::{EcsTask, TaskLoadBalancer};
use crate::domain::resources::Protocol;

/// A port of the task that gets requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// As the task names it.
    pub spec: TaskLoadBalancer,
    /// Port on which its container listens.
    pub container_port: u16,
    /// TCP or UDP.
    pub protocol: Protocol,
}

impl Target {
    /// The port with its protocol.
    #[must_use]
    pub const fn port(&self) -> (u16, Protocol) {
        (self.container_port, self.protocol)
    }
}

/// Those of a task, in the order in which it names them.
#[must_use]
pub(super) fn targets(task: &EcsTask) -> Vec<Target> {
    let extensions = task.spec.extensions.iter();
    let all = extensions.flat_map(|extensions| extensions.load_balancers.iter());
    all.filter_map(|spec| {
        Some(Target {
            container_port: spec.container_port.try_into().ok()?,
            protocol: parse::protocol(Some(spec.protocol)),
            spec: spec.clone(),
        })
    })
    .collect()
}
