//! Containers of a task in order, started again by their policy, and behind one address.

use serde_json::json;

use crate::harness::engine::{CONTAINER, TASK_UID, WORKLOAD};
use crate::harness::fixtures::object;
use crate::harness::machine::kubectl;
use crate::harness::single::{becomes, seen, task};
use crate::harness::{SOON, beside_all_others, beside_others, service};

/// Name of the container that holds what a task's containers share.
const PAUSE: &str = "~internal~ecs~pause";

#[tokio::test]
async fn containers_start_when_what_they_wait_for_is_done_and_stop_in_the_reverse_order() {
    beside_others("ordered", async |scene| {
        let after = |name: &str, condition: &str| json!([{"containerName": name, "condition": condition}]);
        let shop = service("shop")
            .checked()
            .with("dependsOn", after("migrate", "SUCCESS"))
            .beside(json!({
                "name": "migrate", "image": WORKLOAD, "memory": 32, "essential": false, "startTimeout": 60,
                "environment": [{"name": "EXIT_AFTER_MILLISECONDS", "value": "1500"}],
            }))
            .beside(json!({
                "name": "proxy", "image": WORKLOAD, "memory": 32,
                "dependsOn": after("app", "HEALTHY"),
            }));
        scene.put(&shop.definition_object(&scene.namespace)).await;
        let spec = json!({"taskDefinition": "shop"});
        scene.put(&object("EcsTask", &scene.namespace, "one", &spec)).await;
        let running = becomes(scene, "one", "/lastStatus", json!("RUNNING")).await;
        let containers = seen(scene, &running).await.unwrap();
        let (migrate, app, proxy) = (&containers["migrate"], &containers["app"], &containers["proxy"]);
        assert!(migrate.finished.unwrap() <= app.created, "{containers:?}");
        assert!(app.started.unwrap() < proxy.created, "{containers:?}");

        let patch = r#"{"spec":{"stop":{"code":"UserInitiated","reason":"enough"}}}"#;
        let namespace = scene.namespace.as_str();
        kubectl(&["patch", "ecstask", "one", "-n", namespace, "--type=merge", "-p", patch])
            .await
            .expect();
        let stopped = becomes(scene, "one", "/lastStatus", json!("STOPPED")).await;
        let containers = seen(scene, &stopped).await.unwrap();
        let finished = |name: &str| containers[name].finished.unwrap();
        assert!(finished("proxy") <= finished("app"), "{containers:?}");
    })
    .await;
}

#[tokio::test]
async fn what_waits_for_a_container_that_fails_never_runs_and_says_why() {
    beside_others("unresolved", async |scene| {
        let shop = service("shop")
            .with(
                "dependsOn",
                json!([{"containerName": "migrate", "condition": "SUCCESS"}]),
            )
            .beside(json!({
                "name": "migrate", "image": WORKLOAD, "memory": 32, "essential": false,
                "environment": [
                    {"name": "EXIT_AFTER_MILLISECONDS", "value": "200"},
                    {"name": "EXIT_CODE", "value": "9"},
                ],
            }));
        scene.put(&shop.definition_object(&scene.namespace)).await;
        let spec = json!({"taskDefinition": "shop"});
        scene
            .put(&object("EcsTask", &scene.namespace, "one", &spec))
            .await;
        let stopped = becomes(scene, "one", "/lastStatus", json!("STOPPED")).await;
        let containers = seen(scene, &stopped).await.unwrap();
        assert_eq!(containers.keys().collect::<Vec<_>>(), ["migrate"]);
        let status = serde_json::to_value(&stopped.status).unwrap();
        assert_eq!(status["stopCode"], "TaskFailedToStart", "{status}");
        let reason = status["containers"][0]["reason"]
            .as_str()
            .unwrap_or_default();
        assert!(
            reason.starts_with("TaskDependencyError: Task dependencies cannot be resolved")
                && reason.ends_with("which ended with exit code 9"),
            "{status}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_container_that_ran_for_a_minute_is_started_again_and_stays_the_same() {
    beside_all_others("restarted", async |scene| {
        let web = service("web")
            .env("EXIT_AFTER_MILLISECONDS", "61000")
            .env("EXIT_CODE", "3")
            .with(
                "restartPolicy",
                json!({"enabled": true, "restartAttemptPeriod": 60}),
            );
        scene.put(&web.definition_object(&scene.namespace)).await;
        let spec = json!({"taskDefinition": "web"});
        scene
            .put(&object("EcsTask", &scene.namespace, "one", &spec))
            .await;
        let running = becomes(scene, "one", "/lastStatus", json!("RUNNING")).await;
        let first = seen(scene, &running).await.unwrap().remove("app").unwrap();
        let again = becomes(scene, "one", "/containers/0/restartCount", json!(1)).await;
        let second = seen(scene, &again).await.unwrap().remove("app").unwrap();
        assert_eq!((first.created, &first.name), (second.created, &second.name));
        assert!(
            second.running && second.started > first.started,
            "{second:?}"
        );
        let status = serde_json::to_value(&again.status).unwrap();
        assert_eq!(status["lastStatus"], "RUNNING", "{status}");
    })
    .await;
}

#[tokio::test]
async fn containers_of_an_awsvpc_task_share_localhost_and_end_with_their_pause_container() {
    beside_others("awsvpc", async |scene| {
        let mut web = service("web").desired(1).checked().beside(json!({
            "name": "neighbour", "image": WORKLOAD, "memory": 32, "essential": false,
            "entryPoint": ["/ecs-operator-workload", "health"],
            "dependsOn": [{"containerName": "app", "condition": "HEALTHY"}],
        }));
        web.definition["networkMode"] = json!("awsvpc");
        web.definition["pidMode"] = json!("task");
        let web = web.with(
            "portMappings",
            json!([{"containerPort": 8080, "hostPort": 8080}]),
        );
        scene.apply(&web).await;
        let one = scene.settled("web", 1).await;
        // Through the port that the agent has published on the pause container.
        scene.answer(&one[0]).await;
        let task = task(scene, &one[0].task).await.unwrap();
        let status = serde_json::to_value(&task.status).unwrap();
        let containers = status["containers"].as_array().unwrap();
        assert_eq!(
            containers.len(),
            2,
            "the pause container is not shown: {status}"
        );
        let of = |name: &str| {
            let mut all = containers.iter();
            all.find(|container| container["name"] == name).unwrap()
        };
        assert_eq!(
            of("neighbour")["exitCode"],
            0,
            "it reached the application: {status}"
        );
        let address = &of("app")["networkInterfaces"][0]["privateIpv4Address"];
        assert!(address.is_string(), "{status}");

        let uid = task.metadata.uid.clone().unwrap();
        let engine = scene.engine(&one[0].node);
        let all = engine.list(&format!("{TASK_UID}={uid}")).await.unwrap();
        let pause = all.iter().find(|it| it.label(CONTAINER) == PAUSE).unwrap();
        assert!(pause.image.starts_with("ecs-operator-pause:"), "{pause:?}");
        engine.kill(&pause.id).await;
        scene
            .eventually("another task", SOON, async || {
                let other = scene.try_settled("web", 1).await?;
                if other == one {
                    Err("still the old one".to_owned())
                } else {
                    Ok(())
                }
            })
            .await;
    })
    .await;
}
