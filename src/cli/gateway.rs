//! `ecs-operator gateway`: serves the aggregated API `tasks.ecs-operator.io`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use kube::core::{ApiResource, DynamicObject};
use kube::{Api, Client, Config};
use prometheus_client::registry::Registry;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::gateway::front_proxy::FrontProxy;
use crate::gateway::{self, Account, Gateway, Tokens};
use crate::platform::clock::Clock;
use crate::platform::serving::shared::{self, Server, Shown};
use crate::platform::{client, http, serving, shutdown};

const API_SERVICE: &str = "v1alpha1.tasks.ecs-operator.io";
const FIELD_MANAGER: &str = "ecs-operator-gateway";
/// Kubernetes replaces the front proxy's authority long before the old one ends.
const LOOK_AGAIN: Duration = Duration::from_mins(1);
const RETRY: Duration = Duration::from_secs(2);
/// Until every node knows that a replica is leaving, and sends no new streams to it.
const STILL_ASKED: Duration = Duration::from_secs(5);

/// Arguments of `gateway`.
#[derive(Debug, Clone, Args)]
pub struct GatewayArguments {
    /// Namespace of the gateway's Service, Secret and ConfigMap.
    #[arg(long, env = "POD_NAMESPACE", default_value = "ecs-operator")]
    namespace: String,
    /// Name of the Service at which the API server calls.
    #[arg(long, default_value = "ecs-operator-gateway")]
    service: String,
    /// Secret that holds the certificate.
    #[arg(long, default_value = "ecs-operator-gateway-tls")]
    secret: String,
    /// ConfigMap that publishes the certificate's authority.
    #[arg(long, default_value = "ecs-operator-gateway-ca")]
    config_map: String,
    /// ServiceAccount that the gateway runs as, of which it makes tokens for agents.
    #[arg(long, default_value = "ecs-operator-gateway")]
    service_account: String,
    /// Name of this pod, with which those tokens end.
    #[arg(long, env = "POD_NAME")]
    pod_name: Option<String>,
    /// Address of the aggregated API.
    #[arg(long, default_value = "0.0.0.0:8443")]
    https_address: SocketAddr,
    /// Address of /healthz, /readyz and /metrics.
    #[arg(long, default_value = "0.0.0.0:8080")]
    http_address: SocketAddr,
}

/// Serves until SIGTERM.
///
/// # Errors
/// When the process cannot start, or a part of it failed.
pub fn run(arguments: GatewayArguments) -> anyhow::Result<()> {
    super::single_threaded(serve(arguments))
}

async fn serve(arguments: GatewayArguments) -> anyhow::Result<()> {
    let clock = Clock::system();
    let config = Config::infer()
        .await
        .context("cannot find the API server")?;
    let client = client::guarded(config, None)?;
    let server = Server {
        namespace: arguments.namespace.clone(),
        secret: arguments.secret.clone(),
        config_map: arguments.config_map.clone(),
        names: vec![format!("{}.{}.svc", arguments.service, arguments.namespace)],
    };
    let readiness = http::Readiness::default();
    let stop = CancellationToken::new();
    let sessions = TaskTracker::new();
    let (to_shown, shown) = watch::channel(None);
    let (to_proxy, front_proxy) = watch::channel(None);
    let (to_tls, tls) = watch::channel(None);
    let account = Account {
        namespace: arguments.namespace.clone(),
        name: arguments.service_account.clone(),
        pod: arguments.pod_name.clone(),
    };
    let router = gateway::router(Gateway {
        client: client.clone(),
        front_proxy: front_proxy.clone(),
        tokens: Tokens::new(client.clone(), clock, account),
        sessions: sessions.clone(),
    });
    let listener = TcpListener::bind(arguments.https_address).await?;
    info!(version = env!("CARGO_PKG_VERSION"), "gateway starts");
    let kept = async {
        tokio::select! {
            () = shared::keep(server, client.clone(), clock, to_shown) => bail!("nobody keeps the certificate any more"),
            () = keep_front_proxy(client.clone(), to_proxy) => bail!("nobody looks at the front proxy any more"),
            ended = keep_tls(shown.clone(), front_proxy, to_tls, readiness.clone()) => ended,
            ended = keep_published(client, shown) => ended,
            ended = http::serve(arguments.http_address, readiness.clone(), Registry::default(), CancellationToken::new()) => ended.map_err(Into::into),
        }
    };
    tokio::select! {
        ended = kept => ended,
        ended = leave(readiness.clone(), stop.clone()) => ended,
        ended = serving::serve(listener, tls, router, stop.clone()) => ended.map_err(Into::into),
    }
}

