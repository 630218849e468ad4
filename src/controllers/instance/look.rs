//! One look at all instances: their Leases, their hosts, and what follows for their tasks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use tracing::{info, warn};

use crate::api::container_instance::ContainerInstance;
use crate::api::names;
use crate::controllers::cache::key_of;
use crate::controllers::context::Context;
use crate::controllers::wakes::all_groups;
use crate::domain::liveness::{Host, Presence, Sign, Watch};

/// Taint by which a person says that a node is off for good.
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// The memory between two looks.
#[derive(Default)]
pub(super) struct Looker {
    watch: Watch,
    last: Option<Duration>,
    disbelieved: bool,
}

impl Looker {
    /// Whether the last look is at least this long ago.
    pub(super) fn is_due(&self, context: &Context, period: Duration) -> bool {
        self.last
            .is_none_or(|last| context.clock.monotonic().saturating_sub(last) >= period)
    }

    /// Reads the Leases and draws the conclusions. A failed read changes nothing.
    pub(super) async fn look(&mut self, context: &Context) {
        let leases: Api<Lease> =
            Api::namespaced(context.client.clone(), &context.settings.agent_namespace);
        let leases = match leases.list(&ListParams::default()).await {
            Ok(leases) => leases.items,
            Err(error) => {
                warn!(%error, "cannot read the leases of the instances: nothing is concluded");
                return;
            }
        };
        let renewals: BTreeMap<String, String> = leases
            .iter()
            .map(|lease| (lease.name_any(), renewal(lease)))
            .collect();
        let signs = signs(context, &renewals);
        let instances: BTreeMap<String, _> = context
            .world
            .instances
            .all()
            .into_iter()
            .map(|instance| (instance.name_any(), instance))
            .collect();
        let control = |name: &str| {
            instances
                .get(name)
                .and_then(|instance| instance.status.as_ref()?.control.clone())
        };
        let now = context.clock.monotonic();
        let elapsed = self
            .last
            .replace(now)
            .map_or(Duration::ZERO, |last| now.saturating_sub(last));
        self.watch.look(elapsed, &signs, |name| {
            control(name).is_some_and(|control| !control.agent_connected)
        });
        let lost_after = |name: &str| {
            let cluster = instances
                .get(name)
                .map(|instance| instance.spec.cluster.to_string());
            let cluster =
                cluster.and_then(|name| context.world.clusters.get(&(String::new(), name)));
            cluster.map_or(Duration::from_mins(1), |cluster| cluster.spec.lost_after())
        };
        let is_lost = |name: &str| control(name).is_some_and(|control| control.lost);
        let (verdict, disbelieved) = self.watch.judge(&signs, lost_after, is_lost);
        if disbelieved && !self.disbelieved {
            warn!("more than half of the instances vanished together: nothing is replaced");
            for cluster in context.world.clusters.all() {
                let note = "more than half of the container instances vanished together: nothing is replaced until some come back, or their nodes are deleted or tainted node.kubernetes.io/out-of-service";
                context
                    .tell(&*cluster, true, "InstancesVanished", note)
                    .await;
            }
        }
        self.disbelieved = disbelieved;
        conclude(context, verdict);
    }
}

/// Something that changes with each renewal.
fn renewal(lease: &Lease) -> String {
    let spec = lease.spec.as_ref();
    let time = spec
        .and_then(|spec| spec.renew_time.as_ref())
        .map(|time| time.0.to_string());
    let holder = spec.and_then(|spec| spec.holder_identity.clone());
    format!(
        "{}/{}",
        holder.unwrap_or_default(),
        time.unwrap_or_default()
    )
}

/// The signs of every instance, and of every name that a task is still bound to: an instance whose object somebody
/// deleted is not gone while its host is there.
fn signs(context: &Context, renewals: &BTreeMap<String, String>) -> BTreeMap<String, Sign> {
    let mut names: BTreeMap<String, Host> = BTreeMap::new();
    for instance in context.world.instances.all() {
        names.insert(instance.name_any(), host(context, &instance));
    }
    let world = &context.world;
    let held: Vec<String> = world.ledger.tasks(world, |tasks| {
        tasks.holders().map(ToOwned::to_owned).collect()
    });
    for name in held {
        let host = || nameless_host(context, &name);
        names.entry(name.clone()).or_insert_with(host);
    }
    names
        .into_iter()
        .map(|(name, host)| {
            let renewal = renewals.get(&names::instance_lease(&name)).cloned();
            (name, Sign { renewal, host })
        })
        .collect()
}

/// What carries an instance, and how it is.
pub(super) fn host(context: &Context, instance: &ContainerInstance) -> Host {
    match (&instance.spec.pod_name, &instance.spec.node_name) {
        (Some(pod), _) => {
            let key = (context.settings.agent_namespace.clone(), pod.to_string());
            context
                .world
                .pods
                .get(&key)
                .map_or(Host::Gone, |pod| of_pod(&pod))
        }
        (None, Some(node)) => context
            .world
            .nodes
            .get(&(String::new(), node.to_string()))
            .map_or(Host::Gone, |node| of_node(&node)),
        (None, None) => Host::Gone,
    }
}

fn nameless_host(context: &Context, name: &str) -> Host {
    let node = context.world.nodes.get(&(String::new(), name.to_owned()));
    let pod = context
        .world
        .pods
        .get(&(context.settings.agent_namespace.clone(), name.to_owned()));
    match (node, pod) {
        (Some(node), _) => of_node(&node),
        (None, Some(pod)) => of_pod(&pod),
        (None, None) => Host::Gone,
    }
}

fn of_node(node: &Node) -> Host {
    let taints = node
        .spec
        .iter()
        .flat_map(|spec| spec.taints.iter().flatten());
    if taints.into_iter().any(|taint| taint.key == OUT_OF_SERVICE) {
        return Host::Gone;
    }
    let conditions = node
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    if conditions
        .into_iter()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
    {
        Host::Ready
    } else {
        Host::NotReady
    }
}

fn of_pod(pod: &Pod) -> Host {
    let status = pod.status.as_ref();
    if let Some("Failed" | "Succeeded") = status.and_then(|status| status.phase.as_deref()) {
        Host::Gone
    } else {
        let mut conditions = status
            .iter()
            .flat_map(|status| status.conditions.iter().flatten());
        let ready =
            conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True");
        if ready { Host::Ready } else { Host::NotReady }
    }
}

/// Publishes the verdict, and wakes everybody whom a change concerns.
fn conclude(context: &Context, verdict: BTreeMap<String, Presence>) {
    let changed = verdict.clone();
    if !context.set_presence(verdict) {
        return;
    }
    info!(presence = ?changed, "presence of the instances changed");
    context.queues.services.extend(
        context
            .world
            .services
            .all()
            .iter()
            .map(|service| key_of(&**service)),
    );
    context
        .queues
        .target_groups
        .extend(all_groups(&context.world));
    let out_of_reach: BTreeSet<&String> = changed
        .iter()
        .filter(|(_, presence)| matches!(presence, Presence::Lost | Presence::Fenced))
        .map(|(name, _)| name)
        .collect();
    let tasks = context.world.tasks.all();
    let concerned = tasks.iter().filter(|task| {
        task.instance()
            .is_none_or(|name| out_of_reach.contains(&name.to_owned()))
    });
    context
        .queues
        .tasks
        .extend(concerned.map(|task| key_of(&**task)));
}
