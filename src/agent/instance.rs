//! What the agent says of its instance: the `agent` half of the ContainerInstance's status.
//!
//! The controller makes the object; the agent waits for it and writes only when what it would say differs from what
//! stands there, so that a quiet instance costs no writes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Patch, PatchParams};
use kube::core::DeserializeGuard;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use serde_json::json;
use tokio::sync::watch;
use tracing::{info, warn};

use super::engine::EngineState;
use super::step::Reach;
use crate::api::bounded::{Map, Str};
use crate::api::container_instance::{
    AgentEndpoint, ContainerInstance, EngineReport, InstanceReport, InstanceResources,
};
use crate::api::names;
use crate::domain::definition::firelens::RouterKind;
use crate::domain::definition::limits::{DISK_LIMIT, TASK_LIMITS};
use crate::domain::definition::logs::LogDriver;
use crate::domain::definition::volumes;
use crate::domain::definition::{FILES, SWAP_LIMIT};
use crate::domain::resources::{CPU_UNITS_PER_CORE, Capacity};
use crate::platform::clock::Clock;
use crate::platform::watching;
use crate::runtime::{DiskLimits, EngineInfo};

const DEADLINE: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_secs(5);
const MIB: u64 = 1024 * 1024;
/// Attribute that says whether requests through a Service reach ports that the engine publishes.
const PUBLISHED_PORTS: &str = "ecs-operator.published-ports";

/// What an instance offers, where it is not simply all that its engine has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Size {
    /// CPU units in all.
    pub cpu: Option<u32>,
    /// MiB in all.
    pub memory: Option<u32>,
    /// CPU units that tasks do not get.
    pub reserved_cpu: u32,
    /// MiB that tasks do not get.
    pub reserved_memory: u32,
}

/// What the agent knows of its instance from its settings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// Name of the instance.
    pub name: String,
    /// Address at which published ports are reachable.
    pub address: Option<String>,
    /// What it offers.
    pub size: Size,
    /// What it can beyond its engine.
    pub means: BTreeSet<Means>,
    /// Where its streams are served, if they are.
    pub endpoint: Option<AgentEndpoint>,
}

/// What an agent was given beside its engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Means {
    /// Privileged containers are allowed.
    Privileged,
    /// It knows a broker.
    Broker,
    /// It has a folder for files of tasks.
    Files,
    /// Whole tasks can be bounded.
    Limits,
}

/// What the engine offers to tasks under this size.
#[must_use]
pub fn capacity(info: &EngineInfo, size: &Size) -> Capacity {
    let cpu = size
        .cpu
        .unwrap_or_else(|| info.cpus.saturating_mul(CPU_UNITS_PER_CORE));
    let memory = size
        .memory
        .unwrap_or_else(|| u32::try_from(info.memory / MIB).unwrap_or(u32::MAX));
    Capacity {
        cpu: cpu.saturating_sub(size.reserved_cpu),
        memory: memory.saturating_sub(size.reserved_memory),
        pids: info.pids.unwrap_or(32_768),
        gpus: u32::try_from(info.gpus.len()).unwrap_or(u32::MAX),
    }
}

/// What the agent says; `before` is what it said last.
#[must_use]
pub fn report(
    identity: &Identity,
    state: &EngineState,
    reach: &Reach,
    before: Option<&InstanceReport>,
    now: Time,
) -> InstanceReport {
    let info = state.info.as_ref();
    let before_engine = before.and_then(|before| before.engine.as_ref());
    let boot = |engine: &EngineReport| engine.boot_id.as_ref().map(ToString::to_string);
    let same_boot = info.is_none_or(|info| before_engine.and_then(boot) == info.boot_id);
    let registered = before
        .and_then(|before| before.registered_at.clone())
        .filter(|_| same_boot);
    InstanceReport {
        agent_version: Str::cut(env!("CARGO_PKG_VERSION")),
        registered_at: registered.or_else(|| info.map(|_| now)),
        address: identity.address.as_deref().map(Str::cut),
        endpoint: identity.endpoint.clone(),
        engine: Some(EngineReport {
            ready: state.is_ready(),
            reason: state.why_not().map(|trouble| trouble.reason.into()),
            message: state.why_not().map(|trouble| Str::cut(&trouble.message)),
            id: info.map(|info| Str::cut(&info.id)),
            boot_id: info.and_then(|info| info.boot_id.as_deref()).map(Str::cut),
            version: info.map(|info| Str::cut(&info.version)),
            api_version: info.map(|info| Str::cut(&info.api_version)),
        }),
        registered_resources: info.map(|info| {
            let Capacity {
                cpu,
                memory,
                pids,
                gpus,
            } = capacity(info, &identity.size);
            InstanceResources {
                cpu,
                memory,
                pids,
                gpus,
            }
        }),
        attributes: info.map_or_else(Map::default, |info| attributes(info, identity, reach)),
    }
}

