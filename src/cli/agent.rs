//! `ecs-operator agent`: runs beside a Docker Engine and runs its tasks.

mod dns;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use futures::TryFutureExt;
use http::Uri;
use jiff::SignedDuration;
use kube::{Client, Config};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::agent::broker::{self, Broker};
use crate::agent::driver;
use crate::agent::endpoint;
use crate::agent::files::{self, Files};
use crate::agent::images;
use crate::agent::instance::{Identity, Means, Size};
use crate::agent::lease::Heartbeat;
use crate::agent::limits;
use crate::agent::metadata::{FOLDER, Place};
use crate::agent::metrics::Metrics;
use crate::agent::pause::PauseImage;
use crate::agent::wanted::Rules;
use crate::agent::{self, Settings};
use crate::api::bounded::Str;
use crate::api::cluster::ImagePullBehavior;
use crate::api::container_instance::AgentEndpoint;
use crate::api::names;
use crate::domain::registry::ImagePattern;
use crate::domain::security::Profile;
use crate::platform::clock::Clock;
use crate::platform::{client, http as served_http, serving, shutdown};
use crate::runtime::Engine;
use dns::DnsArguments;

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
    #[command(flatten)]
    images: ImageArguments,
    /// Images, as a pattern of the kubelet's `matchImages`, for which the broker may have credentials; can be repeated.
    #[arg(long)]
    registry_access: Vec<ImagePattern>,
    #[command(flatten)]
    broker: BrokerArguments,
    /// What tasks may ask of the engine.
    #[arg(long, env = "SECURITY_PROFILE", value_enum, default_value_t = Security::Baseline)]
    security_profile: Security,
    /// Stopped tasks whose containers stay with the engine, for reading their logs.
    #[arg(long, env = "STOPPED_TASKS_KEPT", default_value_t = 10)]
    stopped_tasks_kept: usize,
    #[command(flatten)]
    dns: DnsArguments,
    /// Address on which logs, exec and the like are served.
    #[arg(long, env = "STREAMS_ADDRESS", default_value = "0.0.0.0:9103")]
    streams_address: SocketAddr,
    /// Address of this pod, at which the gateway calls; nothing is served without.
    #[arg(long, env = "POD_IP")]
    pod_ip: Option<IpAddr>,
    /// User name of the gateway's ServiceAccount, the only one that is served.
    #[arg(
        long,
        default_value = "system:serviceaccount:ecs-operator:ecs-operator-gateway"
    )]
    gateway: String,
    /// Address of /healthz, /readyz and /metrics; nothing is served when empty.
    #[arg(long, env = "HEALTH_ADDRESS", default_value = "0.0.0.0:9102")]
    health_address: String,
}

/// Whom the agent asks for secrets and credentials.
#[derive(Debug, Clone, Args)]
struct BrokerArguments {
    /// URL of the broker; without one no task with secrets comes here.
    #[arg(long)]
    broker_url: Option<Uri>,
    /// Folder with `token`, this agent's token for the broker, and `ca.crt`, the broker's authority.
    #[arg(long, default_value = "/run/ecs-broker")]
    broker_directory: PathBuf,
}

impl BrokerArguments {
    fn place(&self) -> Option<broker::Place> {
        let url = self.broker_url.clone()?;
        Some(broker::Place {
            url,
            token: self.broker_directory.join("token"),
            authority: self.broker_directory.join("ca.crt"),
        })
    }
}

/// When unused images are removed.
#[derive(Debug, Clone, Args)]
struct ImageArguments {
    /// Removes no images.
    #[arg(long)]
    keep_images: bool,
    /// Minutes between two looks for unused images.
    #[arg(long, default_value_t = 30)]
    image_cleanup_minutes: u32,
    /// Minutes that an image stays after its last use.
    #[arg(long, default_value_t = 60)]
    image_age_minutes: u32,
    /// Most images that one look removes.
    #[arg(long, default_value_t = 5)]
    images_per_cleanup: u32,
    /// Removes images that no task has run as well.
    #[arg(long)]
    clean_untracked_images: bool,
}

