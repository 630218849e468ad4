//! Whether the user may have the stream: the API server's own answer, by RBAC on the subresource.

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};

use super::front_proxy::User;
use super::target::Subresource;
use crate::api::names;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Namespace of the task.
    pub namespace: &'a str,
    /// Name of the task.
    pub task: &'a str,
    /// Which stream of it.
    pub subresource: Subresource,
}

/// Why not.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// The user's roles do not grant it.
    #[error(
        "ecstasks.tasks.ecs-operator.io \"{task}\" is forbidden: User \"{user}\" cannot {verb} resource \"ecstasks/{subresource}\" in API group \"tasks.ecs-operator.io\" in the namespace \"{namespace}\""
    )]
    Forbidden {
        /// Who asked.
        user: String,
        /// Name of the task.
        task: String,
        /// Its namespace.
        namespace: String,
        /// `get` or `create`.
        verb: &'static str,
        /// Which stream.
        subresource: &'static str,
    },
    /// The API server did not say.
    #[error("the API server cannot be asked whether this is allowed: {0}")]
    Unknown(#[from] kube::Error),
}

/// Asks whether `user` may have what is asked for.
///
/// # Errors
/// When not, or when nobody says so.
pub async fn ask(client: &Client, user: &User, asked: &Question<'_>) -> Result<(), Denied> {
    let api: Api<SubjectAccessReview> = Api::all(client.clone());
    let review = review(user, asked);
    let answer = api.create(&PostParams::default(), &review).await?;
    let status = answer.status.unwrap_or_default();
    if status.allowed && status.denied != Some(true) {
        return Ok(());
    }
    Err(Denied::Forbidden {
        user: user.name.clone(),
        task: asked.task.to_owned(),
        namespace: asked.namespace.to_owned(),
        verb: asked.subresource.verb(),
        subresource: asked.subresource.name(),
    })
}

fn review(user: &User, asked: &Question<'_>) -> SubjectAccessReview {
    let User {
        name,
        uid,
        groups,
        extra,
    } = user.clone();
    SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(name),
            uid,
            groups: Some(groups),
            extra: (!extra.is_empty()).then_some(extra),
            resource_attributes: Some(ResourceAttributes {
                group: Some(names::TASKS_GROUP.to_owned()),
                version: Some("v1alpha1".to_owned()),
                resource: Some("ecstasks".to_owned()),
                subresource: Some(asked.subresource.name().to_owned()),
                namespace: Some(asked.namespace.to_owned()),
                name: Some(asked.task.to_owned()),
                verb: Some(asked.subresource.verb().to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    }
}
