//! Reads one condition: which operators a subject has, and what may stand behind them.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::cursor::{Cursor, Invalid, is_word};
use super::{
    Comparison, Condition, Match, Order, Pattern, Sense, Test, Version, With, is_attribute_name,
};

#[derive(Clone, Copy)]
enum Operator {
    Compare(Comparison),
    In(Sense),
    Matches(Sense),
    Exists(Sense),
}

/// Every spelling, as the Developer Guide lists them.
const SPELLINGS: [(&str, Operator); 22] = [
    ("==", Operator::Compare(Comparison::Equals)),
    ("equals", Operator::Compare(Comparison::Equals)),
    ("!=", Operator::Compare(Comparison::NotEquals)),
    ("not_equals", Operator::Compare(Comparison::NotEquals)),
    (">", Operator::Compare(Comparison::Order(Order::Greater))),
    (
        "greater_than",
        Operator::Compare(Comparison::Order(Order::Greater)),
    ),
    (
        ">=",
        Operator::Compare(Comparison::Order(Order::GreaterOrEqual)),
    ),
    (
        "greater_than_equal",
        Operator::Compare(Comparison::Order(Order::GreaterOrEqual)),
    ),
    ("<", Operator::Compare(Comparison::Order(Order::Less))),
    (
        "less_than",
        Operator::Compare(Comparison::Order(Order::Less)),
    ),
    (
        "<=",
        Operator::Compare(Comparison::Order(Order::LessOrEqual)),
    ),
    (
        "less_than_equal",
        Operator::Compare(Comparison::Order(Order::LessOrEqual)),
    ),
    ("exists", Operator::Exists(Sense::Is)),
    ("!exists", Operator::Exists(Sense::IsNot)),
    ("not_exists", Operator::Exists(Sense::IsNot)),
    ("in", Operator::In(Sense::Is)),
    ("!in", Operator::In(Sense::IsNot)),
    ("not_in", Operator::In(Sense::IsNot)),
    ("=~", Operator::Matches(Sense::Is)),
    ("matches", Operator::Matches(Sense::Is)),
    ("!~", Operator::Matches(Sense::IsNot)),
    ("not_matches", Operator::Matches(Sense::IsNot)),
];

const MATCHING: &str = "==, !=, in, !in, =~ and !~";
const COMPARING: &str = "==, !=, >, >=, < and <=";

/// What a bare value is read for, which decides the characters that end it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Single,
    List,
    Pattern,
}

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Condition, Invalid> {
    let start = *cursor;
    let subject = cursor.take_while(is_word);
    if let Some(name) = subject.strip_prefix("attribute:") {
        if !is_attribute_name(name) {
            return Err(start.expected(
                "attribute: and a name of 1 to 128 letters, digits and _ . / \\ -",
                "write the attribute's name as the instances have it",
            ));
        }
        return attribute(name, cursor);
    }
    match subject {
        "agentConnected" => Ok(Condition::AgentConnected(flag(cursor)?)),
        "ec2InstanceId" => Ok(Condition::Ec2InstanceId(matching(subject, cursor)?)),
        "task:group" => Ok(Condition::TaskGroup(matching(subject, cursor)?)),
        "agentVersion" => {
            let (how, version) = compared(
                subject,
                cursor,
                Version::parse,
                "a version, such as 1.105.1",
            )?;
            Ok(Condition::AgentVersion(how, version))
        }
        "registeredAt" => {
            let (how, time) = compared(
                subject,
                cursor,
                moment,
                "a time, such as 2018-06-18T22:28:28Z or 2018-06-18",
            )?;
            Ok(Condition::RegisteredAt(how, time))
        }
        "runningTasksCount" => {
            let number = |text: &str| text.parse().ok();
            let (how, count) = compared(subject, cursor, number, "a whole number")?;
            Ok(Condition::RunningTasksCount(how, count))
        }
        _ => Err(start.expected(
            "agentConnected, agentVersion, ec2InstanceId, registeredAt, runningTasksCount, task:group or attribute:NAME",
            "begin each condition with one of these; an attribute's name comes behind attribute:",
        )),
    }
}

fn attribute(name: &str, cursor: &mut Cursor<'_>) -> Result<Condition, Invalid> {
    let test = match operator(cursor)? {
        Operator::Exists(Sense::Is) => Test::Exists,
        Operator::Exists(Sense::IsNot) => Test::NotExists,
        Operator::Compare(Comparison::Order(order)) => {
            Test::Order(order, literal(cursor, Place::Single)?)
        }
        Operator::Compare(Comparison::Equals) => Test::Match(value(cursor, Sense::Is)?),
        Operator::Compare(Comparison::NotEquals) => Test::Match(value(cursor, Sense::IsNot)?),
        Operator::In(sense) => Test::Match(list(cursor, sense)?),
        Operator::Matches(sense) => Test::Match(pattern(cursor, sense)?),
    };
    Ok(Condition::Attribute(name.to_owned(), test))
}

