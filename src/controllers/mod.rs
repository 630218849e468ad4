//! The controllers: imperative shells, one folder a kind. Each pass observes, asks [`crate::domain`] what to do, does it,
//! and reports.
//!
//! Only the leader runs them. Everything that one pass wrote is seen by the next ([`cache`]), a pass that failed is
//! tried again ever more slowly, and no pass of one object runs twice at once.

mod agent_pod;
pub mod cache;
pub mod capacity_provider;
pub mod cluster;
pub mod context;
mod daemons;
pub mod definition;
mod definitions;
pub mod ended;
pub mod instance;
pub mod ledger;
pub mod lookout;
pub mod marks;
pub mod metrics;
mod placing;
pub mod queue;
pub mod service;
pub mod task;
pub mod traffic;
mod wakes;
pub mod world;
pub mod writes;

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;

use futures::{StreamExt, stream};
use kube::Resource;
use kube::runtime::controller::{Action, Config};
use kube::runtime::{Controller, watcher};
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use cache::Cache;
use context::Context;
use metrics::Reconcile;
use queue::Queue;
use writes::Error;

/// Objects of one kind that are worked on side by side.
const CONCURRENCY: u16 = 8;

/// Runs all controllers until `shutdown`; the end of any of them is the end of `shutdown`.
pub async fn run(context: Arc<Context>, shutdown: CancellationToken) {
    let mut running = JoinSet::new();
    let (world, queues) = (&context.world, &context.queues);
    macro_rules! control {
        ($cache:ident, $queue:ident, $kind:literal, $reconcile:path) => {
            running.spawn(control(
                $kind,
                &world.$cache,
                &queues.$queue,
                $reconcile,
                Arc::clone(&context),
                shutdown.clone(),
            ));
        };
    }
    control!(
        definitions,
        definitions,
        "TaskDefinition",
        definition::reconcile
    );
    control!(
        revisions,
        revisions,
        "TaskDefinitionRevision",
        definition::reconcile_revision
    );
    control!(services, services, "EcsService", service::reconcile);
    control!(tasks, tasks, "EcsTask", task::reconcile);
    control!(
        target_groups,
        target_groups,
        "TargetGroup",
        traffic::reconcile
    );
    control!(clusters, clusters, "EcsCluster", cluster::reconcile);
    control!(
        providers,
        providers,
        "CapacityProvider",
        capacity_provider::reconcile
    );
    running.spawn(instance::run(Arc::clone(&context), shutdown.clone()));
    while running.join_next().await.is_some() {
        shutdown.cancel();
    }
}

/// One controller over a cache: a pass for each name that its queue gives.
fn control<K, Pass>(
    kind: &'static str,
    cache: &Cache<K>,
    queue: &Queue,
    reconcile: impl Fn(Arc<K>, Arc<Context>) -> Pass + Send + Sync + 'static,
    context: Arc<Context>,
    shutdown: CancellationToken,
) -> impl Future<Output = ()> + Send + 'static
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    Pass: Future<Output = Result<Action, Error>> + Send + 'static,
{
    let own_watch = stream::pending::<Result<K, watcher::Error>>();
    let counted = move |object: Arc<K>, context: Arc<Context>| {
        let pass = reconcile(Arc::clone(&object), Arc::clone(&context));
        async move {
            let outcome = pass.await;
            let label = outcome.as_ref().map_or_else(Error::category, |_| "ok");
            context
                .metrics
                .reconciles
                .get_or_create(&Reconcile {
                    kind,
                    outcome: label,
                })
                .inc();
            if outcome.is_ok() {
                context.succeeded(&*object);
            }
            outcome
        }
    };
    let on_error = |object: Arc<K>, error: &Error, context: Arc<Context>| {
        context.failed(&*object, &error.chain())
    };
    Controller::for_stream(own_watch, cache.store())
        .with_config(Config::default().concurrency(CONCURRENCY))
        .reconcile_on(queue.stream())
        .graceful_shutdown_on(shutdown.cancelled_owned())
        .run(counted, on_error, context)
        .for_each(|_| std::future::ready(()))
}
