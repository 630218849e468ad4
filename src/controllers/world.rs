//! All that the leader watches, and who is to look when something changes.

mod lists;

use std::fmt::Debug;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;
use tracing::warn;

pub use lists::Lists;

use super::cache::Cache;
use super::definitions::Definitions;
use super::ledger::Ledger;
use super::queue::Queue;
use super::wakes;
use crate::api::capacity_provider::CapacityProvider;
use crate::api::cluster::EcsCluster;
use crate::api::container_instance::ContainerInstance;
use crate::api::names;
use crate::api::service::{EcsService, EcsServiceRevision};
use crate::api::target_group::TargetGroup;
use crate::api::task::EcsTask;
use crate::api::task_definition::{TaskDefinition, TaskDefinitionRevision};
use crate::platform::watching;

/// What the leader knows.
pub struct World {
    /// Clusters.
    pub clusters: Cache<EcsCluster>,
    /// Capacity providers.
    pub providers: Cache<CapacityProvider>,
    /// Container instances.
    pub instances: Cache<ContainerInstance>,
    /// Task definitions.
    pub definitions: Cache<TaskDefinition>,
    /// Registered revisions.
    pub revisions: Cache<TaskDefinitionRevision>,
    /// Services.
    pub services: Cache<EcsService>,
    /// Service revisions.
    pub service_revisions: Cache<EcsServiceRevision>,
    /// Tasks.
    pub tasks: Cache<EcsTask>,
    /// Target groups.
    pub target_groups: Cache<TargetGroup>,
    /// Services of target groups.
    pub fronts: Cache<Service>,
    /// Endpoints of target groups.
    pub slices: Cache<EndpointSlice>,
    /// Nodes of the Kubernetes cluster.
    pub nodes: Cache<Node>,
    /// Pods of the agents' namespace.
    pub pods: Cache<Pod>,
    /// Daemon sets of the agents' namespace.
    pub daemon_sets: Cache<DaemonSet>,
    /// Parsed task definitions.
    pub parsed: Arc<Definitions>,
    /// What the instances offer and what tasks hold of them.
    pub ledger: Ledger,
}

/// Who is to look.
#[derive(Clone, Default)]
pub struct Queues {
    /// Clusters.
    pub clusters: Queue,
    /// Capacity providers.
    pub providers: Queue,
    /// Task definitions.
    pub definitions: Queue,
    /// Registered revisions.
    pub revisions: Queue,
    /// Services.
    pub services: Queue,
    /// Tasks.
    pub tasks: Queue,
    /// Target groups.
    pub target_groups: Queue,
    /// Any name in it makes the instances be looked at.
    pub instances: Queue,
}

pub(super) struct Writers {
    pub(super) clusters: Writer<EcsCluster>,
    pub(super) providers: Writer<CapacityProvider>,
    pub(super) instances: Writer<ContainerInstance>,
    pub(super) definitions: Writer<TaskDefinition>,
    pub(super) revisions: Writer<TaskDefinitionRevision>,
    pub(super) services: Writer<EcsService>,
    pub(super) service_revisions: Writer<EcsServiceRevision>,
    pub(super) tasks: Writer<EcsTask>,
    pub(super) target_groups: Writer<TargetGroup>,
    pub(super) fronts: Writer<Service>,
    pub(super) slices: Writer<EndpointSlice>,
    pub(super) nodes: Writer<Node>,
    pub(super) pods: Writer<Pod>,
    pub(super) daemon_sets: Writer<DaemonSet>,
}

/// Builds the caches and the watches that fill them; the watches run in `watches` for as long as the process leads.
#[expect(clippy::too_many_lines, reason = "a few lines for each kind")]
pub fn watch(
    client: &Client,
    agent_namespace: &str,
    queues: &Queues,
    watches: &mut JoinSet<()>,
) -> Arc<World> {
    let (world, writers) = build();
    let world = Arc::new(world);
    let Writers {
        clusters,
        providers,
        instances,
        definitions,
        revisions,
        services,
        service_revisions,
        tasks,
        target_groups,
        fronts,
        slices,
        nodes,
        pods,
        daemon_sets,
    } = writers;
    macro_rules! follow {
        ($api:expr, $writer:expr, $field:ident, $notify:path) => {
            follow!($api, Config::default(), $writer, $field, $notify)
        };
        ($api:expr, $which:expr, $writer:expr, $field:ident, $notify:path) => {{
            let (api, world, queues) = ($api, std::sync::Arc::clone(&world), queues.clone());
            watches.spawn(async move {
                follow(api, $which, $writer, &world.$field, |object| {
                    $notify(&world, &queues, object)
                })
                .await;
            });
        }};
    }
    follow!(
        Api::all(client.clone()),
        clusters,
        clusters,
        wakes::on_cluster
    );
    follow!(
        Api::all(client.clone()),
        providers,
        providers,
        wakes::on_provider
    );
    follow!(
        Api::all(client.clone()),
        instances,
        instances,
        wakes::on_instance
    );
    follow!(
        Api::all(client.clone()),
        definitions,
        definitions,
        wakes::on_definition
    );
    follow!(
        Api::all(client.clone()),
        revisions,
        revisions,
        wakes::on_revision
    );
    follow!(
        Api::all(client.clone()),
        services,
        services,
        wakes::on_service
    );
    follow!(
        Api::all(client.clone()),
        service_revisions,
        service_revisions,
        wakes::on_service_revision
    );
    follow!(Api::all(client.clone()), tasks, tasks, wakes::on_task);
    follow!(
        Api::all(client.clone()),
        target_groups,
        target_groups,
        wakes::on_target_group
    );
    // Of the cluster's Services and EndpointSlices only those of ours.
    let ours = || Config::default().labels(names::TARGET_GROUP_LABEL);
    follow!(
        Api::all(client.clone()),
        ours(),
        fronts,
        fronts,
        wakes::on_front
    );
    follow!(
        Api::all(client.clone()),
        ours(),
        slices,
        slices,
        wakes::on_slice
    );
    follow!(Api::all(client.clone()), nodes, nodes, wakes::on_node);
    follow!(
        Api::namespaced(client.clone(), agent_namespace),
        pods,
        pods,
        wakes::on_pod
    );
    follow!(
        Api::namespaced(client.clone(), agent_namespace),
        daemon_sets,
        daemon_sets,
        wakes::on_daemon_set
    );
    world
}

