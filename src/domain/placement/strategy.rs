//! Which of the suitable instances is preferred (ECS Developer Guide, "Task placement strategies"). Strategies never keep
//! a task from being placed.
//!
//! Each one narrows the instances to those that it likes best, and the next one chooses among these. Example: two
//! instances in zone a, one in zone b, and a task of the service in each zone; `spread` over zones leaves all three, and
//! `binpack` on memory then takes the fullest of them. Where the strategies leave several, the one with the fewest tasks
//! is taken, of the group before of all, and then the first by name: the same world always gives the same answer.

use std::borrow::Cow;

use super::Instance;
use crate::domain::query;

/// Rules that a service or a task may have (ECS API Reference, `CreateService`).
pub const MAXIMUM_STRATEGIES: usize = 5;

/// Attribute with the availability zone of an instance.
pub const ZONE: &str = "ecs.availability-zone";

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Strategy {
    /// Any of them.
    Random,
    /// The value with the fewest tasks of the group.
    Spread(Spread),
    /// The instance with the least of this left.
    Binpack(Packed),
}

/// Over what tasks are spread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spread {
    /// Instances.
    Instance,
    /// Values of this attribute; the instances without it count as one more value.
    Attribute(String),
}

/// What is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packed {
    /// CPU units.
    Cpu,
    /// MiB of memory.
    Memory,
}

impl Spread {
    /// Reads `instanceId`, `host` or `attribute:NAME`; only the attribute's name depends on capitals.
    pub fn parse(field: &str) -> Option<Self> {
        if ["instanceId", "host"]
            .iter()
            .any(|known| field.eq_ignore_ascii_case(known))
        {
            return Some(Self::Instance);
        }
        let (prefix, name) = field.split_once(':')?;
        (prefix.eq_ignore_ascii_case("attribute") && query::is_attribute_name(name))
            .then(|| Self::Attribute(name.to_owned()))
    }
}

impl Packed {
    /// Reads `cpu` or `memory`, in small letters or capitals.
    pub fn parse(field: &str) -> Option<Self> {
        if field.eq_ignore_ascii_case("cpu") {
            Some(Self::Cpu)
        } else if field.eq_ignore_ascii_case("memory") {
            Some(Self::Memory)
        } else {
            None
        }
    }

    /// How much of it an instance has left.
    pub fn left(self, instance: &Instance) -> u64 {
        let (offered, held) = match self {
            Self::Cpu => (instance.capacity.cpu, instance.held.cpu),
            Self::Memory => (instance.capacity.memory, instance.held.memory),
        };
        u64::from(offered).saturating_sub(held)
    }
}

/// The strategies that a request is placed by. Without any, tasks are spread over zones and then over instances
/// ("Default placement strategy").
pub(super) fn or_default(given: &[Strategy]) -> Cow<'_, [Strategy]> {
    if given.is_empty() {
        Cow::Owned(vec![
            Strategy::Spread(Spread::Attribute(ZONE.to_owned())),
            Strategy::Spread(Spread::Instance),
        ])
    } else {
        Cow::Borrowed(given)
    }
}

/// What decides which instance `random` takes: the one whose lot is the lowest. Seed and name give it together, so that
/// a seed draws the same instance for as long as that one is suitable.
pub(super) const fn lot(seed: u64, name: u64) -> u64 {
    // The finalizer of SplitMix64, which spreads every bit of its argument over all of the result.
    let mixed = (seed ^ name).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
