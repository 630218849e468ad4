//! Images of a registry that has TLS and asks for a password, over the network and by the engines' own pulls.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::harness::engine::WORKLOAD;
use crate::harness::fixtures::Fixture;
use crate::harness::machine::run as program;
use crate::harness::single::{run, running, why_stopped};
use crate::harness::{Scene, beside_others, service};
use crate::secrets::{opt_in, secret, shown};

const REGISTRY: &str = "10.90.0.1:5443";
const USER: &str = "reader";
const PASSWORD: &str = "p?~>ss/w0rd";

/// A Docker configuration with these credentials for the registry.
fn login(password: &str) -> String {
    let auth = BASE64_STANDARD.encode(format!("{USER}:{password}"));
    json!({"auths": {REGISTRY: {"auth": auth}}}).to_string()
}

/// Of the images only this one is below the path to which the cluster gives access.
fn repository(scene: &Scene, name: &str) -> String {
    let path = if name == "provided" { "provided/" } else { "" };
    format!("{REGISTRY}/{path}{}", scene.namespace)
}

/// The workload under a name of its own, so that no engine has it, with what the definition says of credentials.
async fn image(scene: &Scene, name: &str) -> Fixture {
    let repository = repository(scene, name);
    let engine = scene.engine("node-1");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), login(PASSWORD)).unwrap();
    engine.tag(WORKLOAD, &repository, name).await;
    engine.push_as(folder.path(), &repository, name).await;
    let image = format!("{repository}:{name}");
    engine.forget(&image).await;
    service(name).with("image", json!(image))
}

/// What the registry calls the content of a tag.
async fn digest(scene: &Scene, tag: &str) -> String {
    let authority = scene.machine.authority();
    let repository = repository(scene, tag).replace(REGISTRY, "");
    let url = format!("https://{REGISTRY}/v2{repository}/manifests/{tag}");
    let accept = "Accept: application/vnd.docker.distribution.manifest.v2+json";
    let credentials = format!("{USER}:{PASSWORD}");
    let ask = [
        "-sfI",
        "--cacert",
        &authority.to_string_lossy(),
        "-u",
        &credentials,
        "-H",
        accept,
        &url,
    ];
    let said = program("curl", &ask).await.expect();
    let mut headers = said.lines().filter_map(|line| line.split_once(": "));
    let found = headers.find(|(name, _)| name.eq_ignore_ascii_case("docker-content-digest"));
    found
        .unwrap_or_else(|| panic!("{said}"))
        .1
        .trim()
        .to_owned()
}

#[tokio::test]
async fn a_private_image_comes_with_the_right_credentials_only_and_its_digest_is_told() {
    beside_others("private", async |scene| {
        scene.machine.verb("locked-registry start").await.expect();
        opt_in(scene).await;
        let own = json!({"username": USER, "password": PASSWORD}).to_string();
        secret(
            scene,
            "login",
            &json!({"own": own, ".dockerconfigjson": login(PASSWORD)}),
        )
        .await;
        secret(
            scene,
            "wrong",
            &json!({".dockerconfigjson": login("no-such-word")}),
        )
        .await;
        let pulled_with = |mut fixture: Fixture, secret: &str| {
            fixture.definition["extensions"] = json!({"imagePullSecrets": [secret]});
            fixture
        };

        run(scene, "none", &image(scene, "none").await).await;
        let wrong = pulled_with(image(scene, "wrong").await, "wrong");
        run(scene, "wrong", &wrong).await;
        for task in ["none", "wrong"] {
            let reason = why_stopped(scene, task).await;
            assert!(reason.starts_with("CannotPullContainerError: "), "{reason}");
            assert!(
                reason.contains("give the credentials of a private registry"),
                "{reason}"
            );
        }

        let secrets = pulled_with(image(scene, "secrets").await, "login");
        run(scene, "secrets", &secrets).await;
        let credentials = json!({"credentialsParameter": "secret:login:own"});
        let own = image(scene, "own")
            .await
            .with("repositoryCredentials", credentials);
        run(scene, "own", &own).await;
        // Its definition names no credentials: the broker's program gets them.
        run(scene, "provided", &image(scene, "provided").await).await;
        for name in ["secrets", "own", "provided"] {
            let task = running(scene, name).await;
            let status = serde_json::to_value(&task.status).unwrap();
            assert_eq!(
                status["containers"][0]["imageDigest"],
                Value::from(digest(scene, name).await)
            );
        }
        let shown = shown(scene).await;
        for hidden in [
            PASSWORD,
            "no-such-word",
            &BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}")),
        ] {
            assert!(!shown.contains(hidden));
        }
        for engine in scene.machine.engines() {
            for name in ["secrets", "own", "provided"] {
                let image = format!("{}:{name}", repository(scene, name));
                engine.forget(&image).await;
            }
        }
        scene.machine.verb("locked-registry stop").await.expect();
    })
    .await;
}
