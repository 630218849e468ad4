//! Bad input: refused when it is applied where the schema can tell, otherwise a condition that names the field and the fix;
//! and nobody else notices.

use std::time::Duration;

use ecs_operator::api::conditions::holds;
use ecs_operator::api::task_definition::{TaskDefinition, TaskDefinitionRevision};
use serde_json::{Value, json};

use crate::harness::fixtures::{Fixture, object};
use crate::harness::machine::run;
use crate::harness::{SOON, Scene, beside_others, service};

/// Applies an object that must be refused with a message that says each of `words`.
async fn refused(scene: &Scene, object: &Value, words: &[&str]) {
    let outcome = scene.try_put(object).await;
    let message = outcome.expect_err(&format!(
        "{} was accepted; expected: {words:?}",
        object["spec"]
    ));
    for word in words {
        assert!(message.contains(word), "'{word}' is not in: {message}");
    }
}

/// A task definition that must be refused.
async fn no_definition(scene: &Scene, fixture: Fixture, words: &[&str]) {
    refused(scene, &fixture.definition_object(&scene.namespace), words).await;
}

/// A service that must be refused.
async fn no_service(scene: &Scene, fixture: Fixture, words: &[&str]) {
    refused(scene, &fixture.service_object(&scene.namespace), words).await;
}

#[tokio::test]
async fn a_definition_that_contradicts_itself_is_refused_when_it_is_applied() {
    beside_others("definitions", async |scene| {
        let web = || service("web");
        let small = web().with("memory", json!(5));
        no_definition(scene, small, &["memory", "greater than or equal to 6"]).await;
        let soft = web().with("memoryReservation", json!(64));
        no_definition(scene, soft, &["memory must be greater than memoryReservation"]).await;
        let boundless = web().with("memory", Value::Null);
        no_definition(scene, boundless, &["At least one of 'memory' or 'memoryReservation'"]).await;
        let twins = web().beside(web().definition["containerDefinitions"][0].clone());
        no_definition(scene, twins, &["containerDefinitions", "app"]).await;
        let ports = json!([{"containerPort": 80, "hostPort": 8080}, {"containerPort": 81, "hostPort": 8080}]);
        no_definition(scene, web().with("portMappings", ports), &["hostPort can be used only once"]).await;
        let nonsense = json!([{"containerPort": 80, "hostPort": 70_000}]);
        no_definition(scene, web().with("portMappings", nonsense), &["hostPort", "65535"]).await;
        let idle = web().with("essential", json!(false));
        no_definition(scene, idle, &["at least one container must be essential"]).await;
        let long = web().with("name", json!("a".repeat(10_000)));
        no_definition(scene, long, &["containerDefinitions", "255"]).await;
        let typo = web().with("imagee", json!("x"));
        no_definition(scene, typo, &["imagee"]).await;
        let mut other = web();
        other.definition["family"] = json!("shop");
        no_definition(scene, other, &["family must equal metadata.name"]).await;
        let unsupported = web().with("credentialSpecs", json!(["arn:aws:s3:::bucket/spec.json"]));
        no_definition(scene, unsupported, &["credentialSpecs is not supported yet", "Windows"]).await;
        let many: Vec<Value> = (0..11).map(|number| json!({"name": format!("c{number}")})).collect();
        let mut crowd = web();
        crowd.definition["containerDefinitions"] = many.into();
        no_definition(scene, crowd, &["containerDefinitions", "10"]).await;
    })
    .await;
}

#[tokio::test]
async fn a_service_that_contradicts_itself_is_refused_when_it_is_applied() {
    beside_others("services", async |scene| {
        let web = || service("web");
        no_service(
            scene,
            web().asking("desiredCount", json!(-1)),
            &["desiredCount", "greater than or equal to 0"],
        )
        .await;
        no_service(
            scene,
            web().asking("desiredCount", json!(5001)),
            &["desiredCount", "5000"],
        )
        .await;
        no_service(
            scene,
            web().percents(100, 100),
            &["no task could ever be replaced"],
        )
        .await;
        no_service(
            scene,
            web().asking("desiredcount", json!(3)),
            &["desiredcount"],
        )
        .await;
        let balanced =
            json!([{"loadBalancerName": "web", "containerName": "app", "containerPort": 8080}]);
        no_service(
            scene,
            web().asking("loadBalancers", balanced),
            &["loadBalancerName is not supported yet", "targetGroupArn"],
        )
        .await;
        no_service(scene, service(&"w".repeat(64)), &["63"]).await;
        let long = service(&"w".repeat(10_000));
        assert!(
            scene
                .try_put(&long.service_object(&scene.namespace))
                .await
                .is_err()
        );
        scene.apply(&web()).await;
        no_service(
            scene,
            web().on_cluster("other"),
            &["cluster cannot be changed"],
        )
        .await;
        let spec = json!({"taskDefinition": "web", "containerInstance": "node-1"});
        let task = |spec: &Value| object("EcsTask", &scene.namespace, "one", spec);
        scene.put(&task(&spec)).await;
        let moved = json!({"taskDefinition": "web", "containerInstance": "node-2"});
        refused(
            scene,
            &task(&moved),
            &["containerInstance cannot be changed"],
        )
        .await;
        let other = json!({"taskDefinition": "shop", "containerInstance": "node-1"});
        refused(scene, &task(&other), &["taskDefinition cannot be changed"]).await;
        // What people type, with the client's own validation.
        let file = std::env::temp_dir().join(format!("{}.json", scene.namespace));
        let typo = web()
            .with("memry", json!(1))
            .definition_object(&scene.namespace);
        std::fs::write(&file, typo.to_string()).unwrap();
        let said = run("kubectl", &["apply", "-f", &file.to_string_lossy()]).await;
        std::fs::remove_file(&file).unwrap();
        assert!(said.expect_failure().contains("memry"));
    })
    .await;
}

