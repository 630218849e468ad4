//! Traffic: who is listed behind a target group's Service, and what comes before the end of a task that was.

use std::collections::BTreeSet;
use std::time::Duration;

use ecs_operator::testing::api::{Fault, Verb};
use serde_json::{Value, json};

use crate::agents::Fate;
use crate::scene::Scene;
use crate::targets::{served, served_definition, target_group};

const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];
const SERVICE: &str = "/api/v1/namespaces/shop/services/web";

/// Service `web` behind the target group of its name.
pub(crate) async fn serving(count: i32) -> Scene {
    let scene = Scene::start(&NODES).await;
    scene.apply(&target_group("web")).await;
    scene.apply(&served_definition("web", "1")).await;
    scene.apply(&served("web", count)).await;
    scene
        .until("the service is ready", || scene.is_ready("web"))
        .await;
    scene
}

fn said(scene: &Scene) -> Vec<String> {
    let events = scene.service("web")["status"]["events"].clone();
    let events = events.as_array().cloned().unwrap_or_default();
    let message = |event: Value| event["message"].as_str().unwrap().to_owned();
    events.into_iter().map(message).collect()
}

/// No slice lists a task that has ended, or of which it was said that none does.
fn nobody_is_listed_in_vain(scene: &Scene) {
    let listed = scene.listed("web");
    for task in scene.tasks() {
        let name = task["metadata"]["name"].as_str().unwrap();
        let ended = task["status"]["lastStatus"] == "STOPPED"
            || !task["status"]["traffic"]["deregisteredAt"].is_null();
        assert!(!(ended && listed.contains(name)), "{task:#}");
    }
}

