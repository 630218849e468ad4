//! Reads what a container's definition names: values of Secrets and ConfigMaps, and the credentials of its image's registry.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1;
use kube::{Api, Client};
use serde_json::Value;

use super::{Refusal, Settings};
use crate::api::cluster::{EcsCluster, RegistryAccess};
use crate::api::parse;
use crate::api::shapes::ContainerDefinition;
use crate::api::task::EcsTask;
use crate::api::task_definition::{TaskDefinitionRevision, TaskDefinitionSpec};
use crate::domain::ids::{self, RevisionReference};
use crate::domain::registry::{Credentials, Unreadable};
use crate::domain::secret::Secret;
use crate::domain::supply::{
    Content, Contents, Location, Mapping, RoleMapping, SecretReference, Source, Supply,
    environment, resolve,
};

/// Key of the Docker configuration in a Secret of type `kubernetes.io/dockerconfigjson`.
const DOCKER_CONFIG: &str = ".dockerconfigjson";

/// Role of the chart that a namespace's owner binds to let the broker read Secrets and ConfigMaps there.
pub const READER_ROLE: &str = "ecs-operator-broker-secrets";

/// What a Secret or ConfigMap holds.
type Data = BTreeMap<String, ByteString>;

/// The Secrets and ConfigMaps of one namespace, as they were read for one request.
pub struct Values<'a> {
    client: Client,
    settings: &'a Settings,
    namespace: String,
    read: BTreeMap<(Source, String), Data>,
}

/// The tables of a cluster.
#[derive(Debug, Default)]
pub struct Tables {
    /// Where what tasks name of AWS is.
    pub values: Vec<Mapping>,
    /// Who stands for roles of AWS.
    pub roles: Vec<RoleMapping>,
    /// Who may use the broker's own access to registries.
    pub registries: Vec<RegistryAccess>,
}

impl Tables {
    /// Whether tasks of `namespace` pull `image` with what the credential providers get.
    #[must_use]
    pub fn gives_credentials(&self, namespace: &str, image: &str) -> bool {
        let mut lines = self.registries.iter();
        lines.any(|line| line.allows(namespace, image))
    }
}

/// Reads a revision, and gives the definition in it with what the task overrides.
///
/// # Errors
/// When there is none, the overrides do not fit it, or nobody answers.
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
    let registered = found.ok_or_else(missing)?.spec.definition;
    parse::overridden(&registered, task.spec.overrides.as_ref()).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Refusal::Impossible(problems.join("; "))
    })
}

/// The tables of a task's cluster; empty where there is no such cluster.
///
/// # Errors
/// When nobody answers.
pub async fn tables(client: &Client, task: &EcsTask) -> Result<Tables, Refusal> {
    let clusters: Api<EcsCluster> = Api::all(client.clone());
    let found = clusters
        .get_opt(task.cluster_name())
        .await
        .map_err(|error| later(&error))?;
    Ok(
        found.map_or_else(Tables::default, |EcsCluster { spec, .. }| Tables {
            values: spec.secret_mappings.iter().map(Mapping::from).collect(),
            roles: spec
                .task_role_mappings
                .iter()
                .map(RoleMapping::from)
                .collect(),
            registries: spec.registry_access.iter().cloned().collect(),
        }),
    )
}

/// All that `container` names; the token of the task's role is none of it.
///
/// # Errors
/// When something of it is not there or not for the broker; nothing is given then.
pub async fn supply(
    values: &mut Values<'_>,
    definition: &TaskDefinitionSpec,
    container: &ContainerDefinition,
    mappings: &[Mapping],
) -> Result<Supply, Refusal> {
    let secrets = parse::secrets(container);
    let options = parse::log_secrets(container);
    Ok(Supply {
        environment: Secret::new(named(values, "secret", &secrets, mappings).await?),
        environment_files: environment_files(values, container, mappings).await?,
        log_options: Secret::new(named(values, "secretOption", &options, mappings).await?),
        files: files(values, definition, container, mappings).await?,
        credentials: credentials(values, definition, container, mappings).await?,
        role_token: None,
    })
}

/// Where the value is that `what` names.
fn locate(what: &str, value_from: &str, mappings: &[Mapping]) -> Result<Location, Refusal> {
    let found = resolve(value_from, mappings);
    found.map_err(|message| Refusal::Impossible(format!("{what}: {message}")))
}

async fn named(
    values: &mut Values<'_>,
    what: &str,
    references: &[SecretReference],
    mappings: &[Mapping],
) -> Result<BTreeMap<String, String>, Refusal> {
    let mut found = BTreeMap::new();
    for SecretReference { name, value_from } in references {
        let location = locate(&format!("{what} {name}"), value_from, mappings)?;
        let value = values.text(&location).await?;
        found.insert(name.clone(), value.expose().clone());
    }
    Ok(found)
}

async fn environment_files(
    values: &mut Values<'_>,
    container: &ContainerDefinition,
    mappings: &[Mapping],
) -> Result<Secret<BTreeMap<String, String>>, Refusal> {
    let mut texts = Vec::new();
    for file in parse::environment_files(container) {
        let location = locate("environmentFiles", &file, mappings)?;
        texts.push(values.text(&location).await?);
    }
    let texts = texts.iter().map(|text| text.expose().as_str());
    Ok(Secret::new(environment::variables(texts)))
}

