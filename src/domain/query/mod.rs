//! The cluster query language: expressions that select container instances (ECS Developer Guide, "Create expressions
//! to define container instances"). Placement asks them of `memberOf` constraints.
//!
//! [`Expression::parse`] reads a text once and says what is wrong with it, where, and how to mend it;
//! [`Expression::is_satisfied_by`] asks it of one instance. Printing an expression gives a text that reads back as the
//! same expression.
//!
//! ```text
//! attribute:rack == b and not (task:group == service:batch or runningTasksCount >= 10)
//! ```
//!
//! What the guide leaves open is decided here: `not` binds closer than `and`, and `and` closer than `or`; a condition
//! on an attribute that the instance lacks does not hold, whatever its operator, but for `not_exists`; a pattern must
//! match the whole value; the words of the language may be written in capitals, names and values are taken as they are.

mod condition;
mod cursor;
mod evaluate;
mod parser;
mod pattern;
mod print;
mod version;

use jiff::Timestamp;

pub use cursor::Invalid;
pub use evaluate::Facts;
pub use pattern::Pattern;
pub use version::Version;

/// Longest expression, in characters (ECS API Reference, `PlacementConstraint`).
pub const MAXIMUM_LENGTH: usize = 2000;

/// How deep `not` and parentheses may be nested.
pub const MAXIMUM_DEPTH: usize = 32;

/// A text of the language, read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Expression {
    /// At least one holds: two or more, joined by `or`.
    Any(Vec<Self>),
    /// All hold: two or more, joined by `and`.
    All(Vec<Self>),
    /// It does not hold.
    Not(Box<Self>),
    /// A single condition.
    Is(Condition),
}

/// A subject, an operator that the subject has, and the argument.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Condition {
    /// `agentConnected`: `true` or `false`.
    AgentConnected(Match),
    /// `agentVersion`
    AgentVersion(Comparison, Version),
    /// `ec2InstanceId`: here the name of the ContainerInstance.
    Ec2InstanceId(Match),
    /// `registeredAt`
    RegisteredAt(Comparison, Timestamp),
    /// `runningTasksCount`
    RunningTasksCount(Comparison, u32),
    /// `task:group`: whether the instance has a task of such a group.
    TaskGroup(Match),
    /// `attribute:NAME`
    Attribute(String, Test),
}

/// What is asked of an attribute.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Test {
    /// The instance has it.
    Exists,
    /// The instance does not have it.
    NotExists,
    /// Its value is one of those.
    Match(Match),
    /// Its value is greater or less: as numbers where both are, otherwise as texts.
    Order(Order, String),
}

/// Whether a text is one of those that are looked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Match {
    /// Whether it should be.
    pub sense: Sense,
    /// What is looked for.
    pub with: With,
}

/// Whether something should hold or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sense {
    /// It should.
    Is,
    /// It should not.
    IsNot,
}

/// What a text is held against.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum With {
    /// `==` and `!=`
    Value(String),
    /// `in` and `!in`: one or more.
    OneOf(Vec<String>),
    /// `=~` and `!~`
    Pattern(Pattern),
}

/// How two values of one kind compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `==`
    Equals,
    /// `!=`
    NotEquals,
    /// One of the others.
    Order(Order),
}

/// How one value lies to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
}

impl Expression {
    /// Whether the answer for an instance stays the same while only its tasks change.
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::Any(parts) | Self::All(parts) => parts.iter().all(Self::is_lasting),
            Self::Not(inner) => inner.is_lasting(),
            Self::Is(Condition::RunningTasksCount(..) | Condition::TaskGroup(_)) => false,
            Self::Is(
                Condition::AgentConnected(_)
                | Condition::AgentVersion(..)
                | Condition::Ec2InstanceId(_)
                | Condition::RegisteredAt(..)
                | Condition::Attribute(..),
            ) => true,
        }
    }
}

/// Whether `name` can be the name of an attribute (ECS API Reference, `Attribute`).
pub fn is_attribute_name(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_./\\-".contains(c))
}

#[cfg(test)]
mod tests;
