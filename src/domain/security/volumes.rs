//! Which volumes the baseline refuses: those that lead to directories of the instance, or to other machines with the
//! rights of the engine.

use crate::domain::definition::TaskDefinition;
use crate::domain::definition::volumes::{DockerVolume, VolumeKind};

/// What of the volumes of `definition` is denied, each with the path of its field.
pub(super) fn denied(definition: &TaskDefinition) -> Vec<(String, String)> {
    let mut denied = Vec::new();
    for volume in &definition.volumes {
        let at = |field: &str| format!("volumes[{}].{field}", volume.name);
        match &volume.kind {
            VolumeKind::Host { path } => denied.push((
                at("host.sourcePath"),
                format!("the directory {path} of the instance"),
            )),
            VolumeKind::Docker(DockerVolume {
                driver, options, ..
            }) => {
                if let Some(driver) = driver.as_ref().filter(|driver| *driver != "local") {
                    denied.push((
                        at("dockerVolumeConfiguration.driver"),
                        format!("the volume driver {driver}"),
                    ));
                }
                // The local driver mounts whatever its options name, the root of the instance too.
                if !options.is_empty() {
                    denied.push((
                        at("dockerVolumeConfiguration.driverOpts"),
                        "a volume with options of its driver".to_owned(),
                    ));
                }
            }
        }
    }
    denied
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::definition::tests_support::{container, definition};
    use crate::domain::definition::volumes::{Scope, Volume};

    fn fields(kind: VolumeKind) -> Vec<String> {
        let mut wants = definition("web", [container("app")]);
        wants.volumes = vec![Volume {
            name: "data".into(),
            kind,
        }];
        denied(&wants).into_iter().map(|(field, _)| field).collect()
    }

    #[test]
    fn no_volume_leads_to_the_instance() {
        let local = |options: &[(&str, &str)]| {
            let options = options.iter();
            VolumeKind::Docker(DockerVolume {
                scope: Scope::Shared {
                    autoprovision: true,
                },
                driver: Some("local".into()),
                options: options.map(|(a, b)| ((*a).into(), (*b).into())).collect(),
                ..DockerVolume::default()
            })
        };
        assert_eq!(fields(local(&[])), [""; 0]);
        assert_eq!(
            fields(local(&[("type", "none"), ("o", "bind"), ("device", "/")])),
            ["volumes[data].dockerVolumeConfiguration.driverOpts"]
        );
        let host = VolumeKind::Host { path: "/".into() };
        assert_eq!(fields(host), ["volumes[data].host.sourcePath"]);
        let driver = VolumeKind::Docker(DockerVolume {
            driver: Some("rexray".into()),
            ..DockerVolume::default()
        });
        assert_eq!(
            fields(driver),
            ["volumes[data].dockerVolumeConfiguration.driver"]
        );
    }
}
