//! Where the output of a container goes: drivers, the options that each understands, and the defaults that keep a disk
//! bounded and a container running (ECS API Reference, `LogConfiguration`; Docker's reference of its drivers).

use std::collections::BTreeMap;

/// Where the output of a container goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfiguration {
    /// What takes it.
    pub driver: LogDriver,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
}

/// Log drivers that are carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogDriver {
    /// Files of JSON on the instance.
    JsonFile,
    /// Files of Docker's own format on the instance.
    Local,
    /// The instance's journal.
    Journald,
    /// Syslog.
    Syslog,
    /// Graylog's format.
    Gelf,
    /// Fluentd.
    Fluentd,
    /// Splunk.
    Splunk,
    /// The log router of the task.
    Firelens,
}

/// Options of every driver: what happens when it is slower than the container.
const COMMON: [&str; 2] = ["max-buffer-size", "mode"];

/// Options by which messages name their container.
const NAMING: [&str; 5] = ["env", "env-regex", "labels", "labels-regex", "tag"];

/// Options that name a file or socket of the instance.
const FILES: [&str; 4] = [
    "splunk-capath",
    "syslog-tls-ca-cert",
    "syslog-tls-cert",
    "syslog-tls-key",
];

impl LogDriver {
    /// Docker's and ECS's name of it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::JsonFile => "json-file",
            Self::Local => "local",
            Self::Journald => "journald",
            Self::Syslog => "syslog",
            Self::Gelf => "gelf",
            Self::Fluentd => "fluentd",
            Self::Splunk => "splunk",
            Self::Firelens => "awsfirelens",
        }
    }

    /// Attribute of instances whose engine has it.
    #[must_use]
    pub const fn attribute(self) -> &'static str {
        match self {
            Self::JsonFile => "com.amazonaws.ecs.capability.logging-driver.json-file",
            Self::Local => "com.amazonaws.ecs.capability.logging-driver.local",
            Self::Journald => "com.amazonaws.ecs.capability.logging-driver.journald",
            Self::Syslog => "com.amazonaws.ecs.capability.logging-driver.syslog",
            Self::Gelf => "com.amazonaws.ecs.capability.logging-driver.gelf",
            Self::Fluentd => "com.amazonaws.ecs.capability.logging-driver.fluentd",
            Self::Splunk => "com.amazonaws.ecs.capability.logging-driver.splunk",
            Self::Firelens => "com.amazonaws.ecs.capability.logging-driver.awsfirelens",
        }
    }

    /// The engine's driver that does it.
    #[must_use]
    pub const fn of_engine(self) -> &'static str {
        match self {
            // The router is spoken to as Fluentd is.
            Self::Firelens => Self::Fluentd.as_str(),
            Self::JsonFile
            | Self::Local
            | Self::Journald
            | Self::Syslog
            | Self::Gelf
            | Self::Fluentd
            | Self::Splunk => self.as_str(),
        }
    }

    /// All of them.
    #[must_use]
    pub const fn all() -> [Self; 8] {
        [
            Self::JsonFile,
            Self::Local,
            Self::Journald,
            Self::Syslog,
            Self::Gelf,
            Self::Fluentd,
            Self::Splunk,
            Self::Firelens,
        ]
    }

    const fn own_options(self) -> &'static [&'static str] {
        match self {
            Self::JsonFile | Self::Local => &["compress", "max-file", "max-size"],
            // Those of a router are its outputs' own.
            Self::Journald | Self::Firelens => &[],
            Self::Syslog => &[
                "syslog-address",
                "syslog-facility",
                "syslog-format",
                "syslog-tls-ca-cert",
                "syslog-tls-cert",
                "syslog-tls-key",
                "syslog-tls-skip-verify",
            ],
            Self::Gelf => &[
                "gelf-address",
                "gelf-compression-level",
                "gelf-compression-type",
                "gelf-tcp-max-reconnect",
                "gelf-tcp-reconnect-delay",
            ],
            Self::Fluentd => &[
                "fluentd-address",
                "fluentd-async",
                "fluentd-async-connect",
                "fluentd-async-reconnect-interval",
                "fluentd-buffer-limit",
                "fluentd-max-retries",
                "fluentd-request-ack",
                "fluentd-retry-wait",
                "fluentd-sub-second-precision",
            ],
            Self::Splunk => &[
                "splunk-caname",
                "splunk-capath",
                "splunk-format",
                "splunk-gzip",
                "splunk-gzip-level",
                "splunk-index",
                "splunk-insecureskipverify",
                "splunk-source",
                "splunk-sourcetype",
                "splunk-token",
                "splunk-url",
                "splunk-verify-connection",
            ],
        }
    }

    /// Options that it understands.
    pub fn options(self) -> impl Iterator<Item = &'static str> {
        let naming: &[&str] = match self {
            Self::Local | Self::Firelens => &[],
            Self::JsonFile
            | Self::Journald
            | Self::Syslog
            | Self::Gelf
            | Self::Fluentd
            | Self::Splunk => &NAMING,
        };
        let own = self.own_options().iter();
        own.chain(naming).chain(&COMMON).copied()
    }
}

