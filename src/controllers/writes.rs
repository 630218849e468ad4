//! The few ways in which the controller writes. Objects are created by POST; stops, finalizers and deletes carry UID
//! and resource version; only status is applied, each time whole.

use std::fmt::Debug;

use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::cache::Cache;
use crate::api::names;
use crate::api::task::{EcsTask, TaskTraffic};

/// Why a reconcile came to no end. All of these are tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused, or could not be reached.
    #[error("cannot {action}")]
    Kube {
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        #[source]
        source: Box<kube::Error>,
    },
    /// A value of ours has no JSON form.
    #[error("cannot write as JSON")]
    Json(#[from] serde_json::Error),
}

impl Error {
    /// One word for metrics.
    pub const fn category(&self) -> &'static str {
        match self {
            Self::Kube { .. } => "kube",
            Self::Json(_) => "json",
        }
    }

    /// The whole chain of causes in one line.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }
}

/// Names what was tried, for an error.
pub fn doing(action: &'static str) -> impl FnOnce(kube::Error) -> Error {
    move |source| Error::Kube {
        action,
        source: Box::new(source),
    }
}

/// Whether an error is this status of the API server.
pub fn is_status(error: &kube::Error, code: u16) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == code)
}

/// Whether the API server has refused a request, for good: asked to come later or too slow, it may still have carried it out.
pub fn is_refusal(error: &kube::Error) -> bool {
    const MAY_HAVE_HAPPENED: [u16; 2] = [408, 429];
    matches!(error, kube::Error::Api(status)
        if (400..500).contains(&status.code) && !MAY_HAVE_HAPPENED.contains(&status.code))
}

/// What a create came to.
pub enum Created<K> {
    /// It was made.
    New(K),
    /// There is one of that name.
    Exists(K),
}

/// What objects of ours have in common.
pub trait Ours:
    Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
}
impl<
    K: Resource<DynamicType = ()>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
> Ours for K
{
}

/// An API for the place where `object` is.
pub fn api_of<K>(client: &Client, namespace: Option<String>) -> Api<K>
where
    K: Ours + Resource<Scope = NamespaceResourceScope>,
{
    Api::namespaced(client.clone(), &namespace.unwrap_or_default())
}

/// Creates an object and takes it into the cache; one that exists is returned for the caller to judge, and so is one that
/// was made although the answer got lost.
///
/// # Errors
/// When the API server refuses or does not answer.
pub async fn create<K: Ours>(
    api: &Api<K>,
    cache: &Cache<K>,
    object: &K,
) -> Result<Created<K>, kube::Error> {
    match api.create(&PostParams::default(), object).await {
        Ok(made) => {
            cache.wrote(made.clone());
            Ok(Created::New(made))
        }
        Err(error) if is_status(&error, 409) => {
            let found = api.get(&object.name_any()).await?;
            cache.wrote(found.clone());
            Ok(Created::Exists(found))
        }
        Err(error @ kube::Error::Api(_)) => Err(error),
        Err(unanswered) => match api.get_opt(&object.name_any()).await {
            Ok(Some(found)) => {
                cache.wrote(found.clone());
                Ok(Created::Exists(found))
            }
            Ok(None) | Err(_) => Err(unanswered),
        },
    }
}

/// Applies the whole status of one writer, for this very object: one of the same name with another UID is not touched.
///
/// # Errors
/// When the API server refuses or does not answer.
pub async fn apply_status<K: Ours>(
    api: &Api<K>,
    cache: &Cache<K>,
    object: &K,
    status: &impl Serialize,
) -> Result<(), Error> {
    let manager = names::CONTROLLER;
    apply(api, cache, object, status, None, manager).await
}

/// As [`apply_status`], but only over the version that was seen: for a status that others write too.
///
/// # Errors
/// When somebody else wrote meanwhile, the API server refuses, or does not answer.
pub async fn apply_status_over<K: Ours>(
    api: &Api<K>,
    cache: &Cache<K>,
    object: &K,
    status: &impl Serialize,
) -> Result<(), Error> {
    let version = object.resource_version();
    apply(api, cache, object, status, version, names::CONTROLLER).await
}

