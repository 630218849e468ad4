//! What a task is to be, from its object and its definition: parsed and admitted once, relied on ever after.

mod fields;
mod firelens;
mod given;
mod gpus;
mod images;
mod ledger;
mod namespaces;
mod ports;
mod rules;
mod targets;
mod volumes;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;

pub use fields::unknown_field;
pub use gpus::Gpus;
pub use ledger::Ledger;
pub use rules::Rules;
pub use targets::Target;

use crate::api::cluster::ImagePullBehavior;
use crate::api::names;
use crate::api::parse;
use crate::api::task::{EcsTask, EcsTaskSpec};
use crate::api::task_definition::TaskDefinitionSpec;
use crate::domain::definition::settings::{Link, Settings};
use crate::domain::definition::{
    Container, IpcMode, NetworkMode, PidMode, PortMapping, TaskDefinition,
};
use crate::domain::events;
use crate::domain::ids;
use crate::domain::resources::{HostPort, Protocol};
use crate::domain::security;
use crate::domain::task::{Stop, StopCode};
use crate::runtime::{ContainerSpec, ContainerView, Dns, Labels, Publish};

/// Region and account in ARNs of a cluster that is none of AWS's.
const ARN_PREFIX: &str = "arn:aws:ecs:us-east-1:000000000000";

/// One task as it is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// UID of the EcsTask, from which all names derive.
    pub uid: String,
    /// Namespace of the EcsTask.
    pub namespace: String,
    /// Name of its cluster.
    pub cluster: String,
    /// Number of its definition's revision.
    pub revision: i64,
    /// What it runs.
    pub definition: TaskDefinition,
    /// Host ports that were chosen for it.
    pub host_ports: BTreeMap<(String, u16, Protocol), u16>,
    /// By container, the digest that its image must have.
    pub digests: BTreeMap<String, String>,
    /// Its ports that get requests.
    pub targets: Vec<Target>,
    /// It is to end, for this reason.
    pub end: Option<Stop>,
    /// It may not run here, for this reason.
    pub refusal: Option<String>,
    /// When images are pulled.
    pub pull: ImagePullBehavior,
    /// Containers for whose images the broker may have credentials that the definition does not name.
    pub registry_access: BTreeSet<String>,
}

impl Wanted {
    /// Reads what `task` wants of `spec`, the definition that it names. What cannot run comes out refused.
    #[must_use]
    pub fn read(
        task: &EcsTask,
        revision: i64,
        family: &str,
        spec: &TaskDefinitionSpec,
        rules: &Rules,
    ) -> Self {
        let overrides = task.spec.overrides.as_ref();
        let definition = parse::task_definition_of_task(family, spec, overrides);
        let admitted = definition.and_then(|definition| {
            let mut problems = security::admit(&definition, rules.profile);
            problems.extend(ports::left_to_chance(task, &definition));
            if problems.is_empty() {
                Ok(definition)
            } else {
                Err(problems)
            }
        });
        match admitted {
            Ok(definition) => Self {
                registry_access: images::with_registry_access(&definition, rules),
                definition: definition
                    .with_router_volume()
                    .with_pause(&rules.pause_image),
                ..Self::without_definition(task, revision, family, rules)
            },
            Err(problems) => {
                let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
                Self::refused(task, revision, family, problems.join("; "), rules)
            }
        }
    }

    /// A task that cannot run here. The controller knows such an end by how its reason begins.
    #[must_use]
    pub fn refused(
        task: &EcsTask,
        revision: i64,
        family: &str,
        why: String,
        rules: &Rules,
    ) -> Self {
        let refusal = Some(events::bounded(
            &format!("{}{why}", events::REFUSED),
            events::MAXIMUM_MESSAGE,
        ));
        Self {
            refusal,
            ..Self::without_definition(task, revision, family, rules)
        }
    }

