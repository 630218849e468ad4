//! The log configuration of a container, from its shape.

use super::super::shapes;
use super::volumes::texts;
use crate::domain::definition::logs::{LogConfiguration, LogDriver};

/// Where a container's output goes; `None` leaves it to the instance, as for `awslogs`. The log router is refused
/// elsewhere.
pub(super) fn log(spec: &shapes::ContainerDefinition) -> Option<LogConfiguration> {
    let log = spec.log_configuration.as_ref()?;
    let driver = match log.log_driver {
        shapes::LogDriver::JsonFile => LogDriver::JsonFile,
        shapes::LogDriver::Local => LogDriver::Local,
        shapes::LogDriver::Journald => LogDriver::Journald,
        shapes::LogDriver::Syslog => LogDriver::Syslog,
        shapes::LogDriver::Gelf => LogDriver::Gelf,
        shapes::LogDriver::Fluentd => LogDriver::Fluentd,
        shapes::LogDriver::Splunk => LogDriver::Splunk,
        shapes::LogDriver::Awslogs | shapes::LogDriver::Awsfirelens => return None,
    };
    Some(LogConfiguration {
        driver,
        options: texts(log.options.as_ref()),
    })
}
