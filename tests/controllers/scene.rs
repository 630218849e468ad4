//! A cluster in memory: nodes, agents that do as they are told, and the real controllers.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ecs_operator::controllers::context::{Context, Settings};
use ecs_operator::controllers::world::{self, Queues};
use ecs_operator::controllers::{self};
use ecs_operator::platform::clock::Clock;
use ecs_operator::testing::api::FakeApi;
use kube::runtime::events::{Recorder, Reporter};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::agents::{Agents, Fate, act_as_agents, report, stopped};

pub(crate) const AGENTS: &str = "ecs-operator-agents";
pub(crate) const OURS: &str = "/apis/ecs-operator.io/v1alpha1";

/// See the module. Everything ends when it is dropped.
pub(crate) struct Scene {
    pub(crate) api: FakeApi,
    agents: Arc<Mutex<Agents>>,
    stop: CancellationToken,
    controllers: JoinSet<()>,
    _agents: JoinSet<()>,
}

impl Scene {
    /// A cluster `default` on these nodes, with the controllers running.
    pub(crate) async fn start(nodes: &[&str]) -> Self {
        let api = FakeApi::new();
        let stop = CancellationToken::new();
        let (mut controllers, mut acting) = (JoinSet::new(), JoinSet::new());
        let agents = Arc::new(Mutex::new(Agents::default()));
        acting.spawn(act_as_agents(api.clone(), Arc::clone(&agents)));
        control(&api, &stop, &mut controllers);
        let scene = Self {
            api,
            agents,
            stop,
            controllers,
            _agents: acting,
        };
        scene
            .apply(&json!({
                "apiVersion": "ecs-operator.io/v1alpha1", "kind": "EcsCluster",
                "metadata": {"name": "default"},
                "spec": {"nodes": {"dockerSocketDirectory": "/var/run"}, "allowedNamespaces": {"all": true}, "lostAfterSeconds": 60},
            }))
            .await;
        for node in nodes {
            scene.add_node(node).await;
        }
        scene
    }

    /// The same, with service `web` running as wanted.
    pub(crate) async fn running(nodes: &[&str], count: i32) -> Self {
        let definition = task_definition("web", "1");
        Self::running_as(nodes, &definition, &service("web", count)).await
    }

    /// The same with another definition and service of that name.
    pub(crate) async fn running_as(nodes: &[&str], definition: &Value, service: &Value) -> Self {
        let scene = Self::start(nodes).await;
        scene.apply(definition).await;
        scene.apply(service).await;
        scene
            .until("the service is ready", || scene.is_ready("web"))
            .await;
        scene
    }

