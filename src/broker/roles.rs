//! Tokens of the ServiceAccount that a task is.
//!
//! They are short-lived instead of bound to the task: Kubernetes binds tokens to pods, Secrets and nodes only. A task that is
//! to stop gets no further one.

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::{Api, Client};

use super::collect::later;
use super::{Refusal, Settings};
use crate::domain::secret::Secret;
use crate::domain::supply::role::resolve;
use crate::domain::supply::{Role, RoleMapping, TaskRole};

/// Seconds for which a token is good.
const LIFE: i64 = 3600;

/// Role of the chart that a namespace's owner binds to let the broker make tokens of ServiceAccounts there.
pub const MINTER_ROLE: &str = "ecs-operator-broker-task-roles";

/// A token of the ServiceAccount behind `role`.
///
/// # Errors
/// When there is no such ServiceAccount, it is not for the broker, or nobody answers.
pub async fn token(
    client: &Client,
    settings: &Settings,
    namespace: &str,
    role: &TaskRole,
    mappings: &[RoleMapping],
) -> Result<Secret<String>, Refusal> {
    let Role {
        service_account,
        audience,
    } = resolve(role, mappings).map_err(Refusal::Impossible)?;
    let request = TokenRequest {
        spec: Some(TokenRequestSpec {
            audiences: Some(audience.into_iter().collect()),
            expiration_seconds: Some(LIFE),
            bound_object_ref: None,
        }),
        ..TokenRequest::default()
    };
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let made = accounts
        .create_token_request(&service_account, &PostParams::default(), &request)
        .await;
    match made {
        Ok(made) => {
            let token = made.status.and_then(|status| status.token);
            let none = || Refusal::Later("the API server has made no token".to_owned());
            token.map(Secret::new).ok_or_else(none)
        }
        Err(kube::Error::Api(status)) if status.code == 404 => Err(Refusal::Impossible(format!(
            "ServiceAccount {service_account} of namespace {namespace} does not exist"
        ))),
        Err(kube::Error::Api(status)) if status.code == 403 => {
            let advice = settings.binding(MINTER_ROLE, namespace);
            Err(Refusal::Impossible(format!(
                "the broker may not make tokens of ServiceAccount {service_account} of namespace {namespace}. Its owner lets it by: {advice}"
            )))
        }
        Err(error) => Err(later(&error)),
    }
}
