//! The world as one list of each kind shows it, for whoever looks once and does not stay.

use std::collections::BTreeSet;
use std::fmt::Debug;

use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Resource;
use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher::Event;

use super::{World, build};
use crate::api::cluster::EcsCluster;
use crate::api::container_instance::ContainerInstance;
use crate::api::service::{EcsService, EcsServiceRevision};
use crate::api::target_group::TargetGroup;
use crate::api::task::EcsTask;
use crate::api::task_definition::{TaskDefinition, TaskDefinitionRevision};
use crate::controllers::cache::Cache;

/// What decisions about services and tasks are made from.
#[derive(Debug, Clone, Default)]
pub struct Lists {
    /// Clusters.
    pub clusters: Vec<EcsCluster>,
    /// Container instances.
    pub instances: Vec<ContainerInstance>,
    /// Task definitions.
    pub definitions: Vec<TaskDefinition>,
    /// Registered revisions.
    pub revisions: Vec<TaskDefinitionRevision>,
    /// Services.
    pub services: Vec<EcsService>,
    /// Service revisions.
    pub service_revisions: Vec<EcsServiceRevision>,
    /// Tasks, of all namespaces: they all hold room.
    pub tasks: Vec<EcsTask>,
    /// Target groups.
    pub target_groups: Vec<TargetGroup>,
    /// Endpoints of target groups.
    pub slices: Vec<EndpointSlice>,
    /// Nodes, which tell zones and who is cordoned.
    pub nodes: Vec<Node>,
}

impl World {
    /// A world of one's own that knows what these lists say.
    pub fn of(lists: Lists) -> Self {
        let Lists {
            clusters,
            instances,
            definitions,
            revisions,
            services,
            service_revisions,
            tasks,
            target_groups,
            slices,
            nodes,
        } = lists;
        let (world, mut writers) = build();
        fill(&mut writers.clusters, &world.clusters, clusters);
        fill(&mut writers.instances, &world.instances, instances);
        fill(&mut writers.definitions, &world.definitions, definitions);
        fill(&mut writers.revisions, &world.revisions, revisions);
        fill(&mut writers.services, &world.services, services);
        fill(
            &mut writers.service_revisions,
            &world.service_revisions,
            service_revisions,
        );
        fill(&mut writers.tasks, &world.tasks, tasks);
        fill(
            &mut writers.target_groups,
            &world.target_groups,
            target_groups,
        );
        fill(&mut writers.slices, &world.slices, slices);
        fill(&mut writers.nodes, &world.nodes, nodes);
        world
    }
}

fn fill<K>(writer: &mut Writer<K>, cache: &Cache<K>, objects: Vec<K>)
where
    K: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static,
{
    writer.apply_watcher_event(&Event::Init);
    for object in objects {
        writer.apply_watcher_event(&Event::InitApply(object));
    }
    writer.apply_watcher_event(&Event::InitDone);
    cache.listed(&BTreeSet::new());
}
