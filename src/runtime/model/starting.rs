//! How a container of the model starts, and what stands in its way.

use jiff::Timestamp;

use super::{Deed, ModelEngine, missing};
use crate::domain::resources::HostPort;
use crate::domain::task::Health;
use crate::runtime::{Activity, ContainerState, Error, Network, PublishedPort};

impl ModelEngine {
    /// See [`super::Engine::start`]. Like Docker's it starts a container that has ended, too.
    pub fn start(&mut self, name: &str, now: Timestamp) -> Result<(), Error> {
        self.tick(now);
        let taken = self.ports();
        let live = self.live();
        let container = self.containers.get_mut(name).ok_or_else(|| missing(name))?;
        if container.view.state.is_live() {
            return Ok(());
        }
        let program = self
            .programs
            .get(&container.spec.image)
            .cloned()
            .unwrap_or_default();
        let wanted = container.spec.ports.iter();
        let clash = wanted
            .map(|publish| HostPort {
                protocol: publish.protocol,
                port: publish.host_port,
            })
            .find(|port| container.spec.network == Network::Bridge && taken.contains(port));
        let gone = match &container.spec.network {
            Network::Container(other) if !live.contains(other) => Some(format!(
                "cannot join network of a non running container: {other}"
            )),
            Network::Container(_) | Network::Bridge | Network::Host | Network::None => None,
        };
        let problem = program.start_error.or(gone).or_else(|| {
            clash.map(|port| {
                format!("driver failed programming external connectivity on endpoint {name}: Bind for 0.0.0.0:{} failed: port is already allocated", port.port)
            })
        });
        if let Some(message) = problem {
            container.view.error = Some(message.clone());
            return Err(Error::Refused {
                status: 500,
                message,
            });
        }
        let before = container.view.started_at.zip(container.view.finished_at);
        let deed = match before.zip(container.view.exit_code) {
            Some(((started, finished), code)) => Deed::StartedAgain {
                code,
                ran: finished.duration_since(started),
            },
            None => Deed::Started,
        };
        container.view.state = ContainerState::Running;
        container.view.started_at = Some(now);
        container.view.health = Health::Unknown;
        container.view.address = (container.spec.network == Network::Bridge)
            .then(|| format!("172.17.0.{}", container.number % 250 + 2));
        container.view.exit_code = None;
        container.view.finished_at = None;
        container.view.ports = container
            .spec
            .ports
            .iter()
            .map(|publish| PublishedPort {
                bind_ip: "0.0.0.0".to_owned(),
                container_port: publish.container_port,
                host_port: publish.host_port,
                protocol: publish.protocol,
            })
            .collect();
        container.ends = program
            .runs_for
            .and_then(|lifetime| Some((now.checked_add(lifetime).ok()?, program.exit_code)));
        self.happened(name, deed, Activity::Started);
        self.tick(now);
        Ok(())
    }
}
