//! A task as the gateway serves it: the same name in another group, with streams and without a body of its own.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::api::{Attach, Execute, Log};
use kube::core::NamespaceResourceScope;
use serde::Deserialize;

use super::names;

/// `ecstasks` of the group `tasks.ecs-operator.io`. There is no such object: only its subresources can be asked for.
#[derive(Clone, Debug, Deserialize)]
pub struct TaskStreams {
    metadata: ObjectMeta,
}

impl Resource for TaskStreams {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        "EcsTask".into()
    }

    fn group((): &()) -> Cow<'_, str> {
        names::TASKS_GROUP.into()
    }

    fn version((): &()) -> Cow<'_, str> {
        "v1alpha1".into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        "ecstasks".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl Log for TaskStreams {}
impl Execute for TaskStreams {}
impl Attach for TaskStreams {}