/// Applies what the controller records of a task's traffic, beside what its agent reports; `over` the version that was
/// seen, or over any.
///
/// # Errors
/// When somebody else wrote meanwhile, the API server refuses, or does not answer.
pub async fn apply_traffic(
    api: &Api<EcsTask>,
    cache: &Cache<EcsTask>,
    task: &EcsTask,
    traffic: &TaskTraffic,
    over: bool,
) -> Result<(), Error> {
    let version = task.resource_version().filter(|_| over);
    let status = json!({"traffic": serde_json::to_value(traffic)?});
    apply(api, cache, task, &status, version, names::TRAFFIC).await
}

async fn apply<K: Ours>(
    api: &Api<K>,
    cache: &Cache<K>,
    object: &K,
    status: &impl Serialize,
    version: Option<String>,
    manager: &str,
) -> Result<(), Error> {
    let mut metadata = json!({"name": object.name_any(), "uid": object.uid()});
    if let (Some(version), Some(metadata)) = (version, metadata.as_object_mut()) {
        metadata.insert("resourceVersion".into(), json!(version));
    }
    let body = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": metadata,
        "status": serde_json::to_value(status)?,
    });
    let parameters = PatchParams::apply(manager).force();
    let written = api
        .patch_status(&object.name_any(), &parameters, &Patch::Apply(&body))
        .await
        .map_err(doing("write status"))?;
    cache.wrote(written);
    Ok(())
}

/// Changes this very version of an object by a merge patch; a conflict is an error, and the caller looks again.
///
/// # Errors
/// When somebody else wrote meanwhile, the API server refuses, or does not answer.
pub async fn patch<K: Ours>(
    api: &Api<K>,
    cache: &Cache<K>,
    object: &K,
    action: &'static str,
    mut change: Value,
) -> Result<K, Error> {
    let metadata = change
        .as_object_mut()
        .map(|body| body.entry("metadata").or_insert_with(|| json!({})));
    if let Some(Value::Object(metadata)) = metadata {
        metadata.insert("uid".into(), json!(object.uid()));
        metadata.insert("resourceVersion".into(), json!(object.resource_version()));
    }
    let parameters = PatchParams {
        field_manager: Some(names::CONTROLLER.into()),
        ..PatchParams::default()
    };
    let written = api
        .patch(&object.name_any(), &parameters, &Patch::Merge(&change))
        .await
        .map_err(doing(action))?;
    if written.meta().deletion_timestamp.is_some() && written.finalizers().is_empty() {
        cache.removed(&written);
    } else {
        cache.wrote(written.clone());
    }
    Ok(written)
}

/// Adds or removes one of our finalizers.
///
/// # Errors
/// As [`patch`].
pub async fn set_finalizer<K: Ours>(
    api: &Api<K>,
    cache: &Cache<K>,
    object: &K,
    finalizer: &str,
    present: bool,
) -> Result<(), Error> {
    if object.finalizers().iter().any(|name| name == finalizer) == present {
        return Ok(());
    }
    let mut finalizers: Vec<String> = object
        .finalizers()
        .iter()
        .filter(|name| *name != finalizer)
        .cloned()
        .collect();
    if present {
        finalizers.push(finalizer.to_owned());
    }
    let action = if present {
        "add finalizer"
    } else {
        "remove finalizer"
    };
    patch(
        api,
        cache,
        object,
        action,
        json!({"metadata": {"finalizers": finalizers}}),
    )
    .await
    .map(drop)
}

/// Deletes this very object, in the version that was seen. One that is gone already is a success.
///
/// # Errors
/// When it changed meanwhile, the API server refuses, or does not answer.
pub async fn delete<K: Ours>(api: &Api<K>, cache: &Cache<K>, object: &K) -> Result<(), Error> {
    let parameters = DeleteParams {
        preconditions: Some(Preconditions {
            uid: object.uid(),
            resource_version: object.resource_version(),
        }),
        ..DeleteParams::background()
    };
    let answer = api.delete(&object.name_any(), &parameters).await;
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the crate of that type is not ours to name"
    )]
    match answer.map(|answer| answer.left()) {
        Ok(Some(deleting)) if !deleting.finalizers().is_empty() => cache.wrote(deleting),
        Ok(_) => cache.removed(object),
        Err(error) if is_status(&error, 404) => cache.removed(object),
        Err(error) => return Err(doing("delete")(error)),
    }
    Ok(())
}
