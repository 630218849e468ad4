//! The fake server through the eyes of the real client.

mod runtime;
mod watches;
mod writes;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ObjectMeta;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, Error};
use serde_json::json;

use super::FakeApi;

fn maps(api: &FakeApi) -> Api<ConfigMap> {
    Api::namespaced(api.client(), "shop")
}

fn map(name: &str, value: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.into()),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([("key".to_owned(), value.to_owned())])),
        ..ConfigMap::default()
    }
}

fn resource() -> ApiResource {
    let kind = GroupVersionKind::gvk("ecs-operator.io", "v1alpha1", "EcsTask");
    ApiResource::from_gvk_with_plural(&kind, "ecstasks")
}

fn tasks(api: &FakeApi) -> Api<DynamicObject> {
    Api::namespaced_with(api.client(), "shop", &resource())
}

fn task(name: &str, instance: &str) -> DynamicObject {
    DynamicObject::new(name, &resource())
        .data(json!({"spec": {"containerInstance": instance}, "status": {"lastStatus": "RUNNING"}}))
}

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> (u16, String) {
    let error = result.unwrap_err();
    if let Error::Api(status) = &error {
        return (status.code, status.reason.clone());
    }
    panic!("{error}")
}
