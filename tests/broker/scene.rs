//! A namespace with Secrets, a task that names some of them, and agents on two nodes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use ecs_operator::agent::broker::Error;
use ecs_operator::api::supply::{RoleTokenRequest, SupplyRequest};
use ecs_operator::broker::Providers;
use ecs_operator::domain::secret::Secret;
use ecs_operator::domain::supply::Supply;
use ecs_operator::platform::clock::Clock;
use ecs_operator::testing::api::FakeApi;
use ecs_operator::testing::broker::FakeBroker;
use k8s_openapi::ByteString;
use serde_json::{Value, json};

const OURS: &str = "/apis/ecs-operator.io/v1alpha1";
/// The value that must be seen nowhere.
pub(crate) const PASSWORD: &str = "hunter2-hunter2";

pub(crate) struct Scene {
    pub(crate) api: FakeApi,
    pub(crate) broker: FakeBroker,
}

impl Scene {
    pub(crate) async fn start() -> Self {
        let api = FakeApi::new();
        let broker = FakeBroker::new(&api);
        for node in ["node-1", "node-2"] {
            broker.know_node(node, node);
        }
        let scene = Self { api, broker };
        let mapping = json!({"valueFrom": "arn:aws:secretsmanager:eu-west-1:1:secret:json-*", "secret": "json", "key": "all"});
        let access = json!({"matchImages": ["*.cloud.example/shop"], "allowedNamespaces": {"names": ["shop"]}});
        scene
            .api
            .apply(&json!({
                "apiVersion": "ecs-operator.io/v1alpha1", "kind": "EcsCluster",
                "metadata": {"name": "default"}, "spec": {"secretMappings": [mapping], "registryAccess": [access]},
            }))
            .await;
        let auths = |user: &str| json!({"auths": {"registry.example": {"username": user, "password": "p"}}});
        scene
            .secret(
                "db",
                &[("password", PASSWORD.into()), ("binary", vec![0xff, 0xfe])],
            )
            .await;
        scene
            .secret("json", &[("all", br#"{"user": "shop"}"#.to_vec())])
            .await;
        scene
            .secret(
                "pull",
                &[(".dockerconfigjson", auths("puller").to_string().into())],
            )
            .await;
        scene
            .secret(
                "own",
                &[("login", br#"{"username": "own", "password": "p"}"#.to_vec())],
            )
            .await;
        scene
            .define(
                1,
                &json!([
                    {"name": "app", "image": "registry.example/web:1", "secrets": [
                        {"name": "PASSWORD", "valueFrom": "secret:db:password"},
                        {"name": "USER", "valueFrom": "arn:aws:secretsmanager:eu-west-1:1:secret:json-AbCdEf:user::"},
                    ]},
                    {"name": "side", "image": "registry.example/side:1",
                        "repositoryCredentials": {"credentialsParameter": "secret:own:login"}},
                ]),
            )
            .await;
        scene
            .api
            .apply(&json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "web", "namespace": "shop"}, "data": {"env": "A=1"},
            }))
            .await;
        scene.bind("one", 1).await;
        scene
    }

    async fn secret(&self, name: &str, data: &[(&str, Vec<u8>)]) {
        let data: BTreeMap<_, _> = data
            .iter()
            .map(|(key, value)| (*key, ByteString(value.clone())))
            .collect();
        self.api
            .apply(&json!({
                "apiVersion": "v1", "kind": "Secret",
                "metadata": {"name": name, "namespace": "shop"}, "data": data,
            }))
            .await;
    }

    /// Gives the broker a credential provider for `cloud.example`: a program that answers this user, and counts its calls in
    /// a file of the folder.
    pub(crate) fn provide(&self, user: &str, folder: &Path) {
        symlink("/bin/sh", folder.join("provider")).unwrap();
        let answer = json!({
            "apiVersion": "credentialprovider.kubelet.k8s.io/v1", "kind": "CredentialProviderResponse",
            "cacheKeyType": "Registry", "auth": {"*.cloud.example": {"username": user, "password": PASSWORD}},
        });
        let script = format!("echo >>{}; echo '{answer}'", folder.join("calls").display());
        let configuration = json!({
            "apiVersion": "kubelet.config.k8s.io/v1", "kind": "CredentialProviderConfig", "providers": [{
                "name": "provider", "matchImages": ["*.cloud.example"], "defaultCacheDuration": "12h",
                "apiVersion": "credentialprovider.kubelet.k8s.io/v1", "args": ["-c", script],
            }],
        });
        let file = folder.join("configuration.json");
        fs::write(&file, configuration.to_string()).unwrap();
        let providers = Providers::read(&file, folder, Clock::system()).unwrap();
        self.broker.set_providers(providers);
    }

    /// A revision of `web` with these containers, whose images may be pulled with the Secret `pull`.
    pub(crate) async fn define(&self, revision: i64, containers: &Value) {
        let pull = json!({"imagePullSecrets": ["pull"]});
        let definition = json!({"containerDefinitions": containers, "extensions": pull});
        self.define_whole(revision, &definition).await;
    }

    /// A revision of `web` with this definition.
    pub(crate) async fn define_whole(&self, revision: i64, definition: &Value) {
        let spec = json!({"family": "web", "revision": revision, "definition": definition});
        let metadata = json!({"name": format!("web.{revision}"), "namespace": "shop"});
        self.api
            .apply(&json!({
                "apiVersion": "ecs-operator.io/v1alpha1", "kind": "TaskDefinitionRevision",
                "metadata": metadata, "spec": spec,
            }))
            .await;
    }

    /// What the agent of `node` is told when it asks for another token of a task's role.
    pub(crate) async fn renew(&self, node: &str, task: &str) -> Result<Secret<String>, Error> {
        let request = RoleTokenRequest {
            namespace: "shop".into(),
            task: task.into(),
            uid: self.uid(task),
        };
        self.broker.as_seen_with(node).role_token(&request).await
    }

    fn uid(&self, task: &str) -> String {
        let path = format!("{OURS}/namespaces/shop/ecstasks/{task}");
        let object = self.api.object(&path).unwrap_or_default();
        object["metadata"]["uid"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// A task of a revision, bound to `node-1`.
    pub(crate) async fn bind(&self, name: &str, revision: i64) {
        self.api.apply(&task(name, revision)).await;
    }

    pub(crate) async fn stop(&self, name: &str) {
        let path = format!("{OURS}/namespaces/shop/ecstasks/{name}");
        let mut task = self.api.object(&path).unwrap_or_default();
        task["metadata"] = json!({"name": name, "namespace": "shop"});
        task["spec"]["stop"] = json!({"code": "UserInitiated"});
        self.api.apply(&task).await;
    }

    /// What the agent of `node` is told of a container of a task.
    pub(crate) async fn ask(
        &self,
        node: &str,
        task: &str,
        container: &str,
    ) -> Result<Supply, Error> {
        self.ask_with(node, task, container).await
    }

    pub(crate) async fn ask_with(
        &self,
        token: &str,
        task: &str,
        container: &str,
    ) -> Result<Supply, Error> {
        self.ask_for(token, task, &self.uid(task), container).await
    }

    pub(crate) async fn ask_for(
        &self,
        token: &str,
        task: &str,
        uid: &str,
        container: &str,
    ) -> Result<Supply, Error> {
        let request = SupplyRequest {
            namespace: "shop".into(),
            task: task.into(),
            uid: uid.into(),
            container: container.into(),
        };
        self.broker.as_seen_with(token).supply(&request).await
    }

    /// How often the broker has read a Secret.
    pub(crate) fn secrets_read(&self) -> usize {
        let requests = self.api.requests();
        let of_broker = requests.iter().filter(|request| request.actor == "broker");
        of_broker
            .filter(|request| request.resource == "secrets")
            .count()
    }
}

fn task(name: &str, revision: i64) -> Value {
    json!({
        "apiVersion": "ecs-operator.io/v1alpha1", "kind": "EcsTask",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"cluster": "default", "taskDefinition": format!("web:{revision}"), "containerInstance": "node-1"},
    })
}
