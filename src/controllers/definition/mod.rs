//! Registers task definitions: whenever a TaskDefinition differs from its newest ACTIVE revision, the next number is
//! registered. Liveness: every valid definition is registered once, and is Ready when every service that follows it has
//! taken it up.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use kube::api::ObjectMeta;
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};
use serde_json::Value;
use tracing::instrument;

use super::cache::key_of;
use super::context::{Context, RESYNC};
use super::world::World;
use super::writes::{Created, Error, api_of, apply_status, create, delete, doing};
use crate::api::conditions::{self, Progress, READY, reason};
use crate::api::parse;
use crate::api::task_definition::{
    RevisionStatus, TaskDefinition, TaskDefinitionRevision, TaskDefinitionRevisionSpec,
    TaskDefinitionRevisionStatus, TaskDefinitionSpec, TaskDefinitionStatus,
};
use crate::domain::fields::{Body, is_absent};
use crate::domain::ids::{self, RevisionReference};

/// Revisions of a family that are kept even if nothing refers to them.
const REVISIONS_KEPT: usize = 20;

/// The newest ACTIVE revision of a family.
pub fn newest(world: &World, namespace: &str, family: &str) -> Option<i64> {
    revisions(world, namespace, family)
        .iter()
        .rev()
        .find(|revision| is_active(revision))
        .map(|revision| revision.spec.revision)
}

/// All revisions of a family, in order of their numbers.
fn revisions(world: &World, namespace: &str, family: &str) -> Vec<Arc<TaskDefinitionRevision>> {
    let mut found: Vec<_> = world
        .revisions
        .all()
        .into_iter()
        .filter(|revision| {
            revision.namespace().as_deref() == Some(namespace) && revision.spec.family == family
        })
        .collect();
    found.sort_by_key(|revision| revision.spec.revision);
    found
}

fn is_active(revision: &TaskDefinitionRevision) -> bool {
    let status = revision.status.as_ref().and_then(|status| status.status);
    status != Some(RevisionStatus::Inactive)
}

/// One pass over one TaskDefinition.
///
/// # Errors
/// When a write failed.
#[instrument(skip_all, fields(definition = %definition.name_any(), namespace = definition.namespace()))]
pub async fn reconcile(
    definition: Arc<TaskDefinition>,
    context: Arc<Context>,
) -> Result<Action, Error> {
    let Some(definition) = context.world.definitions.get(&key_of(&*definition)) else {
        return Ok(Action::await_change());
    };
    if definition.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let (namespace, family) = (
        definition.namespace().unwrap_or_default(),
        definition.name_any(),
    );
    let now = context.clock.now();
    let problems = parse::task_definition(&family, &definition.spec)
        .err()
        .unwrap_or_default();
    let known = revisions(&context.world, &namespace, &family);
    let registered = if problems.is_empty() {
        Some(register(&context, &definition, &known).await?)
    } else {
        None
    };
    let list: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let verdict = match registered {
        None => Verdict::Invalid(list.join("; ")),
        Some(number) => match waiting(&context.world, &namespace, &family, number) {
            None => Verdict::Ready,
            Some(services) => Verdict::Waits(services),
        },
    };
    report(&context, &definition, registered, verdict, now).await?;
    collect(&context, &known).await?;
    Ok(Action::requeue(RESYNC))
}

/// What the registration of a definition would make: nothing where its newest revision says the same.
pub fn to_register(world: &World, definition: &TaskDefinition) -> Option<TaskDefinitionRevision> {
    let namespace = definition.namespace().unwrap_or_default();
    let known = revisions(world, &namespace, &definition.name_any());
    match registered(definition, &known) {
        Some(_) => None,
        None => Some(revision_of(definition, next_number(&known))),
    }
}

/// The number under which this very definition is registered already.
fn registered(definition: &TaskDefinition, known: &[Arc<TaskDefinitionRevision>]) -> Option<i64> {
    let newest = known.last().filter(|newest| is_active(newest))?;
    same(&newest.spec.definition, &definition.spec).then_some(newest.spec.revision)
}

fn next_number(known: &[Arc<TaskDefinitionRevision>]) -> i64 {
    known.last().map_or(0, |newest| newest.spec.revision) + 1
}

