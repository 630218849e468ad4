//! What a task takes from an instance, and what an instance has left.
//!
//! The same arithmetic is used by the controller when it places and by the agent when it admits, so that the
//! two can never disagree (ECS Developer Guide, "Container instance registered resources").

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// CPU units of one virtual CPU.
pub const CPU_UNITS_PER_CORE: u32 = 1024;

/// Process ids that each container may use, and that placement therefore reserves for it.
pub const PIDS_PER_CONTAINER: u32 = 1024;

/// Host ports that are never given to tasks: ssh, the Docker Engine's, and the agent's (ECS reserves the same).
pub const RESERVED_TCP_PORTS: [u16; 5] = [22, 2375, 2376, 51678, 51679];

/// Transport protocol of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP, ECS's default.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// ECS's and Docker's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// A port of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    /// TCP and UDP ports are separate resources.
    pub protocol: Protocol,
    /// 1 to 65535.
    pub port: u16,
}

/// What one task takes from its instance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Demand {
    /// CPU units; 0 always fits.
    pub cpu: u32,
    /// MiB.
    pub memory: u32,
    /// Process ids.
    pub pids: u32,
    /// GPUs, each as a whole.
    pub gpus: u32,
    /// Host ports named by the definition.
    pub ports: BTreeSet<HostPort>,
    /// Host ports that the placer chooses.
    pub dynamic_ports: Vec<Protocol>,
    /// Those of them, by index, that must be the port after the one before: what a range of container ports gets.
    pub following: BTreeSet<usize>,
}

/// What an instance offers in all (`registeredResources`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capacity {
    /// CPU units.
    pub cpu: u32,
    /// MiB.
    pub memory: u32,
    /// Process ids.
    pub pids: u32,
    /// GPUs.
    pub gpus: u32,
}

/// A resource that a task needs more of than an instance has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shortage {
    /// `RESOURCE:CPU`
    Cpu,
    /// `RESOURCE:MEMORY`
    Memory,
    /// `RESOURCE:PIDS` (an addition: ECS leaves the engine to fail).
    Pids,
    /// `RESOURCE:GPU`
    Gpus,
    /// `RESOURCE:PORTS`
    Ports,
}

/// What the tasks of one instance hold. A task holds until its containers are gone, not merely told to stop.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Held {
    /// CPU units.
    pub cpu: u64,
    /// MiB.
    pub memory: u64,
    /// Process ids.
    pub pids: u64,
    /// GPUs.
    pub gpus: u64,
    /// Host ports, chosen or named, and how many tasks hold each: one that was bound by a person may collide.
    pub ports: BTreeMap<HostPort, u32>,
}

impl Held {
    /// Adds a task with the host ports that were chosen for it.
    pub fn take(&mut self, demand: &Demand, chosen: impl IntoIterator<Item = HostPort>) {
        self.cpu += u64::from(demand.cpu);
        self.memory += u64::from(demand.memory);
        self.pids += u64::from(demand.pids);
        self.gpus += u64::from(demand.gpus);
        for port in demand.ports.iter().copied().chain(chosen) {
            *self.ports.entry(port).or_default() += 1;
        }
    }

    /// Takes away what [`Held::take`] added.
    pub fn give_back(&mut self, demand: &Demand, chosen: impl IntoIterator<Item = HostPort>) {
        self.cpu = self.cpu.saturating_sub(demand.cpu.into());
        self.memory = self.memory.saturating_sub(demand.memory.into());
        self.pids = self.pids.saturating_sub(demand.pids.into());
        self.gpus = self.gpus.saturating_sub(demand.gpus.into());
        for port in demand.ports.iter().copied().chain(chosen) {
            if let Entry::Occupied(mut holders) = self.ports.entry(port) {
                *holders.get_mut() -= 1;
                if *holders.get() == 0 {
                    holders.remove();
                }
            }
        }
    }

    /// The first resource that is short for `demand`, or `None` when it fits.
    pub fn shortage(&self, capacity: Capacity, demand: &Demand) -> Option<Shortage> {
        let fits =
            |held: u64, wanted: u32, capacity: u32| held + u64::from(wanted) <= u64::from(capacity);
        if demand.cpu > 0 && !fits(self.cpu, demand.cpu, capacity.cpu) {
            Some(Shortage::Cpu)
        } else if !fits(self.memory, demand.memory, capacity.memory) {
            Some(Shortage::Memory)
        } else if !fits(self.pids, demand.pids, capacity.pids) {
            Some(Shortage::Pids)
        } else if demand.gpus > 0 && !fits(self.gpus, demand.gpus, capacity.gpus) {
            Some(Shortage::Gpus)
        } else if demand.ports.iter().any(|port| self.is_taken(*port)) {
            Some(Shortage::Ports)
        } else {
            None
        }
    }

    /// Whether a task or the instance itself uses this port.
    pub fn is_taken(&self, port: HostPort) -> bool {
        self.ports.contains_key(&port)
            || (port.protocol == Protocol::Tcp && RESERVED_TCP_PORTS.contains(&port.port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Capacity = Capacity {
        cpu: 1024,
        memory: 512,
        pids: 4096,
        gpus: 0,
    };

    fn demand(cpu: u32, memory: u32) -> Demand {
        Demand {
            cpu,
            memory,
            pids: 1,
            ..Demand::default()
        }
    }

    #[test]
    fn a_task_without_cpu_always_fits_on_cpu() {
        let mut held = Held::default();
        held.take(&demand(4096, 1), []);
        assert_eq!(held.shortage(SMALL, &demand(0, 1)), None);
        assert_eq!(held.shortage(SMALL, &demand(1, 1)), Some(Shortage::Cpu));
    }

    #[test]
    fn a_gpu_is_held_as_a_whole_and_what_needs_none_fits_where_there_is_none() {
        let wants = |gpus| Demand {
            gpus,
            ..demand(0, 1)
        };
        let mut held = Held::default();
        assert_eq!(held.shortage(SMALL, &wants(0)), None);
        assert_eq!(held.shortage(SMALL, &wants(1)), Some(Shortage::Gpus));
        let two = Capacity { gpus: 2, ..SMALL };
        held.take(&wants(1), []);
        assert_eq!(held.shortage(two, &wants(1)), None);
        assert_eq!(held.shortage(two, &wants(2)), Some(Shortage::Gpus));
        held.give_back(&wants(1), []);
        assert_eq!(held.shortage(two, &wants(2)), None);
    }

    #[test]
    fn tcp_and_udp_ports_do_not_collide_and_reserved_ports_are_refused() {
        let port = |protocol, port| HostPort { protocol, port };
        let mut held = Held::default();
        held.take(&demand(0, 1), [port(Protocol::Tcp, 80)]);
        let wants = |p| Demand {
            ports: [p].into(),
            ..Demand::default()
        };
        assert_eq!(
            held.shortage(SMALL, &wants(port(Protocol::Tcp, 80))),
            Some(Shortage::Ports)
        );
        assert_eq!(held.shortage(SMALL, &wants(port(Protocol::Udp, 80))), None);
        assert_eq!(
            held.shortage(SMALL, &wants(port(Protocol::Tcp, 22))),
            Some(Shortage::Ports)
        );
    }
}
