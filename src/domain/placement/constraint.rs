//! Rules that an instance must meet (ECS Developer Guide, "Task placement constraints"). They are binding: a task that
//! finds no instance that meets all of them is not placed.

use super::{Group, Instance, Unsuitable};
use crate::domain::query::{Condition, Expression, Facts, Match, Sense, Test, With};

/// Constraints that one task may have, those of its definition included (ECS API Reference, `CreateService`).
pub const MAXIMUM_CONSTRAINTS: usize = 10;

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Constraint {
    /// No two tasks of a group on one instance.
    DistinctInstance,
    /// No more than so many tasks of a group on one instance; an addition to ECS's.
    AtMost(u32),
    /// The instance satisfies an expression.
    MemberOf(Expression),
}

impl Constraint {
    /// It is about other tasks of the group on the instance, and says nothing of the instance itself.
    pub(super) const fn is_of_group(&self) -> bool {
        matches!(self, Self::DistinctInstance | Self::AtMost(_))
    }

    /// The instance has this value of an attribute.
    pub fn within(attribute: &str, value: &str) -> Self {
        let wanted = Match {
            sense: Sense::Is,
            with: With::Value(value.to_owned()),
        };
        let condition = Condition::Attribute(attribute.to_owned(), Test::Match(wanted));
        Self::MemberOf(Expression::Is(condition))
    }

    /// Whether an instance meets the rule, or not, for as long as only its tasks change.
    pub(super) fn is_lasting(&self) -> bool {
        match self {
            Self::DistinctInstance | Self::AtMost(_) => false,
            Self::MemberOf(expression) => expression.is_lasting(),
        }
    }

    /// Why `instance` does not meet the rule for a task of `group`, or `None`.
    pub(super) fn broken_by(&self, instance: &Instance, group: &Group) -> Option<Unsuitable> {
        match self {
            Self::DistinctInstance => instance
                .groups
                .has(group)
                .then_some(Unsuitable::DistinctInstance),
            Self::AtMost(most) => {
                (instance.groups.all(group) >= *most).then_some(Unsuitable::MaximumTasks)
            }
            Self::MemberOf(expression) => {
                let namespace = &group.namespace;
                let seen = Seen {
                    instance,
                    namespace,
                };
                (!expression.is_satisfied_by(&seen)).then_some(Unsuitable::MemberOf)
            }
        }
    }
}

/// An instance as the expressions of one namespace see it.
struct Seen<'a> {
    instance: &'a Instance,
    namespace: &'a str,
}

impl Facts for Seen<'_> {
    fn agent_connected(&self) -> bool {
        self.instance.connected
    }

    fn agent_version(&self) -> &str {
        &self.instance.agent_version
    }

    fn name(&self) -> &str {
        &self.instance.name
    }

    fn registered_at(&self) -> Option<jiff::Timestamp> {
        self.instance.registered_at
    }

    fn running_tasks(&self) -> u32 {
        self.instance.running
    }

    fn groups(&self) -> impl Iterator<Item = &str> {
        self.instance.groups.names(self.namespace)
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        self.instance.attributes.get(name).map(String::as_str)
    }
}
