//! What is known of a task's targets beyond its containers, and what is told of them.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

use super::TaskReport;
use super::report::as_stored;
use crate::agent::wanted::{Target, Wanted};
use crate::api::bounded::Str;
use crate::api::task::{TargetHealth, TargetReason, TaskTarget, TaskTraffic};
use crate::domain::definition::NetworkMode;
use crate::domain::resources::Protocol;
use crate::domain::task::{Health, TaskState};
use crate::domain::traffic::DEREGISTRATION_DELAY;
use crate::domain::traffic::check::{Checked, Failure, Group, Standing};

/// Whether requests reach ports that the instance's engine publishes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Reach {
    /// Nobody knows yet.
    #[default]
    Unknown,
    /// They do, at this address.
    At(String),
    /// They do not, for this reason.
    Nowhere(String),
}

/// What the API says of a task's traffic, and what its checks and connections say.
#[derive(Debug, Clone, Default)]
pub struct Traffic {
    /// Where the instance's ports are reached.
    pub reach: Reach,
    /// When the controller first gave it an endpoint.
    pub registered_at: Option<Timestamp>,
    /// The deregistration delay that its groups had then, or have had since.
    pub registered_delay: Option<Duration>,
    /// That the controller has taken its endpoints away.
    pub withdrawn: Option<Withdrawn>,
    /// No connection to it is open.
    pub has_no_connections: bool,
    /// In the order of its targets.
    pub targets: Vec<TargetTraffic>,
}

/// The end of a task's endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Withdrawn {
    /// When, by the controller's clock.
    pub at: Timestamp,
    /// When this process heard of it.
    pub seen_at: Timestamp,
    /// For how long it may finish what it has begun.
    pub delay: Duration,
    /// The controller said so; otherwise the task's object has gone.
    pub is_told: bool,
}

/// What is known of a target beyond its container.
#[derive(Debug, Clone, Default)]
pub struct TargetTraffic {
    /// What its target group says.
    pub group: GroupFound,
    /// What its checks have made of it.
    pub checked: Checked,
}

/// What was found of a target's group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum GroupFound {
    /// Nobody has looked yet.
    #[default]
    Unknown,
    /// There is none of its name.
    Missing,
    /// What it says.
    Found(Group),
}

impl Traffic {
    /// Of a task with these targets, as it was told of when this process began.
    #[must_use]
    pub fn resumed(wanted: &Wanted, report: &TaskReport) -> Self {
        let told = |target: &Target| report.targets.iter().find(|told| target.is(told));
        let resumed = |target: &Target| TargetTraffic {
            group: GroupFound::Unknown,
            checked: Checked::resumed(told(target).map_or(Standing::Initial, standing)),
        };
        Self {
            targets: wanted.targets.iter().map(resumed).collect(),
            ..Self::default()
        }
    }

    /// Takes in what the controller says.
    pub fn told(&mut self, traffic: &TaskTraffic, now: Timestamp) {
        let at = |time: &Option<MicroTime>| time.as_ref().map(|time| time.0);
        self.registered_at = at(&traffic.registered_at).or(self.registered_at);
        let delay = traffic.deregistration_delay_seconds;
        let delay = delay.and_then(|seconds| Some(Duration::from_secs(seconds.try_into().ok()?)));
        self.registered_delay = delay.or(self.registered_delay);
        if let (None, Some(at)) = (
            self.withdrawn.filter(|it| it.is_told),
            at(&traffic.deregistered_at),
        ) {
            self.withdrawn = Some(Withdrawn {
                at,
                seen_at: now,
                delay: delay.unwrap_or_default(),
                is_told: true,
            });
        }
    }

    /// The task's object has gone: whoever keeps endpoints takes them away now, and cannot say so any more.
    pub fn object_is_gone(&mut self, now: Timestamp) {
        let delay = self.longest_delay();
        self.withdrawn.get_or_insert(Withdrawn {
            at: now,
            seen_at: now,
            delay,
            is_told: false,
        });
    }

