//! `ecs-operator agent`: runs beside a Docker Engine and runs its tasks.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use futures::TryFutureExt;
use kube::Config;
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::agent::driver;
use crate::agent::instance::{Identity, Size};
use crate::agent::lease::Heartbeat;
use crate::agent::limits;
use crate::agent::metadata::{FOLDER, Place};
use crate::agent::metrics::Metrics;
use crate::agent::pause::PauseImage;
use crate::agent::wanted::Rules;
use crate::agent::{self, Settings};
use crate::api::cluster::ImagePullBehavior;
use crate::domain::security::Profile;
use crate::platform::clock::Clock;
use crate::platform::{client, http, shutdown};

/// Settings of an agent; the chart sets most of them from the downward API.
#[derive(Debug, Clone, Args)]
pub struct AgentArguments {
    /// Name of the container instance: the node's, or the instance pod's.
    #[arg(long, env = "INSTANCE_NAME")]
    instance_name: String,
    /// Path of the Docker Engine's socket. Mount its folder, because a restarted engine makes a new socket.
    #[arg(
        long,
        env = "DOCKER_SOCKET",
        default_value = "/run/docker-engine/docker.sock"
    )]
    docker_socket: PathBuf,
    /// The same folder as the engine sees it. Without it tasks cannot ask for their metadata.
    #[arg(long, env = "SOCKET_FOLDER_ON_INSTANCE")]
    socket_folder_on_instance: Option<String>,
    /// Namespace of the Lease that is the instance's heartbeat.
    #[arg(long, env = "POD_NAMESPACE")]
    lease_namespace: String,
    /// Name of this pod, which holds the Lease.
    #[arg(long, env = "POD_NAME", default_value = "agent")]
    pod_name: String,
    /// Address at which published ports are reachable: the node's, or the instance pod's.
    #[arg(long, env = "INSTANCE_ADDRESS")]
    address: Option<String>,
    /// CPU units that tasks do not get.
    #[arg(long, env = "RESERVED_CPU", default_value_t = 0)]
    reserved_cpu: u32,
    /// MiB that tasks do not get.
    #[arg(long, env = "RESERVED_MEMORY", default_value_t = 0)]
    reserved_memory: u32,
    /// CPU units that the instance offers, instead of all of the engine's.
    #[arg(long, env = "INSTANCE_CPU")]
    cpu: Option<u32>,
    /// MiB that the instance offers, instead of all of the engine's.
    #[arg(long, env = "INSTANCE_MEMORY")]
    memory: Option<u32>,
    /// When images are pulled.
    #[arg(long, env = "IMAGE_PULL_BEHAVIOR", value_enum, default_value_t = Pull::Default)]
    image_pull_behavior: Pull,
    /// What tasks may ask of the engine.
    #[arg(long, env = "SECURITY_PROFILE", value_enum, default_value_t = Security::Baseline)]
    security_profile: Security,
    /// Stopped tasks whose containers stay with the engine, for reading their logs.
    #[arg(long, env = "STOPPED_TASKS_KEPT", default_value_t = 10)]
    stopped_tasks_kept: usize,
    /// Name servers of the cluster, for containers; the engine's own are used when empty.
    #[arg(long, env = "CLUSTER_DNS", value_delimiter = ',')]
    cluster_dns: Vec<String>,
    /// Domain of the cluster.
    #[arg(long, env = "CLUSTER_DOMAIN", default_value = "cluster.local")]
    cluster_domain: String,
    /// Address of /healthz, /readyz and /metrics; nothing is served when empty.
    #[arg(long, env = "HEALTH_ADDRESS", default_value = "0.0.0.0:9102")]
    health_address: String,
}

/// [`ImagePullBehavior`] on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Pull {
    /// Pull; if that fails, use the image that is there.
    Default,
    /// Pull; if that fails, the task fails.
    Always,
    /// Pull what this agent has not pulled yet.
    Once,
    /// Pull what is not there.
    PreferCached,
}

/// [`Profile`] on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Security {
    /// Nothing that gives power over the node.
    Baseline,
    /// Everything.
    Privileged,
}

