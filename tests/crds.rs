//! The resources as they are installed: `crds/*.yaml` must be what the types say, and every kind keeps
//! its promises about bounds, descriptions and columns. `UPDATE_CRDS=1 cargo test --test crds` writes the files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ecs_operator::api::crds;
use serde_json::Value;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("crds")
}

#[test]
fn the_files_are_what_the_types_say() {
    let update = std::env::var_os("UPDATE_CRDS").is_some();
    let mut expected = BTreeSet::new();
    for crd in crds::all() {
        let path = directory().join(format!("{}.yaml", crd.spec.names.plural));
        let rendered = crds::render(&crd).unwrap();
        if update {
            std::fs::create_dir_all(directory()).unwrap();
            std::fs::write(&path, &rendered).unwrap();
        }
        let stored = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            stored == rendered,
            "{} is out of date: UPDATE_CRDS=1 cargo test --test crds",
            path.display()
        );
        expected.insert(path);
    }
    let present: BTreeSet<_> = std::fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(
        present, expected,
        "crds/ holds files of kinds that do not exist"
    );
}

#[test]
fn the_yaml_reads_back_as_the_same_definition() {
    for crd in crds::all() {
        let read: Value = serde_saphyr::from_str(&crds::render(&crd).unwrap()).unwrap();
        assert_eq!(read, serde_json::to_value(&crd).unwrap());
    }
}

#[test]
fn health_checks_are_at_least_five_seconds_apart() {
    let kinds = crds::all().into_iter();
    let mut definitions = kinds.filter(|crd| crd.spec.names.kind == "TaskDefinition");
    let definition = serde_json::to_value(definitions.next().unwrap()).unwrap();
    let spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
    let interval = "containerDefinitions/items/properties/healthCheck/properties/interval";
    let interval = definition.pointer(&format!("{spec}/{interval}")).unwrap();
    assert_eq!(
        interval["minimum"].as_f64(),
        Some(5.0),
        "each costs the engine a process"
    );
}

#[test]
fn every_kind_has_a_status_columns_a_short_name_and_the_category() {
    for crd in crds::all() {
        let kind = &crd.spec.names.kind;
        assert_eq!(
            crd.spec.names.categories.as_deref(),
            Some(&["ecs".to_owned()][..]),
            "{kind}"
        );
        assert_eq!(
            crd.spec.names.short_names.as_ref().map(Vec::len),
            Some(1),
            "{kind}"
        );
        for version in &crd.spec.versions {
            let subresources = version.subresources.as_ref().unwrap();
            assert!(subresources.status.is_some(), "{kind}");
            let columns: Vec<_> = version
                .additional_printer_columns
                .iter()
                .flatten()
                .map(|c| c.name.as_str())
                .collect();
            assert!(
                columns.len() >= 2 && columns.last() == Some(&"AGE"),
                "{kind}: {columns:?}"
            );
        }
    }
}

#[test]
fn every_field_has_a_description_and_every_size_a_bound() {
    let mut faults = Vec::new();
    for crd in crds::all() {
        let crd = serde_json::to_value(&crd).unwrap();
        let schema = crd
            .pointer("/spec/versions/0/schema/openAPIV3Schema")
            .unwrap();
        let kind = crd
            .pointer("/spec/names/kind")
            .and_then(Value::as_str)
            .unwrap();
        for half in ["spec", "status"] {
            let part = schema.pointer(&format!("/properties/{half}")).unwrap();
            inspect(part, &format!("{kind}.{half}"), true, &mut faults);
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn kinds_with_readiness_are_unknown_before_anybody_looks() {
    for crd in crds::all() {
        let crd = serde_json::to_value(&crd).unwrap();
        let status = crd
            .pointer("/spec/versions/0/schema/openAPIV3Schema/properties/status")
            .unwrap();
        let readiness = ["observedGeneration", "conditions"]
            .iter()
            .all(|f| status["properties"].get(f).is_some());
        assert_eq!(status.get("default").is_some(), readiness);
    }
}

/// Collects what lacks a description or a bound.
fn inspect(schema: &Value, path: &str, described: bool, faults: &mut Vec<String>) {
    let text = schema["description"].as_str().unwrap_or_default();
    if described && text.is_empty() {
        faults.push(format!("{path} has no description"));
    }
    let bounded = |keyword: &str| schema.get(keyword).is_some();
    match schema["type"].as_str().unwrap_or_default() {
        "string" if !bounded("enum") && !bounded("maxLength") => {
            faults.push(format!("{path} has no maxLength"));
        }
        "array" => {
            if !bounded("maxItems") {
                faults.push(format!("{path} has no maxItems"));
            }
            inspect(&schema["items"], &format!("{path}[]"), false, faults);
        }
        "object" if bounded("additionalProperties") => {
            if !bounded("maxProperties") {
                faults.push(format!("{path} has no maxProperties"));
            }
            inspect(
                &schema["additionalProperties"],
                &format!("{path}{{}}"),
                false,
                faults,
            );
        }
        "object" => {
            for (name, child) in schema["properties"].as_object().into_iter().flatten() {
                inspect(child, &format!("{path}.{name}"), true, faults);
            }
        }
        _ => {}
    }
}