/// At SIGTERM: serves on while streams still come here, then lets those under way finish.
async fn leave(readiness: http::Readiness, stop: CancellationToken) -> anyhow::Result<()> {
    shutdown::on_signal(CancellationToken::new()).await?;
    readiness.set(false);
    tokio::time::sleep(STILL_ASKED).await;
    stop.cancel();
    std::future::pending().await
}

/// Knows whom to believe about who asks.
async fn keep_front_proxy(client: Client, known: watch::Sender<Option<FrontProxy>>) {
    let api: Api<ConfigMap> = Api::namespaced(client, "kube-system");
    loop {
        let pause = match api.get("extension-apiserver-authentication").await {
            Ok(found) => {
                let front_proxy = found.data.as_ref().and_then(FrontProxy::read);
                if front_proxy.is_none() {
                    warn!(
                        "the API server is set up without aggregation (--requestheader-client-ca-file): nobody can be served"
                    );
                }
                known.send_if_modified(|before| {
                    let changed = *before != front_proxy;
                    *before = front_proxy;
                    changed
                });
                LOOK_AGAIN
            }
            Err(error) => {
                warn!(%error, "cannot read how the API server shows who asks");
                RETRY
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Serves with the newest certificate, and checks callers by the newest authority.
async fn keep_tls(
    mut shown: watch::Receiver<Option<Shown>>,
    mut front_proxy: watch::Receiver<Option<FrontProxy>>,
    tls: watch::Sender<Option<Arc<ServerConfig>>>,
    readiness: http::Readiness,
) -> anyhow::Result<()> {
    loop {
        let now = shown.borrow_and_update().clone();
        let proxy = front_proxy.borrow_and_update().clone();
        if let (Some(shown), Some(proxy)) = (now, proxy) {
            match shown.identity.server_config(Some(&proxy.authorities)) {
                Ok(config) => {
                    tls.send_replace(Some(config));
                    readiness.set(true);
                }
                Err(error) => warn!(%error, "cannot serve with this certificate"),
            }
        }
        tokio::select! {
            changed = shown.changed() => changed?,
            changed = front_proxy.changed() => changed?,
        }
    }
}

/// Tells the API server which authority to trust.
async fn keep_published(
    client: Client,
    mut shown: watch::Receiver<Option<Shown>>,
) -> anyhow::Result<()> {
    let resource = ApiResource {
        group: "apiregistration.k8s.io".to_owned(),
        version: "v1".to_owned(),
        api_version: "apiregistration.k8s.io/v1".to_owned(),
        kind: "APIService".to_owned(),
        plural: "apiservices".to_owned(),
    };
    let api: Api<DynamicObject> = Api::all_with(client, &resource);
    loop {
        let known = shown.borrow_and_update().clone();
        let published = match &known {
            None => true,
            Some(shown) => publish(&api, &shown.bundle).await,
        };
        tokio::select! {
            changed = shown.changed() => changed?,
            // Somebody who replaces the APIService takes our authority out of it.
            () = tokio::time::sleep(if published { LOOK_AGAIN } else { RETRY }) => {}
        }
    }
}

/// Whether the API server has been told.
async fn publish(api: &Api<DynamicObject>, bundle: &str) -> bool {
    let written = async {
        let current = api.get(API_SERVICE).await?;
        let wanted = json!(ByteString(bundle.as_bytes().to_vec()));
        if current.data.pointer("/spec/caBundle") == Some(&wanted) {
            return Ok(());
        }
        let patch =
            json!({"metadata": {"uid": current.metadata.uid}, "spec": {"caBundle": wanted}});
        let parameters = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        api.patch(API_SERVICE, &parameters, &Patch::Merge(&patch))
            .await?;
        info!("the API server trusts the gateway's authority");
        Ok::<_, kube::Error>(())
    };
    match written.await {
        Ok(()) => true,
        Err(error) => {
            warn!(%error, "cannot tell the API server which authority to trust");
            false
        }
    }
}
