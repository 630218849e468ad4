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

const AGENTS: &str = "ecs-operator-agents";
const OURS: &str = "/apis/ecs-operator.io/v1alpha1";

/// See the module. Everything ends when it is dropped.
pub(crate) struct Scene {
    pub(crate) api: FakeApi,
    agents: Arc<Mutex<Agents>>,
    stop: CancellationToken,
    _running: JoinSet<()>,
}

/// How the agents behave.
#[derive(Default)]
struct Agents {
    nodes: BTreeSet<String>,
    silent: BTreeSet<String>,
    starts_fail: bool,
    /// All nodes were given the socket of one engine.
    share_an_engine: bool,
}

impl Scene {
    /// A cluster `default` on these nodes, with the controllers running.
    pub(crate) async fn start(nodes: &[&str]) -> Self {
        let api = FakeApi::new();
        let stop = CancellationToken::new();
        let mut running = JoinSet::new();
        let agents = Arc::new(Mutex::new(Agents::default()));
        running.spawn(act_as_agents(api.clone(), Arc::clone(&agents)));
        control(&api, &stop, &mut running);
        let scene = Self {
            api,
            agents,
            stop,
            _running: running,
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
        let scene = Self::start(nodes).await;
        scene.apply(&task_definition("web", "1")).await;
        scene.apply(&service("web", count)).await;
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

    /// Its agent is not heard any more, and does nothing.
    pub(crate) fn silence(&self, node: &str) {
        self.agents.lock().unwrap().silent.insert(node.to_owned());
    }

    pub(crate) fn fail_all_starts(&self) {
        self.agents.lock().unwrap().starts_fail = true;
    }

    pub(crate) fn share_an_engine(&self) {
        self.agents.lock().unwrap().share_an_engine = true;
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
            agent_node_service_account: "node".into(),
            agent_pod_service_account: "pod".into(),
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

/// Agents that renew their Leases, start what is bound to them, and stop what is told to stop.
async fn act_as_agents(api: FakeApi, agents: Arc<Mutex<Agents>>) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (nodes, starts_fail, share_an_engine) = {
            let agents = agents.lock().unwrap();
            (
                agents
                    .nodes
                    .difference(&agents.silent)
                    .cloned()
                    .collect::<Vec<_>>(),
                agents.starts_fail,
                agents.share_an_engine,
            )
        };
        for node in &nodes {
            let now = api.now().to_string();
            let lease = json!({
                "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": {"name": format!("instance-{node}"), "namespace": AGENTS},
                "spec": {"holderIdentity": node, "renewTime": now},
            });
            api.apply(&lease).await;
            let instance = format!("{OURS}/containerinstances/{node}");
            if api.object(&instance).is_some() {
                let report = json!({
                    "apiVersion": "ecs-operator.io/v1alpha1", "kind": "ContainerInstance", "metadata": {"name": node},
                    "status": {"agent": {
                        "agentVersion": "test", "engine": {
                            "ready": true, "bootId": "boot-1", "id": if share_an_engine { "shared" } else { node.as_str() },
                        },
                        "attributes": {"ecs.capability.container-health-check": ""},
                        "registeredResources": {"cpu": 4096, "memory": 1024, "pids": 32768},
                    }},
                });
                api.apply_status(&report).await;
            }
        }
        for task in api.all(&format!("{OURS}/ecstasks")) {
            let bound = task["spec"]["containerInstance"]
                .as_str()
                .unwrap_or_default();
            if !nodes.iter().any(|node| node == bound) {
                continue;
            }
            if let Some(status) = next_status(&task, starts_fail, &api.now().to_string()) {
                let report = json!({
                    "apiVersion": "ecs-operator.io/v1alpha1", "kind": "EcsTask",
                    "metadata": {"name": task["metadata"]["name"], "namespace": task["metadata"]["namespace"]},
                    "status": status,
                });
                api.apply_status(&report).await;
            }
        }
    }
}

/// What an agent says next of a task; nothing where there is nothing new.
fn next_status(task: &Value, starts_fail: bool, now: &str) -> Option<Value> {
    let told = &task["status"];
    let deleting = !task["metadata"]["deletionTimestamp"].is_null();
    let ending = deleting || !task["spec"]["stop"].is_null();
    let stopped = |code: &str, reason: &str| {
        json!({"lastStatus": "STOPPED", "desiredStatus": "STOPPED", "stopCode": code, "stoppedReason": reason, "stoppedAt": now,
            "startedAt": told["startedAt"], "healthStatus": "UNKNOWN"})
    };
    let mut status = match told["lastStatus"].as_str() {
        Some("STOPPED") if !deleting || told["conditions"].is_array() => return None,
        Some("STOPPED") => told.clone(),
        _ if ending => stopped("ServiceSchedulerInitiated", "told to stop"),
        None if starts_fail => stopped("TaskFailedToStart", "Task failed to start"),
        None => {
            json!({"lastStatus": "RUNNING", "desiredStatus": "RUNNING", "healthStatus": "HEALTHY", "startedAt": now})
        }
        Some(_) => return None,
    };
    if deleting {
        status["conditions"] = json!([{"type": "ContainersRemoved", "status": "True", "reason": "Removed", "message": "",
            "lastTransitionTime": now}]);
    }
    if let Some(members) = status.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    Some(status)
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
