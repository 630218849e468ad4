//! Reads what a container's definition names: its secrets, and the credentials of its image's registry.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1;
use kube::{Api, Client};
use serde_json::Value;

use super::{Refusal, Settings};
use crate::api::cluster::EcsCluster;
use crate::api::parse;
use crate::api::shapes::ContainerDefinition;
use crate::api::task::EcsTask;
use crate::api::task_definition::{TaskDefinitionRevision, TaskDefinitionSpec};
use crate::domain::ids::{self, RevisionReference};
use crate::domain::registry::{Credentials, Unreadable};
use crate::domain::secret::Secret;
use crate::domain::supply::{self, Location, Mapping, Supply};

/// Key of the Docker configuration in a Secret of type `kubernetes.io/dockerconfigjson`.
const DOCKER_CONFIG: &str = ".dockerconfigjson";

/// Role of the chart that a namespace's owner binds to let the broker read Secrets there.
pub const READER_ROLE: &str = "ecs-operator-broker-secrets";

/// The Secrets of one namespace, as they were read for one request.
pub struct Secrets<'a> {
    client: Client,
    settings: &'a Settings,
    namespace: String,
    read: BTreeMap<String, BTreeMap<String, ByteString>>,
}

/// Reads a revision, and gives the definition in it.
///
/// # Errors
/// When there is none, or nobody answers.
pub async fn definition(
    client: &Client,
    task: &EcsTask,
    namespace: &str,
) -> Result<TaskDefinitionSpec, Refusal> {
    let missing = || {
        Refusal::Impossible(format!(
            "task definition revision {} does not exist",
            task.revision_name()
        ))
    };
    let RevisionReference {
        family,
        revision: Some(revision),
    } = RevisionReference::parse(task.revision_name()).map_err(|_| missing())?
    else {
        return Err(missing());
    };
    let name = ids::revision_object(&family, revision);
    let revisions: Api<TaskDefinitionRevision> = Api::namespaced(client.clone(), namespace);
    let found = revisions
        .get_opt(&name)
        .await
        .map_err(|error| later(&error))?;
    found.map(|found| found.spec.definition).ok_or_else(missing)
}

/// The table of a task's cluster; empty where there is no such cluster.
///
/// # Errors
/// When nobody answers.
pub async fn mappings(client: &Client, task: &EcsTask) -> Result<Vec<Mapping>, Refusal> {
    let clusters: Api<EcsCluster> = Api::all(client.clone());
    let found = clusters
        .get_opt(task.cluster_name())
        .await
        .map_err(|error| later(&error))?;
    let table = found
        .iter()
        .flat_map(|cluster| cluster.spec.secret_mappings.iter());
    Ok(table.map(Mapping::from).collect())
}

/// All that `container` names.
///
/// # Errors
/// When something of it is not there or not for the broker; nothing is given then.
pub async fn supply(
    secrets: &mut Secrets<'_>,
    definition: &TaskDefinitionSpec,
    container: &ContainerDefinition,
    mappings: &[Mapping],
) -> Result<Supply, Refusal> {
    let mut environment = BTreeMap::new();
    for reference in parse::secrets(container) {
        let location = supply::resolve(&reference.value_from, mappings).map_err(|message| {
            Refusal::Impossible(format!("secret {}: {message}", reference.name))
        })?;
        let value = secrets.value(&location).await?;
        environment.insert(reference.name, value.expose().clone());
    }
    let credentials = credentials(secrets, definition, container, mappings).await?;
    let environment = Secret::new(environment);
    Ok(Supply {
        environment,
        credentials,
    })
}