    /// The longest deregistration delay of its groups. One that is gone leaves what it said when the task was registered.
    pub(super) fn longest_delay(&self) -> Duration {
        let usual = Duration::from_secs(DEREGISTRATION_DELAY.unsigned_abs().into());
        let delays = self.targets.iter().map(|target| match &target.group {
            GroupFound::Found(group) => group.deregistration_delay,
            GroupFound::Unknown | GroupFound::Missing => self.registered_delay.unwrap_or(usual),
        });
        delays.max().unwrap_or_default()
    }
}

impl Target {
    /// Whether something was told of this one.
    fn is(&self, told: &TaskTarget) -> bool {
        told.target_group == self.spec.target_group
            && told.container_name == self.spec.container_name
            && told.container_port == self.spec.container_port
            && told.protocol == self.spec.protocol
    }
}

/// What checks had made of a target that was told of like this.
fn standing(told: &TaskTarget) -> Standing {
    match (told.health, told.reason) {
        (TargetHealth::Healthy, _) => Standing::Healthy,
        (TargetHealth::Unhealthy, Some(TargetReason::Timeout)) => {
            Standing::Unhealthy(Failure::Timeout)
        }
        (TargetHealth::Unhealthy, _) => Standing::Unhealthy(Failure::NoAnswer),
        (
            TargetHealth::Initial
            | TargetHealth::Draining
            | TargetHealth::Unused
            | TargetHealth::Unavailable,
            _,
        ) => Standing::Initial,
    }
}

/// Health of a target, its reason and a sentence.
type Word = (TargetHealth, Option<TargetReason>, Option<String>);

impl TaskReport {
    /// Tells of the task's targets what is so now.
    pub(super) fn judge_targets(&mut self, wanted: &Wanted, traffic: &Traffic, now: Timestamp) {
        let told = std::mem::take(&mut self.targets);
        let now = MicroTime(as_stored(now));
        for (target, known) in wanted.targets.iter().zip(&traffic.targets) {
            let before = told.iter().find(|told| target.is(told));
            let host_port = self.host_port(wanted, target, target.port());
            let host_port = host_port.or_else(|| before?.host_port?.try_into().ok());
            let address = match &traffic.reach {
                Reach::At(address) => Some(Str::cut(address)),
                Reach::Unknown => before.and_then(|before| before.address.clone()),
                Reach::Nowhere(_) => None,
            };
            let found = self.word(wanted, target, known, (traffic, host_port), before);
            let (health, reason, description) = found;
            let same = before.filter(|before| (before.health, before.reason) == (health, reason));
            self.targets.push(TaskTarget {
                target_group: target.spec.target_group.clone(),
                container_name: target.spec.container_name.clone(),
                container_port: target.spec.container_port,
                protocol: target.spec.protocol,
                address,
                host_port: host_port.map(i32::from),
                health,
                reason,
                // The first failure is the one that is told: others would be as many writes.
                description: match same {
                    Some(same) if health == TargetHealth::Unhealthy => same.description.clone(),
                    _ => description.map(|text| Str::cut(&text)),
                },
                since: before
                    .filter(|before| before.health == health)
                    .map_or_else(|| Some(now.clone()), |before| before.since.clone()),
            });
        }
    }

    /// Port of the instance that leads to a port of the target's container: the one that gets requests, or one that is
    /// asked for its health.
    pub(in crate::agent) fn host_port(
        &self,
        wanted: &Wanted,
        target: &Target,
        (container_port, protocol): (u16, Protocol),
    ) -> Option<u16> {
        let container = wanted.container(&target.spec.container_name)?;
        let mut mappings = container.port_mappings.iter();
        let is_it = |port, of| (port, of) == (container_port, protocol);
        mappings.find(|mapping| is_it(mapping.container_port, mapping.protocol))?;
        match wanted.definition.network_mode {
            NetworkMode::Host => Some(container_port),
            NetworkMode::None => None,
            NetworkMode::Bridge | NetworkMode::Awsvpc => {
                let mut bindings = self.container(&container.name)?.bindings.iter();
                let found = bindings.find(|it| is_it(it.container_port, it.protocol))?;
                Some(found.host_port)
            }
        }
    }

