//! Between a [`TaskReport`] and the status of an `EcsTask`, both ways: what was told is all that an agent remembers.

use jiff::{Timestamp, Unit};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime, Time};

use super::step::{ContainerReport, ContainerStatus, TaskReport};
use crate::api::bounded::{List, Str};
use crate::api::conditions;
use crate::api::parse;
use crate::api::task::{
    ContainerLastStatus, ContainerStatus as ContainerJson, DesiredStatus, EcsTaskStatus,
    NetworkBinding, NetworkInterface, TaskProtection,
};
use crate::domain::definition::namespaces::PAUSE;
use crate::domain::task::{Health, Stop, TaskState};
use crate::runtime::PublishedPort;

/// The whole status, as the agent at `address` writes it. Times have whole seconds, as Kubernetes stores them, so that
/// equal statuses mean that there is nothing to write.
#[must_use]
pub fn write(report: &TaskReport, arn: &str, address: Option<&str>) -> EcsTaskStatus {
    EcsTaskStatus {
        last_status: Some(report.state.into()),
        desired_status: Some(if report.stop.is_some() {
            DesiredStatus::Stopped
        } else {
            DesiredStatus::Running
        }),
        health_status: Some(report.health.into()),
        containers: List::cut(
            report
                .containers
                .iter()
                .filter(|it| it.name != PAUSE)
                .map(container),
        ),
        container_instance_address: address.map(Str::cut),
        created_at: report.created_at.and_then(time),
        pull_started_at: report.pull_started_at.and_then(time),
        pull_stopped_at: report.pull_stopped_at.and_then(time),
        started_at: report.started_at.and_then(time),
        healthy_since: report.healthy_since.and_then(time),
        targets: List::cut(report.targets.iter().cloned()),
        protection: report.protected_until.map(|until| TaskProtection {
            protection_enabled: true,
            expiration_date: Some(Time(until)),
        }),
        stopping_at: report.stopping_at.and_then(time),
        execution_stopped_at: report.execution_stopped_at.and_then(time),
        stopped_at: report.stopped_at.and_then(time),
        stop_code: report.stop.as_ref().map(|stop| stop.code.into()),
        stopped_reason: report.stop.as_ref().map(|stop| Str::cut(&stop.reason)),
        task_arn: Some(Str::cut(arn)),
        ..EcsTaskStatus::default()
    }
}

/// Says of a task that is being deleted that none of its containers is left, so that its object may go.
#[must_use]
pub fn containers_removed(report: &TaskReport) -> Condition {
    let at = report.stopped_at.unwrap_or(Timestamp::UNIX_EPOCH);
    let message = "no container of the task is left on its engine";
    conditions::condition(
        conditions::CONTAINERS_REMOVED,
        true,
        "Removed",
        message,
        None,
        at,
    )
}

/// What was told of a task before.
#[must_use]
pub fn read(status: &EcsTaskStatus) -> TaskReport {
    let at = |time: &Option<MicroTime>| time.as_ref().map(|time| time.0);
    TaskReport {
        state: status
            .last_status
            .map_or(TaskState::Provisioning, Into::into),
        stop: status.stop_code.map(|code| Stop {
            code: code.into(),
            reason: status
                .stopped_reason
                .as_deref()
                .cloned()
                .unwrap_or_default(),
        }),
        health: status.health_status.map_or(Health::Unknown, Into::into),
        containers: status.containers.iter().map(container_told).collect(),
        created_at: at(&status.created_at),
        pull_started_at: at(&status.pull_started_at),
        pull_stopped_at: at(&status.pull_stopped_at),
        started_at: at(&status.started_at),
        healthy_since: at(&status.healthy_since),
        targets: status.targets.iter().cloned().collect(),
        protected_until: status.protection.as_ref().and_then(TaskProtection::until),
        stopping_at: at(&status.stopping_at),
        execution_stopped_at: at(&status.execution_stopped_at),
        stopped_at: at(&status.stopped_at),
    }
}

fn time(at: Timestamp) -> Option<MicroTime> {
    // As precise as is stored, so that what was written reads back the same. Whole seconds would not do: a task would count
    // as 40 seconds old when it is 39. Rounding down: nothing has happened later than it is.
    let round = jiff::TimestampRound::new()
        .smallest(Unit::Microsecond)
        .mode(jiff::RoundMode::Trunc);
    at.round(round).ok().map(MicroTime)
}

fn container(report: &ContainerReport) -> ContainerJson {
    ContainerJson {
        name: Str::cut(&report.name),
        image: Some(Str::cut(&report.image)),
        image_digest: report.image_digest.as_deref().map(Str::cut),
        runtime_id: report.runtime_id.as_deref().map(Str::cut),
        last_status: Some(match report.status {
            ContainerStatus::Pending => ContainerLastStatus::Pending,
            ContainerStatus::Running => ContainerLastStatus::Running,
            ContainerStatus::Stopped => ContainerLastStatus::Stopped,
        }),
        exit_code: report.exit_code,
        reason: report.reason.as_deref().map(Str::cut),
        started_at: report.started_at.and_then(time),
        restart_count: i32::try_from(report.restart_count)
            .ok()
            .filter(|count| *count > 0),
        network_bindings: List::cut(report.bindings.iter().map(|port| NetworkBinding {
            bind_ip: Some(Str::cut(&port.bind_ip)),
            container_port: Some(port.container_port.into()),
            host_port: Some(port.host_port.into()),
            protocol: Some(port.protocol.into()),
        })),
        network_interfaces: List::cut(report.address.iter().map(|address| NetworkInterface {
            private_ipv4_address: Some(Str::cut(address)),
        })),
        gpu_ids: List::cut(report.gpu_ids.iter().map(|id| Str::cut(id))),
        health_status: Some(report.health.into()),
        cpu: Some(report.cpu.to_string().into()),
        memory: report.memory.map(|memory| memory.to_string().into()),
        memory_reservation: report
            .memory_reservation
            .map(|memory| memory.to_string().into()),
    }
}

