//! Which ServiceAccounts a cluster's tasks are, for AWS's names of roles.

#![expect(
    unreachable_pub,
    reason = "KubeSchema writes a pub struct inside a function"
)]

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::api::bounded::Str;
use crate::domain::supply::RoleMapping;

/// Names the ServiceAccount that stands for a role of AWS. It is always one of the task's own namespace.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskRoleMapping {
    /// A `taskRoleArn`, an ARN or a name, as tasks have it. A `*` at its end stands for any rest.
    #[schemars(length(min = 1))]
    pub task_role_arn: Str<2048>,
    /// Name of the ServiceAccount. Default: the last part of the role's name, in lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"))]
    pub service_account: Option<Str<253>>,
    /// For whom its tokens are. Default sts.amazonaws.com, with which programs assume the role in AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub audience: Option<Str<255>>,
}

impl From<&TaskRoleMapping> for RoleMapping {
    fn from(mapping: &TaskRoleMapping) -> Self {
        let text = |text: &Option<Str<253>>| text.as_ref().map(ToString::to_string);
        Self {
            task_role_arn: mapping.task_role_arn.to_string(),
            service_account: text(&mapping.service_account),
            audience: mapping.audience.as_ref().map(ToString::to_string),
        }
    }
}
