//! The state in which every test begins: all parts of the cluster up, the product installed, three instances ready, and
//! nothing of any earlier test left, however that one ended.

use ecs_operator::api::capacity_provider::CapacityProvider;
use ecs_operator::api::cluster::EcsCluster;
use ecs_operator::api::container_instance::{ContainerInstance, InstanceState};
use ecs_operator::api::service::EcsService;
use ecs_operator::api::task::EcsTask;
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::{Namespace, Node};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use super::engine::TASK_UID;
use super::fixtures::default_cluster;
use super::scene::Scene;
use super::{LATER, install, now};

/// Label of everything that tests make and that is in no namespace.
pub(crate) const LABEL: &str = "cluster-test";

/// Taint that keeps a node's agent away: see [`Scene::hold_agent_down`].
pub(crate) const TAINT: &str = "cluster-test/no-agent";

/// Brings everything into that state.
pub(crate) async fn restore(scene: &Scene) {
    power(scene).await;
    lift_taints(scene).await;
    install::ensure().await;
    scene.put(&default_cluster()).await;
    activate(scene).await;
    clear(scene).await;
    scene
        .eventually(
            "three ready instances, and nothing left of earlier tests",
            LATER,
            async || ready(scene).await,
        )
        .await;
}

async fn power(scene: &Scene) {
    let machine = &scene.machine;
    if scene.kube.apiserver_version().await.is_err() {
        machine.verb("apiserver start").await.expect();
    }
    for engine in machine.engines() {
        let node = &engine.node;
        let bridge = format!("in {node} ip link show docker0");
        let cable = std::fs::read_to_string(format!("/sys/class/net/ecs-{node}/operstate"));
        if cable.is_ok_and(|state| state.trim() == "up") && engine.answers().await {
            // An engine makes its bridge when it starts, and never again.
            if machine.verb(&bridge).await.success {
                continue;
            }
            let verb = format!("node {node} engine-terminate");
            machine.verb(&verb).await.expect();
        }
        let mends = [
            format!("node {node} on"),
            format!("node {node} heal"),
            format!("in {node} rmdir /run/docker.sock"),
            format!("node {node} engine-thaw"),
            format!("node {node} engine-start"),
        ];
        for verb in mends {
            // Some of them have nothing to do, or nothing to do it to; the wait that follows decides.
            machine.verb(&verb).await;
        }
    }
    let nodes: Api<Node> = Api::all(scene.kube.clone());
    scene
        .eventually("all nodes Ready", LATER, async || {
            let nodes = nodes.list(&ListParams::default()).await;
            let nodes = nodes.map_err(|error| error.to_string())?;
            match nodes.iter().find(|node| !is_ready(node)) {
                Some(node) => Err(format!("{} is not Ready", node.name_any())),
                None => Ok(()),
            }
        })
        .await;
}