    /// A task of which only the end matters, because nobody knows its definition any more.
    #[must_use]
    pub fn without_definition(task: &EcsTask, revision: i64, family: &str, rules: &Rules) -> Self {
        let extensions = task.spec.extensions.as_ref();
        Self {
            uid: task.uid().unwrap_or_default(),
            namespace: task.namespace().unwrap_or_default(),
            cluster: task.cluster_name().to_owned(),
            revision,
            definition: TaskDefinition {
                family: family.to_owned(),
                network_mode: NetworkMode::Bridge,
                pid_mode: PidMode::Container,
                ipc_mode: IpcMode::Engine,
                cpu: None,
                memory: None,
                disk: None,
                architecture: None,
                containers: Vec::new(),
                volumes: Vec::new(),
                image_pull_secrets: Vec::new(),
                task_role: None,
                placement_constraints: Vec::new(),
            },
            host_ports: extensions.map(ports::chosen).unwrap_or_default(),
            digests: extensions.map(images::digests).unwrap_or_default(),
            targets: targets::targets(task),
            end: Self::end_of(task),
            refusal: None,
            pull: rules.pull,
            registry_access: BTreeSet::new(),
        }
    }

    /// The end that people or the controller decided for a task.
    #[must_use]
    pub fn end_of(task: &EcsTask) -> Option<Stop> {
        let told = task.spec.stop.as_ref().map(Stop::from);
        let deleted = task.metadata.deletion_timestamp.as_ref();
        told.or_else(|| {
            deleted.map(|_| Stop {
                code: StopCode::UserInitiated,
                reason: events::STOPPED_BY_USER.to_owned(),
            })
        })
    }

    /// A task of which only containers are left.
    #[must_use]
    pub fn orphan(uid: &str) -> Self {
        let task = EcsTask {
            metadata: ObjectMeta {
                uid: Some(uid.to_owned()),
                ..ObjectMeta::default()
            },
            ..EcsTask::new("", EcsTaskSpec::default())
        };
        Self::without_definition(&task, 0, "", &Rules::default())
    }

    /// The container of this name, where the definition is known and has one.
    #[must_use]
    pub fn container(&self, name: &str) -> Option<&Container> {
        self.definition
            .containers
            .iter()
            .find(|container| container.name == name)
    }