pub(super) fn build() -> (World, Writers) {
    let (clusters_store, clusters) = reflector::store();
    let (providers_store, providers) = reflector::store();
    let (instances_store, instances) = reflector::store();
    let (definitions_store, definitions) = reflector::store();
    let (revisions_store, revisions) = reflector::store();
    let (services_store, services) = reflector::store();
    let (service_revisions_store, service_revisions) = reflector::store();
    let (tasks_store, tasks) = reflector::store();
    let (target_groups_store, target_groups) = reflector::store();
    let (fronts_store, fronts) = reflector::store();
    let (slices_store, slices) = reflector::store();
    let (nodes_store, nodes) = reflector::store();
    let (pods_store, pods) = reflector::store();
    let (daemon_sets_store, daemon_sets) = reflector::store();
    let ledger = Ledger::default();
    let world = World {
        clusters: Cache::new(clusters_store),
        providers: Cache::new(providers_store),
        instances: Cache::marking(instances_store, &ledger.instances),
        definitions: Cache::new(definitions_store),
        revisions: Cache::marking(revisions_store, &ledger.revisions),
        services: Cache::new(services_store),
        service_revisions: Cache::new(service_revisions_store),
        tasks: Cache::marking(tasks_store, &ledger.tasks),
        target_groups: Cache::new(target_groups_store),
        fronts: Cache::new(fronts_store),
        slices: Cache::new(slices_store),
        nodes: Cache::marking(nodes_store, &ledger.nodes),
        pods: Cache::new(pods_store),
        daemon_sets: Cache::new(daemon_sets_store),
        parsed: Arc::default(),
        ledger,
    };
    let writers = Writers {
        clusters,
        providers,
        instances,
        definitions,
        revisions,
        services,
        service_revisions,
        tasks,
        target_groups,
        fronts,
        slices,
        nodes,
        pods,
        daemon_sets,
    };
    (world, writers)
}

impl World {
    /// The container instance of this name.
    pub fn instance(&self, name: &str) -> Option<Arc<ContainerInstance>> {
        self.instances.get(&(String::new(), name.to_owned()))
    }

    /// Waits until every kind has been listed once; nothing may be decided before.
    ///
    /// # Errors
    /// When a watch ended.
    pub async fn ready(&self) -> Result<(), reflector::store::WriterDropped> {
        self.clusters.store().wait_until_ready().await?;
        self.providers.store().wait_until_ready().await?;
        self.instances.store().wait_until_ready().await?;
        self.definitions.store().wait_until_ready().await?;
        self.revisions.store().wait_until_ready().await?;
        self.services.store().wait_until_ready().await?;
        self.service_revisions.store().wait_until_ready().await?;
        self.tasks.store().wait_until_ready().await?;
        self.target_groups.store().wait_until_ready().await?;
        self.fronts.store().wait_until_ready().await?;
        self.slices.store().wait_until_ready().await?;
        self.nodes.store().wait_until_ready().await?;
        self.pods.store().wait_until_ready().await?;
        self.daemon_sets.store().wait_until_ready().await
    }
}

/// Fills one cache for ever. An object that cannot be read is reported and left out; it stops nobody else's.
async fn follow<K>(
    api: Api<DeserializeGuard<K>>,
    which: Config,
    mut writer: Writer<K>,
    cache: &Cache<K>,
    notify: impl Fn(&K),
) where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let mut events = watcher(api, which).backoff(watching::backoff()).boxed();
    let mut before = cache.unconfirmed();
    loop {
        let event = match events.try_next().await {
            Ok(Some(event)) => event,
            Ok(None) => return,
            Err(error) => {
                warn!(kind = %K::kind(&()), %error, "watch interrupted");
                continue;
            }
        };
        let Some(event) = readable(event) else {
            continue;
        };
        writer.apply_watcher_event(&event);
        match &event {
            Event::Init => before = cache.unconfirmed(),
            Event::InitDone => {
                cache.listed(&before);
                cache.all().iter().for_each(|object| notify(object));
            }
            Event::InitApply(object) => cache.seen(object, false),
            Event::Apply(object) => {
                cache.seen(object, false);
                notify(object);
            }
            Event::Delete(object) => {
                cache.seen(object, true);
                notify(object);
            }
        }
    }
}

fn readable<K>(event: Event<DeserializeGuard<K>>) -> Option<Event<K>>
where
    K: Resource<DynamicType = ()>,
{
    let read = |DeserializeGuard(object): DeserializeGuard<K>| {
        let slim = |mut object: K| {
            object.meta_mut().managed_fields = None;
            object
        };
        object
            .map(slim)
            .inspect_err(|bad| {
                warn!(kind = %K::kind(&()), name = bad.metadata.name, error = bad.error, "cannot read object");
            })
            .ok()
    };
    Some(match event {
        Event::Init => Event::Init,
        Event::InitDone => Event::InitDone,
        Event::InitApply(object) => Event::InitApply(read(object)?),
        Event::Apply(object) => Event::Apply(read(object)?),
        Event::Delete(object) => Event::Delete(read(object)?),
    })
}
