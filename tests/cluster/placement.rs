//! What cannot be placed says why and starts when it can; what has the same name elsewhere is somebody else's.

use std::collections::BTreeSet;

use ecs_operator::api::conditions::{READY, get};
use ecs_operator::api::task::EcsTask;
use serde_json::{Value, json};

use crate::harness::engine::Listed;
use crate::harness::fixtures::object;
use crate::harness::machine::kubectl;
use crate::harness::{SOON, Scene, beside_others, on_the_cluster, service};

/// Waits for the service's event about a task that found no instance.
async fn unplaced(scene: &Scene, name: &str) -> String {
    scene
        .eventually(
            "the event of a task that cannot be placed",
            SOON,
            async || {
                let events = scene.events(name).await?;
                let mut said = events
                    .iter()
                    .filter(|event| event.contains("was unable to place a task"));
                said.next().cloned().ok_or_else(|| format!("{events:?}"))
            },
        )
        .await
}

#[tokio::test]
async fn a_task_that_cannot_be_placed_says_why_and_starts_when_there_is_room() {
    on_the_cluster("room", async |scene| {
        let first = service("first").desired(3).on_port(18080);
        scene.apply(&first).await;
        scene.settled("first", 3).await;
        let second = service("second").desired(1).on_port(18080);
        scene.apply(&second).await;
        let event = unplaced(scene, "second").await;
        assert!(event.starts_with("(service second) was unable to place a task because no container instance met all of its requirements."), "{event}");
        assert!(event.contains("The closest matching (container-instance node-1) is already using a port required by your task."), "{event}");
        assert!(event.contains("RESOURCE:PORTS on 3"), "{event}");
        scene.condition("second", "Ready", ("False", "UnableToPlaceTask")).await;
        scene.delete("ecsservice", "first").await;
        scene.settled("second", 1).await;
        scene.gone("first").await;
    })
    .await;
}

#[tokio::test]
async fn a_task_that_is_too_large_names_the_resource_that_lacks() {
    beside_others("large", async |scene| {
        let memory = service("memory")
            .desired(1)
            .with("memory", json!(10_000_000));
        scene.apply(&memory).await;
        let cpu = service("cpu").desired(1).with("cpu", json!(200_000));
        scene.apply(&cpu).await;
        let event = unplaced(scene, "memory").await;
        assert!(
            event.contains("has insufficient memory available"),
            "{event}"
        );
        assert!(event.contains("RESOURCE:MEMORY on 3"), "{event}");
        let event = unplaced(scene, "cpu").await;
        assert!(
            event.contains("has insufficient CPU units available"),
            "{event}"
        );
        assert!(event.contains("RESOURCE:CPU on 3"), "{event}");
        assert_eq!(scene.recorder.ever(&scene.key("memory")), 0);
    })
    .await;
}

/// The nodes on which containers of a service run.
async fn nodes_of(scene: &Scene, service: &str) -> Result<BTreeSet<String>, String> {
    let containers = scene.containers(service).await?;
    let running = containers.into_iter().filter(Listed::is_running);
    Ok(running.map(|container| container.node).collect())
}

/// Waits until a task that a person made is bound, and gives the instance.
async fn bound(scene: &Scene, name: &str, spec: &Value) -> String {
    scene
        .put(&object("EcsTask", &scene.namespace, name, spec))
        .await;
    scene
        .eventually("the task's instance", SOON, async || {
            let task = scene.api::<EcsTask>().get(name).await.unwrap();
            let instance = task.spec.container_instance.as_ref();
            let instance = instance.map(ToString::to_string);
            instance.ok_or_else(|| format!("{:?}", task.status))
        })
        .await
}

