//! Makes a ContainerInstance for each agent pod, and removes those that nothing carries or wants any more.

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ObjectMeta};
use kube::{Api, ResourceExt};
use tracing::info;

use super::look::host;
use crate::api::container_instance::{ContainerInstance, ContainerInstanceSpec};
use crate::api::names;
use crate::controllers::cluster::selects;
use crate::controllers::context::Context;
use crate::controllers::writes::{Error, create, delete, doing, is_status};
use crate::domain::ids;
use crate::domain::liveness::Host;

/// Creates and removes.
pub(super) async fn sync(context: &Context) -> Result<(), Error> {
    let api: Api<ContainerInstance> = Api::all(context.client.clone());
    for pod in context.world.pods.all() {
        let Some(wanted) = instance_for(context, &pod) else {
            continue;
        };
        let key = (String::new(), wanted.name_any());
        if context.world.instances.get(&key).is_none() {
            info!(instance = key.1, cluster = %wanted.spec.cluster, "registering container instance");
            create(&api, &context.world.instances, &wanted)
                .await
                .map_err(doing("register container instance"))?;
        }
    }
    for instance in context.world.instances.all() {
        if instance.metadata.deletion_timestamp.is_none() && is_over(context, &instance) {
            info!(
                instance = instance.name_any(),
                "deregistering container instance"
            );
            delete(&api, &context.world.instances, &instance).await?;
            forget_heartbeat(context, &instance.name_any()).await?;
        }
    }
    Ok(())
}

/// Instance pods come and go under ever new names: their Leases would pile up.
async fn forget_heartbeat(context: &Context, instance: &str) -> Result<(), Error> {
    let leases: Api<Lease> =
        Api::namespaced(context.client.clone(), &context.settings.agent_namespace);
    let name = names::instance_lease(instance);
    match leases.delete(&name, &DeleteParams::default()).await {
        Err(error) if !is_status(&error, 404) => Err(doing("delete the instance's Lease")(error)),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The instance that an agent pod is to have; `None` before it has a node, and while it ends.
fn instance_for(context: &Context, pod: &Pod) -> Option<ContainerInstance> {
    let kind = pod.labels().get(names::AGENT_LABEL)?;
    let cluster = pod.labels().get(names::CLUSTER_LABEL)?;
    let node = pod.spec.as_ref()?.node_name.clone()?;
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    if pod.metadata.deletion_timestamp.is_some() || matches!(phase, Some("Failed" | "Succeeded")) {
        return None;
    }
    let own_pod = (kind == "pod").then(|| pod.name_any());
    let name = own_pod
        .clone()
        .unwrap_or_else(|| ids::fit(&node, ids::MAXIMUM_NAME));
    let provider = pod.labels().get(names::CAPACITY_PROVIDER_LABEL);
    let attributes = provider
        .and_then(|name| context.world.providers.get(&(String::new(), name.clone())))
        .map(|provider| provider.spec.launch_template.attributes.clone());
    Some(ContainerInstance {
        metadata: ObjectMeta {
            name: Some(name),
            labels: Some([(names::CLUSTER_LABEL.to_owned(), cluster.clone())].into()),
            ..ObjectMeta::default()
        },
        spec: ContainerInstanceSpec {
            cluster: cluster.as_str().into(),
            node_name: Some(node.into()),
            pod_name: own_pod.map(Into::into),
            capacity_provider: provider.map(|name| name.as_str().into()),
            status: crate::api::container_instance::InstanceState::Active,
            attributes: attributes.unwrap_or_default(),
        },
        status: None,
    })
}

/// Nothing carries it, or nothing wants it, and all its tasks are accounted for.
fn is_over(context: &Context, instance: &ContainerInstance) -> bool {
    let name = instance.name_any();
    let agents = context.world.pods.all();
    let has_agent = agents
        .iter()
        .any(|pod| instance_for(context, pod).is_some_and(|wanted| wanted.name_any() == name));
    let over = match host(context, instance) {
        Host::Gone => true,
        Host::Ready | Host::NotReady => !has_agent && !is_wanted(context, instance),
    };
    over && !context
        .world
        .tasks
        .all()
        .iter()
        .any(|task| task.instance() == Some(&name) && !task.is_stopped())
}

/// Its cluster still wants an agent where it is. An instance pod is wanted for as long as it exists.
fn is_wanted(context: &Context, instance: &ContainerInstance) -> bool {
    if instance.spec.pod_name.is_some() {
        return true;
    }
    let key = |name: &str| (String::new(), name.to_owned());
    let Some(cluster) = context.world.clusters.get(&key(&instance.spec.cluster)) else {
        return false;
    };
    let Some(node) = instance
        .spec
        .node_name
        .as_ref()
        .and_then(|node| context.world.nodes.get(&key(node)))
    else {
        return false;
    };
    cluster.metadata.deletion_timestamp.is_none() && selects(&cluster, &node)
}