impl LogConfiguration {
    /// What `json-file` is given where nobody says anything: at most 30 MiB for a container.
    #[must_use]
    pub fn bounded_files() -> Self {
        let mut files = Self {
            driver: LogDriver::JsonFile,
            options: BTreeMap::new(),
        };
        files.bound();
        files
    }

    /// With ECS's default of the delivery (non-blocking with 10 MiB, since June 2025), and files that are bounded.
    #[must_use]
    pub fn with_defaults(&self) -> Self {
        let mut complete = self.clone();
        let options = &mut complete.options;
        let mode = options
            .entry("mode".to_owned())
            .or_insert_with(|| "non-blocking".to_owned());
        if mode == "non-blocking" {
            let buffer = options.entry("max-buffer-size".to_owned());
            buffer.or_insert_with(|| "10m".to_owned());
        }
        complete.bound();
        complete
    }

    /// Only `json-file` grows for ever unless it is told not to.
    fn bound(&mut self) {
        if self.driver == LogDriver::JsonFile {
            for (name, value) in [("max-size", "10m"), ("max-file", "3")] {
                let option = self.options.entry(name.to_owned());
                option.or_insert_with(|| value.to_owned());
            }
        }
    }

    /// Whether an option can lead to a file or a socket of the instance, whatever its value.
    #[must_use]
    pub fn may_reach_the_instance(option: &str) -> bool {
        FILES.contains(&option) || option.ends_with("-address")
    }

    /// Options by which it reaches a file or a socket of the instance.
    pub fn reaching_the_instance(&self) -> impl Iterator<Item = &str> {
        let is_routed = self.driver == LogDriver::Firelens;
        let reaches = move |(name, value): &(&String, &String)| {
            !is_routed
                && (FILES.contains(&name.as_str())
                    || (name.ends_with("-address")
                        && value.to_ascii_lowercase().starts_with("unix")))
        };
        let options = self.options.iter().filter(reaches);
        options.map(|(name, _)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(driver: LogDriver, options: &[(&str, &str)]) -> LogConfiguration {
        let options = options.iter();
        LogConfiguration {
            driver,
            options: options.map(|(a, b)| ((*a).into(), (*b).into())).collect(),
        }
    }

    #[test]
    fn a_driver_holds_up_no_container_and_fills_no_disk_unless_it_is_told_to() {
        assert_eq!(
            with(LogDriver::JsonFile, &[("max-file", "9")]).with_defaults(),
            with(
                LogDriver::JsonFile,
                &[
                    ("max-buffer-size", "10m"),
                    ("max-file", "9"),
                    ("max-size", "10m"),
                    ("mode", "non-blocking"),
                ]
            )
        );
        let blocking = with(LogDriver::Fluentd, &[("mode", "blocking")]);
        assert_eq!(blocking.with_defaults(), blocking);
        assert_eq!(
            LogConfiguration::bounded_files(),
            with(
                LogDriver::JsonFile,
                &[("max-file", "3"), ("max-size", "10m")]
            )
        );
    }

    #[test]
    fn files_and_sockets_of_the_instance_are_seen() {
        let syslog = with(
            LogDriver::Syslog,
            &[
                ("syslog-address", "Unix:///run/other.sock"),
                ("syslog-tls-key", "/etc/keys/syslog.pem"),
                ("tag", "unix"),
            ],
        );
        let reached: Vec<_> = syslog.reaching_the_instance().collect();
        assert_eq!(reached, ["syslog-address", "syslog-tls-key"]);
        let remote = with(LogDriver::Syslog, &[("syslog-address", "tcp://logs:514")]);
        assert_eq!(remote.reaching_the_instance().count(), 0);
    }
}
