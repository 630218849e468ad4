//! Who asks: the instance of the agent that a token was made for.

use std::collections::BTreeMap;

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus};
use kube::api::PostParams;
use kube::{Api, Client};

use super::{Refusal, Settings};
use crate::api::supply::AUDIENCE;
use crate::domain::secret::Secret;

/// Claims that Kubernetes puts into the tokens of pods, as the admission policies of the chart read them.
const NODE_NAME: &str = "authentication.kubernetes.io/node-name";
const POD_NAME: &str = "authentication.kubernetes.io/pod-name";

/// Asks the API server whose token it is.
///
/// # Errors
/// When it is not that of an agent, or nobody answers.
pub async fn review(
    client: &Client,
    settings: &Settings,
    token: Secret<String>,
) -> Result<String, Refusal> {
    let review = TokenReview {
        spec: TokenReviewSpec {
            token: token.expose().clone(),
            audiences: Some(vec![AUDIENCE.to_owned()]),
        },
        ..TokenReview::default()
    };
    let reviews: Api<TokenReview> = Api::all(client.clone());
    let reviewed = reviews.create(&PostParams::default(), &review).await;
    // The error may quote what was sent.
    let reviewed = reviewed.map_err(|error| {
        Refusal::Later(if let kube::Error::Api(status) = error {
            format!("the API server reviews no tokens: {}", status.code)
        } else {
            "the API server cannot be asked to review tokens".to_owned()
        })
    })?;
    instance(&reviewed.status.unwrap_or_default(), settings)
}

/// The instance of the agent that a reviewed token is of.
///
/// # Errors
/// When it is no agent's, not for us, or bound to no pod.
pub fn instance(reviewed: &TokenReviewStatus, settings: &Settings) -> Result<String, Refusal> {
    let unknown = |what: &str| Refusal::Unknown(what.to_owned());
    let for_us = reviewed
        .audiences
        .iter()
        .flatten()
        .any(|one| one == AUDIENCE);
    if reviewed.authenticated != Some(true) || !for_us {
        return Err(unknown("the token is not valid for the broker"));
    }
    let user = reviewed.user.as_ref();
    let name = user
        .and_then(|user| user.username.as_deref())
        .unwrap_or_default();
    let claim = if name == settings.node_agent {
        NODE_NAME
    } else if name == settings.pod_agent {
        POD_NAME
    } else {
        return Err(unknown("the token is not that of an agent"));
    };
    let none = BTreeMap::new();
    let extra = user.and_then(|user| user.extra.as_ref()).unwrap_or(&none);
    match extra.get(claim).map(Vec::as_slice) {
        Some([instance]) if !instance.is_empty() => Ok(instance.clone()),
        Some(_) | None => Err(unknown(
            "the token is bound to no pod, and so names no instance",
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings() -> Settings {
        Settings {
            node_agent: "system:serviceaccount:agents:node".into(),
            pod_agent: "system:serviceaccount:agents:pod".into(),
            own_account: "ecs-operator:ecs-operator-broker".into(),
        }
    }

    fn of(user: &str, extra: &serde_json::Value, audience: &str) -> Result<String, Refusal> {
        let status = json!({
            "authenticated": true, "audiences": [audience],
            "user": {"username": format!("system:serviceaccount:agents:{user}"), "extra": extra},
        });
        instance(&serde_json::from_value(status).unwrap(), &settings())
    }

    #[test]
    fn agents_on_nodes_are_known_by_their_node_and_those_in_pods_by_their_pod() {
        let claims = json!({NODE_NAME: ["node-1"], POD_NAME: ["agent-x"]});
        assert_eq!(of("node", &claims, AUDIENCE), Ok("node-1".into()));
        assert_eq!(of("pod", &claims, AUDIENCE), Ok("agent-x".into()));
    }

    #[test]
    fn no_other_token_names_an_instance() {
        let claims = json!({NODE_NAME: ["node-1"], POD_NAME: ["agent-x"]});
        let refused = [
            of("somebody", &claims, AUDIENCE),
            of("node", &claims, "https://kubernetes.default.svc"),
            of("node", &json!({}), AUDIENCE),
            of("node", &json!({NODE_NAME: [""]}), AUDIENCE),
            of("node", &json!({NODE_NAME: ["node-1", "node-2"]}), AUDIENCE),
            of("pod", &json!({NODE_NAME: ["node-1"]}), AUDIENCE),
            instance(&TokenReviewStatus::default(), &settings()),
        ];
        for refusal in refused {
            assert!(matches!(refusal, Err(Refusal::Unknown(_))), "{refusal:?}");
        }
    }
}
