use super::*;

fn read(yaml: &str) -> Result<Rules, Vec<Problem>> {
    service_placement(&serde_saphyr::from_str(yaml).unwrap())
}

#[test]
fn an_aws_body_becomes_rules_whatever_the_capitals_of_its_fields() {
    let rules = read(
        "
        placementConstraints:
        - {type: distinctInstance, expression: ''}
        - {type: memberOf, expression: 'attribute:rack == b'}
        placementStrategy:
        - {type: spread, field: 'Attribute:ecs.availability-zone'}
        - {type: spread, field: HOST}
        - {type: binpack, field: MEMORY}
        - {type: random}
        ",
    )
    .unwrap();
    let expression = Expression::parse("attribute:rack == b").unwrap();
    assert_eq!(
        rules.constraints,
        [
            Constraint::DistinctInstance,
            Constraint::MemberOf(expression)
        ]
    );
    assert_eq!(
        rules.strategies,
        [
            Strategy::Spread(Spread::Attribute("ecs.availability-zone".into())),
            Strategy::Spread(Spread::Instance),
            Strategy::Binpack(Packed::Memory),
            Strategy::Random,
        ]
    );
    assert_eq!(read("placementConstraints: []"), Ok(Rules::default()));
}

#[test]
fn every_problem_names_its_field_the_position_and_the_fix() {
    let problems = read(
        "
        placementConstraints:
        - {type: distinctInstance, expression: 'attribute:rack == b'}
        - {type: memberOf, expression: 'attribute:rack = b'}
        - {type: memberOf}
        - {expression: 'attribute:rack == b'}
        placementStrategy:
        - {type: spread, field: rack}
        - {type: binpack}
        - {type: random, field: cpu}
        - {}
        ",
    )
    .unwrap_err();
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "placementConstraints[0].expression: distinctInstance takes none: leave it out, or use memberOf",
            "placementConstraints[1].expression: at character 16: expected an operator, found '=': write ==, !=, >, >=, <, <=, exists, !exists, in, !in, =~ or !~ behind the subject",
            "placementConstraints[2].expression: is missing: memberOf needs one, such as attribute:ecs.os-type == linux",
            "placementConstraints[3].type: is missing: give distinctInstance or memberOf",
            "placementStrategy[0].field: is 'rack': spread goes over instanceId, host or attribute:NAME, such as attribute:ecs.availability-zone: give one of these",
            "placementStrategy[1].field: is missing: binpack packs cpu or memory: give one of these",
            "placementStrategy[2].field: random takes none: leave it out, or use spread or binpack",
            "placementStrategy[3].type: is missing: give random, spread or binpack",
        ]
    );
}

#[test]
fn an_expression_of_a_definition_is_read_when_it_is_registered() {
    let read = |expression: &str| {
        let spec = serde_json::json!({
            "containerDefinitions": [{"name": "app", "image": "nginx:1", "memory": 64}],
            "placementConstraints": [{"type": "memberOf", "expression": expression}],
        });
        let spec = serde_json::from_value(spec).unwrap();
        crate::api::parse::task_definition("web", &spec)
    };
    let definition = read("attribute:ecs.os-type == linux").unwrap();
    assert_eq!(definition.placement_constraints.len(), 1);
    let problems = read("attribute:ecs.os-type linux").unwrap_err();
    assert_eq!(problems[0].field, "placementConstraints[0].expression");
    assert!(
        problems[0]
            .message
            .starts_with("at character 23: expected an operator")
    );
}

#[test]
fn constraints_of_service_and_definition_count_together() {
    use crate::domain::definition::tests_support::{container, definition};
    let rule = Constraint::MemberOf(Expression::parse("attribute:a exists").unwrap());
    let rules = Rules {
        constraints: vec![rule.clone(); 6],
        ..Rules::default()
    };
    let mut web = definition("web", [container("app")]);
    web.placement_constraints = vec![rule.clone(); 4];
    assert_eq!(too_many_constraints(&rules, &web), None);
    web.placement_constraints.push(rule);
    let problem = too_many_constraints(&rules, &web).unwrap().to_string();
    assert!(problem.starts_with("placementConstraints: holds 6, and the task definition 5:"));
}