fn revision_of(definition: &TaskDefinition, number: i64) -> TaskDefinitionRevision {
    let family = definition.name_any();
    TaskDefinitionRevision {
        metadata: ObjectMeta {
            name: Some(ids::revision_object(&family, number)),
            namespace: definition.namespace(),
            ..ObjectMeta::default()
        },
        spec: TaskDefinitionRevisionSpec {
            family: family.as_str().into(),
            revision: number,
            definition: definition.spec.clone(),
        },
        status: None,
    }
}

/// The number under which this definition is registered, now if it was not before.
async fn register(
    context: &Context,
    definition: &TaskDefinition,
    known: &[Arc<TaskDefinitionRevision>],
) -> Result<i64, Error> {
    if let Some(number) = registered(definition, known) {
        return Ok(number);
    }
    let api: Api<TaskDefinitionRevision> = api_of(&context.client, definition.namespace());
    let family = definition.name_any();
    let mut number = next_number(known);
    loop {
        let revision = revision_of(definition, number);
        let made = create(&api, &context.world.revisions, &revision)
            .await
            .map_err(doing("register revision"))?;
        match made {
            Created::New(_) => {
                context
                    .tell(
                        definition,
                        false,
                        reason::REGISTERED,
                        &format!("registered {family}:{number}"),
                    )
                    .await;
                return Ok(number);
            }
            Created::Exists(found)
                if is_active(&found) && same(&found.spec.definition, &definition.spec) =>
            {
                return Ok(number);
            }
            Created::Exists(_) => number += 1,
        }
    }
}

/// Whether two definitions say the same: what counts as absent, or is AWS's to say, is left out of the comparison.
fn same(a: &TaskDefinitionSpec, b: &TaskDefinitionSpec) -> bool {
    let normal = |spec: &TaskDefinitionSpec| {
        serde_json::to_value(spec.registered())
            .map(normalised)
            .unwrap_or_default()
    };
    normal(a) == normal(b)
}

