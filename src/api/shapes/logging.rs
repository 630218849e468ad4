//! Where containers' output goes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::container_parts::Secret;
use crate::api::bounded::{List, Map, Str};

/// Where a container's output goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogConfiguration {
    /// The log driver.
    pub log_driver: LogDriver,
    /// Options of the driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<Map<Str<4096>, 64>>,
    /// Secrets that are given to the driver as options.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_options: Option<List<Secret, 64>>,
}

/// Log drivers.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum LogDriver {
    /// A file on the instance.
    #[serde(rename = "json-file")]
    JsonFile,
    /// Docker's own files on the instance; an addition to ECS's list.
    #[serde(rename = "local")]
    Local,
    /// Syslog.
    #[serde(rename = "syslog")]
    Syslog,
    /// The instance's journal.
    #[serde(rename = "journald")]
    Journald,
    /// Graylog's format.
    #[serde(rename = "gelf")]
    Gelf,
    /// Fluentd.
    #[serde(rename = "fluentd")]
    Fluentd,
    /// CloudWatch Logs.
    #[serde(rename = "awslogs")]
    Awslogs,
    /// Splunk.
    #[serde(rename = "splunk")]
    Splunk,
    /// The task's log router.
    #[serde(rename = "awsfirelens")]
    Awsfirelens,
}

/// Makes a container the log router of its task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FirelensConfiguration {
    /// Which log router it runs.
    #[serde(rename = "type")]
    pub kind: FirelensConfigurationType,
    /// Options: `enable-ecs-log-metadata`, `config-file-type`, `config-file-value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<Map<Str<4096>, 64>>,
}

/// Log routers.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum FirelensConfigurationType {
    /// Fluentd.
    #[serde(rename = "fluentd")]
    Fluentd,
    /// Fluent Bit.
    #[serde(rename = "fluentbit")]
    Fluentbit,
}
