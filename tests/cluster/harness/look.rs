//! What tests look at: a service's containers on the engines, its tasks in the API, what they answer, and whether the three
//! agree.

use std::collections::{BTreeMap, BTreeSet};

use ecs_operator::api::conditions::{READY, holds};
use ecs_operator::api::container_instance::{ContainerInstance, InstanceControl};
use ecs_operator::api::service::EcsService;
use ecs_operator::api::task::{EcsTask, LastStatus};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::Value;

use super::engine::{Listed, SERVICE, TASK_UID};
use super::scene::Scene;
use super::{LATER, RELEASE, SOON, http};

/// A task that runs, as its engine and the API both show it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Running {
    pub(crate) task: String,
    pub(crate) node: String,
    /// Docker's id of its container.
    pub(crate) container: String,
    /// `address:port` that leads to it.
    pub(crate) address: String,
}

impl Scene {
    /// The containers of a service on all nodes' engines, running or not.
    pub(crate) async fn containers(&self, service: &str) -> Result<Vec<Listed>, String> {
        let label = format!("{SERVICE}={}", self.key(service));
        let mut found = Vec::new();
        for engine in self.machine.engines() {
            found.extend(engine.list(&label).await?);
        }
        Ok(found)
    }

    /// The tasks of a service, stopped ones included.
    pub(crate) async fn tasks(&self, service: &str) -> Result<Vec<EcsTask>, String> {
        let tasks = self.api::<EcsTask>().list(&ListParams::default()).await;
        let mut tasks = tasks.map_err(|error| error.to_string())?.items;
        tasks.retain(|task| task.service_name() == Some(service));
        Ok(tasks)
    }

    /// The service's object.
    pub(crate) async fn service(&self, name: &str) -> Result<EcsService, String> {
        let found = self.api::<EcsService>().get(name).await;
        found.map_err(|error| error.to_string())
    }

    /// Waits until a service runs exactly `count` tasks: that many containers run, each of a RUNNING task, and the service
    /// says so and is Ready.
    pub(crate) async fn settled(&self, service: &str, count: usize) -> Vec<Running> {
        let what = format!("{count} tasks of {service}");
        self.eventually(&what, SOON * 2, async || {
            self.try_settled(service, count).await
        })
        .await
    }

    /// The same, at one look.
    pub(crate) async fn try_settled(
        &self,
        service: &str,
        count: usize,
    ) -> Result<Vec<Running>, String> {
        let mut containers = self.containers(service).await?;
        containers.retain(Listed::is_running);
        let running = self.running(service, &containers).await?;
        if running.len() != count || containers.len() != count {
            let names: Vec<String> = containers
                .iter()
                .map(|c| format!("{} on {}", c.name, c.node))
                .collect();
            return Err(format!(
                "{} RUNNING tasks, running containers: {names:?}",
                running.len()
            ));
        }
        let found = self.service(service).await?;
        let status = found.status.unwrap_or_default();
        let counts = (
            status.desired_count,
            status.running_count,
            status.pending_count,
        );
        let wanted = i32::try_from(count).unwrap();
        let current = Some(status.observed_generation) == found.metadata.generation;
        if counts != (wanted, wanted, 0) || !holds(&status.conditions, READY) || !current {
            return Err(format!(
                "desired, running, pending are {counts:?}; {:?}",
                status.conditions
            ));
        }
        Ok(running)
    }

    /// The RUNNING tasks of a service, each with its one container.
    async fn running(&self, service: &str, containers: &[Listed]) -> Result<Vec<Running>, String> {
        let by_task: BTreeMap<&str, &Listed> = containers
            .iter()
            .map(|container| (container.label(TASK_UID), container))
            .collect();
        let mut running = Vec::new();
        for task in self.tasks(service).await? {
            let status = task.status.clone().unwrap_or_default();
            if status.last_status != Some(LastStatus::Running) {
                continue;
            }
            let uid = task.uid().unwrap_or_default();
            let container = by_task
                .get(uid.as_str())
                .ok_or_else(|| format!("{} is RUNNING without a container", task.name_any()))?;
            running.push(Running {
                task: task.name_any(),
                node: container.node.clone(),
                container: container.id.clone(),
                address: address(&task).unwrap_or_default(),
            });
        }
        running.sort();
        Ok(running)
    }

    /// Docker's ids of a service's running containers on all nodes but one, if there are `count`. The other node's engine is
    /// not asked: it may be dead.
    pub(crate) async fn elsewhere(
        &self,
        service: &str,
        but: &str,
        count: usize,
    ) -> Result<BTreeSet<String>, String> {
        let label = format!("{SERVICE}={}", self.key(service));
        let mut found = BTreeSet::new();
        for engine in self.machine.engines() {
            if engine.node != but {
                let containers = engine.list(&label).await?;
                let running = containers.into_iter().filter(Listed::is_running);
                found.extend(running.map(|container| container.id));
            }
        }
        if found.len() == count {
            Ok(found)
        } else {
            Err(format!("{} run", found.len()))
        }
    }

    /// What a task answers over HTTP.
    pub(crate) async fn answer(&self, running: &Running) -> Value {
        self.answer_at(&running.address).await
    }

    /// What answers at an `address:port`.
    pub(crate) async fn answer_at(&self, address: &str) -> Value {
        self.eventually(&format!("an answer at {address}"), SOON, async || {
            let answer = http::get(address, "/").await?.success()?;
            Ok(answer.json())
        })
        .await
    }

