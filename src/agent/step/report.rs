//! All that is told of a task. It is the agent's whole memory of it: after a restart it is read back from the
//! API, so that times and reasons that were told once stay.

use std::time::Duration;

use jiff::Timestamp;

use super::health::NO_RESULT;
use crate::agent::wanted::Wanted;
use crate::api::names;
use crate::api::task::TaskTarget;
use crate::domain::definition::Container;
use crate::domain::definition::namespaces::PAUSE;
use crate::domain::task::{Health, Stop, TaskState};
use crate::runtime::{ContainerState, ContainerView, PublishedPort};

const OUT_OF_MEMORY: &str = "OutOfMemoryError: Container killed due to memory usage";
const CANNOT_PULL: &str = "CannotPull";

/// What is told of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskReport {
    /// `lastStatus`
    pub state: TaskState,
    /// Why it is to end; `desiredStatus` is STOPPED from then on.
    pub stop: Option<Stop>,
    /// `healthStatus`
    pub health: Health,
    /// In the order of the definition.
    pub containers: Vec<ContainerReport>,
    /// When it was accepted.
    pub created_at: Option<Timestamp>,
    /// When the first pull began.
    pub pull_started_at: Option<Timestamp>,
    /// When the last pull ended.
    pub pull_stopped_at: Option<Timestamp>,
    /// When all containers had started.
    pub started_at: Option<Timestamp>,
    /// Since when it has been healthy without a break.
    pub healthy_since: Option<Timestamp>,
    /// What has become of its targets.
    pub targets: Vec<TaskTarget>,
    /// Until when it asked not to be stopped by scale-in or a deployment.
    pub protected_until: Option<Timestamp>,
    /// When it was decided that it ends.
    pub stopping_at: Option<Timestamp>,
    /// When its first essential container ended.
    pub execution_stopped_at: Option<Timestamp>,
    /// When nothing of it lived any more.
    pub stopped_at: Option<Timestamp>,
}

/// What is told of a container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContainerReport {
    /// Name in the definition.
    pub name: String,
    /// Image as written.
    pub image: String,
    /// Digest of the image.
    pub image_digest: Option<String>,
    /// Docker's id.
    pub runtime_id: Option<String>,
    /// `lastStatus`
    pub status: ContainerStatus,
    /// Once it ran and ended.
    pub exit_code: Option<i64>,
    /// What went wrong.
    pub reason: Option<String>,
    /// When it last started.
    pub started_at: Option<Timestamp>,
    /// How often its restart policy has started it again.
    pub restart_count: u32,
    /// Ports of the instance that lead to it.
    pub bindings: Vec<PublishedPort>,
    /// Address of its task, where the task has one.
    pub address: Option<String>,
    /// Ids of the GPUs that it was given.
    pub gpu_ids: Vec<String>,
    /// Result of its health check.
    pub health: Health,
    /// CPU units.
    pub cpu: u32,
    /// Hard limit in MiB.
    pub memory: Option<u32>,
    /// Soft limit in MiB.
    pub memory_reservation: Option<u32>,
}

/// `lastStatus` of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum ContainerStatus {
    /// Not started.
    #[default]
    Pending,
    /// Runs.
    Running,
    /// Ended, or never will run. Final.
    Stopped,
}

impl Default for TaskReport {
    fn default() -> Self {
        Self {
            state: TaskState::Provisioning,
            stop: None,
            health: Health::Unknown,
            containers: Vec::new(),
            created_at: None,
            pull_started_at: None,
            pull_stopped_at: None,
            started_at: None,
            healthy_since: None,
            targets: Vec::new(),
            protected_until: None,
            stopping_at: None,
            execution_stopped_at: None,
            stopped_at: None,
        }
    }
}

impl TaskReport {
    /// The report of a container, new where there is none yet.
    pub(super) fn entry(&mut self, container: &Container) -> &mut ContainerReport {
        let at = self
            .containers
            .iter()
            .position(|report| report.name == container.name)
            .unwrap_or_else(|| {
                self.containers.push(ContainerReport {
                    name: container.name.clone(),
                    image: container.image.clone(),
                    cpu: container.cpu,
                    memory: container.memory,
                    memory_reservation: container.memory_reservation,
                    ..ContainerReport::default()
                });
                self.containers.len() - 1
            });
        #[expect(clippy::indexing_slicing, reason = "found or pushed just now")]
        &mut self.containers[at]
    }

    pub(super) fn container(&self, name: &str) -> Option<&ContainerReport> {
        self.containers.iter().find(|report| report.name == name)
    }

    pub(super) fn is_stopped(&self, name: &str) -> bool {
        self.container(name)
            .is_some_and(|report| report.status == ContainerStatus::Stopped)
    }

    pub(super) fn has_exit_code(&self, name: &str) -> bool {
        self.container(name)
            .is_some_and(|report| report.exit_code.is_some())
    }

    pub(super) fn failed_to_pull(&self, name: &str) -> bool {
        let reason = self
            .container(name)
            .and_then(|report| report.reason.as_deref());
        reason.is_some_and(|reason| reason.starts_with(CANNOT_PULL))
    }

    /// Whether the container was created, as far as was told. Of the pause container nothing is told; but any other
    /// container was created after it.
    pub(super) fn exists(&self, name: &str) -> bool {
        let mut reports = self.containers.iter();
        reports.any(|report| (report.name == name || name == PAUSE) && report.runtime_id.is_some())
    }

