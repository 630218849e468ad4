//! The routes of the broker.

use axum::extract::{DefaultBodyLimit, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::routing::post;
use axum::{Json, Router};
use kube::{Api, Client};
use tracing::{info, warn};

use super::collect::{self, Values, later};
use super::entitled::entitled;
use super::{Context, Refusal, caller, roles};
use crate::api::parse;
use crate::api::supply::{
    PATH, ROLE_TOKEN_PATH, RoleTokenAnswer, RoleTokenRequest, SupplyAnswer, SupplyRequest,
};
use crate::api::task::EcsTask;
use crate::domain::secret::Secret;
use crate::domain::supply::Supply;

/// A request is four names.
const LONGEST_REQUEST: usize = 4096;

/// What the broker serves.
pub fn router(context: Context) -> Router {
    Router::new()
        .route(PATH, post(answer))
        .route(ROLE_TOKEN_PATH, post(renew))
        .layer(DefaultBodyLimit::max(LONGEST_REQUEST))
        .with_state(context)
}

async fn answer(
    State(context): State<Context>,
    headers: HeaderMap,
    Json(request): Json<SupplyRequest>,
) -> Result<Json<SupplyAnswer>, Refusal> {
    let SupplyRequest {
        namespace,
        task,
        container,
        ..
    } = &request;
    let instance = caller(&context, &headers).await?;
    match give(&context, &request, &instance).await {
        Ok(supply) => {
            info!(
                instance,
                namespace,
                task,
                container,
                variables = supply.environment.expose().len(),
                files = supply.files.expose().len(),
                credentials = supply.credentials.is_some(),
                role = supply.role_token.is_some(),
                "given"
            );
            Ok(Json(supply.into()))
        }
        Err(refusal) => {
            warn!(instance, namespace, task, container, kind = refusal.kind(), %refusal, "refused");
            Err(refusal)
        }
    }
}

async fn renew(
    State(context): State<Context>,
    headers: HeaderMap,
    Json(request): Json<RoleTokenRequest>,
) -> Result<Json<RoleTokenAnswer>, Refusal> {
    let instance = caller(&context, &headers).await?;
    let RoleTokenRequest {
        namespace,
        task,
        uid,
    } = &request;
    match another_token(&context, namespace, task, uid, &instance).await {
        Ok(token) => {
            info!(instance, namespace, task, "token renewed");
            Ok(Json(token.into()))
        }
        Err(refusal) => {
            warn!(instance, namespace, task, kind = refusal.kind(), %refusal, "refused");
            Err(refusal)
        }
    }
}

/// The instance of the agent that asks.
async fn caller(context: &Context, headers: &HeaderMap) -> Result<String, Refusal> {
    let token = bearer(headers)?;
    let instance = caller::review(&context.client, &context.settings, token).await;
    instance.inspect_err(|refusal| warn!(%refusal, "unknown caller"))
}

fn bearer(headers: &HeaderMap) -> Result<Secret<String>, Refusal> {
    let value = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let token = value.and_then(|value| value.strip_prefix("Bearer "));
    let token = token.filter(|token| !token.is_empty());
    token
        .map(|token| Secret::new(token.to_owned()))
        .ok_or_else(|| Refusal::Unknown("there is no bearer token".to_owned()))
}

async fn give(
    context: &Context,
    request: &SupplyRequest,
    instance: &str,
) -> Result<Supply, Refusal> {
    let Context {
        client, settings, ..
    } = context;
    let namespace = request.namespace.as_str();
    let task = find(client, namespace, &request.task).await?;
    entitled(&task, &request.uid, instance)?;
    let definition = collect::definition(client, &task, namespace).await?;
    let mut containers = definition.container_definitions.iter();
    let container = containers.find(|found| found.name.as_str() == request.container);
    let container = container.ok_or_else(|| {
        Refusal::Impossible(format!("the task has no container {}", request.container))
    })?;
    let tables = collect::tables(client, &task).await?;
    let mut values = Values::of(client, settings, namespace);
    let mut supply = collect::supply(&mut values, &definition, container, &tables.values).await?;
    let image = container.image.as_str();
    if supply.credentials.is_none() && tables.gives_credentials(namespace, image) {
        supply.credentials = context.providers.credentials(image).await?;
    }
    if let Some(role) = parse::task_role(&definition) {
        let token = roles::token(client, settings, namespace, &role, &tables.roles).await?;
        supply.role_token = Some(token);
    }
    Ok(supply)
}

/// The token that a task's role has next.
async fn another_token(
    context: &Context,
    namespace: &str,
    task: &str,
    uid: &str,
    instance: &str,
) -> Result<Secret<String>, Refusal> {
    let Context {
        client, settings, ..
    } = context;
    let task = find(client, namespace, task).await?;
    entitled(&task, uid, instance)?;
    let definition = collect::definition(client, &task, namespace).await?;
    let role = parse::task_role(&definition)
        .ok_or_else(|| Refusal::Impossible("the task has no role".to_owned()))?;
    let tables = collect::tables(client, &task).await?;
    roles::token(client, settings, namespace, &role, &tables.roles).await
}

/// The task of this name. Whether one exists elsewhere is none of the caller's business.
async fn find(client: &Client, namespace: &str, name: &str) -> Result<EcsTask, Refusal> {
    let tasks: Api<EcsTask> = Api::namespaced(client.clone(), namespace);
    let found = tasks.get_opt(name).await.map_err(|error| later(&error))?;
    found.ok_or_else(|| Refusal::NotYours("the task is not bound to this instance".to_owned()))
}
