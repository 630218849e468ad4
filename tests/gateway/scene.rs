//! A gateway and an agent on sockets of this machine, between an API server in memory and an engine in memory.

use std::net::SocketAddr;
use std::sync::Arc;

use ecs_operator::agent::endpoint::{self, Settings};
use ecs_operator::api::streams::TaskStreams;
use ecs_operator::gateway::front_proxy::FrontProxy;
use ecs_operator::gateway::{self, Account, Gateway, Tokens};
use ecs_operator::platform::clock::Clock;
use ecs_operator::platform::serving::{self, Identity};
use ecs_operator::runtime::fake::Fake;
use ecs_operator::runtime::model::{ModelEngine, Program};
use ecs_operator::runtime::streams::Streams;
use ecs_operator::runtime::{ContainerSpec, Engine};
use ecs_operator::testing::api::FakeApi;
use kube::{Api, Client, Config};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

pub(crate) const GATEWAY: &str = "system:serviceaccount:ecs-operator:ecs-operator-gateway";
/// A token of the gateway for the agent.
pub(crate) const TOKEN: &str = "the-gateways-token";
/// For whom tokens for the agent are.
pub(crate) const AUDIENCE: &str = "agents.ecs-operator.io/node-1";
const SERVICE: &str = "ecs-operator-gateway.ecs-operator.svc";
const AGENT: &str = "agent.ecs-operator.io";
const INSTANCE: &str = "node-1";
const IMAGE: &str = "workload:dev";

pub(crate) struct Scene {
    pub(crate) api: FakeApi,
    pub(crate) engine: Arc<Fake>,
    pub(crate) agent: SocketAddr,
    gateway: SocketAddr,
    authority: String,
    pub(crate) agent_certificate: String,
    /// PEM of the API server's certificate and key.
    front_proxy: String,
    _running: DropGuard,
}

impl Scene {
    pub(crate) async fn start() -> Self {
        let api = FakeApi::new();
        let clock = Clock::starting_at(api.now());
        let model = ModelEngine::default().with_image(IMAGE, Program::default());
        let engine = Arc::new(Fake::new(model, move || clock.now()));
        let stop = CancellationToken::new();
        let now = Clock::system().now();

        let alone = Identity::alone(&[AGENT.to_owned()], now).unwrap();
        let settings = Settings {
            instance: INSTANCE.into(),
            address: None,
            gateway: GATEWAY.into(),
        };
        let router = endpoint::router(
            settings,
            Arc::clone(&engine) as Arc<dyn Engine>,
            Arc::clone(&engine) as Arc<dyn Streams>,
            api.client_of("agent"),
            clock,
        );
        let agent = listen(alone.server_config(None).unwrap(), router, &stop).await;
        api.issue(TOKEN, GATEWAY, AUDIENCE);
        api.apply(&json!({
            "apiVersion": "ecs-operator.io/v1alpha1", "kind": "ContainerInstance",
            "metadata": {"name": INSTANCE}, "spec": {"cluster": "default"},
            "status": {"agent": {"endpoint": {
                "address": agent.to_string(), "certificate": alone.certificate,
            }}},
        }))
        .await;

        let (clients, front_proxy) = front_proxy();
        let identity = Identity::create(&[SERVICE.to_owned()], now).unwrap();
        let (_kept, known) = watch::channel(Some(clients.clone()));
        let account = Account {
            namespace: "ecs-operator".into(),
            name: "ecs-operator-gateway".into(),
            pod: None,
        };
        let router = gateway::router(Gateway {
            client: api.client_of("gateway"),
            front_proxy: known,
            tokens: Tokens::new(api.client_of("gateway"), clock, account),
            sessions: TaskTracker::new(),
        });
        let tls = identity.server_config(Some(&clients.authorities)).unwrap();
        let gateway = listen(tls, router, &stop).await;
        Self {
            api,
            engine,
            agent,
            gateway,
            authority: identity.authority,
            agent_certificate: alone.certificate,
            front_proxy,
            _running: stop.drop_guard(),
        }
    }