/// Attributes as Amazon's own agent registers them, limited to what this one carries out.
fn attributes(info: &EngineInfo, identity: &Identity, reach: &Reach) -> Map<Str<128>, 128> {
    let architecture = match info.architecture.as_str() {
        "aarch64" => "arm64",
        other => other,
    };
    let mut attributes: BTreeMap<String, Str<128>> = BTreeMap::new();
    attributes.insert("ecs.os-type".into(), Str::cut(&info.os_type));
    attributes.insert(
        "ecs.os-family".into(),
        Str::cut(&info.os_type.to_uppercase()),
    );
    attributes.insert("ecs.cpu-architecture".into(), Str::cut(architecture));
    let published = match reach {
        Reach::Unknown => None,
        Reach::At(_) => Some("reachable"),
        Reach::Nowhere(_) => Some("unreachable"),
    };
    if let Some(published) = published {
        attributes.insert(PUBLISHED_PORTS.into(), Str::cut(published));
    }
    let has = |means| identity.means.contains(&means);
    let mut able = |name: String| attributes.insert(name, Str::default());
    // Amazon's agent leaves these numbers out, and registers none above.
    for minor in (17..=32).filter(|minor| ![26, 27, 31].contains(minor)) {
        able(format!(
            "com.amazonaws.ecs.capability.docker-remote-api.1.{minor}"
        ));
    }
    for driver in &info.volume_drivers {
        able(volumes::driver_attribute(driver));
    }
    for driver in LogDriver::all() {
        let takes = driver.of_engine();
        if info.log_drivers.iter().any(|name| name == takes) {
            able(driver.attribute().into());
        }
    }
    able(RouterKind::Fluentd.attribute().into());
    able(RouterKind::FluentBit.attribute().into());
    able("ecs.capability.container-health-check".into());
    able("ecs.capability.container-ordering".into());
    able("ecs.capability.container-restart-policy".into());
    able("ecs.capability.task-eni".into());
    able("ecs.capability.pid-ipc-namespace-sharing".into());
    able("ecs.capability.network.container-port-range".into());
    if has(Means::Broker) {
        able("ecs.capability.secrets.asm.environment-variables".into());
        able("ecs.capability.secrets.ssm.environment-variables".into());
        able("ecs.capability.private-registry-authentication.secretsmanager".into());
        able("ecs.capability.env-files.s3".into());
        able("ecs.capability.secrets.asm.bootstrap.log-driver".into());
        able("ecs.capability.secrets.ssm.bootstrap.log-driver".into());
    }
    if has(Means::Files) {
        able(FILES.into());
    }
    if has(Means::Broker) && has(Means::Files) {
        able("com.amazonaws.ecs.capability.task-iam-role".into());
    }
    if info.disk_limits == DiskLimits::Always {
        able(DISK_LIMIT.into());
    }
    if has(Means::Limits) {
        able(TASK_LIMITS.into());
    }
    if has(Means::Privileged) {
        able("com.amazonaws.ecs.capability.privileged-container".into());
    }
    for module in ["apparmor", "selinux"] {
        if info.security_options.iter().any(|option| option == module) {
            able(format!("com.amazonaws.ecs.capability.{module}"));
        }
    }
    if info.swap_limit {
        able(SWAP_LIMIT.into());
    }
    attributes.into()
}