fn normalised(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            // `essential: false` is the one false that says something.
            .filter(|(name, value)| !is_absent(value) || name == "essential")
            .map(|(name, value)| (name, normalised(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(normalised).collect(),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other,
    }
}

/// Services that follow the family and are not done with rolling this revision out; `None` when there are none.
fn waiting(world: &World, namespace: &str, family: &str, number: i64) -> Option<String> {
    let name = ids::revision_name(family, number);
    let follows = |text: &str| {
        RevisionReference::parse(text)
            .is_ok_and(|named| named.family == family && named.revision.is_none())
    };
    let behind: Vec<String> = world
        .services
        .all()
        .iter()
        .filter(|service| {
            service.namespace().as_deref() == Some(namespace)
                && follows(service.task_definition_text())
        })
        .filter(|service| {
            let shown = service
                .status
                .as_ref()
                .and_then(|status| status.task_definition.as_ref());
            shown.is_none_or(|shown| *shown != name.as_str())
        })
        .map(|service| service.name_any())
        .collect();
    (!behind.is_empty()).then(|| behind.join(", "))
}

enum Verdict {
    Ready,
    Waits(String),
    Invalid(String),
}

async fn report(
    context: &Context,
    definition: &TaskDefinition,
    registered: Option<i64>,
    verdict: Verdict,
    now: Timestamp,
) -> Result<(), Error> {
    let family = definition.name_any();
    let generation = definition.metadata.generation;
    let before = definition.status.clone().unwrap_or_default();
    let without_effect = parse::without_effect(Body::RegisterTaskDefinition, &definition.spec);
    let revision = registered.or(before.revision);
    let mut status = TaskDefinitionStatus {
        observed_generation: generation.unwrap_or(0),
        revision,
        task_definition: revision.map(|number| ids::revision_name(&family, number).as_str().into()),
        without_effect: parse::listed(&without_effect),
        conditions: before.conditions.clone(),
    };
    let (ready, stalled, why, message) = match verdict {
        Verdict::Ready => (
            true,
            false,
            reason::REGISTERED,
            "registered, and taken up by all services that follow it".to_owned(),
        ),
        Verdict::Waits(services) => (
            false,
            false,
            reason::WAITING_FOR_SERVICES,
            format!("registered; not taken up yet by: {services}"),
        ),
        Verdict::Invalid(problems) => (false, true, reason::INVALID, problems),
    };
    let told =
        conditions::get(&before.conditions, READY).is_some_and(|ready| ready.message == message);
    let progress = Progress {
        ready,
        stalled,
        reason: why,
        message: &message,
    };
    conditions::set_progress(&mut status.conditions, progress, generation, now);
    conditions::set_without_effect(&mut status.conditions, &without_effect, generation, now);
    if stalled && !told {
        context.tell(definition, true, why, &message).await;
    }
    if definition.status.as_ref() != Some(&status) {
        let api: Api<TaskDefinition> = api_of(&context.client, definition.namespace());
        apply_status(&api, &context.world.definitions, definition, &status).await?;
    }
    Ok(())
}

/// Deletes old revisions that nothing refers to. The newest are kept, and with them the highest number.
async fn collect(context: &Context, known: &[Arc<TaskDefinitionRevision>]) -> Result<(), Error> {
    let Some(surplus) = known
        .len()
        .checked_sub(REVISIONS_KEPT)
        .filter(|surplus| *surplus > 0)
    else {
        return Ok(());
    };
    let used = referred(&context.world);
    for revision in known.iter().take(surplus) {
        let namespace = revision.namespace().unwrap_or_default();
        let name = ids::revision_name(&revision.spec.family, revision.spec.revision);
        if !used.contains(&(namespace.clone(), name)) {
            let api: Api<TaskDefinitionRevision> = api_of(&context.client, Some(namespace));
            delete(&api, &context.world.revisions, revision).await?;
        }
    }
    let left = context.world.revisions.all();
    let left: BTreeSet<String> = left.iter().filter_map(|revision| revision.uid()).collect();
    context.definitions.retain(|uid| left.contains(uid));
    Ok(())
}

/// Namespace and `family:revision` of all that services, their revisions and tasks refer to.
fn referred(world: &World) -> BTreeSet<(String, String)> {
    let services = world.services.all();
    let named = services.iter().map(|service| {
        (
            service.namespace(),
            service.task_definition_text().to_owned(),
        )
    });
    let snapshots = world.service_revisions.all();
    let snapshots = snapshots.iter().map(|revision| {
        (
            revision.namespace(),
            revision.spec.task_definition.to_string(),
        )
    });
    let tasks = world.tasks.all();
    let tasks = tasks
        .iter()
        .map(|task| (task.namespace(), task.revision_name().to_owned()));
    named
        .chain(snapshots)
        .chain(tasks)
        .map(|(namespace, name)| (namespace.unwrap_or_default(), name))
        .collect()
}

/// One pass over one revision: it is ACTIVE from its registration until its family is deleted, and never again.
///
/// # Errors
/// When a write failed.
#[instrument(skip_all, fields(revision = %revision.name_any(), namespace = revision.namespace()))]
pub async fn reconcile_revision(
    revision: Arc<TaskDefinitionRevision>,
    context: Arc<Context>,
) -> Result<Action, Error> {
    let Some(revision) = context.world.revisions.get(&key_of(&*revision)) else {
        return Ok(Action::await_change());
    };
    let family = (
        revision.namespace().unwrap_or_default(),
        revision.spec.family.to_string(),
    );
    let deregistered = context
        .world
        .definitions
        .get(&family)
        .is_none_or(|definition| definition.metadata.deletion_timestamp.is_some());
    let state = if deregistered || !is_active(&revision) {
        RevisionStatus::Inactive
    } else {
        RevisionStatus::Active
    };
    let without_effect =
        parse::without_effect(Body::RegisterTaskDefinition, &revision.spec.definition);
    let status = TaskDefinitionRevisionStatus {
        status: Some(state),
        without_effect: parse::listed(&without_effect),
    };
    if revision.status.as_ref() != Some(&status) {
        let api: Api<TaskDefinitionRevision> = api_of(&context.client, revision.namespace());
        apply_status(&api, &context.world.revisions, &revision, &status).await?;
    }
    Ok(Action::await_change())
}
