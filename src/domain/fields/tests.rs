//! The tables, and what the walk says about real bodies.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const BODIES: [Body; 3] = [
    Body::RegisterTaskDefinition,
    Body::CreateService,
    Body::RunTask,
];

fn messages(findings: &[Finding]) -> Vec<&str> {
    findings
        .iter()
        .map(|finding| finding.message.as_str())
        .collect()
}

#[test]
fn no_entry_lies_in_another() {
    for body in BODIES {
        for entry in body.table() {
            let covering: Vec<_> = body
                .table()
                .iter()
                .filter(|other| other.covers(entry.path))
                .collect();
            assert_eq!(covering.len(), 1, "{}: {covering:?}", entry.path);
        }
    }
}

#[test]
fn a_refusal_names_the_container_and_the_alternative() {
    let body = json!({"containerDefinitions": [{"name": "app", "image": "a", "credentialSpecs": ["domainless"]}]});
    let found = examine(Body::RegisterTaskDefinition, &body);
    assert_eq!(
        messages(&found.refused),
        [
            "containerDefinitions[app].credentialSpecs is not supported yet: they exist for Windows and Active Directory only: leave it out"
        ]
    );
}

#[test]
fn what_depends_on_the_value_is_judged_by_the_value() {
    let found = examine(
        Body::RegisterTaskDefinition,
        &json!({
            "runtimePlatform": {"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"},
            "requiresCompatibilities": ["EC2", "FARGATE"],
            "containerDefinitions": [{"logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "g"}}}],
        }),
    );
    assert_eq!(
        messages(&found.refused),
        [
            "runtimePlatform.operatingSystemFamily WINDOWS_SERVER_2022_CORE is not supported yet: instances run Linux"
        ]
    );
    assert_eq!(
        messages(&found.without_effect),
        [
            "containerDefinitions[0].logConfiguration.logDriver awslogs has no effect: the output goes to the instance's default log driver, and the options that begin with awslogs are not read: there is no log group and no stream in CloudWatch",
            "requiresCompatibilities FARGATE has no effect: tasks run on the cluster's container instances",
        ]
    );
    for (minutes, refused) in [(0, 0), (30, 1)] {
        let body = json!({"deploymentConfiguration": {"bakeTimeInMinutes": minutes}});
        assert_eq!(examine(Body::CreateService, &body).refused.len(), refused);
    }
}

#[test]
fn what_describe_services_leaves_empty_counts_as_absent() {
    let body = json!({
        "serviceName": "web", "desiredCount": 2, "loadBalancers": [], "serviceRegistries": [],
        "deploymentConfiguration": {
            "deploymentCircuitBreaker": {"enable": false, "rollback": false},
            "maximumPercent": 200, "minimumHealthyPercent": 100,
            "alarms": {"alarmNames": [], "enable": false, "rollback": false},
            "strategy": "ROLLING", "bakeTimeInMinutes": 0, "lifecycleHooks": [],
        },
        "placementConstraints": [], "placementStrategy": [], "healthCheckGracePeriodSeconds": 0,
        "schedulingStrategy": "REPLICA", "deploymentController": {"type": "ECS"},
        "enableECSManagedTags": false, "propagateTags": "NONE", "enableExecuteCommand": false,
        "availabilityZoneRebalancing": "DISABLED",
    });
    assert_eq!(examine(Body::CreateService, &body), Findings::default());
}

#[test]
fn a_field_that_nobody_knows_is_refused() {
    let found = examine(
        Body::RunTask,
        &json!({"taskDefinition": "web", "warpFactor": 9}),
    );
    assert_eq!(
        messages(&found.refused),
        ["warpFactor is not a field that this version knows: leave it out"]
    );
}

#[test]
fn an_item_without_a_name_or_with_an_empty_one_is_told_by_its_number() {
    for item in [json!({"family": true}), json!({"family": true, "name": ""})] {
        let found = examine(Body::RunTask, &json!([item]));
        assert_eq!(
            messages(&found.refused),
            ["[0].family is not a field that this version knows: leave it out"]
        );
    }
}

fn values() -> impl Strategy<Value = Value> {
    let names: Vec<String> = BODIES
        .iter()
        .flat_map(|body| body.table())
        .flat_map(|entry| entry.path.split('.'))
        .map(|name| name.trim_end_matches("[]").to_owned())
        .collect();
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(prop::sample::select(names.clone()), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Removes what is absent, at every level.
fn pruned(value: &Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .iter()
                .filter(|(_, member)| !is_absent(member))
                .map(|(name, member)| (name.clone(), pruned(member)))
                .collect(),
        ),
        Value::Array(items) => items.iter().map(pruned).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

proptest! {
    #[test]
    fn absent_values_change_no_finding(value in values()) {
        for body in BODIES {
            prop_assert_eq!(examine(body, &value), examine(body, &pruned(&value)));
        }
    }

    #[test]
    fn every_finding_begins_with_its_path(value in values()) {
        for body in BODIES {
            let found = examine(body, &value);
            for finding in found.refused.iter().chain(&found.without_effect) {
                prop_assert!(finding.message.starts_with(&finding.path));
            }
        }
    }
}
