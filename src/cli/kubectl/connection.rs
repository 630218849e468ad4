//! A person at a cluster: the API server for objects, and behind it the gateway for streams.

use anyhow::{Context as _, anyhow};
use kube::config::KubeConfigOptions;
use kube::{Api, Client, Config, Resource};

use super::To;
use crate::api::streams::TaskStreams;
use crate::api::task::EcsTask;

/// An open connection.
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) config: Config,
    pub(super) namespace: String,
}

impl Connection {
    pub(super) fn tasks(&self) -> Api<EcsTask> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(super) fn streams(&self) -> Api<TaskStreams> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Path of a task's subresource at the API server.
    pub(super) fn path(&self, task: &str, subresource: &str) -> String {
        let tasks = TaskStreams::url_path(&(), Some(&self.namespace));
        format!("{tasks}/{task}/{subresource}")
    }

    pub(super) async fn task(&self, name: &str) -> anyhow::Result<EcsTask> {
        let found = self.tasks().get_opt(name).await;
        self.found(name, found)
    }

    /// The task, or nothing where the role grants streams of tasks and no tasks.
    pub(super) async fn visible_task(&self, name: &str) -> anyhow::Result<Option<EcsTask>> {
        match self.tasks().get_opt(name).await {
            Err(kube::Error::Api(status)) if status.code == 403 => Ok(None),
            found => self.found(name, found).map(Some),
        }
    }

    fn found(
        &self,
        name: &str,
        found: Result<Option<EcsTask>, kube::Error>,
    ) -> anyhow::Result<EcsTask> {
        let namespace = &self.namespace;
        found
            .map_err(|error| explained(error, "read the task"))?
            .with_context(|| {
                format!("there is no EcsTask {name} in namespace {namespace}: kubectl ecs tasks --namespace {namespace} lists those that are there")
            })
    }
}

/// Connects as `kubectl` does. No deadline on silence: a log may be quiet for hours.
pub(super) async fn connect(to: &To) -> anyhow::Result<Connection> {
    let missing = "cannot find the API server: set KUBECONFIG, or create ~/.kube/config";
    let mut config = match &to.context {
        None => Config::infer().await.context(missing)?,
        Some(context) => {
            let options = KubeConfigOptions {
                context: Some(context.clone()),
                ..KubeConfigOptions::default()
            };
            Config::from_kubeconfig(&options).await.context(missing)?
        }
    };
    config.read_timeout = None;
    config.write_timeout = None;
    let namespace = to.namespace.as_ref().unwrap_or(&config.default_namespace);
    Ok(Connection {
        namespace: namespace.clone(),
        client: Client::try_from(config.clone())?,
        config,
    })
}

/// An error of the API server or the gateway, with what to do about it.
pub(super) fn explained(error: kube::Error, action: &str) -> anyhow::Error {
    let status = if let kube::Error::Api(status) = &error {
        Some(status)
    } else {
        None
    };
    let code = status.map_or(0, |status| status.code);
    let said = |text| status.is_some_and(|status| status.message.contains(text));
    let advice = match code {
        403 => ": ask for a role that grants it in this namespace, such as edit",
        404 if said("requested resource") => {
            ": is ecs-operator's gateway installed? kubectl get apiservice v1alpha1.tasks.ecs-operator.io"
        }
        503 if !said("instance") => {
            ": see kubectl get apiservice v1alpha1.tasks.ecs-operator.io, and the gateway's pods"
        }
        _ => "",
    };
    anyhow!(error).context(format!("cannot {action}{advice}"))
}