impl ImageArguments {
    fn rules(&self) -> Option<images::Rules> {
        let minutes = |minutes: u32| SignedDuration::from_mins(minutes.into());
        (!self.keep_images).then(|| images::Rules {
            interval: minutes(self.image_cleanup_minutes),
            minimum_age: minutes(self.image_age_minutes),
            per_cycle: usize::try_from(self.images_per_cleanup).unwrap_or(usize::MAX),
            untracked: self.clean_untracked_images,
        })
    }
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
    let readiness = served_http::Readiness::default();
    // An agent without an engine is ready: it says what is missing, and a rollout must not wait for it.
    readiness.set(true);
    let stop = CancellationToken::new();
    let served = async {
        if let Some(address) = health {
            return served_http::serve(address, readiness, registry, stop.clone()).await;
        }
        stop.cancelled().await;
        Ok(())
    };
    let clock = Clock::system();
    let streams = StreamsServer::open(&args, &client, &engine, clock).await?;
    let mut settings = settings(&args, pause);
    settings.identity.endpoint = streams.as_ref().map(|streams| streams.endpoint.clone());
    let streamed = async {
        match streams {
            Some(streams) => streams.serve(stop.clone()).await,
            None => Ok(()),
        }
    };
    let agent = async {
        let streams = agent::streams_at(&args.docker_socket);
        let ended = Box::pin(agent::run(
            settings,
            client,
            engine,
            streams,
            metrics,
            clock,
            stop.clone(),
        ));
        let ended = ended.await;
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
        streamed.map_err(anyhow::Error::from),
        agent.map_err(anyhow::Error::from)
    )?;
    Ok(())
}

/// What serves the streams of containers.
struct StreamsServer {
    endpoint: AgentEndpoint,
    listener: TcpListener,
    identity: serving::Identity,
    router: axum::Router,
}

impl StreamsServer {
    async fn open(
        args: &AgentArguments,
        client: &Client,
        engine: &Arc<dyn Engine>,
        clock: Clock,
    ) -> anyhow::Result<Option<Self>> {
        let Some(address) = args.pod_ip else {
            return Ok(None);
        };
        let identity = serving::Identity::alone(&[names::AGENT_SERVER.to_owned()], clock.now())?;
        let listener = TcpListener::bind(args.streams_address).await?;
        let address = SocketAddr::new(address, listener.local_addr()?.port());
        let settings = endpoint::Settings {
            instance: args.instance_name.clone(),
            address: args.address.as_deref().and_then(|text| text.parse().ok()),
            gateway: args.gateway.clone(),
        };
        let streams = agent::streams_at(&args.docker_socket);
        Ok(Some(Self {
            endpoint: AgentEndpoint {
                address: Str::cut(&address.to_string()),
                certificate: Str::cut(&identity.certificate),
            },
            router: endpoint::router(settings, Arc::clone(engine), streams, client.clone(), clock),
            listener,
            identity,
        }))
    }

    async fn serve(self, stop: CancellationToken) -> anyhow::Result<()> {
        let (_kept, tls) = watch::channel(Some(self.identity.server_config(None)?));
        Ok(serving::serve(self.listener, tls, self.router, stop).await?)
    }
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
            means: [
                (Means::Privileged, profile == Profile::Privileged),
                (Means::Broker, args.broker.broker_url.is_some()),
                (Means::Files, args.socket_folder_on_instance.is_some()),
                (Means::Limits, place.is_some()),
            ]
            .into_iter()
            .filter_map(|(means, given)| given.then_some(means))
            .collect(),
            endpoint: None,
        },
        driver: driver::Settings {
            rules: Rules {
                instance: args.instance_name.clone(),
                profile,
                pull,
                dns: args.dns.resolution(&args.lease_namespace),
                // The engine says so itself.
                log_driver: String::new(),
                engine_root: String::new(),
                pause_image: pause.name(),
                metadata: args.socket_folder_on_instance.is_some(),
                files: beside_the_socket(args, files::FOLDER).map(|(_, folder)| folder),
                registry_access: args.registry_access.clone(),
            },
            pause,
            address: args.address.clone(),
            size,
            stopped_tasks_kept: args.stopped_tasks_kept,
            broker: args.broker.place().map(Broker::at),
            files: beside_the_socket(args, files::FOLDER).map(|(folder, _)| Files::at(folder)),
            image_cleanup: args.images.rules(),
            limits: place
                .as_ref()
                .map(|place| place.folder.join(limits::SOCKET)),
        },
        socket: args.docker_socket.display().to_string(),
        metadata: place,
    }
}

/// Agent and relay meet in a folder beside the engine's socket.
fn metadata_place(args: &AgentArguments) -> Option<Place> {
    let (folder, on_the_instance) = beside_the_socket(args, FOLDER)?;
    Some(Place {
        folder,
        on_the_instance,
    })
}

/// This agent's part of a folder beside the engine's socket, because that is where both can be: as the agent sees it and as
/// the engine does.
fn beside_the_socket(args: &AgentArguments, folder: &str) -> Option<(PathBuf, String)> {
    let on_the_instance = args.socket_folder_on_instance.as_ref()?;
    let folder = format!("{folder}/{}", args.instance_name);
    let seen = args.docker_socket.parent()?.join(&folder);
    Some((seen, format!("{on_the_instance}/{folder}")))
}
