//! Where a container's output goes, and whether it routes that of others, from their shapes.

use super::super::shapes;
use super::volumes::texts;
use crate::domain::definition::firelens::{Router, RouterKind};
use crate::domain::definition::logs::{LogConfiguration, LogDriver};

/// Where a container's output goes; `None` leaves it to the instance, as for `awslogs`.
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
        shapes::LogDriver::Awsfirelens => LogDriver::Firelens,
        shapes::LogDriver::Awslogs => return None,
    };
    Some(LogConfiguration {
        driver,
        options: texts(log.options.as_ref()),
    })
}

/// Whether a container is the log router of its task.
pub(super) fn router(spec: &shapes::ContainerDefinition) -> Option<Router> {
    let router = spec.firelens_configuration.as_ref()?;
    Some(Router {
        kind: match router.kind {
            shapes::FirelensConfigurationType::Fluentd => RouterKind::Fluentd,
            shapes::FirelensConfigurationType::Fluentbit => RouterKind::FluentBit,
        },
        options: texts(router.options.as_ref()),
    })
}
