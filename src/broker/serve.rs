//! The one route of the broker.

use axum::extract::{DefaultBodyLimit, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::routing::post;
use axum::{Json, Router};
use kube::Api;
use tracing::{info, warn};

use super::collect::{self, Secrets, later};
use super::entitled::entitled;
use super::{Context, Refusal, caller};
use crate::api::supply::{PATH, SupplyAnswer, SupplyRequest};
use crate::api::task::EcsTask;
use crate::domain::secret::Secret;
use crate::domain::supply::Supply;

/// A request is four names.
const LONGEST_REQUEST: usize = 4096;

/// What the broker serves.
pub fn router(context: Context) -> Router {
    Router::new()
        .route(PATH, post(answer))
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
    let token = bearer(&headers)?;
    let instance = caller::review(&context.client, &context.settings, token).await;
    let instance = instance.inspect_err(|refusal| warn!(%refusal, "unknown caller"))?;
    match give(&context, &request, &instance).await {
        Ok(supply) => {
            info!(
                instance,
                namespace,
                task,
                container,
                variables = supply.environment.expose().len(),
                credentials = supply.credentials.is_some(),
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
    let Context { client, settings } = context;
    let tasks: Api<EcsTask> = Api::namespaced(client.clone(), &request.namespace);
    let task = tasks
        .get_opt(&request.task)
        .await
        .map_err(|error| later(&error))?;
    // Whether a task exists elsewhere is none of the caller's business.
    let task =
        task.ok_or_else(|| Refusal::NotYours("the task is not bound to this instance".to_owned()))?;
    entitled(&task, &request.uid, instance)?;
    let definition = collect::definition(client, &task, &request.namespace).await?;
    let mut containers = definition.container_definitions.iter();
    let container = containers.find(|found| found.name.as_str() == request.container);
    let container = container.ok_or_else(|| {
        Refusal::Impossible(format!("the task has no container {}", request.container))
    })?;
    let mappings = collect::mappings(client, &task).await?;
    let mut secrets = Secrets::of(client, settings, &request.namespace);
    collect::supply(&mut secrets, &definition, container, &mappings).await
}
