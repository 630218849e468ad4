//! Every `CustomResourceDefinition`, as it is installed.
//!
//! The derived schemas are completed here by what follows from elsewhere: refusals come from `domain::fields`, so that
//! what is not supported is refused by `kubectl apply` with the alternative; a status before the first look makes
//! tools that wait tell the truth; the spec of a task is immutable field by field; and every type that is not of our
//! making gets its bounds.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, ValidationRule,
};
use kube::CustomResourceExt;

use crate::api::capacity_provider::CapacityProvider;
use crate::api::cluster::EcsCluster;
use crate::api::container_instance::ContainerInstance;
use crate::api::service::{EcsService, EcsServiceRevision};
use crate::api::target_group::TargetGroup;
use crate::api::task::EcsTask;
use crate::api::task_definition::{TaskDefinition, TaskDefinitionRevision};
use crate::domain::fields::Body;

mod complete;
mod refusals;

/// All kinds, in the order of their names. A kind that is not here does not exist.
#[must_use]
pub fn all() -> Vec<CustomResourceDefinition> {
    let mut crds = vec![
        CapacityProvider::crd(),
        ContainerInstance::crd(),
        EcsCluster::crd(),
        service(),
        EcsServiceRevision::crd(),
        TargetGroup::crd(),
        task(),
        task_definition(),
        TaskDefinitionRevision::crd(),
    ];
    crds.iter_mut().for_each(complete::complete);
    crds.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
    crds
}

/// The definition as YAML, for `crds/<plural>.yaml`.
pub fn render(crd: &CustomResourceDefinition) -> Result<String, serde_saphyr::ser::Error> {
    serde_saphyr::to_string(crd)
}

fn service() -> CustomResourceDefinition {
    let mut crd = EcsService::crd();
    refusals::add(&mut crd, Body::CreateService);
    crd
}

fn task() -> CustomResourceDefinition {
    let mut crd = EcsTask::crd();
    refusals::add(&mut crd, Body::RunTask);
    if let Some(spec) = schema(&mut crd).and_then(|root| property(root, "spec")) {
        // A task is bound once, told once to stop, and its protection comes and goes.
        freeze(
            spec,
            &["containerInstance", "stop", "extensions", "protection"],
        );
    }
    crd
}

fn task_definition() -> CustomResourceDefinition {
    let mut crd = TaskDefinition::crd();
    refusals::add(&mut crd, Body::RegisterTaskDefinition);
    crd
}

/// Makes every field of an object immutable but those that have rules of their own. Removing counts as a change.
fn freeze(object: &mut JSONSchemaProps, but: &[&str]) {
    let names: Vec<String> = object
        .properties
        .iter()
        .flatten()
        .map(|(name, _)| name.clone())
        .collect();
    for name in names.iter().filter(|name| !but.contains(&name.as_str())) {
        rule(
            object,
            format!(
                "has(self.{name}) == has(oldSelf.{name}) && (!has(self.{name}) || self.{name} == oldSelf.{name})"
            ),
            format!("{name} cannot be changed: what a task is made of is fixed when it is created"),
            Some(name),
        );
    }
}

fn schema(crd: &mut CustomResourceDefinition) -> Option<&mut JSONSchemaProps> {
    crd.spec
        .versions
        .first_mut()?
        .schema
        .as_mut()?
        .open_api_v3_schema
        .as_mut()
}

fn property<'a>(object: &'a mut JSONSchemaProps, name: &str) -> Option<&'a mut JSONSchemaProps> {
    object.properties.as_mut()?.get_mut(name)
}

fn items(list: &mut JSONSchemaProps) -> Option<&mut JSONSchemaProps> {
    match list.items.as_mut()? {
        JSONSchemaPropsOrArray::Schema(item) => Some(item),
        JSONSchemaPropsOrArray::Schemas(_) => None,
    }
}

fn rule(object: &mut JSONSchemaProps, rule: String, message: String, field: Option<&str>) {
    object
        .x_kubernetes_validations
        .get_or_insert_default()
        .push(ValidationRule {
            rule,
            message: Some(message),
            field_path: field.map(|name| format!(".{name}")),
            ..ValidationRule::default()
        });
}

#[cfg(test)]
mod tests;