fn is_ready(node: &Node) -> bool {
    let conditions = node
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    conditions
        .into_iter()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

async fn lift_taints(scene: &Scene) {
    let nodes: Api<Node> = Api::all(scene.kube.clone());
    for mut node in nodes.list(&ListParams::default()).await.unwrap() {
        let taints = node.spec.iter_mut().flat_map(|spec| &mut spec.taints);
        let mut had = false;
        for taints in taints {
            had |= taints.iter().any(|taint| taint.key == TAINT);
            taints.retain(|taint| taint.key != TAINT);
        }
        let cordoned = node.spec.as_ref().and_then(|spec| spec.unschedulable);
        if cordoned == Some(true) {
            let patch = Patch::Merge(json!({"spec": {"unschedulable": null}}));
            nodes
                .patch(&node.name_any(), &PatchParams::default(), &patch)
                .await
                .unwrap();
        }
        if had {
            let taints = node.spec.clone().unwrap_or_default().taints;
            let patch = Patch::Merge(json!({"spec": {"taints": taints}}));
            nodes
                .patch(&node.name_any(), &PatchParams::default(), &patch)
                .await
                .unwrap();
        }
    }
}

/// Instances that a test drained take tasks again, and have no attributes of a test.
async fn activate(scene: &Scene) {
    let instances: Api<ContainerInstance> = Api::all(scene.kube.clone());
    for instance in instances.list(&ListParams::default()).await.unwrap() {
        if instance.spec.status == InstanceState::Draining {
            scene.set_instance(&instance.name_any(), "ACTIVE").await;
        }
        if !instance.spec.attributes.is_empty() {
            scene.set_attributes(&instance.name_any(), &json!({})).await;
        }
    }
}

async fn clear(scene: &Scene) {
    let ours = ListParams::default().labels(LABEL);
    let gently = DeleteParams::default();
    let namespaces: Api<Namespace> = Api::all(scene.kube.clone());
    for namespace in namespaces.list(&ours).await.unwrap() {
        namespaces.delete(&namespace.name_any(), &gently).await.ok();
    }
    let providers: Api<CapacityProvider> = Api::all(scene.kube.clone());
    for provider in providers.list(&ours).await.unwrap() {
        providers.delete(&provider.name_any(), &gently).await.ok();
    }
    let clusters: Api<EcsCluster> = Api::all(scene.kube.clone());
    for cluster in clusters.list(&ours).await.unwrap() {
        if cluster.name_any() != "default" {
            clusters.delete(&cluster.name_any(), &gently).await.ok();
        }
    }
}

/// Waits until Kubernetes has ended the namespaces of earlier tests, as [`restore`] does not: what the product writes for what
/// is deleted in them would count as this test's.
pub(crate) async fn ended(scene: &Scene) {
    let namespaces: Api<Namespace> = Api::all(scene.kube.clone());
    let ours = ListParams::default().labels(LABEL);
    scene
        .eventually("the end of earlier tests' namespaces", LATER, async || {
            let found = namespaces.list(&ours).await;
            let found = found.map_err(|error| error.to_string())?;
            let mut names = found.iter().map(ResourceExt::name_any);
            match names.find(|name| *name != scene.namespace) {
                Some(name) => Err(format!("namespace {name} is still there")),
                None => Ok(()),
            }
        })
        .await;
}

/// Kubernetes ends a namespace in steps that are seconds apart, also when nothing holds it any more.
fn is_stuck(namespace: &Namespace) -> bool {
    let since = namespace.metadata.deletion_timestamp.as_ref();
    since.is_none_or(|since| now().duration_since(since.0) > SignedDuration::from_mins(1))
}

async fn ready(scene: &Scene) -> Result<(), String> {
    let said = |error: kube::Error| error.to_string();
    let ours = ListParams::default().labels(LABEL);
    let namespaces: Api<Namespace> = Api::all(scene.kube.clone());
    for namespace in namespaces.list(&ours).await.map_err(said)? {
        if is_stuck(&namespace) {
            return Err(format!("namespace {} does not end", namespace.name_any()));
        }
    }
    let services: Api<EcsService> = Api::all(scene.kube.clone());
    let services = services.list(&ListParams::default()).await.map_err(said)?;
    if let Some(service) = services.iter().next() {
        return Err(format!("EcsService {} is still there", service.name_any()));
    }
    let tasks: Api<EcsTask> = Api::all(scene.kube.clone());
    if let Some(task) = tasks
        .list(&ListParams::default())
        .await
        .map_err(said)?
        .iter()
        .next()
    {
        return Err(format!("EcsTask {} is still there", task.name_any()));
    }
    for engine in scene.machine.engines() {
        if let Some(container) = engine.list(TASK_UID).await?.first() {
            return Err(format!(
                "container {} is still on {}",
                container.name, engine.node
            ));
        }
    }
    let clusters: Api<EcsCluster> = Api::all(scene.kube.clone());
    let clusters = clusters.list(&ListParams::default()).await.map_err(said)?;
    if let Some(other) = clusters
        .iter()
        .find(|cluster| cluster.name_any() != "default")
    {
        return Err(format!("EcsCluster {} is still there", other.name_any()));
    }
    let instances: Api<ContainerInstance> = Api::all(scene.kube.clone());
    let instances = instances.list(&ListParams::default()).await.map_err(said)?;
    let names: Vec<String> = instances
        .iter()
        .filter(|instance| instance.takes_tasks())
        .map(ResourceExt::name_any)
        .collect();
    if names != scene.machine.nodes() || instances.items.len() != names.len() {
        return Err(format!(
            "ready instances are {names:?} of {}",
            instances.items.len()
        ));
    }
    Ok(())
}
