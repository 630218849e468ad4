//! Replicas of a server share one identity through the API, and serve with it.

#![expect(clippy::unwrap_used, reason = "a failed call fails the test")]

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use ecs_operator::platform::clock::Clock;
use ecs_operator::platform::serving::identity::{Identity, roots};
use ecs_operator::platform::serving::shared::{Server, Shown, look};
use ecs_operator::platform::serving::{Peer, serve};
use ecs_operator::testing::api::FakeApi;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, ServerConfig};
use tokio_util::sync::CancellationToken;

const NAME: &str = "gateway.ecs-operator.svc";
const SECRET: &str = "/api/v1/namespaces/ecs-operator/secrets/gateway-tls";
const CONFIG_MAP: &str = "/api/v1/namespaces/ecs-operator/configmaps/gateway-ca";

fn server() -> Server {
    Server {
        namespace: "ecs-operator".into(),
        secret: "gateway-tls".into(),
        config_map: "gateway-ca".into(),
        names: vec![NAME.into()],
    }
}

fn published(api: &FakeApi) -> String {
    let data = api.object(CONFIG_MAP).unwrap();
    let text = data.pointer("/data/ca.crt").and_then(Value::as_str);
    text.unwrap().to_owned()
}

#[tokio::test]
async fn replicas_that_start_together_come_to_serve_with_the_same_certificate() {
    let api = FakeApi::new();
    let clock = Clock::starting_at(api.now());
    let replica = |name: &str| {
        let client = api.client_of(name);
        async move { look(&server(), &client, clock).await.unwrap() }
    };
    let (first, second): (Shown, Shown) = tokio::join!(replica("a"), replica("b"));
    assert_eq!(first, second);
    assert_eq!(published(&api), first.bundle);
    let writes = api.writes().len();
    assert_eq!(replica("c").await, first);
    assert_eq!(
        api.writes().len(),
        writes,
        "a settled identity is not written"
    );
}

#[tokio::test]
async fn a_renewal_leaves_the_authority_and_a_lost_secret_replaces_it_beside_the_old() {
    let api = FakeApi::new();
    let client = api.client();
    let later = |days: i64| Clock::starting_at(api.now() + SignedDuration::from_hours(24 * days));
    let first = look(&server(), &client, later(0)).await.unwrap();
    let renewed = look(&server(), &client, later(70)).await.unwrap();
    assert_ne!(renewed.identity.certificate, first.identity.certificate);
    assert_eq!(renewed.bundle, first.bundle);

    let before = api.object(SECRET).unwrap();
    api.delete(SECRET).await;
    let anew = look(&server(), &client, later(71)).await.unwrap();
    assert_ne!(api.object(SECRET), Some(before));
    assert_eq!(published(&api), anew.bundle);
    assert!(anew.bundle.contains(first.identity.authority.trim()));
    assert!(anew.bundle.starts_with(anew.identity.authority.trim()));
}

#[tokio::test]
async fn an_empty_secret_of_the_same_name_is_filled() {
    let api = FakeApi::new();
    let empty: Value = serde_json::json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "gateway-tls", "namespace": "ecs-operator"},
    });
    api.apply(&empty).await;
    let clock = Clock::starting_at(api.now());
    let shown = look(&server(), &api.client(), clock).await.unwrap();
    assert!(roots(&shown.bundle).is_ok());
    assert!(api.object(SECRET).unwrap()["data"]["tls.crt"].is_string());
}

fn now() -> Timestamp {
    Clock::system().now()
}

/// A listener that says which certificate its caller showed.
async fn start(tls: Arc<ServerConfig>) -> (std::net::SocketAddr, CancellationToken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let who = |request: axum::extract::Request| async move {
        let peer = request.extensions().get::<Peer>().unwrap();
        peer.certificate.is_some().to_string()
    };
    let (_sender, tls) = watch::channel(Some(tls));
    tokio::spawn(serve(
        listener,
        tls,
        Router::new().route("/", get(who)),
        stop.clone(),
    ));
    (address, stop)
}

/// Asks for `/` with trust in `authority`, and the certificate of `with` if there is one.
async fn ask(
    address: std::net::SocketAddr,
    authority: &str,
    with: Option<&Identity>,
) -> std::io::Result<String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots(authority).unwrap());
    let config = match with {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes());
            let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes());
            let chain = vec![certificate.unwrap()];
            builder.with_client_auth_cert(chain, key.unwrap()).unwrap()
        }
    };
    let stream = TcpStream::connect(address).await?;
    let name = NAME.try_into().unwrap();
    let mut stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await?;
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    Ok(body.to_owned())
}

#[tokio::test]
async fn clients_that_trust_the_authority_are_served_and_others_turn_away() {
    let ours = Identity::create(&[NAME.into()], now()).unwrap();
    let (address, stop) = start(ours.server_config(None).unwrap()).await;
    assert_eq!(ask(address, &ours.authority, None).await.unwrap(), "false");
    let strange = Identity::create(&[NAME.into()], now()).unwrap();
    ask(address, &strange.authority, None).await.unwrap_err();
    stop.cancel();
}

#[tokio::test]
async fn a_certificate_without_an_authority_is_trusted_by_those_who_know_it() {
    let alone = Identity::alone(&[NAME.into()], now()).unwrap();
    let (address, stop) = start(alone.server_config(None).unwrap()).await;
    assert_eq!(
        ask(address, &alone.certificate, None).await.unwrap(),
        "false"
    );
    stop.cancel();
}

#[tokio::test]
async fn a_callers_certificate_is_checked_and_passed_on() {
    let ours = Identity::create(&[NAME.into()], now()).unwrap();
    let clients = client_authority();
    let tls = ours.server_config(Some(&clients.authority)).unwrap();
    let (address, stop) = start(tls).await;
    let asked = ask(address, &ours.authority, Some(&clients)).await;
    assert_eq!(asked.unwrap(), "true");
    assert_eq!(ask(address, &ours.authority, None).await.unwrap(), "false");
    ask(address, &ours.authority, Some(&client_authority()))
        .await
        .unwrap_err();
    stop.cancel();
}

/// An authority of clients with a certificate of one client.
fn client_authority() -> Identity {
    let mut authority = rcgen::CertificateParams::default();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let signed = authority.self_signed(&authority_key).unwrap();
    let issuer = rcgen::Issuer::from_params(&authority, &authority_key);
    let mut client = rcgen::CertificateParams::new(vec!["client".to_owned()]).unwrap();
    client.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let key = rcgen::KeyPair::generate().unwrap();
    Identity {
        authority: signed.pem(),
        certificate: client.signed_by(&key, &issuer).unwrap().pem(),
        key: key.serialize_pem(),
        ..Identity::default()
    }
}
