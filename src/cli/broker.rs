//! `ecs-operator broker`: gives agents what their tasks name of Secrets.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use kube::Config;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::api::supply::BROKER;
use crate::broker::{self, Providers, Settings};
use crate::platform::clock::Clock;
use crate::platform::http::{self, Readiness};
use crate::platform::serving::shared::{self, Server};
use crate::platform::{client, serving, shutdown};

/// Arguments of `broker`.
#[derive(Debug, Clone, Args)]
pub struct BrokerArguments {
    /// Namespace of the broker and its Service.
    #[arg(long, env = "POD_NAMESPACE", default_value = "ecs-operator")]
    namespace: String,
    /// Namespace of the agents, in which the broker keeps its certificate and they find its authority.
    #[arg(long, env = "AGENT_NAMESPACE", default_value = "ecs-operator-agents")]
    agent_namespace: String,
    /// ServiceAccount of agents on nodes.
    #[arg(long, default_value = "ecs-operator-agent-node")]
    agent_node_service_account: String,
    /// ServiceAccount of agents in instance pods.
    #[arg(long, default_value = "ecs-operator-agent-pod")]
    agent_pod_service_account: String,
    /// File with the credential providers of registries: the kubelet's `CredentialProviderConfig`.
    #[arg(long, requires = "credential_provider_bin_dir")]
    credential_provider_config: Option<PathBuf>,
    /// Folder with their programs.
    #[arg(long, requires = "credential_provider_config")]
    credential_provider_bin_dir: Option<PathBuf>,
    /// Address at which agents ask.
    #[arg(long, default_value = "0.0.0.0:8443")]
    address: SocketAddr,
    /// Address of /healthz, /readyz and /metrics.
    #[arg(long, default_value = "0.0.0.0:8080")]
    http_address: SocketAddr,
}

/// Serves until SIGTERM.
///
/// # Errors
/// When the process cannot start, or a part of it failed.
pub fn run(arguments: &BrokerArguments) -> anyhow::Result<()> {
    super::single_threaded(serve(arguments))
}

async fn serve(arguments: &BrokerArguments) -> anyhow::Result<()> {
    let config = Config::infer()
        .await
        .context("cannot find the API server")?;
    let client = client::guarded(config, None)?;
    let context = broker::Context {
        settings: settings(arguments),
        client: client.clone(),
        providers: Arc::new(providers(arguments)?),
    };
    let server = Server {
        namespace: arguments.agent_namespace.clone(),
        secret: format!("{BROKER}-tls"),
        config_map: format!("{BROKER}-ca"),
        names: vec![format!("{BROKER}.{}.svc", arguments.namespace)],
    };
    let stop = CancellationToken::new();
    let readiness = Readiness::default();
    let (show, mut shown) = watch::channel(None);
    let (offer, tls) = watch::channel(None);
    let listener = TcpListener::bind(arguments.address).await?;
    info!(version = env!("CARGO_PKG_VERSION"), "broker starts");
    let certificates = async {
        while shown.changed().await.is_ok() {
            let identity = shown
                .borrow_and_update()
                .clone()
                .map(|shown: shared::Shown| shown.identity);
            match identity.map(|identity| identity.server_config(None)) {
                Some(Ok(config)) => {
                    offer.send_replace(Some(config));
                    readiness.set(true);
                }
                Some(Err(error)) => error!(%error, "the certificate cannot be served with"),
                None => {}
            }
        }
    };
    let answers = async {
        let https = serving::serve(listener, tls, broker::router(context), stop.clone());
        tokio::try_join!(https, shutdown::on_signal(stop.clone())).map(drop)
    };
    let health = async {
        let registry = Registry::default();
        http::serve(
            arguments.http_address,
            readiness.clone(),
            registry,
            stop.clone(),
        )
        .await?;
        // Requests under way end first.
        std::future::pending::<std::io::Result<()>>().await
    };
    tokio::select! {
        ended = answers => ended?,
        ended = health => ended?,
        () = shared::keep(server, client, Clock::system(), show) => {}
        () = certificates => {}
    }
    Ok(())
}

fn providers(arguments: &BrokerArguments) -> anyhow::Result<Providers> {
    let file = arguments.credential_provider_config.as_ref();
    let Some((file, folder)) = file.zip(arguments.credential_provider_bin_dir.as_ref()) else {
        return Ok(Providers::default());
    };
    let providers = Providers::read(file, folder, Clock::system()).map_err(anyhow::Error::msg)?;
    let names: Vec<&str> = providers.names().collect();
    info!(?names, "credential providers");
    Ok(providers)
}

fn settings(arguments: &BrokerArguments) -> Settings {
    let agent = |account: &str| {
        format!(
            "system:serviceaccount:{}:{account}",
            arguments.agent_namespace
        )
    };
    Settings {
        node_agent: agent(&arguments.agent_node_service_account),
        pod_agent: agent(&arguments.agent_pod_service_account),
        own_account: format!("{}:{BROKER}", arguments.namespace),
    }
}
