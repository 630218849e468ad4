//! The language by examples: those of the Developer Guide, and texts that are none.

mod properties;

use std::collections::{BTreeMap, BTreeSet};

use super::*;

struct Instance {
    attributes: BTreeMap<String, String>,
    groups: BTreeSet<&'static str>,
    running: u32,
}

impl Facts for Instance {
    fn agent_connected(&self) -> bool {
        true
    }
    fn agent_version(&self) -> &'static str {
        "1.9.3-rc.1"
    }
    fn name(&self) -> &'static str {
        "node-1"
    }
    fn registered_at(&self) -> Option<Timestamp> {
        "2018-06-18T22:28:28Z".parse().ok()
    }
    fn running_tasks(&self) -> u32 {
        self.running
    }
    fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().copied()
    }
    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}

fn instance() -> Instance {
    let attributes = [
        ("ecs.instance-type", "t2.small"),
        ("ecs.availability-zone", "us-east-1a"),
        ("rack", "b"),
        ("disks", "9"),
        ("ssd", ""),
    ];
    Instance {
        attributes: attributes
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        groups: ["service:web", "database"].into(),
        running: 3,
    }
}

fn holds(text: &str) -> bool {
    Expression::parse(text)
        .unwrap_or_else(|error| panic!("{text}: {error}"))
        .is_satisfied_by(&instance())
}

#[test]
fn the_examples_of_the_developer_guide_are_read_and_hold_where_they_should() {
    for (text, expected) in [
        ("attribute:ecs.instance-type == t2.small", true),
        (
            "attribute:ecs.availability-zone in [us-east-1a, us-east-1b]",
            true,
        ),
        ("task:group == database", true),
        ("not(task:group == database)", false),
        ("runningTasksCount < 5", true),
        (
            "attribute:ecs.instance-type =~ g2.* and attribute:ecs.availability-zone != us-east-1d",
            false,
        ),
        (
            "attribute:ecs.instance-type =~ t2.* or attribute:ecs.instance-type =~ c3.*",
            true,
        ),
        ("ec2InstanceId in ['node-1', 'node-2']", true),
        ("registeredAt >= 2018-06-18T22:28:28+00:00", true),
        ("registeredAt > 2018-06-18", true),
        ("registeredAt < 2018-06-18T22:28:28", false),
        ("agentVersion >= 1.9", true),
        ("agentVersion < 1.10.0", true),
        ("agentConnected == true", true),
        ("agentConnected != true", false),
    ] {
        assert_eq!(holds(text), expected, "{text}");
    }
}

#[test]
fn every_operator_has_a_sign_and_a_word() {
    for (text, expected) in [
        ("attribute:rack equals b", true),
        ("attribute:rack not_equals b", false),
        ("attribute:disks greater_than 10", false),
        ("attribute:disks greater_than_equal 9", true),
        ("attribute:disks less_than 10", true),
        ("attribute:disks less_than_equal 8.5", false),
        ("attribute:rack exists", true),
        ("attribute:rack !exists", false),
        ("attribute:ssd exists", true),
        ("attribute:ssd == ''", true),
        ("attribute:colour not_exists", true),
        ("attribute:rack !in [a, c]", true),
        ("attribute:rack not_in [a, b]", false),
        ("attribute:rack matches '(a|b)'", true),
        ("attribute:rack not_matches [ab]", false),
        ("attribute:rack !~ x", true),
        (
            "attribute:rack=='b'&&!attribute:rack==c||attribute:rack==d",
            true,
        ),
        ("task:group != service:web", false),
        ("task:group !in ['a', \"b\"]", true),
        (
            "task:group =~ 'service:.*' AND NOT task:group =~ family:.*",
            true,
        ),
    ] {
        assert_eq!(holds(text), expected, "{text}");
    }
}

#[test]
fn not_binds_closer_than_and_which_binds_closer_than_or() {
    let bare = Expression::parse("not attribute:a exists and attribute:b exists or ssd exists");
    assert!(bare.is_err(), "an attribute needs its prefix");
    let bare = "not attribute:a exists and attribute:b exists or attribute:c exists";
    let grouped = "((not attribute:a exists) and attribute:b exists) or attribute:c exists";
    assert_eq!(Expression::parse(bare), Expression::parse(grouped));
}

