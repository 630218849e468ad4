//! When a deployment that cannot start its tasks counts as failed.

#![expect(
    unreachable_pub,
    reason = "KubeSchema writes a pub struct inside a function"
)]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::service::{Breaker, Threshold, Trips};

/// When a deployment that cannot start its tasks counts as failed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentCircuitBreaker {
    /// Whether failures are counted.
    pub enable: bool,
    /// Whether a failed deployment goes back to the last completed one.
    pub rollback: bool,
    /// Whether a task that becomes healthy sets the count to 0. Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_on_healthy_task: Option<bool>,
    /// How many failures fail the deployment. Default: half of the desired count, at least 3, at
    /// most 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold_configuration: Option<ThresholdConfiguration>,
}

/// How many failed tasks fail a deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.type != 'BOUNDED_PERCENT' || self.value <= 100").message("value is in percent with type BOUNDED_PERCENT: give 1 to 100").field_path(".value"))]
pub struct ThresholdConfiguration {
    /// How `value` is read.
    #[serde(rename = "type")]
    pub kind: ThresholdType,
    /// The count, or the percent of the desired count.
    #[schemars(range(min = 1, max = 100_000))]
    pub value: i32,
}

/// How a circuit breaker's threshold is read.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum ThresholdType {
    /// A number of tasks.
    #[serde(rename = "COUNT")]
    Count,
    /// Percent of the desired count, at least 3 and at most 200 tasks.
    #[serde(rename = "BOUNDED_PERCENT")]
    BoundedPercent,
    /// Percent of the desired count.
    #[serde(rename = "UNBOUNDED_PERCENT")]
    UnboundedPercent,
}

impl From<&DeploymentCircuitBreaker> for Breaker {
    fn from(spec: &DeploymentCircuitBreaker) -> Self {
        Self {
            trips: match (spec.enable, spec.rollback) {
                (false, _) => Trips::Never,
                (true, false) => Trips::Stops,
                (true, true) => Trips::RollsBack,
            },
            resets: spec.reset_on_healthy_task.unwrap_or(true),
            threshold: spec
                .threshold_configuration
                .as_ref()
                .map_or_else(Threshold::default, Into::into),
        }
    }
}

impl From<&ThresholdConfiguration> for Threshold {
    fn from(spec: &ThresholdConfiguration) -> Self {
        let value = u32::try_from(spec.value).unwrap_or(1);
        match spec.kind {
            ThresholdType::Count => Self::Count(value),
            ThresholdType::BoundedPercent => Self::BoundedPercent(value),
            ThresholdType::UnboundedPercent => Self::UnboundedPercent(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breaker_says_what_it_says_in_ecs() {
        let breaker = |yaml: &str| {
            let spec: DeploymentCircuitBreaker = serde_saphyr::from_str(yaml).unwrap();
            Breaker::from(&spec)
        };
        assert_eq!(
            breaker("{enable: false, rollback: true}"),
            Breaker::default()
        );
        assert_eq!(
            breaker("{enable: true, rollback: false}"),
            Breaker {
                trips: Trips::Stops,
                ..Breaker::default()
            }
        );
        assert_eq!(
            breaker(
                "{enable: true, rollback: true, resetOnHealthyTask: false, thresholdConfiguration: {type: COUNT, value: 7}}"
            ),
            Breaker {
                trips: Trips::RollsBack,
                resets: false,
                threshold: Threshold::Count(7),
            }
        );
    }
}