/// Runs the agent until SIGTERM, on one thread: it waits more than it works.
///
/// # Errors
/// When the process cannot start, or a part of it failed.
///
/// # Panics
/// When the machine has no room for a runtime.
#[tokio::main(flavor = "current_thread")]
pub async fn run(args: AgentArguments) -> anyhow::Result<()> {
    let pause = PauseImage::of(Path::new("/proc/self/exe")).context("cannot read the program")?;
    let config = Config::infer()
        .await
        .context("cannot find the API server")?;
    let client = client::guarded(config, None)?;
    let engine = agent::engine_at(&args.docker_socket);
    let health: Option<SocketAddr> = match args.health_address.as_str() {
        "" => None,
        address => Some(address.parse()?),
    };
    info!(instance = %args.instance_name, socket = %args.docker_socket.display(), version = env!("CARGO_PKG_VERSION"), "agent starts");
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let readiness = http::Readiness::default();
    // An agent without an engine is ready: it says what is missing, and a rollout must not wait for it.
    readiness.set(true);
    let stop = CancellationToken::new();
    let served = async {
        if let Some(address) = health {
            return http::serve(address, readiness, registry, stop.clone()).await;
        }
        stop.cancelled().await;
        Ok(())
    };
    let agent = async {
        let ended = Box::pin(agent::run(
            settings(&args, pause),
            client,
            engine,
            metrics,
            Clock::system(),
            stop.clone(),
        ))
        .await;
        // Whatever ended it, the process ends with it.
        stop.cancel();
        ended
    };
    let signals = async {
        shutdown::on_signal(stop.clone())
            .await
            .map_err(anyhow::Error::from)
    };
    tokio::try_join!(
        signals,
        served.map_err(anyhow::Error::from),
        agent.map_err(anyhow::Error::from)
    )?;
    Ok(())
}

fn settings(args: &AgentArguments, pause: PauseImage) -> Settings {
    let profile = match args.security_profile {
        Security::Baseline => Profile::Baseline,
        Security::Privileged => Profile::Privileged,
    };
    let pull = match args.image_pull_behavior {
        Pull::Default => ImagePullBehavior::Default,
        Pull::Always => ImagePullBehavior::Always,
        Pull::Once => ImagePullBehavior::Once,
        Pull::PreferCached => ImagePullBehavior::PreferCached,
    };
    let size = Size {
        cpu: args.cpu,
        memory: args.memory,
        reserved_cpu: args.reserved_cpu,
        reserved_memory: args.reserved_memory,
    };
    let place = metadata_place(args);
    Settings {
        heartbeat: Heartbeat {
            instance: args.instance_name.clone(),
            namespace: args.lease_namespace.clone(),
            holder: args.pod_name.clone(),
        },
        identity: Identity {
            name: args.instance_name.clone(),
            address: args.address.clone(),
            size: size.clone(),
            privileged: profile == Profile::Privileged,
            limits: place.is_some(),
        },
        driver: driver::Settings {
            rules: Rules {
                instance: args.instance_name.clone(),
                profile,
                pull,
                dns_servers: args
                    .cluster_dns
                    .iter()
                    .filter(|server| !server.is_empty())
                    .cloned()
                    .collect(),
                dns_domain: args.cluster_domain.clone(),
                // The engine says so itself.
                log_driver: String::new(),
                engine_root: String::new(),
                pause_image: pause.name(),
                metadata: args.socket_folder_on_instance.is_some(),
            },
            pause,
            address: args.address.clone(),
            size,
            stopped_tasks_kept: args.stopped_tasks_kept,
            limits: place
                .as_ref()
                .map(|place| place.folder.join(limits::SOCKET)),
        },
        socket: args.docker_socket.display().to_string(),
        metadata: place,
    }
}

/// Agent and relay meet in a folder beside the engine's socket, because that is where both can be.
fn metadata_place(args: &AgentArguments) -> Option<Place> {
    let on_the_instance = args.socket_folder_on_instance.as_ref()?;
    let folder = format!("{FOLDER}/{}", args.instance_name);
    Some(Place {
        folder: args.docker_socket.parent()?.join(&folder),
        on_the_instance: format!("{on_the_instance}/{folder}"),
    })
}
