//! DAEMON services, task protection, zones kept even, deployments that people stop, and images that stay the same.

use std::time::Duration;

use serde_json::{Value, json};

use crate::agents::Fate;
use crate::scene::{Scene, service, task_definition};

/// A service `logs` with one task on each instance.
fn daemon() -> Value {
    let mut logs = service("logs", 0);
    logs["spec"]["schedulingStrategy"] = json!("DAEMON");
    logs["spec"]["taskDefinition"] = json!("logs");
    logs["spec"].as_object_mut().unwrap().remove("desiredCount");
    logs
}

async fn with_daemon(nodes: &[&str]) -> Scene {
    let scene = Scene::start(nodes).await;
    scene.apply(&task_definition("logs", "1")).await;
    scene.apply(&daemon()).await;
    scene
        .until("the daemons run", || {
            scene.places("logs").len() == nodes.len() && scene.is_ready("logs")
        })
        .await;
    scene
}

impl Scene {
    /// Instances of the tasks of a service that run and are not told to stop, sorted.
    pub(crate) fn places(&self, service: &str) -> Vec<String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let tasks = self.tasks();
        let mut places: Vec<String> = tasks
            .iter()
            .filter(|task| task["spec"]["extensions"]["service"]["name"] == service)
            .filter(|task| task["status"]["lastStatus"] == "RUNNING")
            .filter(|task| task["spec"]["stop"].is_null())
            .map(|task| text(&task["spec"]["containerInstance"]))
            .collect();
        places.sort();
        places
    }

    fn says(&self, service: &str, text: &str) -> bool {
        let service = self.service(service);
        let events = service["status"]["events"].as_array();
        events.is_some_and(|events| {
            let messages = events.iter().filter_map(|event| event["message"].as_str());
            messages.into_iter().any(|message| message.contains(text))
        })
    }

    /// Changes the spec of a task, as a person does with `kubectl patch`.
    async fn patch_task(&self, task: &Value, spec: Value) {
        let mut changed = task.clone();
        for (field, value) in spec.as_object().unwrap() {
            changed["spec"][field] = value.clone();
        }
        self.apply(&changed).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_daemon_runs_once_on_each_instance_and_on_one_that_joins() {
    let scene = with_daemon(&["node-1", "node-2"]).await;
    assert_eq!(scene.places("logs"), ["node-1", "node-2"]);
    assert_eq!(scene.service("logs")["status"]["desiredCount"], 2);
    scene.add_node("node-3").await;
    scene
        .until("the third has its own", || {
            scene.places("logs") == ["node-1", "node-2", "node-3"] && scene.is_ready("logs")
        })
        .await;
    assert_eq!(scene.service("logs")["status"]["desiredCount"], 3);
}

#[tokio::test(start_paused = true)]
async fn an_update_of_a_daemon_never_has_two_tasks_on_an_instance() {
    let scene = with_daemon(&["node-1", "node-2", "node-3"]).await;
    scene.apply(&task_definition("logs", "2")).await;
    scene
        .until("all run the second revision", || {
            let mut taken: Vec<Value> = scene
                .tasks()
                .into_iter()
                .filter(|task| task["status"]["lastStatus"] != "STOPPED")
                .map(|task| task["spec"]["containerInstance"].clone())
                .collect();
            let all = taken.len();
            taken.sort_by_key(ToString::to_string);
            taken.dedup();
            assert_eq!(taken.len(), all, "two tasks on one instance");
            scene.runs_only("logs:2", 3) && scene.is_ready("logs")
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_daemon_leaves_an_instance_that_meets_its_constraints_no_more() {
    let scene = Scene::start(&["node-1", "node-2"]).await;
    for node in ["node-1", "node-2"] {
        scene.set_attributes(node, json!({"disk": "fast"})).await;
    }
    scene.apply(&task_definition("logs", "1")).await;
    let mut logs = daemon();
    logs["spec"]["placementConstraints"] =
        json!([{"type": "memberOf", "expression": "attribute:disk == fast"}]);
    scene.apply(&logs).await;
    scene
        .until("both have one", || scene.places("logs").len() == 2)
        .await;
    scene
        .set_attributes("node-2", json!({"disk": "slow"}))
        .await;
    scene
        .until("the second has none", || {
            scene.places("logs") == ["node-1"] && scene.is_ready("logs")
        })
        .await;
    assert!(scene.says(
        "logs",
        "does not meet the service's placement constraints any more"
    ));
}

#[tokio::test(start_paused = true)]
async fn daemons_are_the_last_to_leave_an_instance_that_drains() {
    let scene = with_daemon(&["node-1", "node-2"]).await;
    scene.apply(&task_definition("web", "1")).await;
    scene.apply(&service("web", 2)).await;
    scene.until("it is ready", || scene.is_ready("web")).await;
    scene.cordon("node-1").await;
    let gone_first = |service: &str, other: &str| {
        !scene.places(service).contains(&"node-1".to_owned())
            && scene.places(other).contains(&"node-1".to_owned())
    };
    scene
        .until("the replicas have left before the daemon", || {
            assert!(!gone_first("logs", "web"), "the daemon left first");
            gone_first("web", "logs")
        })
        .await;
    scene
        .until("the daemon has left too", || {
            scene.places("logs") == ["node-2"] && scene.places("web") == ["node-2", "node-2"]
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_new_instance_keeps_room_for_its_daemon_before_replicas_come() {
    let scene = with_daemon(&["node-1"]).await;
    let mut large = task_definition("web", "1");
    // Two of them would fill an instance of 1024 MiB, and leave nothing for the daemon's 64.
    large["spec"]["containerDefinitions"][0]["memory"] = json!(512);
    scene.apply(&large).await;
    scene.apply(&service("web", 4)).await;
    scene
        .until("the first instance is full", || {
            scene.places("web") == ["node-1"]
        })
        .await;
    scene.add_node("node-2").await;
    scene
        .until("the second has one of each", || {
            scene.places("logs") == ["node-1", "node-2"]
                && scene.places("web") == ["node-1", "node-2"]
        })
        .await;
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!(scene.places("web"), ["node-1", "node-2"]);
}

#[tokio::test(start_paused = true)]
async fn a_protected_task_outlives_a_scale_in_until_its_protection_ends() {
    let scene = Scene::running(&["node-1", "node-2"], 2).await;
    let hour = jiff::SignedDuration::from_hours(1);
    for task in scene.tasks() {
        let until = scene.api.now().checked_add(hour).unwrap().to_string();
        let protection = json!({"protectionEnabled": true, "expirationDate": until});
        scene
            .patch_task(&task, json!({"protection": protection}))
            .await;
    }
    scene.scale("web", 0).await;
    scene
        .until("it says why it waits", || {
            scene.says("web", "The number of protected tasks are more than")
        })
        .await;
    tokio::time::sleep(Duration::from_mins(30)).await;
    assert_eq!(scene.running_tasks(), 2);
    tokio::time::sleep(Duration::from_mins(31)).await;
    scene
        .until("protection is over", || scene.running_tasks() == 0)
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_is_stopped_by_hand_goes_back_to_the_completed_one() {
    let scene = Scene::running(&["node-1", "node-2"], 2).await;
    scene.fate("web:2", Fate::NeverHealthy);
    scene.apply(&task_definition("web", "2")).await;
    let newest = || scene.service("web")["status"]["deployments"][0].clone();
    scene
        .until("the second goes on", || newest()["number"] == 2)
        .await;
    let mut stopped = service("web", 2);
    stopped["spec"]["extensions"] =
        json!({"stopServiceDeployment": {"deployment": newest()["id"], "stopType": "ROLLBACK"}});
    scene.apply(&stopped).await;
    scene
        .until("the first runs again, as the third deployment", || {
            newest()["number"] == 3 && newest()["rolloutState"] == "COMPLETED"
        })
        .await;
    assert!(scene.runs_only("web:1", 2));
    assert!(scene.says("web", "deployment stopped by user."));
    let stalled = scene.condition("web", "Stalled");
    assert_eq!(stalled["status"], "True");
    assert!(
        stalled["message"]
            .as_str()
            .unwrap()
            .contains("was stopped by hand; web:1 runs instead")
    );
    tokio::time::sleep(Duration::from_mins(30)).await;
    assert_eq!(newest()["number"], 3);
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_is_aborted_leaves_what_runs() {
    let scene = Scene::running(&["node-1", "node-2"], 2).await;
    scene.fate("web:2", Fate::NeverHealthy);
    scene.apply(&task_definition("web", "2")).await;
    let newest = || scene.service("web")["status"]["deployments"][0].clone();
    scene
        .until("the second goes on", || newest()["number"] == 2)
        .await;
    let mut stopped = service("web", 2);
    stopped["spec"]["extensions"] =
        json!({"stopServiceDeployment": {"deployment": newest()["id"], "stopType": "ABORT"}});
    scene.apply(&stopped).await;
    scene
        .until("it has failed", || newest()["rolloutState"] == "FAILED")
        .await;
    assert_eq!(
        newest()["rolloutStateReason"],
        "ECS deployment stopped by user."
    );
    scene
        .until("what is too many has gone", || scene.runs_only("web:1", 2))
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_zone_that_comes_back_gets_its_share_of_a_steady_service() {
    let scene = Scene::start(&["node-1"]).await;
    let zone = |zone: &str| json!({"ecs.availability-zone": zone});
    scene.set_attributes("node-1", zone("a")).await;
    scene.apply(&task_definition("web", "1")).await;
    scene.apply(&service("web", 4)).await;
    scene.until("it is ready", || scene.is_ready("web")).await;
    scene.add_node("node-2").await;
    scene.set_attributes("node-2", zone("b")).await;
    scene
        .until("two have moved", || {
            assert!(
                scene.running_tasks() >= 4,
                "a task was stopped before its replacement ran"
            );
            scene.places("web") == ["node-1", "node-1", "node-2", "node-2"]
        })
        .await;
    assert!(scene.says("web", "is not AZ balanced with 4 tasks in a, 0 tasks in b"));
    assert!(scene.says("web", "running tasks in a due to AZ rebalancing"));
}

#[tokio::test(start_paused = true)]
async fn all_tasks_of_a_revision_run_the_image_of_the_first_until_a_deployment_is_forced() {
    let mut scene = Scene::start(&["node-1", "node-2"]).await;
    scene.push("sha256:first");
    scene.apply(&task_definition("web", "1")).await;
    scene.apply(&service("web", 1)).await;
    scene.until("it is ready", || scene.is_ready("web")).await;
    scene.push("sha256:second");
    let digests = |scene: &Scene| {
        let mut digests: Vec<String> = scene
            .tasks()
            .iter()
            .filter(|task| task["status"]["lastStatus"] == "RUNNING")
            .filter_map(|task| task["status"]["containers"][0]["imageDigest"].as_str())
            .map(ToOwned::to_owned)
            .collect();
        digests.sort();
        digests
    };
    scene.change_leader();
    scene.scale("web", 2).await;
    scene
        .until("both run the first", || {
            digests(&scene) == ["sha256:first", "sha256:first"]
        })
        .await;

    let mut forced = service("web", 2);
    forced["spec"]["extensions"] = json!({"forceNewDeployment": "again"});
    scene.apply(&forced).await;
    scene
        .until("both run the second", || {
            digests(&scene) == ["sha256:second", "sha256:second"] && scene.is_ready("web")
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn under_at_most_once_a_lost_task_is_replaced_when_its_node_is_gone_and_not_before() {
    let scene = Scene::running(&["node-1", "node-2", "node-3"], 3).await;
    scene
        .apply(&json!({
            "apiVersion": "ecs-operator.io/v1alpha1", "kind": "EcsCluster",
            "metadata": {"name": "default"}, "spec": {
                "nodes": {"dockerSocketDirectory": "/var/run"}, "allowedNamespaces": {"all": true},
                "lostAfterSeconds": 60, "disconnectPolicy": "AtMostOnce",
            },
        }))
        .await;
    scene.silence("node-3");
    scene.break_node("node-3").await;
    scene
        .until("it is told to stop", || scene.running_tasks() == 2)
        .await;
    tokio::time::sleep(Duration::from_mins(30)).await;
    assert_eq!(scene.names().len(), 3, "replaced while it may still run");
    scene.api.delete("/api/v1/nodes/node-3").await;
    scene
        .api
        .delete("/api/v1/namespaces/ecs-operator-agents/pods/agent-node-3")
        .await;
    scene
        .until("it is replaced", || {
            scene.places("web").len() == 3 && scene.is_ready("web")
        })
        .await;
}