#[tokio::test]
async fn constraints_and_strategies_decide_where_tasks_run() {
    on_the_cluster("rules", async |scene| {
        for node in ["node-2", "node-3"] {
            scene.set_attributes(node, &json!({"disk": "fast"})).await;
        }
        let constraints = json!([
            {"type": "distinctInstance"},
            {"type": "memberOf", "expression": "attribute:disk == fast"},
        ]);
        let mut web = service("web")
            .desired(3)
            .asking("placementConstraints", constraints);
        web.definition["placementConstraints"] =
            json!([{"type": "memberOf", "expression": "attribute:ecs.os-type == linux"}]);
        scene.apply(&web).await;
        scene
            .eventually("two tasks and why there is no third", SOON, async || {
                let status = scene.service("web").await?.status.unwrap_or_default();
                let ready = get(&status.conditions, READY).ok_or("no condition")?;
                let nodes = nodes_of(scene, "web").await?;
                let explained = ready.message.contains(
                    "encountered error \"DistinctInstance placement constraint unsatisfied.\"",
                ) && ready.message.contains("DistinctInstance on 2, MemberOf on 1");
                if explained && nodes == ["node-2".to_owned(), "node-3".to_owned()].into() {
                    Ok(())
                } else {
                    Err(format!("on {nodes:?}: {}", ready.message))
                }
            })
            .await;
        scene
            .set_attributes("node-1", &json!({"disk": "fast"}))
            .await;
        scene.settled("web", 3).await;
        assert_eq!(nodes_of(scene, "web").await.unwrap().len(), 3);

        let packing = json!([{"type": "binpack", "field": "memory"}]);
        let packed = service("packed")
            .desired(3)
            .asking("placementStrategy", packing);
        scene.apply(&packed).await;
        scene.settled("packed", 3).await;
        assert_eq!(nodes_of(scene, "packed").await.unwrap().len(), 1);

        let once = service("once");
        scene.recorder.bound(&scene.key("once"), 1);
        scene.put(&once.definition_object(&scene.namespace)).await;
        let mut task = json!({
            "taskDefinition": "once",
            "placementConstraints": [{"type": "memberOf", "expression": "ec2InstanceId in ['node-3']"}],
            "placementStrategy": [{"type": "random"}],
        });
        assert_eq!(bound(scene, "once-1", &task).await, "node-3");

        task["containerInstance"] = json!("node-1");
        let started = object("EcsTask", &scene.namespace, "once-2", &task);
        let refusal = scene.try_put(&started).await.unwrap_err();
        assert!(refusal.contains("as StartTask does"), "{refusal}");
        let aimless = service("web").asking("placementStrategy", json!([{"type": "spread"}]));
        let refusal = scene.try_put(&aimless.service_object(&scene.namespace)).await.unwrap_err();
        assert!(refusal.contains("spread has the field instanceId"), "{refusal}");
        let mistaken = json!([{"type": "memberOf", "expression": "attribute:disk = fast"}]);
        scene.apply(&service("web").desired(3).asking("placementConstraints", mistaken)).await;
        let message = scene.condition("web", "Stalled", ("True", "Invalid")).await;
        assert!(
            message.starts_with("placementConstraints[0].expression: at character 16: expected an operator, found '='"),
            "{message}"
        );
        assert_eq!(nodes_of(scene, "web").await.unwrap().len(), 3, "what runs stays");
    })
    .await;
}

#[tokio::test]
async fn two_services_of_one_name_in_two_namespaces_never_meet() {
    beside_others("twins", async |scene| {
        let other = format!("{}-other", scene.namespace);
        scene.make_namespace(&other).await;
        let web = service("web").desired(3).version("here");
        scene.apply(&web).await;
        let twin = service("web").desired(3).version("there");
        scene.put(&twin.definition_object(&other)).await;
        scene.put(&twin.service_object(&other)).await;
        let here = scene.settled("web", 3).await;
        for running in &here {
            assert_eq!(scene.answer(running).await["version"], "here");
        }
        let label = format!("cluster-test/service={other}/web");
        let there = async || {
            let mut found = Vec::new();
            for engine in scene.machine.engines() {
                found.extend(engine.list(&label).await?);
            }
            Ok::<_, String>(found)
        };
        scene
            .eventually("three tasks of the other service", SOON, async || {
                let found = there().await?;
                if found.len() == 3 {
                    Ok(())
                } else {
                    Err(format!("{found:?}"))
                }
            })
            .await;
        // Each spreads over the nodes as if it were alone.
        let nodes = |names: Vec<String>| names.into_iter().collect::<BTreeSet<String>>().len();
        assert_eq!(
            nodes(here.iter().map(|running| running.node.clone()).collect()),
            3
        );
        let found = there().await.unwrap();
        assert_eq!(
            nodes(found.into_iter().map(|container| container.node).collect()),
            3
        );
        kubectl(&["delete", "namespace", &other]).await.expect();
        assert_eq!(there().await.unwrap(), []);
        assert_eq!(scene.settled("web", 3).await, here);
    })
    .await;
}

#[tokio::test]
async fn a_namespace_that_the_cluster_does_not_allow_gets_no_task() {
    beside_others("banned", async |scene| {
        use crate::harness::fixtures::cluster_object;
        let spec = json!({"allowedNamespaces": {"names": ["somebody-elses"]}});
        let name = format!("{}-private", scene.namespace);
        scene.put(&cluster_object("EcsCluster", &name, &spec)).await;
        let web = service("web").desired(1).on_cluster(&name);
        scene.apply(&web).await;
        let message = scene
            .condition("web", "Ready", ("False", "NamespaceNotAllowed"))
            .await;
        assert!(message.contains("allowedNamespaces"), "{message}");
        let task = object(
            "EcsTask",
            &scene.namespace,
            "one",
            &json!({"taskDefinition": "web", "cluster": name}),
        );
        scene.put(&task).await;
        scene
            .eventually("a task that failed to start", SOON, async || {
                let api = scene.api::<EcsTask>();
                let status = api.get("one").await.unwrap().status.unwrap_or_default();
                let reason = status.stopped_reason.clone().unwrap_or_default();
                if reason.contains("does not allow the namespace") {
                    Ok(())
                } else {
                    Err(format!("{status:?}"))
                }
            })
            .await;
        assert_eq!(scene.recorder.ever(&scene.key("web")), 0);
    })
    .await;
}
