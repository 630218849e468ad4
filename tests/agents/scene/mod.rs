//! An instance in memory: an engine, an API server, and as many real agents as a test starts.

mod tasks;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ecs_operator::agent::broker::Broker;
use ecs_operator::agent::driver;
use ecs_operator::agent::files::Files;
use ecs_operator::agent::images;
use ecs_operator::agent::instance::{Identity, Means, Size};
use ecs_operator::agent::lease::Heartbeat;
use ecs_operator::agent::limits;
use ecs_operator::agent::metadata::Place;
use ecs_operator::agent::metrics::Metrics;
use ecs_operator::agent::pause::PauseImage;
use ecs_operator::agent::wanted::Rules;
use ecs_operator::agent::{self, Settings};
use ecs_operator::platform::clock::Clock;
use ecs_operator::runtime::Engine;
use ecs_operator::runtime::fake::Fake;
use ecs_operator::runtime::model::{Deed, ModelEngine, Program};
use ecs_operator::runtime::streams::Streams;
use ecs_operator::testing::api::FakeApi;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const OURS: &str = "/apis/ecs-operator.io/v1alpha1";
const INSTANCE: &str = "node-1";
const AGENTS: &str = "ecs-operator-agents";
/// The folder of the tasks' files, as the engine sees it.
pub(crate) const FILES: &str = "/run/tasks";
/// An address of this machine's own: as in an instance pod, its ports are reached.
const OWN_ADDRESS: &str = "127.0.0.1";
pub(crate) const IMAGE: &str = "workload:dev";

pub(crate) struct Scene {
    pub(crate) api: FakeApi,
    pub(crate) engine: Arc<Fake>,
    files: TempDir,
}

/// An agent that runs; it is killed when this is dropped.
pub(crate) struct Agent {
    stop: CancellationToken,
    process: JoinHandle<Result<(), agent::Error>>,
}

impl Agent {
    /// SIGTERM, and the end.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        (&mut self.process).await.unwrap().unwrap();
    }

    /// SIGKILL.
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// What it says when it ends by itself.
    pub(crate) async fn end(mut self) -> String {
        (&mut self.process).await.unwrap().unwrap_err().to_string()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.process.abort();
    }
}

impl Scene {
    /// The instance's object, its engine with one image, and the task definition `web:1` of one container `app`.
    pub(crate) async fn start() -> Self {
        let api = FakeApi::new();
        let program = Program::default();
        let model = ModelEngine::default()
            .with_image(IMAGE, program.clone())
            .with_registry(IMAGE, program);
        let clock = Clock::starting_at(api.now());
        let engine = Arc::new(Fake::new(model, move || clock.now()));
        api.apply(&json!({
            "apiVersion": "ecs-operator.io/v1alpha1", "kind": "ContainerInstance",
            "metadata": {"name": INSTANCE}, "spec": {"cluster": "default", "nodeName": INSTANCE},
        }))
        .await;
        let files = tempfile::tempdir().unwrap();
        let scene = Self { api, engine, files };
        scene.define(1, IMAGE).await;
        scene
    }

    /// A revision of `web`, of one container `app`.
    pub(crate) async fn define(&self, revision: i64, image: &str) {
        self.define_with(revision, json!({"image": image})).await;
    }

    /// The same, with these fields of the container.
    pub(crate) async fn define_with(&self, revision: i64, fields: Value) {
        let mut container = json!({"name": "app", "image": IMAGE, "memory": 64});
        for (field, value) in fields.as_object().unwrap() {
            container[field] = value.clone();
        }
        let definition = json!({"containerDefinitions": [container]});
        self.define_whole(revision, definition).await;
    }

    /// The folder of the tasks' files, as agents see it.
    pub(crate) fn files(&self) -> Files {
        Files::at(self.folder())
    }

    /// The same, for a look into it.
    pub(crate) fn folder(&self) -> PathBuf {
        self.files.path().join("tasks")
    }

