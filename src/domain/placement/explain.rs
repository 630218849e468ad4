//! Why a task found no instance, in ECS's words.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::suits::missing;
use super::{Instance, Request};
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
    /// Too few GPUs left, or none at all.
    Gpus,
    /// A host port is taken.
    Ports,
    /// It lacks an attribute, such as the capability for a setting.
    Attribute,
    /// It does not satisfy the expression of a `memberOf` constraint.
    MemberOf,
    /// It has a task of the group already, and the tasks are to be on distinct instances.
    DistinctInstance,
    /// It has as many tasks of the group as are allowed on one instance.
    MaximumTasks,
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
            Self::Gpus => "RESOURCE:GPU",
            Self::Ports => "RESOURCE:PORTS",
            Self::Attribute => "ATTRIBUTE",
            Self::MemberOf => "MemberOf",
            Self::DistinctInstance => "DistinctInstance",
            Self::MaximumTasks => "MaximumTasksPerInstance",
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
            Self::Gpus => "has insufficient GPUs available",
            Self::Ports => "is already using a port required by your task",
            Self::Attribute => "is missing an attribute required by your task",
            Self::MemberOf => "encountered error \"MemberOf placement constraint unsatisfied.\"",
            Self::DistinctInstance => {
                "encountered error \"DistinctInstance placement constraint unsatisfied.\""
            }
            Self::MaximumTasks => {
                "has as many tasks of the service as maximumTasksPerInstance allows"
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
            Shortage::Gpus => Self::Gpus,
            Shortage::Ports => Self::Ports,
        }
    }
}

/// Why no instance could take a task. Its text is the tail of ECS's service event. However many instances there are, it
/// names one of them, and counts the others by what they lack.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Explanation {
    closest: Option<(String, Unsuitable)>,
    /// Attributes that the closest instance lacks, where that is what it lacks.
    missing: Vec<String>,
    counts: BTreeMap<Unsuitable, usize>,
}

impl<'a> FromIterator<(&'a str, Unsuitable)> for Explanation {
    fn from_iter<I: IntoIterator<Item = (&'a str, Unsuitable)>>(instances: I) -> Self {
        let mut counts = BTreeMap::new();
        let closest = instances
            .into_iter()
            .inspect(|(_, why)| *counts.entry(*why).or_default() += 1)
            .max_by_key(|(name, why)| (*why, Reverse(*name)))
            .map(|(name, why)| (name.to_owned(), why));
        Self {
            closest,
            missing: Vec::new(),
            counts,
        }
    }
}

impl Explanation {
    /// The instance that came closest, and what it lacks.
    pub fn closest(&self) -> Option<(&str, Unsuitable)> {
        let closest = self.closest.as_ref();
        closest.map(|(name, why)| (name.as_str(), *why))
    }

    /// The same with the names of the attributes that are missing, for people to look for; `find` knows the instances.
    pub(super) fn naming_attributes<'i>(
        mut self,
        request: &Request<'_>,
        find: impl FnOnce(&str) -> Option<&'i Instance>,
    ) -> Self {
        if let Some((name, Unsuitable::Attribute)) = self.closest() {
            let missing = find(name).map(|instance| missing(instance, request.attributes));
            self.missing = missing.into_iter().flatten().map(str::to_owned).collect();
        }
        self
    }

    /// How many instances lack what.
    pub fn counts(&self) -> BTreeMap<&'static str, usize> {
        let counts = self.counts.iter();
        counts.map(|(why, count)| (why.code(), *count)).collect()
    }

    /// How many instances were asked.
    pub fn instances(&self) -> usize {
        self.counts.values().sum()
    }
}

/// Instances that a summary names.
const NAMED: usize = 100;

/// An explanation of bounded size, for people and programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// All of it in ECS's words.
    pub message: String,
    /// By reason, on how many instances.
    pub reasons: BTreeMap<&'static str, usize>,
    /// The instance that came closest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closest: Option<String>,
    /// By name, why: at most 100 of them.
    pub instances: BTreeMap<String, &'static str>,
    /// How many instances are not named.
    pub not_named: usize,
}

impl Explanation {
    /// The same for people and programs, with the reasons of single instances.
    pub fn summary<'a>(&self, reasons: impl Iterator<Item = (&'a str, Unsuitable)>) -> Summary {
        let named = reasons.take(NAMED);
        let named: BTreeMap<String, &str> = named
            .map(|(name, why)| (name.to_owned(), why.code()))
            .collect();
        Summary {
            message: self.to_string(),
            reasons: self.counts(),
            closest: self.closest().map(|(name, _)| name.to_owned()),
            not_named: self.instances().saturating_sub(named.len()),
            instances: named,
        }
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
        if !self.missing.is_empty() {
            write!(f, " It has no {}.", self.missing.join(", "))?;
        }
        let counts: Vec<String> = self
            .counts()
            .into_iter()
            .map(|(code, count)| format!("{code} on {count}"))
            .collect();
        write!(
            f,
            " Of {} instances: {}.",
            self.instances(),
            counts.join(", ")
        )
    }
}
