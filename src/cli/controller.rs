//! `ecs-operator controller`: stands for election, and controls while it leads.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use kube::Config;
use kube::runtime::events::{Recorder, Reporter};
use prometheus_client::registry::Registry;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::controllers::context::{Context, Settings};
use crate::controllers::world::{self, Queues};
use crate::controllers::{self};
use crate::platform::client::guarded;
use crate::platform::clock::Clock;
use crate::platform::http::{self, Readiness};
use crate::platform::leader::{self, Leadership, elect};
use crate::platform::lease::{Candidate, Claim};
use crate::platform::shutdown;

/// Arguments of `controller`.
#[derive(Debug, Clone, Args)]
pub struct ControllerArguments {
    /// Namespace of agents, instance pods and the instances' Leases.
    #[arg(long, env = "AGENT_NAMESPACE", default_value = "ecs-operator-agents")]
    agent_namespace: String,
    /// Image of the agents.
    #[arg(long, env = "AGENT_IMAGE")]
    agent_image: String,
    /// When the agents' image is pulled.
    #[arg(long, env = "AGENT_IMAGE_PULL_POLICY", default_value = "IfNotPresent")]
    agent_image_pull_policy: String,
    /// URL at which agents find the broker; without one tasks get no secrets.
    #[arg(long)]
    broker_url: Option<String>,
    /// ServiceAccount of agents on nodes.
    #[arg(long, default_value = "ecs-operator-agent-node")]
    agent_node_service_account: String,
    /// ServiceAccount of agents in instance pods.
    #[arg(long, default_value = "ecs-operator-agent-pod")]
    agent_pod_service_account: String,
    /// User name of the gateway's ServiceAccount.
    #[arg(
        long,
        default_value = "system:serviceaccount:ecs-operator:ecs-operator-gateway"
    )]
    gateway: String,
    /// Namespace of the Lease by which the replicas elect their leader.
    #[arg(long, env = "POD_NAMESPACE", default_value = "ecs-operator")]
    lease_namespace: String,
    /// Name of this replica.
    #[arg(long, env = "POD_NAME")]
    identity: String,
    /// Seconds for which stopped tasks stay readable. Amazon ECS promises an hour.
    #[arg(long, default_value_t = 3600)]
    stopped_tasks_kept_seconds: u64,
    /// Address of /healthz, /readyz and /metrics.
    #[arg(long, default_value = "0.0.0.0:8080")]
    http_address: SocketAddr,
}

/// Runs until SIGTERM, or until leadership is lost.
///
/// # Errors
/// When the process cannot start, or must not go on.
pub fn run(arguments: ControllerArguments) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(lead_or_follow(arguments))
}

async fn lead_or_follow(arguments: ControllerArguments) -> anyhow::Result<()> {
    let clock = Clock::system();
    let config = Config::infer()
        .await
        .context("cannot find the API server")?;
    let stop = CancellationToken::new();
    let leading = CancellationToken::new();
    let leadership = Leadership::new(clock);
    let readiness = Readiness::default();
    let queues = Queues::default();
    let mut parts = JoinSet::new();

    let client = guarded(config.clone(), Some(leadership.permit()))?;
    let mut watches = JoinSet::new();
    // Followers keep their watches warm, so that a new leader acts at once.
    let world = world::watch(&client, &arguments.agent_namespace, &queues, &mut watches);
    let reporter = Reporter {
        controller: "ecs-operator".into(),
        instance: Some(arguments.identity.clone()),
    };
    let context = Arc::new(Context::new(
        client.clone(),
        clock,
        settings(&arguments),
        world,
        queues,
        Recorder::new(client, reporter),
    ));
    let mut registry = Registry::with_prefix("ecs_operator");
    context.metrics.register(&mut registry);

    parts.spawn(part("signals", shutdown::on_signal(stop.clone())));
    parts.spawn(part(
        "http",
        http::serve(
            arguments.http_address,
            readiness.clone(),
            registry,
            stop.clone(),
        ),
    ));
    let candidate = Candidate {
        namespace: arguments.lease_namespace.clone(),
        lease: "ecs-operator-controller".to_owned(),
        identity: arguments.identity.clone(),
        duration: leader::LEASE_DURATION,
    };
    let election = elect(
        Claim::new(guarded(config, None)?, candidate, clock),
        leadership,
        leading.clone(),
        stop.clone(),
    );
    parts.spawn(election);
    parts.spawn(control(context, readiness, leading.clone(), stop.clone()));

    tokio::select! {
        () = stop.cancelled() => {}
        // Any part that ends while nobody asked for it ends the process: a silent half is worse than a restart.
        _ = parts.join_next() => error!("a part of the controller ended"),
        _ = watches.join_next() => error!("a watch ended"),
    }
    stop.cancel();
    let finish = async { while parts.join_next().await.is_some() {} };
    if tokio::time::timeout(Duration::from_secs(10), finish)
        .await
        .is_err()
    {
        error!("gave up waiting for passes to finish");
    }
    Ok(())
}

fn settings(arguments: &ControllerArguments) -> Settings {
    Settings {
        agent_namespace: arguments.agent_namespace.clone(),
        agent_image: arguments.agent_image.clone(),
        agent_image_pull_policy: arguments.agent_image_pull_policy.clone(),
        broker_url: arguments.broker_url.clone(),
        agent_node_service_account: arguments.agent_node_service_account.clone(),
        agent_pod_service_account: arguments.agent_pod_service_account.clone(),
        gateway: arguments.gateway.clone(),
        stopped_tasks_kept: Duration::from_secs(arguments.stopped_tasks_kept_seconds),
    }
}

/// Waits until the caches are filled and this replica leads, then controls.
async fn control(
    context: Arc<Context>,
    readiness: Readiness,
    leading: CancellationToken,
    stop: CancellationToken,
) {
    tokio::select! {
        () = stop.cancelled() => return,
        ready = context.world.ready() => {
            if let Err(error) = ready {
                error!(%error, "a cache cannot be filled");
                return;
            }
        }
    }
    readiness.set(true);
    tokio::select! {
        () = stop.cancelled() => return,
        () = leading.cancelled() => {}
    }
    info!("controlling");
    controllers::run(context, stop).await;
}

async fn part(name: &'static str, run: impl Future<Output = std::io::Result<()>>) {
    if let Err(error) = run.await {
        error!(part = name, %error, "failed");
    }
}
