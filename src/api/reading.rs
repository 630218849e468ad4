//! Questions that are asked of objects in many places, answered once.

use jiff::Timestamp;
use kube::{Resource, ResourceExt};

use super::conditions::{self, reason};
use super::container_instance::ContainerInstance;
use super::service::EcsService;
use super::task::{
    EcsTask, LastStatus, TaskLoadBalancer, TaskProtection, TaskService, TaskTarget, TaskTraffic,
};
use crate::domain::events;
use crate::domain::ids::{self, RevisionReference};
use crate::domain::placement::Group;
use crate::domain::task::TaskState;

/// The cluster of a service or task that names none (ECS's own default).
pub const DEFAULT_CLUSTER: &str = "default";

/// The name in a name or an ARN of a cluster.
fn cluster_name(text: Option<&str>) -> &str {
    let text = text
        .filter(|text| !text.is_empty())
        .unwrap_or(DEFAULT_CLUSTER);
    text.rsplit_once(":cluster/").map_or(text, |(_, name)| name)
}

impl EcsService {
    /// Name of its cluster.
    pub fn cluster_name(&self) -> &str {
        cluster_name(self.spec.cluster.as_ref().map(super::bounded::Str::as_str))
    }

    /// What its spec says of its task definition; empty where it says nothing.
    pub fn task_definition_text(&self) -> &str {
        self.spec
            .task_definition
            .as_ref()
            .map_or("", |name| name.as_str())
    }

    /// Some of its tasks found no instance.
    pub fn waits_for_room(&self) -> bool {
        let conditions = self
            .status
            .as_ref()
            .map_or(&[][..], |status| &status.conditions);
        conditions::get(conditions, conditions::READY)
            .is_some_and(|ready| ready.reason == reason::UNABLE_TO_PLACE)
    }
}

impl ContainerInstance {
    /// New tasks may be placed on it, as it was concluded last.
    pub fn takes_tasks(&self) -> bool {
        let control = self
            .status
            .as_ref()
            .and_then(|status| status.control.as_ref());
        control.is_some_and(|control| conditions::holds(&control.conditions, conditions::READY))
    }
}

impl EcsTask {
    /// Name of its cluster.
    pub fn cluster_name(&self) -> &str {
        cluster_name(self.spec.cluster.as_ref().map(super::bounded::Str::as_str))
    }

    /// Until when neither scale-in nor a deployment stops it, because people said so or because it asked for it itself.
    pub fn protected_until(&self) -> Option<Timestamp> {
        let by_people = self.spec.protection.as_ref();
        let by_itself = self
            .status
            .as_ref()
            .and_then(|status| status.protection.as_ref());
        let both = by_people.into_iter().chain(by_itself);
        both.filter_map(TaskProtection::until).max()
    }

    /// Its place in the service that it belongs to.
    pub fn service(&self) -> Option<&TaskService> {
        self.spec.extensions.as_ref()?.service.as_ref()
    }

    /// Name of the service that it belongs to.
    pub fn service_name(&self) -> Option<&str> {
        self.service().map(|service| service.name.as_str())
    }

    /// The revision that it runs, `family:number`; for a task that is not bound, what it names.
    pub fn revision_name(&self) -> &str {
        let resolved = self
            .spec
            .extensions
            .as_ref()
            .and_then(|extensions| extensions.task_definition.as_ref());
        resolved.map_or(self.spec.task_definition.as_str(), |name| name.as_str())
    }

    /// The group of services that its service is spread together with.
    pub fn spread_group(&self) -> Option<Group> {
        let name = self.service()?.spread_group.as_ref()?;
        Some(Group::of_spread(
            &self.namespace().unwrap_or_default(),
            name,
        ))
    }

    /// The group that it is kept distinct and spread in: its service's, the one that it names, or its family's.
    pub fn placement_group(&self) -> Group {
        let namespace = self.namespace().unwrap_or_default();
        if let Some(service) = self.service_name() {
            return Group::of_service(&namespace, service);
        }
        match self.spec.group.as_ref().filter(|name| !name.is_empty()) {
            Some(name) => Group {
                namespace,
                name: name.to_string(),
            },
            None => RevisionReference::parse(self.revision_name()).map_or_else(
                |_| Group::of_family(&namespace, self.revision_name()),
                |named| Group::of_family(&namespace, &named.family),
            ),
        }
    }

    /// ECS's id of it.
    pub fn task_id(&self) -> String {
        ids::task_id(&self.uid().unwrap_or_default())
    }

    /// Its state; a task of which nothing was reported yet is PENDING once bound, PROVISIONING before.
    pub fn state(&self) -> TaskState {
        match self.status.as_ref().and_then(|status| status.last_status) {
            Some(status) => status.into(),
            None if self.spec.container_instance.is_some() => TaskState::Pending,
            None => TaskState::Provisioning,
        }
    }

    /// Nothing of it runs any more.
    pub fn is_stopped(&self) -> bool {
        self.status.as_ref().and_then(|status| status.last_status) == Some(LastStatus::Stopped)
    }

    /// The agent of its instance would not start it.
    pub fn was_refused(&self) -> bool {
        let reason = self
            .status
            .as_ref()
            .and_then(|status| status.stopped_reason.as_ref());
        reason.is_some_and(|reason| reason.starts_with(events::REFUSED))
    }

    /// It was told to stop, or is being deleted.
    pub fn is_stopping(&self) -> bool {
        self.spec.stop.is_some() || self.meta().deletion_timestamp.is_some()
    }

    /// Its ports that are reached through Kubernetes Services.
    pub fn load_balancers(&self) -> &[TaskLoadBalancer] {
        let extensions = self.spec.extensions.as_ref();
        extensions.map_or(&[], |extensions| extensions.load_balancers.as_slice())
    }

    /// Names of the target groups that it is a target of.
    pub fn target_groups(&self) -> impl Iterator<Item = &str> {
        let named = self.load_balancers().iter();
        named.map(|port| port.target_group.as_str())
    }

    /// Its targets, as its agent reported them.
    pub fn targets(&self) -> &[TaskTarget] {
        let status = self.status.as_ref();
        status.map_or(&[], |status| status.targets.as_slice())
    }

    /// When requests were first and last sent to it.
    pub fn traffic(&self) -> TaskTraffic {
        let status = self.status.as_ref();
        let traffic = status.and_then(|status| status.traffic.clone());
        traffic.unwrap_or_default()
    }

    /// Name of the instance that it is bound to.
    pub fn instance(&self) -> Option<&str> {
        self.spec
            .container_instance
            .as_ref()
            .map(super::bounded::Str::as_str)
    }
}