/// Waits until the definition is Stalled; gives the message.
pub(crate) async fn stalled_definition(scene: &Scene, name: &str) -> String {
    scene
        .eventually(
            "a task definition that says what is wrong",
            SOON,
            async || {
                let found = scene.api::<TaskDefinition>().get(name).await.unwrap();
                let conditions = found.status.unwrap_or_default().conditions;
                let ready = conditions
                    .iter()
                    .find(|condition| condition.type_ == "Ready");
                match ready {
                    Some(ready) if ready.reason == "Invalid" && holds(&conditions, "Stalled") => {
                        Ok(ready.message.clone())
                    }
                    other => Err(format!("{other:?}")),
                }
            },
        )
        .await
}

#[tokio::test]
async fn what_the_schema_cannot_tell_becomes_a_condition_and_others_are_undisturbed() {
    beside_others("conditions", async |scene| {
        scene.apply(&service("steady").desired(3)).await;
        let before = scene.settled("steady", 3).await;

        let mut second =
            service("web").on_port(18081).definition["containerDefinitions"][0].clone();
        second["name"] = json!("second");
        let ports = service("ports").desired(1).on_port(18081).beside(second);
        scene.apply(&ports).await;
        let message = stalled_definition(scene, "ports").await;
        assert!(
            message.contains("containerDefinitions[second].portMappings: host port 18081/tcp"),
            "{message}"
        );
        scene
            .condition("ports", "Ready", ("False", "TaskDefinitionNotFound"))
            .await;

        let mighty = service("mighty").desired(1).with("privileged", json!(true));
        scene.apply(&mighty).await;
        let message = scene
            .condition("mighty", "Ready", ("False", "Forbidden"))
            .await;
        assert!(
            message.contains("containerDefinitions[app].privileged"),
            "{message}"
        );
        assert!(message.contains("securityProfile"), "{message}");
        scene
            .condition("mighty", "Stalled", ("True", "Forbidden"))
            .await;

        let mut greedy = service("greedy").desired(1).with("cpu", json!(512));
        greedy.definition["cpu"] = json!("256");
        scene.apply(&greedy).await;
        let message = stalled_definition(scene, "greedy").await;
        assert!(message.starts_with("cpu: is 256"), "{message}");

        let nowhere = service("nowhere").desired(1).on_cluster("nowhere");
        scene.apply(&nowhere).await;
        let message = scene
            .condition("nowhere", "Ready", ("False", "ClusterNotFound"))
            .await;
        assert!(
            message.contains("there is no EcsCluster nowhere"),
            "{message}"
        );

        for name in ["ports", "mighty", "greedy", "nowhere"] {
            assert_eq!(scene.recorder.ever(&scene.key(name)), 0, "{name}");
        }
        // No hot loop.
        scene.quiet(Duration::from_secs(10)).await;
        assert_eq!(scene.settled("steady", 3).await, before);
    })
    .await;
}

#[tokio::test]
async fn a_service_waits_for_a_revision_that_does_not_exist_yet() {
    beside_others("revisions", async |scene| {
        let web = service("web").desired(1).version("1");
        scene.put(&web.definition_object(&scene.namespace)).await;
        // A second content that comes before the first is registered would be the first.
        let first = scene.api::<TaskDefinitionRevision>();
        scene
            .eventually("the first revision", SOON, async || {
                let found = first.get("web.1").await;
                found.map(drop).map_err(|error| error.to_string())
            })
            .await;
        let pinned = web.clone().asking("taskDefinition", json!("web:2"));
        scene.recorder.bound(&scene.key("web"), 1);
        scene.put(&pinned.service_object(&scene.namespace)).await;
        let ghost = service("ghost").desired(1);
        scene.recorder.bound(&scene.key("ghost"), 1);
        scene.put(&ghost.service_object(&scene.namespace)).await;
        let message = scene
            .condition("web", "Ready", ("False", "TaskDefinitionNotFound"))
            .await;
        assert!(message.contains("web:2"), "{message}");
        let message = scene
            .condition("ghost", "Ready", ("False", "TaskDefinitionNotFound"))
            .await;
        assert!(
            message.contains("there is no TaskDefinition ghost"),
            "{message}"
        );

        scene
            .put(&web.version("2").definition_object(&scene.namespace))
            .await;
        let one = scene.settled("web", 1).await;
        assert_eq!(scene.answer(&one[0]).await["version"], "2");
        scene.put(&ghost.definition_object(&scene.namespace)).await;
        scene.settled("ghost", 1).await;
        assert_eq!(scene.recorder.ever(&scene.key("web")), 1);
    })
    .await;
}
