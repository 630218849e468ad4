//! Whose namespaces each container of a task uses, and where its ports are published.

use super::Wanted;
use crate::domain::definition::namespaces::PAUSE;
use crate::domain::definition::{Container, IpcMode, NetworkMode, PidMode};
use crate::runtime::{Namespace, Network, Publish};

impl Wanted {
    /// Whose network `container` uses. A pause container is on a bridge only where it holds the task's address.
    pub(in crate::agent) fn network(&self, container: &Container) -> Network {
        match self.definition.network_mode {
            NetworkMode::Awsvpc if container.is_pause() => Network::Bridge,
            NetworkMode::Awsvpc => Network::Container(self.engine_name(PAUSE)),
            NetworkMode::Bridge | NetworkMode::Host if container.is_pause() => Network::None,
            NetworkMode::Bridge => Network::Bridge,
            NetworkMode::Host => Network::Host,
            NetworkMode::None => Network::None,
        }
    }

    /// Whether name resolution is set up in `container`: it is shared with the network.
    pub(super) fn has_own_network(&self, container: &Container) -> bool {
        match self.network(container) {
            Network::Bridge | Network::Host => true,
            Network::Container(_) | Network::None => false,
        }
    }

    /// Ports to publish on `container`. Those of a shared network are published on the pause container, which holds it.
    pub(super) fn published(&self, container: &Container) -> Vec<Publish> {
        let publishes = |container: &Container| -> Vec<Publish> {
            let mappings = container.port_mappings.iter();
            mappings
                .map(|mapping| self.publish(container, *mapping))
                .collect()
        };
        match self.definition.network_mode {
            NetworkMode::Awsvpc if container.is_pause() => self
                .definition
                .own_containers()
                .flat_map(publishes)
                .collect(),
            NetworkMode::Awsvpc | NetworkMode::None => Vec::new(),
            NetworkMode::Bridge | NetworkMode::Host => publishes(container),
        }
    }

    /// Whose processes `container` sees.
    pub(super) fn pid(&self, container: &Container) -> Namespace {
        match self.definition.pid_mode {
            PidMode::Task if !container.is_pause() => Namespace::Container(self.engine_name(PAUSE)),
            PidMode::Host if !container.is_pause() => Namespace::Host,
            PidMode::Task | PidMode::Host | PidMode::Container => Namespace::Engine,
        }
    }

    /// Whose shared memory, semaphores and queues `container` uses.
    pub(super) fn ipc(&self, container: &Container) -> Namespace {
        match self.definition.ipc_mode {
            IpcMode::Task if container.is_pause() => Namespace::Shareable,
            IpcMode::Task => Namespace::Container(self.engine_name(PAUSE)),
            IpcMode::Host if !container.is_pause() => Namespace::Host,
            IpcMode::None if !container.is_pause() => Namespace::None,
            IpcMode::Host | IpcMode::None | IpcMode::Engine => Namespace::Engine,
        }
    }
}
