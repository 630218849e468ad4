//! Bodies as people have them for AWS, in the shapes that the wild shows: what applies unchanged, and what the rest is told.
//!
//! A body applies if the schema takes it as the API server does (strictly, `null` counting as absent), and the definition
//! or service can run in a cluster whose security profile admits it. The rules of the schema that CEL holds are the tables'
//! and the parser's, which are asked here too.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what cannot be read fails the test"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use ecs_operator::api::crds;
use ecs_operator::api::parse;
use ecs_operator::domain::fields::Body;
use ecs_operator::domain::security::{self, Profile};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::Value;

/// Bodies of AWS that do not apply, each with all that is said of it.
const REFUSED: &[(&str, &[&str])] = &[(
    "fargate-efs",
    &[
        "volumes[content].efsVolumeConfiguration: is not supported yet: it exists only in AWS: use dockerVolumeConfiguration with scope shared, whose data stay on the instance, or mount the file system on the instances and name its folder in host.sourcePath",
    ],
)];

/// Bodies that only a cluster with the security profile `privileged` runs, with the fields that `baseline` refuses.
const PRIVILEGED: &[(&str, &[&str])] = &[
    ("docker-socket", &["volumes[docker_sock].host.sourcePath"]),
    (
        "from-the-console",
        &["containerDefinitions[web].portMappings"],
    ),
    (
        "node-exporter",
        &["volumes[root].host.sourcePath", "networkMode"],
    ),
];

/// Bodies that AWS does not take either, with all that is said of them.
const BROKEN: &[(&str, &[&str])] = &[
    (
        "broken-cloudformation",
        &[
            "containerDefinitions: required value",
            "ContainerDefinitions: unknown field",
            "Family: unknown field",
            "NetworkMode: unknown field",
        ],
    ),
    (
        "broken-from-a-pipeline",
        &[
            "containerDefinitions[0].image: 'registry.example.com:5000/team/app:${TAG}' does not match ^[A-Za-z0-9][A-Za-z0-9._:/#@+-]*$",
        ],
    ),
    (
        "broken-memory-as-a-number",
        &["memory: must be of type string"],
    ),
    (
        "broken-no-memory",
        &[
            "containerDefinitions[api].memory: Invalid setting for container 'api'. At least one of 'memory' or 'memoryReservation' must be specified.",
        ],
    ),
    (
        "broken-pascal-slip",
        &["containerDefinitions[0].portMappings[0].ContainerPort: unknown field"],
    ),
    (
        "broken-terraform",
        &[
            "containerDefinitions: required value",
            "container_definitions: unknown field",
        ],
    ),
    ("service-broken-misspelt", &["desiredcount: unknown field"]),
];

/// Bodies that AWS takes and that run here unchanged, of all that AWS takes. It only ever rises.
const APPLY: (usize, usize) = (31, 32);

