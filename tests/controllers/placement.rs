//! Constraints and strategies, from what is applied to the instances that the tasks are bound to.

use serde_json::{Value, json};

use crate::scene::{Scene, service, task_definition};

/// Instances of the tasks that run, sorted.
fn instances(scene: &Scene) -> Vec<String> {
    let tasks = scene.tasks();
    let running = tasks
        .iter()
        .filter(|task| task["status"]["lastStatus"] == "RUNNING");
    let mut names: Vec<String> = running
        .map(|task| {
            let name = task["spec"]["containerInstance"].as_str();
            name.unwrap().to_owned()
        })
        .collect();
    names.sort();
    names
}

fn says(condition: &Value, reason: &str, text: &str) -> bool {
    condition["reason"] == reason
        && condition["message"]
            .as_str()
            .is_some_and(|message| message.contains(text))
}

#[tokio::test(start_paused = true)]
async fn a_service_runs_only_on_distinct_instances_that_are_members() {
    let scene = Scene::start(&["node-1", "node-2", "node-3", "node-4"]).await;
    for node in ["node-2", "node-3"] {
        scene.set_attributes(node, json!({"disk": "fast"})).await;
    }
    scene
        .set_attributes("node-4", json!({"disk": "slow"}))
        .await;
    scene.apply(&task_definition("web", "1")).await;
    let mut web = service("web", 3);
    web["spec"]["placementConstraints"] = json!([
        {"type": "distinctInstance"},
        {"type": "memberOf", "expression": "attribute:disk == fast"},
    ]);
    scene.apply(&web).await;
    scene
        .until("two run and the third is explained", || {
            let ready = scene.condition("web", "Ready");
            instances(&scene) == ["node-2", "node-3"]
                && says(
                    &ready,
                    "UnableToPlaceTask",
                    "DistinctInstance on 2, MemberOf on 2",
                )
        })
        .await;
    scene
        .set_attributes("node-1", json!({"disk": "fast"}))
        .await;
    scene
        .until(
            "the third runs on the instance that became a member",
            || instances(&scene) == ["node-1", "node-2", "node-3"] && scene.is_ready("web"),
        )
        .await;
}

#[tokio::test(start_paused = true)]
async fn tasks_are_packed_where_the_service_asks_for_it() {
    let scene = Scene::start(&["node-1", "node-2", "node-3"]).await;
    scene.apply(&task_definition("web", "1")).await;
    let mut web = service("web", 4);
    web["spec"]["placementStrategy"] = json!([{"type": "binpack", "field": "MEMORY"}]);
    scene.apply(&web).await;
    scene
        .until("the service is ready", || scene.is_ready("web"))
        .await;
    assert_eq!(instances(&scene), ["node-1"; 4]);
}

#[tokio::test(start_paused = true)]
async fn an_expression_that_cannot_be_read_is_told_with_its_place_and_mended_by_an_edit() {
    let scene = Scene::start(&["node-1"]).await;
    scene.apply(&task_definition("web", "1")).await;
    let mut web = service("web", 1);
    web["spec"]["placementConstraints"] =
        json!([{"type": "memberOf", "expression": "attribute:disk = fast"}]);
    scene.apply(&web).await;
    scene
        .until("the service says where the mistake is", || {
            let stalled = scene.condition("web", "Stalled");
            stalled["status"] == "True"
                && says(
                    &stalled,
                    "Invalid",
                    "placementConstraints[0].expression: at character 16: expected an operator, found '='",
                )
        })
        .await;
    web["spec"]["placementConstraints"][0]["expression"] = "attribute:disk !exists".into();
    scene.apply(&web).await;
    scene
        .until("the service is ready", || scene.is_ready("web"))
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_one_off_task_finds_its_instance_or_fails_with_the_reason() {
    let scene = Scene::start(&["node-1", "node-2"]).await;
    scene
        .set_attributes("node-2", json!({"disk": "fast"}))
        .await;
    let mut definition = task_definition("web", "1");
    definition["spec"]["placementConstraints"] =
        json!([{"type": "memberOf", "expression": "attribute:disk exists"}]);
    scene.apply(&definition).await;
    let task = |name: &str, constraints: Value| {
        json!({
            "apiVersion": "ecs-operator.io/v1alpha1", "kind": "EcsTask",
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {
                "taskDefinition": "web", "placementConstraints": constraints,
                "placementStrategy": [{"type": "random"}],
            },
        })
    };
    let distinct = json!([{"type": "distinctInstance"}]);
    scene
        .until("the instances are heard", || {
            let control = &scene.instance("node-2")["status"]["control"];
            control["conditions"][0]["status"] == "True"
        })
        .await;
    scene.apply(&task("first", distinct.clone())).await;
    scene
        .until("it runs on the only member", || {
            instances(&scene) == ["node-2"]
        })
        .await;
    scene.apply(&task("second", distinct)).await;
    let reason = || {
        let tasks = scene.tasks();
        let second = tasks
            .iter()
            .find(|task| task["metadata"]["name"] == "second");
        second.map_or(Value::Null, |task| task["status"]["stoppedReason"].clone())
    };
    scene
        .until("the second of its family finds none", || {
            reason().as_str().is_some_and(|reason| {
                reason.contains("DistinctInstance placement constraint unsatisfied.")
            })
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn services_of_one_spread_group_are_spread_as_if_they_were_one() {
    let scene = Scene::start(&["node-1", "node-2", "node-3"]).await;
    // Ballast everywhere but on the first, so that each service alone would go there.
    for node in ["node-2", "node-3"] {
        scene.set_attributes(node, json!({"ballast": "yes"})).await;
    }
    scene.apply(&task_definition("ballast", "1")).await;
    let mut ballast = service("ballast", 6);
    ballast["spec"]["placementConstraints"] =
        json!([{"type": "memberOf", "expression": "attribute:ballast exists"}]);
    scene.apply(&ballast).await;
    scene
        .until("the ballast is there", || scene.is_ready("ballast"))
        .await;
    let places = async |together: bool| {
        let mut places = Vec::new();
        for name in ["web", "api", "shop"] {
            let name = format!("{name}-{together}");
            scene.apply(&task_definition(&name, "1")).await;
            let mut one = service(&name, 1);
            if together {
                one["spec"]["extensions"] = json!({"spreadGroup": "front"});
            }
            scene.apply(&one).await;
            scene.until("it runs", || scene.is_ready(&name)).await;
            places.extend(scene.places(&name));
        }
        places.sort();
        places
    };
    assert_eq!(places(false).await, ["node-1", "node-1", "node-1"]);
    assert_eq!(places(true).await, ["node-1", "node-2", "node-3"]);
}

#[tokio::test(start_paused = true)]
async fn an_instance_has_no_more_tasks_of_a_service_than_the_service_allows() {
    let scene = Scene::start(&["node-1", "node-2"]).await;
    scene.apply(&task_definition("web", "1")).await;
    let mut web = service("web", 5);
    web["spec"]["extensions"] = json!({"maximumTasksPerInstance": 2});
    scene.apply(&web).await;
    scene
        .until("four run and the fifth is explained", || {
            let ready = scene.condition("web", "Ready");
            instances(&scene) == ["node-1", "node-1", "node-2", "node-2"]
                && says(&ready, "UnableToPlaceTask", "MaximumTasksPerInstance on 2")
        })
        .await;
    scene.add_node("node-3").await;
    scene
        .until("the fifth runs on the third", || {
            instances(&scene) == ["node-1", "node-1", "node-2", "node-2", "node-3"]
        })
        .await;
}
