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

/// Free ports for the demand's dynamic ones: first among `preferred`, in their order, then the next free one; for a range
/// of ports the first place where as many are free one after the other.
pub(super) fn choose(
    held: &Held,
    demand: &Demand,
    preferred: impl Iterator<Item = HostPort> + Clone,
    unusable: &BTreeSet<HostPort>,
) -> Option<Vec<HostPort>> {
    let mut chosen: Vec<HostPort> = Vec::new();
    while let Some(&protocol) = demand.dynamic_ports.get(chosen.len()) {
        let following = (chosen.len() + 1..).take_while(|index| demand.following.contains(index));
        let last = u16::try_from(following.count()).ok()?;
        let is_free = |port: u16| {
            let port = HostPort { protocol, port };
            !held.is_taken(port)
                && !demand.ports.contains(&port)
                && !chosen.contains(&port)
                && !unusable.contains(&port)
        };
        let mut candidates = preferred
            .clone()
            .filter(|port| port.protocol == protocol)
            .map(|port| port.port)
            .chain(range());
        let first = candidates.find(|first| {
            let last = first.checked_add(last);
            last.is_some_and(|last| (*first..=last).all(is_free))
        })?;
        let ports = (first..=first + last).map(|port| HostPort { protocol, port });
        chosen.extend(ports);
    }
    Some(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::resources::Protocol;

    fn tcp(port: u16) -> HostPort {
        HostPort {
            protocol: Protocol::Tcp,
            port,
        }
    }

    fn chosen(taken: &[u16], singles: usize, length: usize) -> Option<Vec<u16>> {
        let mut held = Held::default();
        held.ports.extend(taken.iter().map(|port| (tcp(*port), 1)));
        let demand = Demand {
            dynamic_ports: vec![Protocol::Tcp; singles + length],
            following: (singles + 1..singles + length).collect(),
            ..Demand::default()
        };
        let ports = choose(&held, &demand, std::iter::empty(), &BTreeSet::new())?;
        Some(ports.into_iter().map(|port| port.port).collect())
    }

    #[test]
    fn a_range_gets_the_first_place_with_enough_ports_in_a_row() {
        assert_eq!(chosen(&[], 1, 3), Some(vec![61000, 61001, 61002, 61003]));
        assert_eq!(
            chosen(&[61002], 1, 3),
            Some(vec![61000, 61003, 61004, 61005])
        );
    }

    #[test]
    fn a_range_that_fits_nowhere_is_told_and_none_goes_beyond_the_last_port() {
        let every_third: Vec<u16> = (49153..=65535).step_by(3).collect();
        assert_eq!(chosen(&every_third, 0, 3), None);
        assert!(chosen(&every_third, 0, 2).is_some());
        let all_but_the_last: Vec<u16> = (49153..=65534).collect();
        assert_eq!(chosen(&all_but_the_last, 0, 2), None);
    }
}