async fn files(
    values: &mut Values<'_>,
    definition: &TaskDefinitionSpec,
    container: &ContainerDefinition,
    mappings: &[Mapping],
) -> Result<Secret<Contents>, Refusal> {
    let mut found = Contents::new();
    for file in parse::files(definition, &container.name) {
        if let Content::From(value_from) = &file.content {
            let location = locate(&format!("file {}", file.path), value_from, mappings)?;
            let content = values.bytes(&location).await?;
            found.insert(file.path, content.expose().clone());
        }
    }
    Ok(Secret::new(found))
}

/// Those that the container names go first; else the first of the definition that are for the image's registry.
async fn credentials(
    values: &mut Values<'_>,
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
        let parameter = &named.credentials_parameter;
        let location = locate("repositoryCredentials", parameter, mappings)?;
        let value = values.bytes(&location).await?;
        let read = Credentials::read(value.expose(), image);
        return read
            .map(Some)
            .map_err(|why| unreadable(&location.name, why));
    }
    for secret in parse::image_pull_secrets(definition) {
        let location = Location {
            source: Source::Secret,
            name: secret.clone(),
            key: DOCKER_CONFIG.to_owned(),
            field: None,
        };
        let value = values.bytes(&location).await?;
        match Credentials::read(value.expose(), image) {
            Ok(found) => return Ok(Some(found)),
            Err(Unreadable::OtherRegistry) => {}
            Err(why @ Unreadable::Form) => return Err(unreadable(&secret, why)),
        }
    }
    Ok(None)
}

impl<'a> Values<'a> {
    /// Those of `namespace`, none of them read yet.
    #[must_use]
    pub fn of(client: &Client, settings: &'a Settings, namespace: &str) -> Self {
        Self {
            client: client.clone(),
            settings,
            namespace: namespace.to_owned(),
            read: BTreeMap::new(),
        }
    }

    /// A value that has to be text, as variables and options have.
    async fn text(&mut self, location: &Location) -> Result<Secret<String>, Refusal> {
        let bytes = self.bytes(location).await?;
        let text = String::from_utf8(bytes.expose().clone());
        let text = text.map_err(|_| {
            let what = format!(
                "has a key {} that is no text: a variable of the environment has to be",
                location.key
            );
            self.impossible(location, &what)
        })?;
        Ok(Secret::new(text))
    }

    async fn bytes(&mut self, location: &Location) -> Result<Secret<Vec<u8>>, Refusal> {
        let key = &location.key;
        let found = self.data(location).await?.get(key).map(|it| it.0.clone());
        let bytes = found.ok_or_else(|| self.impossible(location, &format!("has no key {key}")))?;
        let Some(field) = &location.field else {
            return Ok(Secret::new(bytes));
        };
        let object: Option<Value> = serde_json::from_slice(&bytes).ok();
        let found = object.as_ref().and_then(|object| object.get(field));
        let found = found.and_then(|value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        });
        let found = found.ok_or_else(|| {
            let what = format!("has under key {key} no JSON object with a field {field}");
            self.impossible(location, &what)
        })?;
        Ok(Secret::new(found.into_bytes()))
    }

    fn impossible(&self, location: &Location, what: &str) -> Refusal {
        let (kind, name) = (location.source.kind(), &location.name);
        let namespace = &self.namespace;
        Refusal::Impossible(format!("{kind} {name} of namespace {namespace} {what}"))
    }

    async fn data(&mut self, location: &Location) -> Result<&Data, Refusal> {
        let at = (location.source, location.name.clone());
        if !self.read.contains_key(&at) {
            let found = match location.source {
                Source::Secret => self.secret(&location.name).await,
                Source::ConfigMap => self.config_map(&location.name).await,
            };
            let found = found.map_err(|error| self.unread(location.source, &error))?;
            let found = found.ok_or_else(|| self.impossible(location, "does not exist"))?;
            self.read.insert(at.clone(), found);
        }
        self.read
            .get(&at)
            .ok_or_else(|| Refusal::Later("nothing was read".to_owned()))
    }

    async fn secret(&self, name: &str) -> Result<Option<Data>, kube::Error> {
        let secrets: Api<v1::Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let found = secrets.get_opt(name).await?;
        Ok(found.map(|found| found.data.unwrap_or_default()))
    }

    async fn config_map(&self, name: &str) -> Result<Option<Data>, kube::Error> {
        let maps: Api<v1::ConfigMap> = Api::namespaced(self.client.clone(), &self.namespace);
        let found = maps.get_opt(name).await?;
        Ok(found.map(|found| {
            let texts = found.data.unwrap_or_default().into_iter();
            let texts = texts.map(|(key, text)| (key, ByteString(text.into_bytes())));
            texts.chain(found.binary_data.unwrap_or_default()).collect()
        }))
    }

    fn unread(&self, source: Source, error: &kube::Error) -> Refusal {
        let forbidden = matches!(error, kube::Error::Api(status) if status.code == 403);
        if !forbidden {
            return later(error);
        }
        let Self {
            namespace,
            settings,
            ..
        } = self;
        let kind = source.kind();
        let advice = settings.binding(READER_ROLE, namespace);
        Refusal::Impossible(format!(
            "the broker may not read {kind}s of namespace {namespace}. Its owner lets it by: {advice}"
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
