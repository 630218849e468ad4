//! Whether an expression holds for one instance.

use std::cmp::Ordering;

use jiff::Timestamp;

use super::{Comparison, Condition, Expression, Match, Order, Sense, Test, Version, With};

/// What the language can ask of an instance.
pub trait Facts {
    /// Its agent is heard.
    fn agent_connected(&self) -> bool;
    /// Version of its agent, as the agent says it.
    fn agent_version(&self) -> &str;
    /// Its name, which stands for ECS's `ec2InstanceId`.
    fn name(&self) -> &str;
    /// When it was registered; unknown until its agent has reported.
    fn registered_at(&self) -> Option<Timestamp>;
    /// Tasks that run on it.
    fn running_tasks(&self) -> u32;
    /// Groups of which it has a task.
    fn groups(&self) -> impl Iterator<Item = &str>;
    /// Value of an attribute, empty for one that is only a name.
    fn attribute(&self, name: &str) -> Option<&str>;
}

impl Expression {
    /// Whether it holds for this instance.
    pub fn is_satisfied_by(&self, instance: &impl Facts) -> bool {
        match self {
            Self::Any(parts) => parts.iter().any(|part| part.is_satisfied_by(instance)),
            Self::All(parts) => parts.iter().all(|part| part.is_satisfied_by(instance)),
            Self::Not(inner) => !inner.is_satisfied_by(instance),
            Self::Is(condition) => condition.is_satisfied_by(instance),
        }
    }
}

impl Condition {
    fn is_satisfied_by(&self, instance: &impl Facts) -> bool {
        match self {
            Self::AgentConnected(wanted) => wanted.accepts(if instance.agent_connected() {
                "true"
            } else {
                "false"
            }),
            Self::AgentVersion(how, wanted) => Version::of_agent(instance.agent_version())
                .is_some_and(|version| how.accepts(version.compare(wanted))),
            Self::Ec2InstanceId(wanted) => wanted.accepts(instance.name()),
            Self::RegisteredAt(how, wanted) => instance
                .registered_at()
                .is_some_and(|time| how.accepts(time.cmp(wanted))),
            Self::RunningTasksCount(how, wanted) => {
                how.accepts(instance.running_tasks().cmp(wanted))
            }
            // One of the groups is enough; for the negative operators none may be among them.
            Self::TaskGroup(wanted) => {
                let found = instance.groups().any(|group| wanted.with.covers(group));
                found == (wanted.sense == Sense::Is)
            }
            Self::Attribute(name, test) => match instance.attribute(name) {
                None => *test == Test::NotExists,
                Some(value) => test.accepts(value),
            },
        }
    }
}

impl Test {
    fn accepts(&self, value: &str) -> bool {
        match self {
            Self::Exists => true,
            Self::NotExists => false,
            Self::Match(wanted) => wanted.accepts(value),
            Self::Order(order, wanted) => order.accepts(compare(value, wanted)),
        }
    }
}

impl Match {
    fn accepts(&self, value: &str) -> bool {
        self.with.covers(value) == (self.sense == Sense::Is)
    }
}

impl With {
    fn covers(&self, value: &str) -> bool {
        match self {
            Self::Value(wanted) => wanted == value,
            Self::OneOf(wanted) => wanted.iter().any(|wanted| wanted == value),
            Self::Pattern(pattern) => pattern.matches(value),
        }
    }
}

impl Comparison {
    fn accepts(self, ordering: Ordering) -> bool {
        match self {
            Self::Equals => ordering.is_eq(),
            Self::NotEquals => ordering.is_ne(),
            Self::Order(order) => order.accepts(ordering),
        }
    }
}

impl Order {
    fn accepts(self, ordering: Ordering) -> bool {
        match self {
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
        }
    }
}

/// As numbers where both are: `9` is less than `10`.
fn compare(value: &str, wanted: &str) -> Ordering {
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    match (number(value), number(wanted)) {
        (Some(value), Some(wanted)) => value.total_cmp(&wanted),
        _ => value.cmp(wanted),
    }
}