    fn word(
        &self,
        wanted: &Wanted,
        target: &Target,
        known: &TargetTraffic,
        (traffic, host_port): (&Traffic, Option<u16>),
        before: Option<&TaskTarget>,
    ) -> Word {
        use TargetHealth::{Draining, Healthy, Initial, Unavailable, Unhealthy, Unused};
        let word = |health, reason, text: &str| (health, Some(reason), Some(text.to_owned()));
        if self.stop.is_some() {
            let was_used = traffic.registered_at.is_some()
                || before.is_some_and(|before| matches!(before.health, Healthy | Draining));
            return if was_used && wanted.end.is_some() && self.state < TaskState::Stopped {
                let reason = TargetReason::DeregistrationInProgress;
                word(Draining, reason, "Target deregistration is in progress")
            } else {
                word(Unused, TargetReason::InvalidState, "The task does not run")
            };
        }
        let registering = || {
            let reason = TargetReason::RegistrationInProgress;
            word(Initial, reason, "Target registration is in progress")
        };
        if self.state < TaskState::Running {
            return registering();
        }
        // A restarted agent says what it said until it knows better.
        let unknown = || {
            before.map_or_else(registering, |before| {
                let text = before.description.as_deref().cloned();
                (before.health, before.reason, text)
            })
        };
        let group = match &known.group {
            GroupFound::Found(group) => group,
            GroupFound::Missing => {
                let name = &target.spec.target_group;
                let text = format!("TargetGroup {name} does not exist");
                return word(Unused, TargetReason::NotRegistered, &text);
            }
            GroupFound::Unknown => return unknown(),
        };
        match &traffic.reach {
            Reach::Nowhere(why) => return word(Unavailable, TargetReason::IpUnusable, why),
            Reach::At(_) if host_port.is_none() => {
                let port = target.container_port;
                let text =
                    format!("The task has no port on its instance for container port {port}");
                return word(Unavailable, TargetReason::IpUnusable, &text);
            }
            Reach::At(_) => {}
            Reach::Unknown => return unknown(),
        }
        let initial = || {
            let reason = TargetReason::InitialHealthChecking;
            word(Initial, reason, "Initial health checks in progress")
        };
        let Some(check) = &group.check else {
            let mut essential = wanted.definition.containers.iter();
            let is_checked = essential.any(|it| it.essential && it.health_check.is_some());
            return match self.health {
                Health::Unhealthy => {
                    let reason = TargetReason::FailedHealthChecks;
                    word(Unhealthy, reason, "The task's own health checks fail")
                }
                Health::Unknown if is_checked => initial(),
                Health::Unknown | Health::Healthy => (Healthy, None, None),
            };
        };
        if let Some(port) = check.port
            && self
                .host_port(wanted, target, (port, Protocol::Tcp))
                .is_none()
        {
            let text = format!(
                "Health checks ask port {port}, which is no port of the container's portMappings"
            );
            return word(Unhealthy, TargetReason::FailedHealthChecks, &text);
        }
        match known.checked.standing() {
            Standing::Healthy => (Healthy, None, None),
            Standing::Initial => initial(),
            Standing::Unhealthy(Failure::Code(code)) => {
                let text = format!("Health checks failed with these codes: [{code}]");
                word(Unhealthy, TargetReason::ResponseCodeMismatch, &text)
            }
            Standing::Unhealthy(Failure::Timeout) => {
                word(Unhealthy, TargetReason::Timeout, "Request timed out")
            }
            Standing::Unhealthy(Failure::NoAnswer) => word(
                Unhealthy,
                TargetReason::FailedHealthChecks,
                "Health checks failed",
            ),
        }
    }
}
