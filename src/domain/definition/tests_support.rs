//! Definitions for tests, by few words.

use std::collections::BTreeMap;

use super::settings::Settings;
use super::{Condition, Container, Dependency, IpcMode, NetworkMode, PidMode, TaskDefinition};

/// A bridge-mode definition of `family`.
pub fn definition(family: &str, containers: impl IntoIterator<Item = Container>) -> TaskDefinition {
    TaskDefinition {
        family: family.into(),
        network_mode: NetworkMode::Bridge,
        pid_mode: PidMode::Container,
        ipc_mode: IpcMode::Engine,
        cpu: None,
        memory: None,
        disk: None,
        architecture: None,
        containers: containers.into_iter().collect(),
        volumes: Vec::new(),
        image_pull_secrets: Vec::new(),
        task_role: None,
        placement_constraints: Vec::new(),
    }
}

/// An essential container of 64 MiB without ports.
pub fn container(name: &str) -> Container {
    Container {
        name: name.into(),
        version_consistency: true,
        image: "workload:dev".into(),
        essential: true,
        entry_point: None,
        command: None,
        environment: BTreeMap::new(),
        user: None,
        working_directory: None,
        cpu: 0,
        memory: Some(64),
        memory_reservation: None,
        gpus: 0,
        port_mappings: Vec::new(),
        port_names: BTreeMap::new(),
        health_check: None,
        docker_labels: BTreeMap::new(),
        stop_timeout: None,
        depends_on: Vec::new(),
        start_timeout: None,
        restart_policy: None,
        privileged: false,
        settings: Settings::default(),
        links: Vec::new(),
        log: None,
        router: None,
        mount_points: Vec::new(),
        volumes_from: Vec::new(),
        secrets: Vec::new(),
        repository_credentials: None,
        environment_files: Vec::new(),
        log_secrets: Vec::new(),
        files: Vec::new(),
    }
}

/// The same, started when others are so far.
pub fn waiting(name: &str, dependencies: &[(&str, Condition)]) -> Container {
    Container {
        depends_on: dependencies
            .iter()
            .map(|(container, condition)| Dependency {
                container: (*container).to_owned(),
                condition: *condition,
            })
            .collect(),
        ..container(name)
    }
}