/// Keeps the instance's status true for ever.
pub async fn keep_reported(
    identity: Identity,
    client: Client,
    (mut engine, mut reach): (watch::Receiver<EngineState>, watch::Receiver<Reach>),
    clock: Clock,
) {
    let api: Api<ContainerInstance> = Api::all(client.clone());
    let guarded: Api<DeserializeGuard<ContainerInstance>> = Api::all(client);
    let config = watcher::Config::default().fields(&format!("metadata.name={}", identity.name));
    let mut objects = watcher(guarded, config)
        .backoff(watching::backoff())
        .applied_objects()
        .boxed();
    let mut object: Option<ContainerInstance> = None;
    let mut retry = false;
    loop {
        tokio::select! {
            next = objects.try_next() => match next {
                Ok(Some(DeserializeGuard(Ok(found)))) => {
                    if object.is_none() {
                        info!(instance = %identity.name, cluster = %found.spec.cluster, "the container instance is there");
                    }
                    object = Some(found);
                }
                Ok(Some(DeserializeGuard(Err(broken)))) => warn!(error = %broken.error, "cannot read the container instance"),
                Ok(None) => return,
                Err(error) => warn!(%error, "cannot watch the container instance"),
            },
            changed = engine.changed() => if changed.is_err() { return },
            changed = reach.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(RETRY), if retry => {}
        }
        let state = engine.borrow().clone();
        let heard = state != EngineState::default();
        let Some(current) = object.as_ref().filter(|_| heard) else {
            continue;
        };
        let found = reach.borrow().clone();
        retry = bring_up_to_date(&api, &identity, current, (&state, &found), clock)
            .await
            .is_err();
    }
}

async fn bring_up_to_date(
    api: &Api<ContainerInstance>,
    identity: &Identity,
    object: &ContainerInstance,
    (state, reach): (&EngineState, &Reach),
    clock: Clock,
) -> Result<(), ()> {
    let before = object
        .status
        .as_ref()
        .and_then(|status| status.agent.as_ref());
    let wanted = report(identity, state, reach, before, Time(clock.now()));
    if before == Some(&wanted) {
        return Ok(());
    }
    let status = json!({
        "apiVersion": ContainerInstance::api_version(&()),
        "kind": ContainerInstance::kind(&()),
        "metadata": {"name": identity.name, "uid": object.metadata.uid},
        "status": {"agent": wanted},
    });
    let parameters = PatchParams::apply(names::AGENT).force();
    let patch = Patch::Apply(&status);
    let write = api.patch_status(&identity.name, &parameters, &patch);
    match tokio::time::timeout(DEADLINE, write).await {
        Ok(Ok(_)) => {
            info!(instance = %identity.name, ready = state.is_ready(), "instance reported");
            Ok(())
        }
        Ok(Err(error)) => {
            warn!(%error, "cannot report the instance");
            Err(())
        }
        Err(_) => {
            warn!("no answer in time to the report of the instance");
            Err(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info() -> EngineInfo {
        EngineInfo {
            boot_id: Some("boot-1".into()),
            cpus: 4,
            memory: 8 << 30,
            os_type: "linux".into(),
            architecture: "aarch64".into(),
            pids: Some(4_194_304),
            ..EngineInfo::default()
        }
    }

    #[test]
    fn an_instance_offers_its_size_less_what_is_reserved() {
        let whole = capacity(
            &info(),
            &Size {
                reserved_memory: 512,
                ..Size::default()
            },
        );
        assert_eq!((whole.cpu, whole.memory), (4096, 8192 - 512));
        let pod = capacity(
            &info(),
            &Size {
                cpu: Some(1024),
                memory: Some(2048),
                reserved_cpu: 24,
                ..Size::default()
            },
        );
        assert_eq!((pod.cpu, pod.memory), (1000, 2048));
    }

    #[test]
    fn drivers_of_volumes_are_attributes_that_definitions_can_require() {
        let info = EngineInfo {
            volume_drivers: vec!["local".into(), "vieux/sshfs:latest".into()],
            ..info()
        };
        let found = attributes(&info, &Identity::default(), &Reach::Unknown);
        for driver in ["local", "vieux/sshfs"] {
            assert!(found.contains_key(&volumes::driver_attribute(driver)));
        }
    }

    #[test]
    fn a_report_is_stable_until_something_changes_and_a_new_boot_registers_anew() {
        let at = |second: i64| Time(jiff::Timestamp::from_second(second).unwrap());
        let mut state = EngineState {
            info: Some(info()),
            ..EngineState::default()
        };
        let reach = Reach::At("10.0.0.1".into());
        let first = report(&Identity::default(), &state, &reach, None, at(1));
        assert_eq!(
            report(&Identity::default(), &state, &reach, Some(&first), at(2)),
            first
        );
        assert_eq!(
            first
                .attributes
                .get("ecs.cpu-architecture")
                .map(Str::as_str),
            Some("arm64")
        );
        assert!(
            !first
                .attributes
                .contains_key("com.amazonaws.ecs.capability.docker-remote-api.1.26")
        );
        state.info.as_mut().unwrap().boot_id = Some("boot-2".into());
        assert_eq!(
            report(&Identity::default(), &state, &reach, Some(&first), at(3)).registered_at,
            Some(at(3))
        );
    }
}