    /// Gives the containers the address and the ports of the pause container that holds their network.
    pub(super) fn share_network(&mut self, wanted: &Wanted, pause: &ContainerView) {
        if pause.address.is_none() {
            return;
        }
        for container in wanted.definition.own_containers() {
            let leads_to = |port: &&PublishedPort| {
                let mut mappings = container.port_mappings.iter();
                mappings.any(|mapping| {
                    (mapping.container_port, mapping.protocol)
                        == (port.container_port, port.protocol)
                })
            };
            let bindings = pause.ports.iter().filter(leads_to).cloned().collect();
            let entry = self.entry(container);
            if entry.status == ContainerStatus::Running {
                entry.address.clone_from(&pause.address);
                entry.bindings = bindings;
            }
        }
    }

    /// Whether the container runs, or has run; a finished one that is not essential does not hold its task back.
    pub(super) fn has_run_its_part(&self, container: &Container) -> bool {
        self.container(&container.name)
            .is_some_and(|report| match report.status {
                ContainerStatus::Pending => false,
                ContainerStatus::Running => true,
                ContainerStatus::Stopped => !container.essential || report.exit_code.is_some(),
            })
    }

    pub(super) fn end_container(
        &mut self,
        name: &str,
        reason: Option<String>,
        exit_code: Option<i64>,
    ) {
        let open = |report: &&mut ContainerReport| {
            report.name == name && report.status != ContainerStatus::Stopped
        };
        if let Some(report) = self.containers.iter_mut().find(open) {
            report.status = ContainerStatus::Stopped;
            report.reason = reason;
            report.exit_code = exit_code;
        }
    }

    /// Health of the task from its essential containers with a check. A task that ended keeps what it had.
    pub(super) fn judge_health(&mut self, wanted: &Wanted, now: Timestamp) {
        let checked = wanted.definition.containers.iter();
        let checked =
            checked.filter(|container| container.essential && container.health_check.is_some());
        let health = |container: &Container| {
            self.container(&container.name)
                .map_or(Health::Unknown, |it| it.health)
        };
        self.health = Health::of_task(checked.map(health));
        match self.health {
            Health::Healthy => {
                self.healthy_since.get_or_insert(now);
            }
            Health::Unknown | Health::Unhealthy => self.healthy_since = None,
        }
    }

    /// Nothing lives any more.
    pub(super) fn finish(&mut self, now: Timestamp) {
        self.stopped_at.get_or_insert(now);
        let open = |report: &&mut ContainerReport| report.status != ContainerStatus::Stopped;
        for report in self.containers.iter_mut().filter(open) {
            report.status = ContainerStatus::Stopped;
            report.reason = None;
        }
    }
}

impl ContainerReport {
    /// Takes in what the engine shows. An end that the restart policy answers is none, unless the task is to end. A
    /// health check whose result is overdue has failed.
    pub(super) fn observe(
        &mut self,
        view: &ContainerView,
        container: &Container,
        is_to_end: bool,
        is_overdue: bool,
    ) {
        self.runtime_id = Some(view.id.clone());
        let gpus = view.labels.get(names::GPUS_DOCKER_LABEL);
        let gpus = gpus.into_iter().flat_map(|ids| ids.split(','));
        self.gpu_ids = gpus.map(str::to_owned).collect();
        let started_at = view.started_at.map(as_stored);
        let is_new = started_at.is_some() && started_at != self.started_at;
        if is_new {
            self.restart_count += u32::from(self.started_at.is_some());
            self.started_at = started_at;
        }
        match view.state {
            ContainerState::Created | ContainerState::Removing | ContainerState::Unknown => {}
            ContainerState::Running | ContainerState::Paused | ContainerState::Restarting => {
                self.status = ContainerStatus::Running;
                if !view.ports.is_empty() {
                    self.bindings.clone_from(&view.ports);
                }
                if container.health_check.is_some() {
                    // What was told of this start before stays, until there is a result.
                    let has_none = view.health == Health::Unknown;
                    let was_overdue = !is_new && self.reason.as_deref() == Some(NO_RESULT);
                    let has_failed = has_none && (is_overdue || was_overdue);
                    self.reason = has_failed.then(|| NO_RESULT.to_owned());
                    self.health = if has_failed {
                        Health::Unhealthy
                    } else {
                        view.health
                    };
                }
            }
            ContainerState::Exited if !is_to_end && restarts(view, container) => {
                self.status = ContainerStatus::Running;
                self.health = Health::Unknown;
            }
            ContainerState::Exited | ContainerState::Dead => {
                self.status = ContainerStatus::Stopped;
                self.exit_code = view.exit_code;
                self.reason = view.oom_killed.then(|| OUT_OF_MEMORY.to_owned());
            }
        }
    }
}

/// Whether the restart policy answers the end that the engine shows.
fn restarts(view: &ContainerView, container: &Container) -> bool {
    let ended = container.restart_policy.as_ref().zip(view.exit_code);
    let times = view.started_at.zip(view.finished_at);
    let (Some((policy, exit_code)), Some((started, finished))) = (ended, times) else {
        return false;
    };
    // A clock that was set back shows an end before the start: then it has run for no time.
    let ran = Duration::try_from(finished.duration_since(started)).unwrap_or_default();
    policy.restarts(exit_code, ran)
}

/// As precise as the API stores it, so that a time that was told and read back is the same.
pub(super) fn as_stored(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}
