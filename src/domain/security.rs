//! What a task may ask of its engine. One pure function, asked by the controller before it places and by the
//! agent before it creates: neither trusts that the other did.

mod settings;
mod volumes;

use super::definition::rules::Problem;
use super::definition::{IpcMode, NetworkMode, PidMode, TaskDefinition};

/// Docker labels that only agents write.
const RESERVED_LABEL_PREFIXES: [&str; 2] = ["ecs-operator.io/", "com.amazonaws.ecs."];

/// Lowest static host port that a baseline task may ask for: below are the node's own services.
const FIRST_UNPRIVILEGED_PORT: u16 = 1024;

/// The rules of a cluster (`EcsCluster.spec.securityProfile`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// Nothing that gives a task power over its node, as the Pod Security Standards' level of that name.
    #[default]
    Baseline,
    /// Everything.
    Privileged,
}

/// Why `definition` may not run under `profile`; empty when it may.
#[must_use]
pub fn admit(definition: &TaskDefinition, profile: Profile) -> Vec<Problem> {
    let mut denied = reserved_labels(definition);
    if profile == Profile::Privileged {
        return denied;
    }
    let mut deny = |field: String, what: &str| {
        denied.push(Problem {
            field,
            message: format!("{what} is refused by the security profile baseline of the cluster: leave it out, or use a cluster with securityProfile: privileged"),
        });
    };
    for container in &definition.containers {
        let at = |field: &str| format!("containerDefinitions[{}].{field}", container.name);
        if container.privileged {
            deny(at("privileged"), "a privileged container");
        }
        for (field, what) in settings::denied(container) {
            deny(at(field), &what);
        }
        if let Some(port) = container
            .port_mappings
            .iter()
            .filter_map(|mapping| definition.fixed_port(mapping))
            .find(|port| (1..FIRST_UNPRIVILEGED_PORT).contains(port))
        {
            deny(
                at("portMappings"),
                &format!("host port {port}, below {FIRST_UNPRIVILEGED_PORT},"),
            );
        }
    }
    for (field, what) in volumes::denied(definition) {
        deny(field, &what);
    }
    if definition.network_mode == NetworkMode::Host {
        deny("networkMode".into(), "the network of the host");
    }
    if definition.pid_mode == PidMode::Host {
        deny("pidMode".into(), "the process namespace of the host");
    }
    if definition.ipc_mode == IpcMode::Host {
        deny("ipcMode".into(), "the IPC namespace of the host");
    }
    denied
}

/// Labels by which agents know what is their own are nobody's to set, whatever the profile.
fn reserved_labels(definition: &TaskDefinition) -> Vec<Problem> {
    let containers = definition.containers.iter().map(|container| {
        let field = format!("containerDefinitions[{}].dockerLabels", container.name);
        (field, &container.docker_labels)
    });
    let volumes = definition.volumes.iter().filter_map(|volume| {
        let field = format!("volumes[{}].dockerVolumeConfiguration.labels", volume.name);
        Some((field, &definition.docker_volume(&volume.name)?.labels))
    });
    let reserved = |label: &&String| {
        let mut prefixes = RESERVED_LABEL_PREFIXES.iter();
        prefixes.any(|prefix| label.starts_with(prefix))
    };
    let mut found = Vec::new();
    for (field, labels) in containers.chain(volumes) {
        found.extend(labels.keys().filter(reserved).map(|label| Problem {
            field: field.clone(),
            message: format!("{label} is written by the agent alone: use another name"),
        }));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::definition::tests_support::{container, definition};

    #[test]
    fn baseline_refuses_what_gives_power_over_the_node_and_names_the_field() {
        let mut wants = definition("web", [container("app")]);
        assert_eq!(admit(&wants, Profile::Baseline), []);
        wants.containers[0].privileged = true;
        wants.network_mode = NetworkMode::Host;
        wants.pid_mode = PidMode::Host;
        wants.ipc_mode = IpcMode::Host;
        let fields: Vec<_> = admit(&wants, Profile::Baseline)
            .into_iter()
            .map(|p| p.field)
            .collect();
        assert_eq!(
            fields,
            [
                "containerDefinitions[app].privileged",
                "networkMode",
                "pidMode",
                "ipcMode"
            ]
        );
        assert_eq!(admit(&wants, Profile::Privileged), []);
    }

    #[test]
    fn nobody_may_pretend_to_be_an_agent() {
        let mut wants = definition("web", [container("app")]);
        wants.containers[0]
            .docker_labels
            .insert("ecs-operator.io/instance".into(), "other".into());
        assert_eq!(admit(&wants, Profile::Privileged).len(), 1);
    }
}
