//! What people keep in files: YAML or JSON, one document or several.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::service::EcsService;
use crate::api::task_definition::TaskDefinition;

/// What of a manifest concerns services; objects of other kinds are passed over.
#[derive(Debug, Default)]
pub struct Manifests {
    /// Services, in their order.
    pub services: Vec<EcsService>,
    /// Task definitions.
    pub definitions: Vec<TaskDefinition>,
}

/// Reads a file, or standard input where it is `-`. Objects without a namespace are in `namespace`.
///
/// # Errors
/// Says which document cannot be read, and why.
pub fn read(path: &Path, namespace: &str) -> anyhow::Result<Manifests> {
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().read_to_string(&mut text)?;
    } else {
        text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
    }
    parse(&text, namespace).with_context(|| format!("cannot read {}", path.display()))
}

/// Reads the documents of a text.
///
/// # Errors
/// Says which document cannot be read, and why.
pub fn parse(text: &str, namespace: &str) -> anyhow::Result<Manifests> {
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(text).context("it is neither YAML nor JSON")?;
    let mut manifests = Manifests::default();
    let items = documents
        .into_iter()
        .flat_map(|document| match document.get("items") {
            Some(Value::Array(items)) => items.clone(),
            Some(_) | None => vec![document],
        });
    for mut item in items {
        let kind = item.get("kind").and_then(Value::as_str).unwrap_or_default();
        let kind = kind.to_owned();
        if let Some(metadata) = item.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata
                .entry("namespace")
                .or_insert_with(|| namespace.into());
        }
        match kind.as_str() {
            "EcsService" => manifests.services.push(object(item)?),
            "TaskDefinition" => manifests.definitions.push(object(item)?),
            _ => {}
        }
    }
    if manifests.services.is_empty() {
        bail!("it has no EcsService: name a manifest with at least one");
    }
    Ok(manifests)
}

fn object<K: DeserializeOwned>(item: Value) -> anyhow::Result<K> {
    let text = |pointer: &str| {
        let found = item.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    let what = format!("{} {}", text("/kind"), text("/metadata/name"));
    if text("/metadata/name").is_empty() {
        bail!("{what}: metadata.name is missing");
    }
    serde_json::from_value(item).with_context(|| what)
}

#[cfg(test)]
mod tests {
    use kube::ResourceExt;

    use super::*;

    #[test]
    fn documents_lists_and_json_are_read_and_other_kinds_passed_over() {
        let yaml = "
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: ecs-operator.io/v1alpha1
kind: EcsService
metadata: {name: web, namespace: other}
spec: {taskDefinition: web}
---
apiVersion: v1
kind: List
items:
- kind: TaskDefinition
  metadata: {name: web}
  spec: {containerDefinitions: []}
- kind: EcsService
  metadata: {name: api}
  spec: {taskDefinition: api}
";
        let read = parse(yaml, "shop").unwrap();
        let names: Vec<_> = read
            .services
            .iter()
            .map(crate::controllers::cache::key_of)
            .collect();
        assert_eq!(
            names,
            [
                ("other".into(), "web".into()),
                ("shop".into(), "api".into())
            ]
        );
        assert_eq!(read.definitions[0].name_any(), "web");
        let json = r#"{"kind": "EcsService", "metadata": {"name": "web"}, "spec": {}}"#;
        assert_eq!(parse(json, "shop").unwrap().services.len(), 1);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let said = |text: &str| format!("{:#}", parse(text, "shop").unwrap_err());
        assert_eq!(
            said("kind: Namespace\nmetadata: {name: shop}"),
            "it has no EcsService: name a manifest with at least one"
        );
        let wrong = "kind: EcsService\nmetadata: {name: web}\nspec: {desiredCount: many}";
        assert!(
            said(wrong).starts_with("EcsService web: invalid type"),
            "{}",
            said(wrong)
        );
        assert_eq!(
            said("kind: EcsService\nspec: {}"),
            "EcsService : metadata.name is missing"
        );
    }
}
