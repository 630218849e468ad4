//! Dynamic host ports. The controller chooses them, because it is the only one that starts tasks.

use std::collections::BTreeSet;

use crate::domain::resources::{Demand, Held, HostPort};

/// The ports that tasks without a fixed one get: the dynamic range that ECS documents for instances whose own one is not
/// known.
const RANGE: std::ops::RangeInclusive<u16> = 49153..=65535;

/// Where it begins. Linux gives the ports below to outgoing connections, of which any may be in use at any moment without
/// that the controller could know.
const FIRST: u16 = 61000;

/// All of the range, those first that are likely to be free.
fn range() -> impl Iterator<Item = u16> {
    (FIRST..=*RANGE.end()).chain((*RANGE.start()..FIRST).rev())
}

/// Whether such a port can be chosen for a task.
pub(super) fn is_dynamic(port: HostPort) -> bool {
    RANGE.contains(&port.port)
}

/// One free port for each of the demand's dynamic ones: first among `preferred`, in their order, then the next free one.
pub(super) fn choose(
    held: &Held,
    demand: &Demand,
    preferred: impl Iterator<Item = HostPort> + Clone,
    unusable: &BTreeSet<HostPort>,
) -> Option<Vec<HostPort>> {
    let mut chosen: Vec<HostPort> = Vec::new();
    for protocol in &demand.dynamic_ports {
        let mut candidates = preferred
            .clone()
            .filter(|port| port.protocol == *protocol)
            .chain(range().map(|port| HostPort {
                protocol: *protocol,
                port,
            }));
        let port = candidates.find(|port| {
            !held.is_taken(*port)
                && !demand.ports.contains(port)
                && !chosen.contains(port)
                && !unusable.contains(port)
        })?;
        chosen.push(port);
    }
    Some(chosen)
}
