//! Agents that do as they are told, and tasks that fare as the test says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ecs_operator::testing::api::FakeApi;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::scene::{AGENTS, OURS};

/// How the agents behave.
#[derive(Default)]
pub(crate) struct Agents {
    pub(crate) nodes: BTreeSet<String>,
    pub(crate) silent: BTreeSet<String>,
    pub(crate) starts_fail: bool,
    /// By revision, how its tasks fare where they do not just run.
    pub(crate) fates: BTreeMap<String, Fate>,
    /// All nodes were given the socket of one engine.
    pub(crate) share_an_engine: bool,
    /// What the tag of the image stands for in the registry.
    pub(crate) digest: Option<String>,
}

/// How the tasks of a revision fare.
#[derive(Clone, Copy)]
pub(crate) enum Fate {
    /// They cannot start.
    FailsToStart,
    /// They run, and their health is never known.
    NeverHealthy,
    /// They run, and their targets fail their health checks.
    TargetFails,
    /// They run, and an essential container ends after so many seconds.
    EndsAfter(i64),
}

/// Agents that renew their Leases, start what is bound to them, and stop what is told to stop.
pub(crate) async fn act_as_agents(api: FakeApi, agents: Arc<Mutex<Agents>>) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (nodes, starts_fail, fates, share_an_engine, digest) = {
            let agents = agents.lock().unwrap();
            (
                agents
                    .nodes
                    .difference(&agents.silent)
                    .cloned()
                    .collect::<Vec<_>>(),
                agents.starts_fail,
                agents.fates.clone(),
                agents.share_an_engine,
                agents.digest.clone(),
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
            let revision = task["spec"]["taskDefinition"].as_str().unwrap_or_default();
            let fate = if starts_fail {
                Some(Fate::FailsToStart)
            } else {
                fates.get(revision).copied()
            };
            if let Some(mut status) = next_status(&task, fate, api.now()) {
                let pinned = task["spec"]["extensions"]["imageDigests"][0]["imageDigest"].as_str();
                if let Some(digest) = pinned.or(digest.as_deref()) {
                    status["containers"] =
                        json!([{"name": "app", "image": "workload:dev", "imageDigest": digest}]);
                }
                report(&api, &task, status).await;
            }
        }
    }
}

/// Writes the status of a task.
pub(crate) async fn report(api: &FakeApi, task: &Value, status: Value) {
    let report = json!({
        "apiVersion": "ecs-operator.io/v1alpha1", "kind": "EcsTask",
        "metadata": {"name": task["metadata"]["name"], "namespace": task["metadata"]["namespace"]},
        "status": status,
    });
    api.apply_status(&report).await;
}

/// The status of a task that has ended now.
pub(crate) fn stopped(task: &Value, code: &str, reason: &str, now: &str) -> Value {
    let told = &task["status"];
    let mut status = json!({"lastStatus": "STOPPED", "desiredStatus": "STOPPED", "stopCode": code, "stoppedReason": reason,
        "stoppedAt": now, "startedAt": told["startedAt"], "healthySince": told["healthySince"], "healthStatus": "UNKNOWN"});
    if let Some(members) = status.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    status
}

/// What an agent says next of a task; nothing where there is nothing new.
fn next_status(task: &Value, fate: Option<Fate>, now: Timestamp) -> Option<Value> {
    let told = &task["status"];
    let deleting = !task["metadata"]["deletionTimestamp"].is_null();
    let ending = deleting || !task["spec"]["stop"].is_null();
    let stopped = |code, reason| stopped(task, code, reason, &now.to_string());
    let waits = deregisters(task);
    let started: Option<Timestamp> = told["startedAt"]
        .as_str()
        .and_then(|text| text.parse().ok());
    let mut status = match (told["lastStatus"].as_str(), fate) {
        (Some("STOPPED"), _) if !deleting || told["conditions"].is_array() => return None,
        (Some("STOPPED"), _) => told.clone(),
        (Some("DEACTIVATING"), _) if waits => return None,
        (Some("RUNNING"), _) if ending && waits => {
            let mut status = told.clone();
            status["lastStatus"] = json!("DEACTIVATING");
            status
                .as_object_mut()
                .map(|status| status.remove("traffic"));
            status
        }
        _ if ending => stopped("ServiceSchedulerInitiated", "told to stop"),
        (None, Some(Fate::FailsToStart)) => stopped("TaskFailedToStart", "Task failed to start"),
        (None, Some(Fate::NeverHealthy)) => {
            json!({"lastStatus": "RUNNING", "desiredStatus": "RUNNING", "healthStatus": "UNKNOWN", "startedAt": now.to_string()})
        }
        (None, Some(Fate::EndsAfter(_) | Fate::TargetFails) | None) => {
            json!({"lastStatus": "RUNNING", "desiredStatus": "RUNNING", "healthStatus": "HEALTHY", "startedAt": now.to_string(),
                "healthySince": now.to_string()})
        }
        (Some(_), Some(Fate::EndsAfter(seconds)))
            if started.is_some_and(|started| now.duration_since(started).as_secs() >= seconds) =>
        {
            stopped(
                "EssentialContainerExited",
                "Essential container in task exited",
            )
        }
        (Some(_), _) => return None,
    };
    if status["lastStatus"] == "RUNNING" {
        let targets = targets(task, fate);
        if targets
            .as_array()
            .is_some_and(|targets| !targets.is_empty())
        {
            status["targets"] = targets;
        }
    }
    if deleting && status["lastStatus"] == "STOPPED" {
        status["conditions"] = json!([{"type": "ContainersRemoved", "status": "True", "reason": "Removed", "message": "",
            "lastTransitionTime": now}]);
    }
    Some(status)
}

/// It is, or was, a target, and the controller has not said that it gets no more requests.
fn deregisters(task: &Value) -> bool {
    let extensions = &task["spec"]["extensions"];
    extensions["loadBalancers"].is_array()
        && !task["status"]["startedAt"].is_null()
        && task["status"]["traffic"]["deregisteredAt"].is_null()
}

/// What its agent says of the targets that a task is.
fn targets(task: &Value, fate: Option<Fate>) -> Value {
    let extensions = &task["spec"]["extensions"];
    let host_port = |port: &Value| {
        let chosen = extensions["hostPorts"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let mut chosen = chosen.into_iter();
        let chosen = chosen.find(|chosen| chosen["containerPort"] == port["containerPort"]);
        chosen.map(|chosen| chosen["hostPort"].clone())
    };
    let fails = matches!(fate, Some(Fate::TargetFails));
    let node = task["spec"]["containerInstance"]
        .as_str()
        .unwrap_or_default();
    let number = node.rsplit('-').next().unwrap_or("1");
    let ports = extensions["loadBalancers"].as_array().cloned();
    let targets = ports.unwrap_or_default().into_iter().map(|port| {
        let mut target = port.clone();
        target["address"] = json!(format!("10.0.0.{number}"));
        target["hostPort"] = host_port(&port).unwrap_or_else(|| port["containerPort"].clone());
        target["health"] = json!(if fails { "unhealthy" } else { "healthy" });
        if fails {
            target["reason"] = json!("Target.ResponseCodeMismatch");
            target["description"] = json!("Health checks failed with these codes: [500]");
        }
        target
    });
    json!(targets.collect::<Vec<_>>())
}