/// Those that the container names go first; else the first of the definition that are for the image's registry.
async fn credentials(
    secrets: &mut Secrets<'_>,
    definition: &TaskDefinitionSpec,
    container: &ContainerDefinition,
    mappings: &[Mapping],
) -> Result<Option<Credentials>, Refusal> {
    let image = container.image.as_str();
    let unreadable = |name: &str, why: Unreadable| {
        Refusal::Impossible(format!(
            "Secret {name} has no credentials for image {image}: {why}"
        ))
    };
    if let Some(named) = &container.repository_credentials {
        let location = supply::resolve(&named.credentials_parameter, mappings)
            .map_err(|message| Refusal::Impossible(format!("repositoryCredentials: {message}")))?;
        let value = secrets.value(&location).await?;
        let read = Credentials::read(value.expose().as_bytes(), image);
        return read
            .map(Some)
            .map_err(|why| unreadable(&location.secret, why));
    }
    for secret in parse::image_pull_secrets(definition) {
        let key = DOCKER_CONFIG.to_owned();
        let value = secrets
            .value(&Location {
                secret: secret.clone(),
                key,
                field: None,
            })
            .await?;
        match Credentials::read(value.expose().as_bytes(), image) {
            Ok(found) => return Ok(Some(found)),
            Err(Unreadable::OtherRegistry) => {}
            Err(why @ Unreadable::Form) => return Err(unreadable(&secret, why)),
        }
    }
    Ok(None)
}

impl<'a> Secrets<'a> {
    /// The Secrets of `namespace`, none of them read yet.
    #[must_use]
    pub fn of(client: &Client, settings: &'a Settings, namespace: &str) -> Self {
        Self {
            client: client.clone(),
            settings,
            namespace: namespace.to_owned(),
            read: BTreeMap::new(),
        }
    }

    async fn value(&mut self, location: &Location) -> Result<Secret<String>, Refusal> {
        let Location { secret, key, field } = location;
        let namespace = self.namespace.clone();
        let data = self.data(secret).await?;
        let impossible = |what: String| {
            Refusal::Impossible(format!("Secret {secret} of namespace {namespace} {what}"))
        };
        let bytes = data
            .get(key)
            .ok_or_else(|| impossible(format!("has no key {key}")))?;
        let text = String::from_utf8(bytes.0.clone()).map_err(|_| {
            impossible(format!(
                "has a key {key} that is no text: a variable of the environment has to be"
            ))
        })?;
        let Some(field) = field else {
            return Ok(Secret::new(text));
        };
        let object: Option<Value> = serde_json::from_str(&text).ok();
        let found = object.as_ref().and_then(|object| object.get(field));
        let found = found.and_then(|value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        });
        let found = found.ok_or_else(|| {
            impossible(format!(
                "has under key {key} no JSON object with a field {field}"
            ))
        })?;
        Ok(Secret::new(found))
    }

    async fn data(&mut self, name: &str) -> Result<&BTreeMap<String, ByteString>, Refusal> {
        if !self.read.contains_key(name) {
            let secrets: Api<v1::Secret> = Api::namespaced(self.client.clone(), &self.namespace);
            let found = secrets
                .get_opt(name)
                .await
                .map_err(|error| self.unread(&error))?;
            let found = found.ok_or_else(|| {
                Refusal::Impossible(format!(
                    "Secret {name} of namespace {} does not exist",
                    self.namespace
                ))
            })?;
            self.read
                .insert(name.to_owned(), found.data.unwrap_or_default());
        }
        self.read
            .get(name)
            .ok_or_else(|| Refusal::Later("nothing was read".to_owned()))
    }

    fn unread(&self, error: &kube::Error) -> Refusal {
        let forbidden = matches!(error, kube::Error::Api(status) if status.code == 403);
        if !forbidden {
            return later(error);
        }
        let Self {
            namespace,
            settings,
            ..
        } = self;
        Refusal::Impossible(format!(
            "the broker may not read Secrets of namespace {namespace}. Its owner lets it by: kubectl create rolebinding {READER_ROLE} --namespace {namespace} --clusterrole {READER_ROLE} --serviceaccount {}",
            settings.own_account
        ))
    }
}

/// The error of a Secret's reading may quote the Secret, so only its kind is told.
pub(super) fn later(error: &kube::Error) -> Refusal {
    Refusal::Later(if let kube::Error::Api(status) = error {
        format!("the API server answers {}", status.code)
    } else {
        "the API server cannot be asked".to_owned()
    })
}