fn matching(subject: &str, cursor: &mut Cursor<'_>) -> Result<Match, Invalid> {
    cursor.skip_space();
    let at = *cursor;
    match operator(cursor)? {
        Operator::Compare(Comparison::Equals) => value(cursor, Sense::Is),
        Operator::Compare(Comparison::NotEquals) => value(cursor, Sense::IsNot),
        Operator::In(sense) => list(cursor, sense),
        Operator::Matches(sense) => pattern(cursor, sense),
        Operator::Compare(Comparison::Order(_)) | Operator::Exists(_) => {
            Err(at.expected(MATCHING, &format!("{subject} has no other operators")))
        }
    }
}

/// `agentConnected` has two values.
fn flag(cursor: &mut Cursor<'_>) -> Result<Match, Invalid> {
    let start = *cursor;
    let found = matching("agentConnected", cursor)?;
    let known = |text: &String| text == "true" || text == "false";
    let sound = match &found.with {
        With::Value(text) => known(text),
        With::OneOf(texts) => texts.iter().all(known),
        With::Pattern(_) => true,
    };
    if sound {
        Ok(found)
    } else {
        Err(start.expected("true or false", "compare agentConnected with one of these"))
    }
}

fn compared<V>(
    subject: &str,
    cursor: &mut Cursor<'_>,
    read: impl Fn(&str) -> Option<V>,
    what: &str,
) -> Result<(Comparison, V), Invalid> {
    cursor.skip_space();
    let at = *cursor;
    let Operator::Compare(how) = operator(cursor)? else {
        return Err(at.expected(COMPARING, &format!("{subject} has no other operators")));
    };
    cursor.skip_space();
    let at = *cursor;
    let text = literal(cursor, Place::Single)?;
    let value = read(&text)
        .ok_or_else(|| at.expected(what, &format!("{subject} is compared with nothing else")))?;
    Ok((how, value))
}

fn operator(cursor: &mut Cursor<'_>) -> Result<Operator, Invalid> {
    cursor.skip_space();
    let at = *cursor;
    let symbol = cursor.take_while(|next, _| "=!<>~".contains(next));
    let word = if matches!(symbol, "" | "!") {
        cursor.take_while(|next, _| next.is_ascii_alphabetic() || next == '_')
    } else {
        ""
    };
    let written = format!("{symbol}{word}").to_ascii_lowercase();
    SPELLINGS
        .iter()
        .find(|(spelling, _)| *spelling == written)
        .map(|(_, operator)| *operator)
        .ok_or_else(|| {
            at.expected(
                "an operator",
                "write ==, !=, >, >=, <, <=, exists, !exists, in, !in, =~ or !~ behind the subject",
            )
        })
}

fn value(cursor: &mut Cursor<'_>, sense: Sense) -> Result<Match, Invalid> {
    let with = With::Value(literal(cursor, Place::Single)?);
    Ok(Match { sense, with })
}

fn list(cursor: &mut Cursor<'_>, sense: Sense) -> Result<Match, Invalid> {
    const FIX: &str = "write in ['a', 'b']";
    cursor.skip_space();
    if !cursor.eat("[") {
        return Err(cursor.expected("'[' and a list of values", FIX));
    }
    let mut values = Vec::new();
    loop {
        values.push(literal(cursor, Place::List)?);
        cursor.skip_space();
        if cursor.eat("]") {
            let with = With::OneOf(values);
            return Ok(Match { sense, with });
        }
        if !cursor.eat(",") {
            return Err(cursor.expected("',' or ']'", FIX));
        }
    }
}

fn pattern(cursor: &mut Cursor<'_>, sense: Sense) -> Result<Match, Invalid> {
    cursor.skip_space();
    let at = *cursor;
    let text = literal(cursor, Place::Pattern)?;
    let pattern = Pattern::parse(&text).map_err(|why| {
        at.expected(
            "a regular expression",
            &format!("{why}; a pattern with parentheses stands in single quotes"),
        )
    })?;
    Ok(Match {
        sense,
        with: With::Pattern(pattern),
    })
}

/// A value, bare or in quotes. There are no escapes: no attribute's value holds a quote.
fn literal(cursor: &mut Cursor<'_>, place: Place) -> Result<String, Invalid> {
    cursor.skip_space();
    let at = *cursor;
    for quote in ["'", "\""] {
        if cursor.eat(quote) {
            let text = cursor.take_while(|next, _| !quote.contains(next));
            return if cursor.eat(quote) {
                Ok(text.to_owned())
            } else {
                Err(at.expected("a value in quotes", "close the quote"))
            };
        }
    }
    let ends: &str = match place {
        Place::Pattern => "()'\"",
        Place::Single | Place::List => "()'\"[],=<>!",
    };
    let text = cursor.take_while(|next, rest| {
        !next.is_whitespace()
            && !ends.contains(next)
            && !rest.starts_with("&&")
            && !rest.starts_with("||")
    });
    let keyword = ["and", "or", "not"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word));
    if text.is_empty() || keyword {
        return Err(at.expected(
            "a value",
            "write it behind the operator, in single quotes if it is a word of the language or holds spaces or signs; lists go with in and !in",
        ));
    }
    Ok(text.to_owned())
}

/// With an offset, in UTC, or a day: as the Developer Guide lists them.
fn moment(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| {
        let time: DateTime = text.parse().ok()?;
        Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })
}