#[test]
fn an_attribute_that_is_missing_satisfies_nothing_but_not_exists() {
    for text in [
        "attribute:colour != red",
        "attribute:colour !in [red]",
        "attribute:colour !~ red",
        "attribute:colour < 1",
        "attribute:colour exists",
    ] {
        assert!(!holds(text), "{text}");
        assert!(holds(&format!("not {text}")), "{text}");
    }
}

#[test]
fn a_pattern_matches_the_whole_value_only() {
    assert!(!holds("attribute:ecs.instance-type =~ t2"));
    assert!(!holds("attribute:ecs.instance-type =~ 'm5|2.small'"));
    assert!(holds("attribute:ecs.instance-type =~ 't2|t2\\.small'"));
    assert!(holds("attribute:ecs.instance-type =~ t[0-9].s{1,2}mall"));
}

#[test]
fn an_error_says_where_what_and_how_to_mend_it() {
    for (text, expected) in [
        (
            "",
            "at character 1: expected agentConnected, agentVersion, ec2InstanceId, registeredAt, runningTasksCount, task:group or attribute:NAME, found the end: begin each condition with one of these; an attribute's name comes behind attribute:",
        ),
        (
            "attribute:stack prod",
            "at character 17: expected an operator, found 'prod': write ==, !=, >, >=, <, <=, exists, !exists, in, !in, =~ or !~ behind the subject",
        ),
        (
            "attribute:stack = prod",
            "at character 17: expected an operator, found '=': write ==, !=, >, >=, <, <=, exists, !exists, in, !in, =~ or !~ behind the subject",
        ),
        (
            "attribute:a == b c",
            "at character 18: expected and, or, or the end, found 'c': join conditions by and or or, and put a value with spaces into single quotes",
        ),
        (
            "attribute:a in b",
            "at character 16: expected '[' and a list of values, found 'b': write in ['a', 'b']",
        ),
        (
            "(attribute:a exists",
            "at character 20: expected and, or, or ')', found the end: close the parenthesis",
        ),
        (
            "attribute:a == 'b",
            "at character 16: expected a value in quotes, found ''b': close the quote",
        ),
        (
            "runningTasksCount < many",
            "at character 21: expected a whole number, found 'many': runningTasksCount is compared with nothing else",
        ),
        (
            "runningTasksCount exists",
            "at character 19: expected ==, !=, >, >=, < and <=, found 'exists': runningTasksCount has no other operators",
        ),
        (
            "agentConnected > 1",
            "at character 16: expected ==, !=, in, !in, =~ and !~, found '>': agentConnected has no other operators",
        ),
        (
            "attribute:a =~ 'a('",
            "at character 16: expected a regular expression, found ''a(''",
        ),
        (
            "attribute: == b",
            "at character 1: expected attribute: and a name of 1 to 128",
        ),
    ] {
        let error = Expression::parse(text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
    for text in [
        "agentConnected == yes",
        "agentVersion == newest",
        "registeredAt > yesterday",
        "attribute:a == and",
        "attribute:a in []",
        "attribute:a == [b]",
        "attribute:a =~ '(?=b)'",
        "attribute:a =~ 'a)(b'",
        "attribute:a =~ '(((a{99}){99}){99}){99}'",
        "attribute:a:b exists",
    ] {
        assert!(Expression::parse(text).is_err(), "{text}");
    }
}

#[test]
fn what_is_too_long_or_nested_too_deep_is_refused() {
    let long = format!("attribute:a == {}", "b".repeat(MAXIMUM_LENGTH));
    let error = Expression::parse(&long).unwrap_err();
    assert_eq!(error.position, MAXIMUM_LENGTH + 1);
    for deep in ["!".repeat(1900), "(".repeat(1900)] {
        let error = Expression::parse(&deep).unwrap_err();
        assert_eq!(error.position, MAXIMUM_DEPTH + 2);
    }
}
