//! Which settings of a container the baseline refuses: those that reach beyond the container. The lists are those of
//! Kubernetes' Pod Security Standards (level Baseline), with what Docker gives every container anyway.

use crate::domain::definition::Container;
use crate::domain::definition::logs::LogConfiguration;

/// Docker's default set: adding what a container has anyway, after dropping all, gives it nothing.
const HARMLESS_CAPABILITIES: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Kernel parameters that stay within the container's namespaces and take no memory that its limit does not count.
const SAFE_CONTROLS: [&str; 13] = [
    "kernel.shm_rmid_forced",
    "net.core.somaxconn",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
];

/// Labels of ordinary containers for `SELinux`.
const SAFE_LABELS: [&str; 4] = [
    "type:container_engine_t",
    "type:container_init_t",
    "type:container_kvm_t",
    "type:container_t",
];

/// Limits by which a process takes precedence over others of the instance.
const UNFAIR_LIMITS: [&str; 2] = ["nice", "rtprio"];

/// What of `container` is denied, by field.
pub(super) fn denied(container: &Container) -> Vec<(&'static str, String)> {
    let settings = &container.settings;
    let mut denied = Vec::new();
    let capabilities = settings.added_capabilities.iter();
    for name in capabilities.filter(|name| !HARMLESS_CAPABILITIES.contains(&name.as_str())) {
        denied.push((
            "linuxParameters.capabilities.add",
            format!("the capability {name}"),
        ));
    }
    for device in &settings.devices {
        denied.push((
            "linuxParameters.devices",
            format!("the device {} of the instance", device.host_path),
        ));
    }
    let controls = settings.system_controls.keys();
    for name in controls.filter(|name| !SAFE_CONTROLS.contains(&name.as_str())) {
        denied.push(("systemControls", format!("the kernel parameter {name}")));
    }
    let options = settings.security_options.iter();
    for option in options.filter(|option| !is_safe(option)) {
        denied.push(("dockerSecurityOptions", format!("the option {option}")));
    }
    let log = container.log.iter();
    for option in log.flat_map(LogConfiguration::reaching_the_instance) {
        denied.push((
            "logConfiguration.options",
            format!("{option}, a file or socket of the instance,"),
        ));
    }
    // What stands there is known only when the container is created.
    for option in &container.log_secrets {
        if LogConfiguration::may_reach_the_instance(&option.name) {
            denied.push((
                "logConfiguration.secretOptions",
                format!(
                    "{}, which may be a file or socket of the instance,",
                    option.name
                ),
            ));
        }
    }
    let limits = settings.ulimits.iter();
    for limit in limits.filter(|limit| UNFAIR_LIMITS.contains(&limit.name)) {
        denied.push(("ulimits", format!("the limit {}", limit.name)));
    }
    denied
}

fn is_safe(option: &str) -> bool {
    match option.split_once(':') {
        None => option == "no-new-privileges",
        Some(("no-new-privileges", value)) => value == "true",
        Some(("apparmor", profile)) => profile == "docker-default",
        Some(("label", label)) => SAFE_LABELS.contains(&label),
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::definition::settings::{Device, Settings, Ulimit};
    use crate::domain::definition::tests_support::container;
    use crate::domain::supply::SecretReference;

    fn fields(change: impl FnOnce(&mut Settings)) -> Vec<&'static str> {
        let mut app = container("app");
        change(&mut app.settings);
        denied(&app).into_iter().map(|(field, _)| field).collect()
    }

    #[test]
    fn a_secret_may_not_say_where_the_logs_go_on_the_instance() {
        let mut app = container("app");
        for (name, denials) in [
            ("splunk-token", 0),
            ("syslog-address", 1),
            ("splunk-capath", 1),
        ] {
            app.log_secrets = vec![SecretReference {
                name: name.into(),
                value_from: "secret:a:b".into(),
            }];
            assert_eq!(denied(&app).len(), denials, "{name}");
        }
    }

    #[test]
    fn what_reaches_beyond_the_container_is_denied_and_what_does_not_is_allowed() {
        let harmless = fields(|it| {
            it.dropped_capabilities = vec!["ALL".into()];
            it.added_capabilities = vec!["NET_BIND_SERVICE".into()];
            it.system_controls = [("net.core.somaxconn".into(), "4096".into())].into();
            it.security_options =
                vec!["no-new-privileges".into(), "apparmor:docker-default".into()];
            it.ulimits = vec![Ulimit {
                name: "nofile",
                soft: 65_536,
                hard: 65_536,
            }];
        });
        assert_eq!(harmless, [""; 0]);
        let dangerous = fields(|it| {
            it.added_capabilities = vec!["SYS_ADMIN".into(), "ALL".into()];
            it.devices = vec![Device {
                host_path: "/dev/kvm".into(),
                container_path: "/dev/kvm".into(),
                permissions: "rwm".into(),
            }];
            it.system_controls = [("kernel.shmmax".into(), "1".into())].into();
            it.security_options = vec![
                "apparmor:unconfined".into(),
                "label:disable".into(),
                "no-new-privileges:false".into(),
            ];
            it.ulimits = vec![Ulimit {
                name: "rtprio",
                soft: 99,
                hard: 99,
            }];
        });
        assert_eq!(
            dangerous,
            [
                "linuxParameters.capabilities.add",
                "linuxParameters.capabilities.add",
                "linuxParameters.devices",
                "systemControls",
                "dockerSecurityOptions",
                "dockerSecurityOptions",
                "dockerSecurityOptions",
                "ulimits"
            ]
        );
    }
}
