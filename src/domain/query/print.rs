//! Expressions as texts. Values stand in quotes and joined parts in parentheses, so that nothing is left to guess.

use std::fmt::{self, Display, Formatter};

use super::{Comparison, Condition, Expression, Match, Order, Sense, Test, With};

impl Display for Expression {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any(parts) => join(f, parts, " or "),
            Self::All(parts) => join(f, parts, " and "),
            Self::Not(inner) => write!(f, "not ({inner})"),
            Self::Is(condition) => condition.fmt(f),
        }
    }
}

fn join(f: &mut Formatter<'_>, parts: &[Expression], between: &str) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            f.write_str(between)?;
        }
        match part {
            Expression::Any(_) | Expression::All(_) => write!(f, "({part})")?,
            Expression::Not(_) | Expression::Is(_) => part.fmt(f)?,
        }
    }
    Ok(())
}

impl Display for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::AgentConnected(wanted) => write!(f, "agentConnected {wanted}"),
            Self::AgentVersion(how, version) => write!(f, "agentVersion {how} {version}"),
            Self::Ec2InstanceId(wanted) => write!(f, "ec2InstanceId {wanted}"),
            Self::RegisteredAt(how, time) => write!(f, "registeredAt {how} {time}"),
            Self::RunningTasksCount(how, count) => write!(f, "runningTasksCount {how} {count}"),
            Self::TaskGroup(wanted) => write!(f, "task:group {wanted}"),
            Self::Attribute(name, Test::Exists) => write!(f, "attribute:{name} exists"),
            Self::Attribute(name, Test::NotExists) => write!(f, "attribute:{name} !exists"),
            Self::Attribute(name, Test::Match(wanted)) => write!(f, "attribute:{name} {wanted}"),
            Self::Attribute(name, Test::Order(order, value)) => {
                write!(f, "attribute:{name} {order} {}", quoted(value))
            }
        }
    }
}

impl Display for Match {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (is, is_not) = match self.with {
            With::Value(_) => ("==", "!="),
            With::OneOf(_) => ("in", "!in"),
            With::Pattern(_) => ("=~", "!~"),
        };
        f.write_str(match self.sense {
            Sense::Is => is,
            Sense::IsNot => is_not,
        })?;
        match &self.with {
            With::Value(value) => write!(f, " {}", quoted(value)),
            With::OneOf(values) => {
                let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
                write!(f, " [{}]", values.join(", "))
            }
            With::Pattern(pattern) => write!(f, " {}", quoted(pattern.as_str())),
        }
    }
}

impl Display for Comparison {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equals => f.write_str("=="),
            Self::NotEquals => f.write_str("!="),
            Self::Order(order) => order.fmt(f),
        }
    }
}

impl Display for Order {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
        })
    }
}

/// No value that was read holds both kinds of quote.
fn quoted(value: &str) -> String {
    if value.contains('\'') {
        format!("\"{value}\"")
    } else {
        format!("'{value}'")
    }
}