async fn watched(scene: &Scene, what: &str, holds: impl Fn() -> bool) {
    scene
        .until(what, || {
            nobody_is_listed_in_vain(scene);
            holds()
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_service_is_ready_once_its_tasks_are_listed_behind_the_service_of_its_target_group() {
    let scene = serving(3).await;
    assert_eq!(scene.listed("web"), scene.names());
    let slices = scene.slices("web");
    let ports: BTreeSet<_> = slices
        .iter()
        .map(|slice| slice["ports"][0]["port"].as_i64().unwrap())
        .collect();
    assert_eq!((slices.len(), ports.len()), (1, 1), "{slices:#?}");
    let endpoint = &slices[0]["endpoints"][0];
    assert_eq!(
        endpoint["conditions"],
        json!({"ready": true, "serving": true, "terminating": false})
    );
    assert!(endpoint["nodeName"].as_str().unwrap().starts_with("node-"));
    let front = scene.api.object(SERVICE).unwrap();
    assert_eq!(front["spec"]["selector"], Value::Null);
    assert_eq!(
        front["spec"]["ports"][0]["name"],
        slices[0]["ports"][0]["name"]
    );
    scene
        .until("the target group counts them", || {
            scene.target_group("web")["status"]["targets"]["healthy"] == 3
        })
        .await;
    let events = said(&scene);
    let registered: usize = events
        .iter()
        .filter_map(|event| event.strip_prefix("(service web) registered "))
        .map(|rest| rest.split(' ').next().unwrap().parse::<usize>().unwrap())
        .sum();
    assert_eq!(registered, 3, "{events:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_target_group_that_does_not_exist_is_waited_for() {
    let scene = Scene::start(&NODES).await;
    scene.apply(&served_definition("web", "1")).await;
    scene.apply(&served("web", 1)).await;
    scene
        .until("it says what it waits for", || {
            scene.condition("web", "Ready")["reason"] == "TargetGroupNotFound"
        })
        .await;
    assert!(scene.tasks().is_empty());
    scene.apply(&target_group("web")).await;
    scene
        .until("the service is ready", || scene.is_ready("web"))
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_rolling_update_never_leaves_fewer_endpoints_and_withdraws_before_it_ends() {
    let scene = serving(4).await;
    scene.apply(&served_definition("web", "2")).await;
    watched(&scene, "the new revision runs alone", || {
        let listed = scene.listed("web").len();
        assert!(listed >= 4, "{listed} endpoints are left");
        scene.runs_only("web:2", 4) && scene.is_ready("web")
    })
    .await;
    let ended = scene.tasks();
    let mut ended = ended
        .iter()
        .filter(|task| task["status"]["lastStatus"] == "STOPPED");
    assert!(ended.all(|task| {
        let traffic = &task["status"]["traffic"];
        !traffic["registeredAt"].is_null() && traffic["deregistrationDelaySeconds"] == 20
    }));
}

#[tokio::test(start_paused = true)]
async fn every_way_to_stop_a_task_withdraws_it_first() {
    let scene = serving(3).await;
    let first = scene.names().first().unwrap().clone();
    scene
        .delete(&format!("namespaces/shop/ecstasks/{first}"))
        .await;
    watched(&scene, "a deleted task is replaced", || {
        let listed = scene.listed("web");
        listed.len() == 3 && !listed.contains(&first)
    })
    .await;
    scene.apply(&served("web", 1)).await;
    watched(&scene, "it is scaled in", || scene.running_tasks() == 1).await;
    scene.apply(&served("web", 3)).await;
    watched(&scene, "it is scaled out", || {
        scene.listed("web").len() == 3
    })
    .await;
    scene.cordon("node-1").await;
    watched(&scene, "the node is drained", || {
        let on_it = |task: &&Value| {
            task["spec"]["containerInstance"] == "node-1"
                && task["status"]["lastStatus"] != "STOPPED"
        };
        scene.tasks().iter().filter(on_it).count() == 0 && scene.listed("web").len() == 3
    })
    .await;
    scene.delete_service("web").await;
    watched(&scene, "the service is gone", || {
        scene.find_service("web").is_none() && scene.tasks().is_empty()
    })
    .await;
    assert!(scene.listed("web").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_node_that_breaks_loses_its_endpoints_and_a_silent_agent_does_not() {
    let scene = serving(3).await;
    let on = |node: &str| {
        let tasks = scene.tasks();
        let mine = tasks
            .into_iter()
            .filter(|task| task["spec"]["containerInstance"] == node);
        mine.map(|task| task["metadata"]["name"].as_str().unwrap().to_owned())
            .collect::<BTreeSet<_>>()
    };
    let (silent, broken) = (on("node-1"), on("node-2"));
    scene.silence("node-1");
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert!(scene.listed("web").is_superset(&silent));
    scene.silence("node-2");
    scene.break_node("node-2").await;
    let before = scene.api.now();
    scene
        .until("its endpoints are gone", || {
            scene.listed("web").is_disjoint(&broken)
        })
        .await;
    assert!(scene.api.now().duration_since(before).as_secs() <= 2);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_fails_the_checks_of_its_target_group_is_replaced_in_ecs_words() {
    let scene = serving(2).await;
    scene.fate("web:2", Fate::TargetFails);
    scene.apply(&served_definition("web", "2")).await;
    scene
        .until("one is stopped for it", || {
            scene.tasks().iter().any(|task| {
                task["spec"]["stop"]["reason"]
                    == "Task failed ELB health checks in (target-group web)"
            })
        })
        .await;
    scene
        .until("it is told", || {
            said(&scene).iter().any(|event| {
                event.ends_with(
                    "is unhealthy in (target-group web) due to (reason Health checks failed with these codes: [500])",
                )
            })
        })
        .await;
    let listed = scene.listed("web");
    let good = scene.tasks();
    let mut good = good
        .iter()
        .filter(|task| task["spec"]["taskDefinition"] == "web:1");
    assert!(good.all(|task| listed.contains(task["metadata"]["name"].as_str().unwrap())));
}

#[tokio::test(start_paused = true)]
async fn a_service_of_somebody_else_is_reported_and_left_alone() {
    let scene = Scene::start(&NODES).await;
    let theirs = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"selector": {"app": "theirs"}, "ports": [{"port": 80}]},
    });
    scene.apply(&theirs).await;
    scene.apply(&target_group("web")).await;
    scene
        .until("it is reported", || {
            let conditions = scene.target_group("web")["status"]["conditions"].clone();
            let conditions = conditions.as_array().cloned().unwrap_or_default();
            conditions.iter().any(|condition| {
                condition["type"] == "Stalled" && condition["reason"] == "ServiceNameTaken"
            })
        })
        .await;
    assert_eq!(scene.api.object(SERVICE).unwrap()["spec"], theirs["spec"]);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_changes_of_a_service_or_a_slice_is_made_good() {
    let scene = serving(2).await;
    let mut front = scene.api.object(SERVICE).unwrap();
    front["spec"]["selector"] = json!({"app": "stolen"});
    scene.apply(&front).await;
    let mut slice = scene.slices("web").remove(0);
    slice["endpoints"] = json!([]);
    scene.apply(&slice).await;
    scene
        .until("both are as they were", || {
            scene.api.object(SERVICE).unwrap()["spec"]["selector"].is_null()
                && scene.listed("web").len() == 2
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn answers_that_get_lost_and_a_new_leader_list_nobody_in_vain() {
    let mut scene = serving(4).await;
    for round in 2..6 {
        scene.api.fail(3, Fault::AnswerLost, |request| {
            request.resource == "endpointslices" && request.verb == Verb::Patch
        });
        scene
            .apply(&served_definition("web", &round.to_string()))
            .await;
        tokio::time::sleep(Duration::from_millis(700 * round)).await;
        scene.change_leader();
        let revision = format!("web:{round}");
        watched(&scene, "the new revision runs alone", || {
            assert!(scene.listed("web").len() >= 4);
            scene.runs_only(&revision, 4)
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn names_of_a_service_are_services_that_lead_to_its_tasks_and_go_with_them() {
    let scene = Scene::start(&NODES).await;
    scene.apply(&served_definition("web", "1")).await;
    let mut service = served("web", 2);
    let spec = service["spec"].as_object_mut().unwrap();
    spec.remove("loadBalancers");
    let alias = json!([{"port": 80, "dnsName": "orders"}]);
    spec.insert(
        "serviceConnectConfiguration".into(),
        json!({"enabled": true, "services": [{"portName": "http", "clientAliases": alias}]}),
    );
    spec.insert(
        "serviceRegistries".into(),
        json!([{"registryArn": "tasks", "containerName": "app", "containerPort": 8080}]),
    );
    scene.apply(&service).await;
    scene
        .until("the service is ready", || scene.is_ready("web"))
        .await;
    let front = |name: &str| {
        let path = format!("/api/v1/namespaces/shop/services/{name}");
        scene.api.object(&path)
    };
    assert_eq!(front("orders").unwrap()["spec"]["ports"][0]["port"], 80);
    assert_eq!(front("tasks").unwrap()["spec"]["clusterIP"], "None");
    assert_eq!(
        (scene.listed("orders").len(), scene.listed("tasks").len()),
        (2, 2)
    );
    // Without the alias it is a new deployment; the name goes when the last task that had it does.
    service["spec"]
        .as_object_mut()
        .unwrap()
        .remove("serviceConnectConfiguration");
    scene.apply(&service).await;
    scene
        .until("the name is gone", || {
            front("orders").is_none() && scene.slices("orders").is_empty()
        })
        .await;
    scene
        .until("two are left", || scene.listed("tasks").len() == 2)
        .await;
    scene.delete_service("web").await;
    scene
        .until("nothing is left", || {
            scene.find_service("web").is_none() && front("tasks").is_none()
        })
        .await;
}