    /// A revision of `web` with this definition.
    pub(crate) async fn define_whole(&self, revision: i64, definition: Value) {
        let revision = json!({
            "apiVersion": "ecs-operator.io/v1alpha1", "kind": "TaskDefinitionRevision",
            "metadata": {"name": format!("web.{revision}"), "namespace": "shop"},
            "spec": {"family": "web", "revision": revision, "definition": definition},
        });
        self.api.apply(&revision).await;
    }

    /// The task's UID.
    pub(crate) fn uid(&self, name: &str) -> String {
        let path = format!("{OURS}/namespaces/shop/ecstasks/{name}");
        let task = self.api.object(&path).unwrap();
        task["metadata"]["uid"].as_str().unwrap().to_owned()
    }

    /// An agent in a pod of this name.
    pub(crate) fn agent(&self, pod: &str) -> Agent {
        self.start_agent(pod, None, None, OWN_ADDRESS)
    }

    /// One with a broker to ask that answers tasks.
    pub(crate) fn answering_agent_with(&self, folder: &Path, broker: Broker) -> Agent {
        let place = Place {
            folder: folder.to_owned(),
            on_the_instance: "/var/run/ecs-operator".into(),
        };
        self.start_agent("agent-a", Some(place), Some(broker), OWN_ADDRESS)
    }

    /// One that answers tasks, in a folder of this machine.
    pub(crate) fn answering_agent(&self, pod: &str, folder: &Path) -> Agent {
        let place = Place {
            folder: folder.to_owned(),
            on_the_instance: "/var/run/ecs-operator".into(),
        };
        self.start_agent(pod, Some(place), None, OWN_ADDRESS)
    }

    /// One with a broker to ask.
    pub(crate) fn agent_with(&self, pod: &str, broker: Option<Broker>) -> Agent {
        self.start_agent(pod, None, broker, OWN_ADDRESS)
    }

    /// One whose instance is reached at this address.
    pub(crate) fn agent_at(&self, pod: &str, address: &str) -> Agent {
        self.start_agent(pod, None, None, address)
    }

    fn start_agent(
        &self,
        pod: &str,
        metadata: Option<Place>,
        broker: Option<Broker>,
        address: &str,
    ) -> Agent {
        let mut settings = Settings {
            heartbeat: Heartbeat {
                instance: INSTANCE.into(),
                namespace: AGENTS.into(),
                holder: pod.into(),
            },
            identity: Identity {
                name: INSTANCE.into(),
                means: broker
                    .iter()
                    .map(|_| Means::Broker)
                    .chain([Means::Files])
                    .collect(),
                address: Some(address.into()),
                ..Identity::default()
            },
            driver: driver::Settings {
                limits: metadata
                    .as_ref()
                    .map(|place| place.folder.join(limits::SOCKET)),
                rules: Rules {
                    instance: INSTANCE.into(),
                    metadata: metadata.is_some(),
                    files: Some(FILES.into()),
                    ..Rules::default()
                },
                pause: PauseImage::of(Path::new(env!("CARGO_MANIFEST_PATH"))).unwrap(),
                address: None,
                size: Size::default(),
                stopped_tasks_kept: 10,
                broker,
                files: Some(self.files()),
                image_cleanup: Some(images::Rules::default()),
            },
            socket: "/run/docker.sock".into(),
            metadata,
        };
        settings.driver.rules.pause_image = settings.driver.pause.name();
        let stop = CancellationToken::new();
        let engine: Arc<dyn Engine> = Arc::clone(&self.engine) as Arc<dyn Engine>;
        let process = tokio::spawn(agent::run(
            settings,
            self.api.client_of(pod),
            engine,
            Arc::clone(&self.engine) as Arc<dyn Streams>,
            Metrics::register(&mut Registry::default()),
            Clock::starting_at(self.api.now()),
            stop.clone(),
        ));
        Agent { stop, process }
    }

