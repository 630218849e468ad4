//! Why a task found no instance, in ECS's words.

use std::collections::BTreeMap;
use std::fmt;

use crate::domain::resources::Shortage;

/// Why one instance cannot take a task, the nearest miss last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unsuitable {
    /// The instance is DRAINING.
    Draining,
    /// Its agent or engine is not heard.
    Agent,
    /// Too little CPU left.
    Cpu,
    /// Too little memory left.
    Memory,
    /// Too few process ids left.
    Pids,
    /// A host port is taken.
    Ports,
    /// It lacks an attribute, such as the capability for a setting.
    Attribute,
    /// It does not satisfy the expression of a `memberOf` constraint.
    MemberOf,
    /// It has a task of the group already, and the tasks are to be on distinct instances.
    DistinctInstance,
    /// The instance itself refused this task.
    Refused,
}

impl Unsuitable {
    /// ECS's code, as `RunTask`'s `failures[].reason` gives it; of a constraint its type.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Draining => "DRAINING",
            Self::Agent => "AGENT",
            Self::Cpu => "RESOURCE:CPU",
            Self::Memory => "RESOURCE:MEMORY",
            Self::Pids => "RESOURCE:PIDS",
            Self::Ports => "RESOURCE:PORTS",
            Self::Attribute => "ATTRIBUTE",
            Self::MemberOf => "MemberOf",
            Self::DistinctInstance => "DistinctInstance",
            Self::Refused => "REFUSED",
        }
    }

    /// What ECS says of the closest instance.
    const fn sentence(self) -> &'static str {
        match self {
            Self::Draining => "is draining",
            Self::Agent => "doesn't have the agent connected",
            Self::Cpu => "has insufficient CPU units available",
            Self::Memory => "has insufficient memory available",
            Self::Pids => "has insufficient process ids available",
            Self::Ports => "is already using a port required by your task",
            Self::Attribute => "is missing an attribute required by your task",
            Self::MemberOf => "encountered error \"MemberOf placement constraint unsatisfied.\"",
            Self::DistinctInstance => {
                "encountered error \"DistinctInstance placement constraint unsatisfied.\""
            }
            Self::Refused => "refused this task: its events say why",
        }
    }
}

impl From<Shortage> for Unsuitable {
    fn from(shortage: Shortage) -> Self {
        match shortage {
            Shortage::Cpu => Self::Cpu,
            Shortage::Memory => Self::Memory,
            Shortage::Pids => Self::Pids,
            Shortage::Ports => Self::Ports,
        }
    }
}

/// For each instance why it could not take a task. Its text is the tail of ECS's service event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// By name of the instance.
    pub instances: Vec<(String, Unsuitable)>,
}

impl Explanation {
    pub(super) fn new(mut instances: Vec<(String, Unsuitable)>) -> Self {
        instances.sort();
        Self { instances }
    }

    /// The instance that came closest, and what it lacks.
    pub fn closest(&self) -> Option<(&str, Unsuitable)> {
        self.instances
            .iter()
            .max_by(|(a, why_a), (b, why_b)| why_a.cmp(why_b).then_with(|| b.cmp(a)))
            .map(|(name, why)| (name.as_str(), *why))
    }

    /// How many instances lack what.
    pub fn counts(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for (_, why) in &self.instances {
            *counts.entry(why.code()).or_default() += 1;
        }
        counts
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((name, why)) = self.closest() else {
            return f.write_str("Reason: No Container Instances were found in your cluster.");
        };
        write!(
            f,
            "The closest matching (container-instance {name}) {}.",
            why.sentence()
        )?;
        let counts: Vec<String> = self
            .counts()
            .into_iter()
            .map(|(code, count)| format!("{code} on {count}"))
            .collect();
        write!(
            f,
            " Of {} instances: {}.",
            self.instances.len(),
            counts.join(", ")
        )
    }
}