    /// Waits until a service with tasks in instance pods runs `count`, by the API's word; gives instance and address of each.
    pub(crate) async fn in_pods(&self, service: &str, count: usize) -> Vec<(String, String)> {
        self.eventually(&format!("{count} tasks of {service}"), LATER, async || {
            let status = self.service(service).await?.status.unwrap_or_default();
            let mut tasks = self.tasks(service).await?;
            tasks.retain(|task| {
                let state = task.status.as_ref().and_then(|status| status.last_status);
                state == Some(LastStatus::Running)
            });
            if tasks.len() != count || !holds(&status.conditions, READY) {
                return Err(format!("{} RUNNING; {:?}", tasks.len(), status.conditions));
            }
            let place = |task: &EcsTask| {
                let instance = task.spec.container_instance.clone().unwrap_or_default();
                (instance.to_string(), address(task).unwrap_or_default())
            };
            Ok(tasks.iter().map(place).collect())
        })
        .await
    }

    /// Names of a cluster's instances.
    pub(crate) async fn instances_of(&self, cluster: &str) -> Result<Vec<String>, String> {
        let api: Api<ContainerInstance> = Api::all(self.kube.clone());
        let found = api
            .list(&ListParams::default())
            .await
            .map_err(|error| error.to_string())?;
        let of_cluster = found
            .iter()
            .filter(|instance| instance.spec.cluster == cluster);
        Ok(of_cluster.map(ResourceExt::name_any).collect())
    }

    /// Calls a path of a task's program, such as `/control/exit?code=3`.
    pub(crate) async fn call(&self, running: &Running, path: &str) {
        let answer = http::get(&running.address, path).await;
        answer.and_then(http::Answer::success).unwrap();
    }

    /// The body of what a task answers, if it is a success.
    pub(crate) async fn ask(&self, running: &Running, path: &str) -> Result<String, String> {
        let answer = http::get(&running.address, path).await?.success()?;
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }

    /// Waits until a task is gone from the API.
    pub(crate) async fn gone_task(&self, name: &str) {
        let api: Api<EcsTask> = self.api();
        self.eventually(
            &format!("the end of task {name}"),
            LATER,
            async || match api.get_opt(name).await {
                Ok(None) => Ok(()),
                Ok(Some(task)) => Err(format!("{:?}", task.status.and_then(|it| it.last_status))),
                Err(error) => Err(error.to_string()),
            },
        )
        .await;
    }

    /// Waits until no container of the service is left on any engine, running or not, and no task in the API.
    pub(crate) async fn gone(&self, service: &str) {
        self.eventually(&format!("the end of {service}"), SOON, async || {
            let left = self.containers(service).await?;
            let tasks = self.tasks(service).await?;
            if left.is_empty() && tasks.is_empty() {
                return Ok(());
            }
            Err(format!("containers {left:?}, {} tasks", left.len()))
        })
        .await;
    }

    /// How the controller sees an instance.
    async fn control(&self, instance: &str) -> Result<InstanceControl, String> {
        let api: Api<ContainerInstance> = Api::all(self.kube.clone());
        let found = api.get(instance).await.map_err(|error| error.to_string())?;
        let control = found.status.and_then(|status| status.control);
        control.ok_or_else(|| format!("{instance} has not been looked at"))
    }

    /// Whether tasks may be placed on an instance; else why not.
    pub(crate) async fn is_ready(&self, instance: &str) -> Result<(), String> {
        let control = self.control(instance).await?;
        if holds(&control.conditions, READY) {
            Ok(())
        } else {
            Err(format!("{control:?}"))
        }
    }

    /// The opposite, with the reason.
    pub(crate) async fn is_unready(&self, instance: &str) -> Result<String, String> {
        let control = self.control(instance).await?;
        match control.reason {
            Some(reason) if !holds(&control.conditions, READY) => Ok(reason.to_string()),
            _ => Err(format!("{instance} takes tasks")),
        }
    }

    /// Name of the pod whose controller leads.
    pub(crate) async fn leader(&self) -> Result<String, String> {
        let api: Api<Lease> = Api::namespaced(self.kube.clone(), RELEASE);
        let lease = api.get("ecs-operator-controller").await;
        let lease = lease.map_err(|error| error.to_string())?;
        let holder = lease.spec.and_then(|spec| spec.holder_identity);
        holder
            .filter(|holder| !holder.is_empty())
            .ok_or_else(|| "nobody leads".to_owned())
    }

    /// Messages of the service's events, the newest first.
    pub(crate) async fn events(&self, service: &str) -> Result<Vec<String>, String> {
        let status = self.service(service).await?.status.unwrap_or_default();
        Ok(status
            .events
            .iter()
            .map(|event| event.message.to_string())
            .collect())
    }

    /// Waits until a condition of the service has this status and this reason; gives its message.
    pub(crate) async fn condition(
        &self,
        service: &str,
        kind: &str,
        wanted: (&str, &str),
    ) -> String {
        let what = format!("{kind}={} {} of {service}", wanted.0, wanted.1);
        self.eventually(&what, SOON, async || {
            let status = self.service(service).await?.status.unwrap_or_default();
            let found = status
                .conditions
                .iter()
                .find(|condition| condition.type_ == kind);
            match found {
                Some(found) if (found.status.as_str(), found.reason.as_str()) == wanted => {
                    Ok(found.message.clone())
                }
                other => Err(format!("{other:?}")),
            }
        })
        .await
    }
}

/// Where a task's first port is reached.
pub(crate) fn address(task: &EcsTask) -> Option<String> {
    let status = task.status.as_ref()?;
    let mut bindings = status
        .containers
        .iter()
        .flat_map(|container| container.network_bindings.iter());
    let port = bindings.find_map(|binding| binding.host_port)?;
    Some(format!(
        "{}:{port}",
        status.container_instance_address.as_deref()?
    ))
}