    /// The GPUs of each container that runs, in order.
    pub(crate) fn gpus(&self) -> Vec<Vec<String>> {
        self.engine.with(|model, _| {
            let live = model.live();
            let specs = live.iter().filter_map(|name| model.spec(name));
            let mut gpus: Vec<_> = specs.map(|spec| spec.gpus.clone()).collect();
            gpus.sort();
            gpus
        })
    }

    /// Waits, for up to a minute, until the task's target has this health.
    pub(crate) async fn until_target(&self, name: &str, health: &str) {
        for _ in 0..120 {
            if self.status(name)["targets"][0]["health"] == health {
                return;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        panic!("target of {name} is not {health}: {:#}", self.status(name));
    }

    /// Somebody removes all containers.
    pub(crate) fn remove_containers(&self) {
        self.engine.with(|model, _| {
            for name in model.live() {
                model.vanish(&name);
            }
        });
    }

    /// All containers end by themselves, with this code.
    pub(crate) fn end_containers(&self, code: i64) {
        self.engine.with(|model, now| {
            for name in model.live() {
                model.end(&name, code, now);
            }
        });
    }

    /// Containers that the engine has, running or not.
    pub(crate) fn containers(&self) -> usize {
        let all = BTreeMap::new();
        self.engine.with(|model, now| model.list(&all, now).len())
    }

    /// Volumes that the engine has.
    pub(crate) fn volumes(&self) -> usize {
        let all = BTreeMap::new();
        self.engine.with(|model, _| model.list_volumes(&all).len())
    }

    /// Somebody pushes new content under the image's tag.
    pub(crate) fn push(&self, digest: &str) {
        self.engine
            .with(|model, _| model.push(IMAGE, digest, Program::default()));
    }

    /// The task's status.
    pub(crate) fn status(&self, name: &str) -> Value {
        let path = format!("{OURS}/namespaces/shop/ecstasks/{name}");
        let task = self.api.object(&path).unwrap_or_default();
        task["status"].clone()
    }

    /// What the agent says of its instance.
    pub(crate) fn instance(&self) -> Value {
        let path = format!("{OURS}/containerinstances/{INSTANCE}");
        let instance = self.api.object(&path).unwrap_or_default();
        instance["status"]["agent"].clone()
    }

    /// Waits, for up to ten minutes, until the task is in this state.
    pub(crate) async fn until(&self, name: &str, state: &str) {
        for _ in 0..1200 {
            if self.status(name)["lastStatus"] == state {
                return;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        panic!("{name} is not {state}: {:#}", self.status(name));
    }

    /// How often containers were started, however that ended.
    pub(crate) fn starts(&self) -> usize {
        self.engine.with(|model, _| {
            let started = |(_, deed): &&(String, Deed)| {
                matches!(deed, Deed::Started | Deed::StartedAgain { .. })
            };
            model.deeds().iter().filter(started).count()
        })
    }

    /// What containers find in their environments, secrets included.
    pub(crate) fn environments(&self) -> Vec<BTreeMap<String, String>> {
        self.engine.with(|model, _| model.environments())
    }

    /// Containers of a family that run.
    pub(crate) fn live_of(&self, family: &str) -> usize {
        let prefix = format!("ecs-{family}-");
        let live = self.engine.with(|model, _| model.live());
        live.iter().filter(|name| name.starts_with(&prefix)).count()
    }

    /// Containers that run.
    pub(crate) fn live(&self) -> usize {
        self.engine.with(|model, _| model.live().len())
    }

    /// Pods whose agents wrote statuses since the record was begun.
    pub(crate) fn writers(&self) -> Vec<String> {
        let writes = self.api.writes();
        let mut pods: Vec<String> = writes
            .iter()
            .filter(|request| request.resource != "leases" && request.actor != "person")
            .map(|request| request.actor.clone())
            .collect();
        pods.dedup();
        pods
    }
}