    pub(crate) async fn add_node(&self, name: &str) {
        self.apply(&node(name, "True")).await;
        self.apply(&json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": format!("agent-{name}"), "namespace": AGENTS,
                "labels": {"ecs-operator.io/agent": "node", "ecs-operator.io/cluster": "default"},
            },
            "spec": {"nodeName": name, "containers": []},
        }))
        .await;
        self.agents.lock().unwrap().nodes.insert(name.to_owned());
    }

    /// Sets an instance's custom attributes, as soon as the instance is there.
    pub(crate) async fn set_attributes(&self, instance: &str, attributes: Value) {
        self.until("the instance is there", || {
            !self.instance(instance).is_null()
        })
        .await;
        self.apply(&json!({
            "apiVersion": "ecs-operator.io/v1alpha1", "kind": "ContainerInstance",
            "metadata": {"name": instance},
            "spec": {"attributes": attributes},
        }))
        .await;
    }

    /// A node and an agent for each instance pod that has none, as the scheduler and the kubelet bring them.
    pub(crate) async fn run_pods(&self) {
        for pod in self.instance_pods() {
            self.apply(&json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": pod, "namespace": AGENTS},
                "spec": {"nodeName": "node-1"},
                "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
            }))
            .await;
            self.agents.lock().unwrap().nodes.insert(pod);
        }
    }

    /// Names of the instance pods.
    pub(crate) fn instance_pods(&self) -> Vec<String> {
        let pods = self.api.all(&format!("/api/v1/namespaces/{AGENTS}/pods"));
        let ours = pods
            .iter()
            .filter(|pod| pod["metadata"]["labels"]["ecs-operator.io/agent"] == "pod");
        ours.map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Its agent is not heard any more, and does nothing.
    pub(crate) fn silence(&self, node: &str) {
        self.agents.lock().unwrap().silent.insert(node.to_owned());
    }

    pub(crate) fn fail_all_starts(&self) {
        self.agents.lock().unwrap().starts_fail = true;
    }

    /// From now on the tasks of a revision fare so; `None`: they run.
    pub(crate) fn fate(&self, revision: &str, fate: impl Into<Option<Fate>>) {
        let fates = &mut self.agents.lock().unwrap().fates;
        match fate.into() {
            Some(fate) => fates.insert(revision.to_owned(), fate),
            None => fates.remove(revision),
        };
    }

    /// The essential container of a task ends.
    pub(crate) async fn end(&self, task: &Value) {
        let now = self.api.now().to_string();
        let ended = stopped(
            task,
            "EssentialContainerExited",
            "Essential container in task exited",
            &now,
        );
        report(&self.api, task, ended).await;
    }

    /// The controller that leads is killed, and another one takes over, which knows only what the API server tells.
    pub(crate) fn change_leader(&mut self) {
        self.stop.cancel();
        self.stop = CancellationToken::new();
        self.controllers = JoinSet::new();
        control(&self.api, &self.stop, &mut self.controllers);
    }

    /// From now on the tag of the image stands for this digest.
    pub(crate) fn push(&self, digest: &str) {
        self.agents.lock().unwrap().digest = Some(digest.to_owned());
    }

    pub(crate) fn share_an_engine(&self) {
        self.agents.lock().unwrap().share_an_engine = true;
    }

    /// `kubectl cordon`.
    pub(crate) async fn cordon(&self, name: &str) {
        let mut cordoned = node(name, "True");
        cordoned["spec"] = json!({"unschedulable": true});
        self.apply(&cordoned).await;
    }

    pub(crate) async fn break_node(&self, name: &str) {
        self.apply(&node(name, "Unknown")).await;
    }

    /// Creates or changes any object, status included, as a person would with all rights.
    pub(crate) async fn apply(&self, object: &Value) {
        self.api.apply(object).await;
    }

    pub(crate) async fn scale(&self, name: &str, count: i32) {
        self.apply(&service(name, count)).await;
    }

    pub(crate) async fn delete_service(&self, name: &str) {
        self.delete(&format!("namespaces/shop/ecsservices/{name}"))
            .await;
    }

    /// Deletes an object of ours by its path.
    pub(crate) async fn delete(&self, path: &str) {
        self.api.delete(&format!("{OURS}/{path}")).await;
    }

    pub(crate) fn find_service(&self, name: &str) -> Option<Value> {
        self.api
            .object(&format!("{OURS}/namespaces/shop/ecsservices/{name}"))
    }

    pub(crate) fn instance(&self, name: &str) -> Value {
        let path = format!("{OURS}/containerinstances/{name}");
        self.api.object(&path).unwrap_or_default()
    }

    pub(crate) fn service(&self, name: &str) -> Value {
        self.find_service(name).unwrap_or_default()
    }

    pub(crate) fn condition(&self, name: &str, kind: &str) -> Value {
        let service = self.service(name);
        let conditions = service["status"]["conditions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        conditions
            .into_iter()
            .find(|condition| condition["type"] == kind)
            .unwrap_or_default()
    }

    pub(crate) fn is_ready(&self, name: &str) -> bool {
        self.condition(name, "Ready")["status"] == "True"
    }

    pub(crate) fn tasks(&self) -> Vec<Value> {
        self.api.all(&format!("{OURS}/ecstasks"))
    }

    pub(crate) fn task(&self, name: &str) -> Value {
        let path = format!("{OURS}/namespaces/shop/ecstasks/{name}");
        self.api.object(&path).unwrap_or_default()
    }

    /// Tasks that run and are not told to stop.
    pub(crate) fn running_tasks(&self) -> usize {
        let tasks = self.tasks();
        tasks
            .iter()
            .filter(|task| {
                task["status"]["lastStatus"] == "RUNNING" && task["spec"]["stop"].is_null()
            })
            .count()
    }

    pub(crate) fn names(&self) -> BTreeSet<String> {
        self.tasks()
            .iter()
            .map(|task| task["metadata"]["name"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Exactly `count` tasks run, all of this revision.
    pub(crate) fn runs_only(&self, revision: &str, count: usize) -> bool {
        let tasks = self.tasks();
        let running: Vec<_> = tasks
            .iter()
            .filter(|task| task["status"]["lastStatus"] == "RUNNING")
            .collect();
        running.len() == count
            && running
                .iter()
                .all(|task| task["spec"]["taskDefinition"] == revision)
    }

    /// Waits for up to twenty minutes of the cluster's time.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn() -> bool) {
        for _ in 0..2400 {
            if holds() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let asked: Vec<String> = self
            .api
            .requests()
            .iter()
            .rev()
            .take(40)
            .map(ToString::to_string)
            .collect();
        panic!(
            "not reached: {what}\n{:#}\n{:#}\n{asked:#?}",
            self.service("web"),
            json!(self.tasks())
        );
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn control(api: &FakeApi, stop: &CancellationToken, running: &mut JoinSet<()>) {
    let client = api.client_of("controller");
    let queues = Queues::default();
    let world = world::watch(&client, AGENTS, &queues, running);
    let reporter = Reporter {
        controller: "ecs-operator".into(),
        instance: None,
    };
    let context = Arc::new(Context::new(
        client.clone(),
        Clock::starting_at(api.now()),
        Settings {
            agent_namespace: AGENTS.into(),
            agent_image: "ecs-operator:test".into(),
            agent_image_pull_policy: "Never".into(),
            broker_url: Some("https://ecs-operator-broker.ecs-operator.svc".into()),
            agent_node_service_account: "node".into(),
            agent_pod_service_account: "pod".into(),
            gateway: "system:serviceaccount:ecs-operator:ecs-operator-gateway".into(),
            stopped_tasks_kept: Duration::from_hours(24),
        },
        Arc::clone(&world),
        queues,
        Recorder::new(client, reporter),
    ));
    let stop = stop.clone();
    running.spawn(async move {
        world.ready().await.unwrap();
        controllers::run(context, stop).await;
    });
}

fn node(name: &str, ready: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/os": "linux"}},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    })
}

/// A definition of one container with a health check.
pub(crate) fn task_definition(name: &str, version: &str) -> Value {
    json!({
        "apiVersion": "ecs-operator.io/v1alpha1", "kind": "TaskDefinition",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"containerDefinitions": [{
            "name": "app", "image": "workload:dev", "memory": 64,
            "environment": [{"name": "VERSION", "value": version}],
            "healthCheck": {"command": ["CMD", "/health"]},
        }]},
    })
}

/// A service that follows the family of its name.
pub(crate) fn service(name: &str, desired: i32) -> Value {
    json!({
        "apiVersion": "ecs-operator.io/v1alpha1", "kind": "EcsService",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"cluster": "default", "taskDefinition": name, "desiredCount": desired},
    })
}

/// A task of the newest revision of a family, with changes of its containers.
pub(crate) fn one_off_task(name: &str, family: &str, overrides: &Value) -> Value {
    json!({
        "apiVersion": "ecs-operator.io/v1alpha1", "kind": "EcsTask",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"cluster": "default", "taskDefinition": family, "overrides": {"containerOverrides": overrides}},
    })
}

/// A provider of so many instance pods.
pub(crate) fn provider(capacity: usize) -> Value {
    json!({
        "apiVersion": "ecs-operator.io/v1alpha1", "kind": "CapacityProvider",
        "metadata": {"name": "pods"},
        "spec": {
            "cluster": "default", "autoScalingGroup": {"desiredCapacity": capacity},
            "launchTemplate": {"image": "engine:dev", "cpu": 1024, "memory": 1024},
        },
    })
}
