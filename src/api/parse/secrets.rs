//! What a definition names without saying it: values of Secrets and ConfigMaps, credentials of registries, a role.

use crate::api::shapes::{self, ContainerDefinition};
use crate::api::task_definition::{TaskDefinitionSpec, TaskFile};
use crate::domain::definition::Container;
use crate::domain::definition::rules::Problem;
use crate::domain::supply::{Content, File, SecretReference, TaskRole};

/// The secrets that become variables of a container's environment.
pub fn secrets(spec: &ContainerDefinition) -> Vec<SecretReference> {
    let secrets = spec.secrets.iter().flat_map(|list| list.iter());
    secrets.map(reference).collect()
}

/// The secrets that become options of a container's log driver. What goes to the instance's own driver needs none.
pub fn log_secrets(spec: &ContainerDefinition) -> Vec<SecretReference> {
    let log = spec.log_configuration.iter();
    let log = log.filter(|log| log.log_driver != shapes::LogDriver::Awslogs);
    let secrets = log.flat_map(|log| log.secret_options.iter().flat_map(|list| list.iter()));
    secrets.map(reference).collect()
}

fn reference(secret: &shapes::Secret) -> SecretReference {
    SecretReference {
        name: secret.name.to_string(),
        value_from: secret.value_from.to_string(),
    }
}

/// Which files hold variables of a container's environment.
pub fn environment_files(spec: &ContainerDefinition) -> Vec<String> {
    let files = spec.environment_files.iter().flat_map(|list| list.iter());
    files.map(|file| file.value.to_string()).collect()
}

/// The files that a container finds.
pub fn files(spec: &TaskDefinitionSpec, container: &str) -> Vec<File> {
    let files = all_files(spec).filter(|file| file.container_name.as_str() == container);
    let content = |file: &TaskFile| match (&file.text, &file.value_from) {
        (_, Some(value_from)) => Content::From(value_from.to_string()),
        (text, None) => Content::Text(text.as_ref().map(ToString::to_string).unwrap_or_default()),
    };
    let files = files.map(|file| File {
        path: file.path.to_string(),
        content: content(file),
    });
    files.collect()
}

fn all_files(spec: &TaskDefinitionSpec) -> impl Iterator<Item = &TaskFile> {
    let extensions = spec.extensions.iter();
    extensions.flat_map(|extensions| extensions.files.iter())
}

/// Files for containers that there are none of.
pub(super) fn files_for_nobody(
    spec: &TaskDefinitionSpec,
    containers: &[Container],
) -> Vec<Problem> {
    let is_known = |name: &str| containers.iter().any(|container| container.name == name);
    let lost = all_files(spec).filter(|file| !is_known(file.container_name.as_str()));
    let problem = |file: &TaskFile| Problem {
        field: "extensions.files".to_owned(),
        message: format!(
            "the task has no container '{}': correct containerName of {}",
            file.container_name, file.path
        ),
    };
    lost.map(problem).collect()
}

/// Whom the task is.
pub fn task_role(spec: &TaskDefinitionSpec) -> Option<TaskRole> {
    let name = spec
        .task_role_arn
        .as_ref()
        .filter(|name| !name.is_empty())?;
    let extensions = spec.extensions.as_ref();
    let audience = extensions.and_then(|extensions| extensions.task_role_audience.as_ref());
    Some(TaskRole {
        name: name.to_string(),
        audience: audience.map(ToString::to_string),
    })
}

/// The Secrets with credentials for images whose containers name none.
pub fn image_pull_secrets(spec: &TaskDefinitionSpec) -> Vec<String> {
    let extensions = spec.extensions.iter();
    extensions
        .flat_map(|extensions| extensions.image_pull_secrets.iter())
        .map(ToString::to_string)
        .collect()
}
