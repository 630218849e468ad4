//! `FireLens`: a container of the task routes what the others write, by a configuration that is made from the task definition
//! (ECS Developer Guide, "Send Amazon ECS logs to an AWS service or AWS Partner").

mod configuration;

use std::collections::BTreeMap;

pub use configuration::Facts;

use super::logs::LogDriver;
use super::volumes::{DockerVolume, MountPoint, Volume, VolumeKind};
use super::{Condition, Container, Dependency, TaskDefinition};

/// The volume of a task in which router and engine meet. Its dot breaks ECS's rule for names, so that no volume of a user has
/// it, and is nothing to Docker.
pub const ROUTER_VOLUME: &str = "ecs.firelens";

/// Where the router has that volume, as with ECS.
const ROUTER_FOLDER: &str = "/var/run";

/// Name of the Unix socket in it.
pub const ROUTER_SOCKET: &str = "fluent.sock";

/// Where routers listen besides.
pub const ROUTER_PORT: u16 = 24224;

/// A container that routes what the others of its task write (`firelensConfiguration`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Router {
    /// What it runs.
    pub kind: RouterKind,
    /// `enable-ecs-log-metadata`, `config-file-type` and `config-file-value`.
    pub options: BTreeMap<String, String>,
}

/// Log routers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouterKind {
    /// Fluentd.
    Fluentd,
    /// Fluent Bit.
    FluentBit,
}

impl RouterKind {
    /// Attribute of instances whose agent can configure it.
    pub const fn attribute(self) -> &'static str {
        match self {
            Self::Fluentd => "ecs.capability.firelens.fluentd",
            Self::FluentBit => "ecs.capability.firelens.fluentbit",
        }
    }

    /// Where it reads its configuration.
    pub const fn configuration_file(self) -> &'static str {
        match self {
            Self::Fluentd => "/fluentd/etc/fluent.conf",
            Self::FluentBit => "/fluent-bit/etc/fluent-bit.conf",
        }
    }
}

impl Router {
    /// Whether each record says which task it is from; so it is unless it is told otherwise.
    fn adds_metadata(&self) -> bool {
        self.options
            .get("enable-ecs-log-metadata")
            .map(String::as_str)
            != Some("false")
    }

    /// A file in its image that is a part of its configuration.
    fn included(&self) -> Option<&str> {
        self.options.get("config-file-value").map(String::as_str)
    }
}

impl TaskDefinition {
    /// The container that routes the others' logs, where there is one.
    pub fn router(&self) -> Option<(&Container, &Router)> {
        let mut containers = self.containers.iter();
        containers.find_map(|container| Some((container, container.router.as_ref()?)))
    }

    /// The definition with what `FireLens` brings: containers that log to the router start after it and end before it.
    #[must_use]
    pub fn with_routed_logs(mut self) -> Self {
        let Some(router) = self.router().map(|(router, _)| router.name.clone()) else {
            return self;
        };
        for container in &mut self.containers {
            if container.is_routed() && container.name != router && !container.depends_on(&router) {
                container.depends_on.push(Dependency {
                    container: router.clone(),
                    condition: Condition::Start,
                });
            }
        }
        self
    }

    /// The same as an agent runs it: with the volume in which router and engine meet.
    #[must_use]
    pub fn with_router_volume(mut self) -> Self {
        let Some(router) = self.containers.iter_mut().find(|it| it.router.is_some()) else {
            return self;
        };
        router.mount_points.push(MountPoint {
            volume: ROUTER_VOLUME.to_owned(),
            path: ROUTER_FOLDER.to_owned(),
            read_only: false,
        });
        self.volumes.push(Volume {
            name: ROUTER_VOLUME.to_owned(),
            kind: VolumeKind::Docker(DockerVolume::default()),
        });
        self
    }
}

impl Container {
    /// Whether the task's router takes its output.
    pub fn is_routed(&self) -> bool {
        self.log
            .as_ref()
            .is_some_and(|log| log.driver == LogDriver::Firelens)
    }
}