fn container_told(status: &ContainerJson) -> ContainerReport {
    let number = |text: &Option<Str<32>>| text.as_ref().and_then(|text| text.parse().ok());
    ContainerReport {
        name: status.name.to_string(),
        image: status.image.as_deref().cloned().unwrap_or_default(),
        image_digest: status.image_digest.as_deref().cloned(),
        runtime_id: status.runtime_id.as_deref().cloned(),
        status: match status.last_status {
            Some(ContainerLastStatus::Running) => ContainerStatus::Running,
            Some(ContainerLastStatus::Stopped) => ContainerStatus::Stopped,
            Some(ContainerLastStatus::Pending) | None => ContainerStatus::Pending,
        },
        exit_code: status.exit_code,
        reason: status.reason.as_deref().cloned(),
        started_at: status.started_at.as_ref().map(|time| time.0),
        restart_count: status
            .restart_count
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or(0),
        bindings: status
            .network_bindings
            .iter()
            .filter_map(binding_told)
            .collect(),
        address: status.network_interfaces.iter().find_map(|interface| {
            let address = interface.private_ipv4_address.as_ref()?;
            Some(address.to_string())
        }),
        gpu_ids: status.gpu_ids.iter().map(ToString::to_string).collect(),
        health: status.health_status.map_or(Health::Unknown, Into::into),
        cpu: number(&status.cpu).unwrap_or(0),
        memory: number(&status.memory),
        memory_reservation: number(&status.memory_reservation),
    }
}

fn binding_told(binding: &NetworkBinding) -> Option<PublishedPort> {
    Some(PublishedPort {
        bind_ip: binding.bind_ip.as_deref().cloned().unwrap_or_default(),
        container_port: u16::try_from(binding.container_port?).ok()?,
        host_port: u16::try_from(binding.host_port?).ok()?,
        protocol: parse::protocol(binding.protocol),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::shapes::TransportProtocol;
    use crate::api::task::{TargetHealth, TargetReason, TaskTarget};
    use crate::domain::resources::Protocol;
    use crate::domain::task::StopCode;

    fn target() -> TaskTarget {
        TaskTarget {
            target_group: "web".into(),
            container_name: "app".into(),
            container_port: 80,
            protocol: TransportProtocol::Tcp,
            address: Some("10.0.0.1".into()),
            host_port: Some(32768),
            health: TargetHealth::Unhealthy,
            reason: Some(TargetReason::Timeout),
            description: Some("Request timed out".into()),
            since: Some(MicroTime(Timestamp::UNIX_EPOCH)),
        }
    }

    #[test]
    fn what_was_told_is_read_back_after_a_restart() {
        let at = |second: i64| Some(Timestamp::from_second(1_790_000_000 + second).unwrap());
        let report = TaskReport {
            state: TaskState::Stopped,
            stop: Some(Stop {
                code: StopCode::EssentialContainerExited,
                reason: "Essential container in task exited".into(),
            }),
            health: Health::Healthy,
            containers: vec![ContainerReport {
                name: "app".into(),
                image: "web:1".into(),
                image_digest: Some("sha256:1".into()),
                runtime_id: Some("f00".into()),
                status: ContainerStatus::Stopped,
                exit_code: Some(137),
                reason: Some("OutOfMemoryError: Container killed due to memory usage".into()),
                started_at: at(3),
                restart_count: 2,
                bindings: vec![PublishedPort {
                    bind_ip: "0.0.0.0".into(),
                    container_port: 80,
                    host_port: 32768,
                    protocol: Protocol::Udp,
                }],
                address: Some("172.17.0.9".into()),
                gpu_ids: vec!["GPU-a".into(), "GPU-b".into()],
                health: Health::Healthy,
                cpu: 256,
                memory: Some(64),
                memory_reservation: None,
            }],
            created_at: at(0),
            pull_started_at: at(1),
            pull_stopped_at: at(2),
            started_at: at(3),
            healthy_since: at(4),
            targets: vec![target()],
            protected_until: at(60),
            stopping_at: at(5),
            execution_stopped_at: at(6),
            stopped_at: at(7),
        };
        let status = write(&report, "arn", Some("10.0.0.1"));
        let stored: EcsTaskStatus =
            serde_json::from_value(serde_json::to_value(&status).unwrap()).unwrap();
        assert_eq!(stored, status, "nothing is lost in the API");
        assert_eq!(read(&stored), report);
    }
}