    /// A task of these containers, which run.
    pub(crate) async fn task(&self, name: &str, containers: &[&str], exec: bool) {
        let statuses: Vec<_> = containers
            .iter()
            .map(|container| json!({"name": container}))
            .collect();
        self.api
            .apply(&json!({
                "apiVersion": "ecs-operator.io/v1alpha1", "kind": "EcsTask",
                "metadata": {"name": name, "namespace": "shop"},
                "spec": {"taskDefinition": "web:1", "containerInstance": INSTANCE, "enableExecuteCommand": exec},
                "status": {"lastStatus": "RUNNING", "containers": statuses},
            }))
            .await;
        let path = format!("/apis/ecs-operator.io/v1alpha1/namespaces/shop/ecstasks/{name}");
        let task = self.api.object(&path).unwrap();
        let uid = task.pointer("/metadata/uid").unwrap().as_str().unwrap();
        for container in containers {
            let labels = [
                ("ecs-operator.io/instance", INSTANCE),
                ("ecs-operator.io/task-uid", uid),
                ("ecs-operator.io/container", container),
            ];
            let spec = ContainerSpec {
                name: format!("{name}-{container}"),
                image: IMAGE.into(),
                labels: labels
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .into(),
                ..ContainerSpec::default()
            };
            self.engine.create(&spec).await.unwrap();
            self.engine.start(&spec.name).await.unwrap();
        }
    }

    pub(crate) fn uid(&self, name: &str) -> String {
        let path = format!("/apis/ecs-operator.io/v1alpha1/namespaces/shop/ecstasks/{name}");
        let task = self.api.object(&path).unwrap();
        let uid = task.pointer("/metadata/uid").unwrap().as_str().unwrap();
        uid.to_owned()
    }

    /// What the API server does for `user`.
    pub(crate) fn client(&self, user: &str) -> Client {
        Client::try_from(self.config(user)).unwrap()
    }

    pub(crate) fn config(&self, user: &str) -> Config {
        let pem = self.front_proxy.clone();
        self.config_with(user, Some(pem))
    }

    /// The same from somebody who is not the API server.
    pub(crate) fn stranger(&self, user: &str) -> Client {
        Client::try_from(self.config_with(user, None)).unwrap()
    }

    fn config_with(&self, user: &str, pem: Option<String>) -> Config {
        let url = format!("https://{}", self.gateway).parse().unwrap();
        let mut config = Config::new(url);
        let authority = CertificateDer::from_pem_slice(self.authority.as_bytes()).unwrap();
        config.root_cert = Some(vec![authority.to_vec()]);
        config.tls_server_name = Some(SERVICE.to_owned());
        config.headers = vec![("x-remote-user".parse().unwrap(), user.parse().unwrap())];
        if let Some(pem) = pem {
            let (certificate, key) = pem.split_at(pem.find("-----BEGIN PRIVATE").unwrap());
            config.auth_info.client_certificate_data = Some(base64(certificate));
            config.auth_info.client_key_data = Some(base64(key).into());
        }
        config
    }

    pub(crate) fn streams(&self, user: &str) -> Api<TaskStreams> {
        Api::namespaced(self.client(user), "shop")
    }
}

/// The form of binary data in a kubeconfig, by the only encoder at hand.
fn base64(text: &str) -> String {
    let bytes = k8s_openapi::ByteString(text.as_bytes().to_vec());
    let value = serde_json::to_value(bytes).unwrap();
    value.as_str().unwrap().to_owned()
}

async fn listen(
    tls: Arc<tokio_rustls::rustls::ServerConfig>,
    router: axum::Router,
    stop: &CancellationToken,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (_kept, tls) = watch::channel(Some(tls));
    tokio::spawn(serving::serve(listener, tls, router, stop.clone()));
    address
}

/// What the ConfigMap of `kube-system` says, and the certificate of the API server that goes with it.
fn front_proxy() -> (FrontProxy, String) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let signed = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::from_params(&authority, &authority_key);
    let mut client = CertificateParams::default();
    client
        .distinguished_name
        .push(DnType::CommonName, "front-proxy-client");
    let key = KeyPair::generate().unwrap();
    let certificate = client.signed_by(&key, &issuer).unwrap().pem();
    let data = [
        ("requestheader-client-ca-file", signed.pem()),
        (
            "requestheader-allowed-names",
            r#"["front-proxy-client"]"#.to_owned(),
        ),
        (
            "requestheader-username-headers",
            r#"["X-Remote-User"]"#.to_owned(),
        ),
        (
            "requestheader-group-headers",
            r#"["X-Remote-Group"]"#.to_owned(),
        ),
    ];
    let data = data.map(|(key, value)| (key.to_owned(), value));
    let known = FrontProxy::read(&data.into()).unwrap();
    (known, format!("{certificate}{}", key.serialize_pem()))
}