    /// Name that `container` has in the engine. Deterministic, so that a create is a test-and-set.
    ///
    /// Example: `ecs-web-3-app-0f3a9c2e77d1`.
    #[must_use]
    pub fn engine_name(&self, container: &str) -> String {
        let safe: String = container
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || *c == '-' || *c == '_')
            .collect();
        let container = if safe == container {
            safe
        } else {
            format!("{safe}-{}", ids::hash(&[container], 8))
        };
        self.own_name(&container)
    }

    /// Name in the engine of what is the task's own, by the definition's name for it.
    fn own_name(&self, name: &str) -> String {
        format!(
            "ecs-{}-{}-{}-{}",
            ids::fit(&self.definition.family, 40),
            self.revision,
            ids::fit(name, 48),
            self.short_id()
        )
    }

    /// Enough of the task's id to tell it from all others of an engine.
    fn short_id(&self) -> String {
        ids::task_id(&self.uid).chars().take(12).collect()
    }

    /// Host ports that it holds, named or chosen.
    pub fn ports(&self) -> impl Iterator<Item = HostPort> {
        self.host_ports
            .iter()
            .map(|((_, _, protocol), port)| HostPort {
                protocol: *protocol,
                port: *port,
            })
    }

    /// Whether the engine's container is this task's `container`, made by this instance.
    #[must_use]
    pub fn owns(&self, view: &ContainerView, container: &str) -> bool {
        let label = |name: &str| view.labels.get(name).map(String::as_str);
        label(names::TASK_UID_DOCKER_LABEL) == Some(&self.uid)
            && label(names::CONTAINER_DOCKER_LABEL) == Some(container)
    }

    /// All that `container` is created from.
    #[must_use]
    pub fn spec(&self, container: &Container, rules: &Rules) -> ContainerSpec {
        ContainerSpec {
            name: self.engine_name(&container.name),
            image: container.image.clone(),
            digest: self.digests.get(&container.name).cloned(),
            labels: self.labels(container, rules),
            environment: self.environment(container),
            entry_point: container.entry_point.clone(),
            command: container.command.clone(),
            user: container.user.clone(),
            working_directory: container.working_directory.clone(),
            cpu_shares: container.cpu,
            memory: container.memory.or(self.definition.memory),
            memory_reservation: container.memory_reservation,
            ports: self.published(container),
            network: self.network(container),
            pid: self.pid(container),
            ipc: self.ipc(container),
            dns: self.dns(container, rules),
            health_check: container.health_check.clone(),
            privileged: container.privileged,
            settings: container.settings.clone(),
            links: self.links(container),
            disk: self.definition.disk.filter(|_| !container.is_pause()),
            log: self.log(container, rules),
            files: self.files(container, rules),
            mounts: self
                .mounts(container)
                .into_iter()
                .chain(self.given(container, rules))
                .collect(),
            volumes_from: self.volumes_from(container),
            ..ContainerSpec::default()
        }
    }

    /// Ours come last, over any of the user's.
    fn labels(&self, container: &Container, rules: &Rules) -> Labels {
        let mut labels = container.docker_labels.clone();
        let ours = [
            (names::INSTANCE_DOCKER_LABEL, rules.instance.clone()),
            (names::TASK_UID_DOCKER_LABEL, self.uid.clone()),
            (names::CONTAINER_DOCKER_LABEL, container.name.clone()),
            ("com.amazonaws.ecs.task-arn", self.arn()),
            ("com.amazonaws.ecs.container-name", container.name.clone()),
            (
                "com.amazonaws.ecs.task-definition-family",
                self.definition.family.clone(),
            ),
            (
                "com.amazonaws.ecs.task-definition-version",
                self.revision.to_string(),
            ),
            ("com.amazonaws.ecs.cluster", self.cluster.clone()),
        ];
        labels.extend(ours.map(|(name, value)| (name.to_owned(), value)));
        labels
    }

    /// ARN of the task.
    #[must_use]
    pub fn arn(&self) -> String {
        format!(
            "{ARN_PREFIX}:task/{}/{}",
            self.cluster,
            ids::task_id(&self.uid)
        )
    }

    /// A dynamic port that nobody chose, as of a task that a person bound, is left to the engine (0).
    fn publish(&self, container: &Container, mapping: PortMapping) -> Publish {
        let key = (
            container.name.clone(),
            mapping.container_port,
            mapping.protocol,
        );
        let chosen = || self.host_ports.get(&key).copied().unwrap_or(0);
        let host_port = self.definition.fixed_port(&mapping).unwrap_or_else(chosen);
        Publish {
            container_port: mapping.container_port,
            host_port,
            protocol: mapping.protocol,
        }
    }

    /// Names resolve as in a pod of the task's namespace, unless the container names servers or domains of its own. For
    /// containers that share a network the first one of them that does so speaks for all.
    fn dns(&self, container: &Container, rules: &Rules) -> Dns {
        let mut settings = &container.settings;
        if container.is_pause() {
            let mut all = self.definition.own_containers().map(|it| &it.settings);
            let names_some =
                |it: &&Settings| !(it.dns_servers.is_empty() && it.dns_search_domains.is_empty());
            settings = all.find(names_some).unwrap_or(settings);
        }
        let own = |servers: &[String]| Dns {
            servers: servers.to_vec(),
            search: settings.dns_search_domains.clone(),
            options: Vec::new(),
        };
        if !self.has_own_network(container) {
            return Dns::default();
        }
        let cluster = rules.dns.as_ref();
        let Some(cluster) = cluster.filter(|_| settings.dns_servers.is_empty()) else {
            return own(&settings.dns_servers);
        };
        if !settings.dns_search_domains.is_empty() {
            return own(&cluster.servers);
        }
        let domain = &cluster.domain;
        Dns {
            servers: cluster.servers.clone(),
            search: vec![
                format!("{}.svc.{domain}", self.namespace),
                format!("svc.{domain}"),
                domain.clone(),
            ],
            options: vec!["ndots:5".to_owned()],
        }
    }

    /// The containers that `container` is linked to, by their names in the engine.
    fn links(&self, container: &Container) -> Vec<Link> {
        let links = container.links.iter();
        links
            .map(|link| Link {
                container: self.engine_name(&link.container),
                alias: link.alias.clone(),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