#[test]
fn each_body_of_the_corpus_applies_unchanged_or_says_what_to_change() {
    let mut told: BTreeMap<&str, &[&str]> = REFUSED.iter().chain(BROKEN).copied().collect();
    let mut faults = Vec::new();
    let bodies = bodies();
    for (name, body) in &bodies {
        let said = problems(name, body, Profile::Privileged);
        let wanted = told.remove(name.as_str()).unwrap_or(&[]);
        if said != wanted {
            faults.push(format!("{name} says {said:#?}, not {wanted:#?}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(told.is_empty(), "there is no body of {told:?}");
    let of_aws = bodies.len() - BROKEN.len();
    assert_eq!((of_aws - REFUSED.len(), of_aws), APPLY);
}

#[test]
fn what_only_a_privileged_cluster_runs_is_told_by_its_fields() {
    let mut wanted: BTreeMap<&str, &[&str]> = PRIVILEGED.iter().copied().collect();
    for (name, body) in bodies() {
        let said = problems(&name, &body, Profile::Baseline);
        let denied = said.iter().filter(|text| text.contains("profile baseline"));
        let fields: Vec<&str> = denied.filter_map(|text| text.split(": ").next()).collect();
        assert_eq!(
            fields,
            wanted.remove(name.as_str()).unwrap_or(&[]),
            "{name}"
        );
    }
    assert!(wanted.is_empty(), "there is no body of {wanted:?}");
}

fn bodies() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let paths = fs::read_dir(folder).unwrap();
    let mut bodies: Vec<(String, Value)> = paths
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let body = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
            (name, body)
        })
        .collect();
    bodies.sort_by(|a, b| a.0.cmp(&b.0));
    bodies
}

/// All that is said against a body.
fn problems(name: &str, body: &Value, profile: Profile) -> Vec<String> {
    let kind = if name.starts_with("service-") {
        "EcsService"
    } else {
        "TaskDefinition"
    };
    let body = pruned(body);
    let mut found = Vec::new();
    against_schema(schema(kind), &body, "", &mut found);
    if !found.is_empty() {
        return found;
    }
    let told: Vec<_> = if kind == "EcsService" {
        let spec = serde_json::from_value(body).unwrap();
        let mut told = parse::refused(Body::CreateService, &spec);
        told.extend(parse::service_placement(&spec).err().unwrap_or_default());
        told
    } else {
        let family = body["family"].as_str().unwrap_or_default().to_owned();
        let spec = serde_json::from_value(body).unwrap();
        match parse::task_definition(&family, &spec) {
            Ok(definition) => security::admit(&definition, profile),
            Err(problems) => problems,
        }
    };
    told.iter().map(ToString::to_string).collect()
}

/// Without the `null`s of objects, which the API server drops.
fn pruned(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .filter(|(_, member)| !member.is_null())
            .map(|(name, member)| (name.clone(), pruned(member)))
            .collect(),
        Value::Array(items) => items.iter().map(pruned).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// The schema of the spec of a kind.
fn schema(kind: &str) -> &'static Value {
    static SCHEMAS: LazyLock<BTreeMap<String, Value>> = LazyLock::new(|| {
        let schema = |crd: CustomResourceDefinition| {
            let spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec";
            let body = serde_json::to_value(&crd).unwrap();
            (crd.spec.names.kind, body.pointer(spec).unwrap().clone())
        };
        crds::all().into_iter().map(schema).collect()
    });
    SCHEMAS.get(kind).unwrap()
}

/// What a structural schema says against a value, as far as our schemas go.
fn against_schema(schema: &Value, value: &Value, path: &str, found: &mut Vec<String>) {
    if schema["x-kubernetes-preserve-unknown-fields"] == true {
        return;
    }
    let kind = schema["type"].as_str().unwrap_or_default();
    let fits = match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64(),
        "number" => value.is_number(),
        other => panic!("{path}: type {other} is not known"),
    };
    if !fits {
        found.push(format!("{path}: must be of type {kind}"));
        return;
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        found.push(format!("{path}: {value} is not one of the values"));
    }
    let bound = |name: &str| schema[name].as_f64();
    let size = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => {
            if let Some(pattern) = schema["pattern"].as_str()
                && !regex::Regex::new(pattern).unwrap().is_match(text)
            {
                found.push(format!("{path}: '{text}' does not match {pattern}"));
            }
            None
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                against_schema(&schema["items"], item, &format!("{path}[{index}]"), found);
            }
            None
        }
        Value::Object(members) => {
            against_fields(schema, members, path, found);
            None
        }
        Value::Null | Value::Bool(_) => None,
    };
    if let Some(size) = size
        && (bound("minimum").is_some_and(|least| size < least)
            || bound("maximum").is_some_and(|most| size > most))
    {
        found.push(format!("{path}: {size} is out of bounds"));
    }
}

fn against_fields(
    schema: &Value,
    members: &serde_json::Map<String, Value>,
    path: &str,
    found: &mut Vec<String>,
) {
    let join = |name: &str| match path {
        "" => name.to_owned(),
        _ => format!("{path}.{name}"),
    };
    for required in schema["required"].as_array().into_iter().flatten() {
        let name = required.as_str().unwrap();
        if !members.contains_key(name) {
            found.push(format!("{}: required value", join(name)));
        }
    }
    for (name, member) in members {
        let own = schema.pointer(&format!("/properties/{name}"));
        match own.or_else(|| schema.get("additionalProperties")) {
            Some(field) => against_schema(field, member, &join(name), found),
            None => found.push(format!("{}: unknown field", join(name))),
        }
    }
}
