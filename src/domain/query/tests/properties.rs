//! What holds of every text and of every expression.

use proptest::prelude::*;

use super::*;

fn matches() -> impl Strategy<Value = Match> {
    let value = || "[a-zA-Z0-9 =!()',.|&-]{0,8}|and|not";
    let pattern = prop::sample::select(vec!["t2.*", "(a|b)c?", "[0-9]{1,3}", "", "\\w+-x"]);
    let with = prop_oneof![
        value().prop_map(With::Value),
        prop::collection::vec(value(), 1..4).prop_map(With::OneOf),
        pattern.prop_map(|text| With::Pattern(Pattern::parse(text).unwrap())),
    ];
    let sense = prop_oneof![Just(Sense::Is), Just(Sense::IsNot)];
    (sense, with).prop_map(|(sense, with)| Match { sense, with })
}

fn orders() -> impl Strategy<Value = Order> {
    prop::sample::select(vec![
        Order::Greater,
        Order::GreaterOrEqual,
        Order::Less,
        Order::LessOrEqual,
    ])
}

fn comparisons() -> impl Strategy<Value = Comparison> {
    prop_oneof![
        Just(Comparison::Equals),
        Just(Comparison::NotEquals),
        orders().prop_map(Comparison::Order),
    ]
}

fn conditions() -> impl Strategy<Value = Condition> {
    let time = || (0_i64..2_000_000_000).prop_map(|at| Timestamp::from_second(at).unwrap());
    let version = "[0-9]{1,4}(\\.[0-9]{1,4}){0,3}";
    let version = version.prop_map(|text| Version::parse(&text).unwrap());
    let test = prop_oneof![
        Just(Test::Exists),
        Just(Test::NotExists),
        matches().prop_map(Test::Match),
        (orders(), "[a-z0-9.]{0,4}").prop_map(|(order, value)| Test::Order(order, value)),
    ];
    prop_oneof![
        (comparisons(), version).prop_map(|(how, to)| Condition::AgentVersion(how, to)),
        (comparisons(), time()).prop_map(|(how, to)| Condition::RegisteredAt(how, to)),
        (comparisons(), any::<u32>()).prop_map(|(how, to)| Condition::RunningTasksCount(how, to)),
        matches().prop_map(Condition::Ec2InstanceId),
        matches().prop_map(Condition::TaskGroup),
        ("[a-zA-Z0-9_./\\\\-]{1,12}", test)
            .prop_map(|(name, test)| Condition::Attribute(name, test)),
    ]
}

fn expressions() -> impl Strategy<Value = Expression> {
    let leaf = conditions().prop_map(Expression::Is);
    leaf.prop_recursive(5, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expression::Any),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expression::All),
            inner.prop_map(|inner| Expression::Not(Box::new(inner))),
        ]
    })
}

/// Pieces of the language in any order: nearer to it than any text.
fn soups() -> impl Strategy<Value = String> {
    let pieces = vec![
        "attribute:",
        "stack",
        "task:group",
        "agentVersion",
        "registeredAt",
        "==",
        "!=",
        "=~",
        "!",
        "in",
        "not_in",
        "exists",
        "[",
        "]",
        "(",
        ")",
        ",",
        "'",
        "\"",
        "and",
        "or",
        "not",
        "&&",
        "||",
        " ",
        "1.2",
        "2018-06-18",
        "t2.*",
        "ä",
        "\u{0}",
        "[a-z]+",
        "{",
        "\\",
    ];
    prop::collection::vec(prop::sample::select(pieces), 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn an_expression_reads_back_from_its_text(expression in expressions()) {
        let text = expression.to_string();
        prop_assume!(text.chars().count() <= MAXIMUM_LENGTH);
        prop_assert_eq!(Expression::parse(&text), Ok(expression), "{}", text);
    }

    #[test]
    fn any_text_is_read_or_refused_at_one_of_its_places(text in ".{0,80}") {
        check(&text)?;
    }

    #[test]
    fn pieces_of_the_language_in_any_order_are_read_or_refused(text in soups()) {
        check(&text)?;
    }

    #[test]
    fn a_condition_on_what_is_there_and_its_opposite_never_agree(wanted in matches()) {
        let other = Match {
            sense: if wanted.sense == Sense::Is { Sense::IsNot } else { Sense::Is },
            ..wanted.clone()
        };
        for condition in [Condition::TaskGroup, Condition::Ec2InstanceId, Condition::AgentConnected] {
            let holds = |wanted: &Match| Expression::Is(condition(wanted.clone())).is_satisfied_by(&instance());
            prop_assert_ne!(holds(&wanted), holds(&other));
        }
    }
}

fn check(text: &str) -> Result<(), TestCaseError> {
    match Expression::parse(text) {
        Ok(expression) => {
            expression.is_satisfied_by(&instance());
            let printed = expression.to_string();
            prop_assert_eq!(Expression::parse(&printed), Ok(expression), "{}", printed);
        }
        Err(error) => {
            prop_assert!((1..=text.chars().count() + 1).contains(&error.position));
            prop_assert!(!error.fix.is_empty());
        }
    }
    Ok(())
}
