//! What would come of manifests, without applying them.

use ecs_operator::cli::manifests;
use ecs_operator::cli::plan::{Planned, plan};
use ecs_operator::testing::api::{Request, Verb};
use serde_json::{Value, json};

use super::{answer, asker, assert_reads, large, masked};
use crate::scene::{Scene, service, task_definition};

async fn planned(scene: &Scene, objects: &[Value]) -> Planned {
    let (client, clock) = asker(scene);
    let list = json!({"kind": "List", "items": objects}).to_string();
    let manifests = manifests::parse(&list, "shop").unwrap();
    plan(&client, clock, manifests).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_manifest_is_played_without_being_applied() {
    let scene = Scene::running(&["node-1", "node-2"], 2).await;
    scene.api.forget();
    let mut web = service("web", 3);
    web["spec"]["deploymentConfiguration"] =
        json!({"minimumHealthyPercent": 66, "maximumPercent": 100});
    let mut tight = service("tight", 1);
    tight["spec"]["deploymentConfiguration"] =
        json!({"minimumHealthyPercent": 100, "maximumPercent": 199});
    let mut job = service("job", 3);
    job["spec"]["taskDefinition"] = "job".into();
    let objects = [
        task_definition("web", "2"),
        large("job"),
        task_definition("tight", "1"),
        web,
        job,
        tight,
        service("nothing", 1),
    ];
    let said = planned(&scene, &objects).await;
    assert_reads(&masked(&said.text), "service shop/web: a new deployment, from web:1 to web:2
        3 tasks at 66/100 percent: keeps 2 healthy, allows 3
        step     time  stop  start  healthy  live
        1       0s     0      1        2     3
        2      30s     1      0        2     3
        3      30s     0      1        2     3
        4    1m00s     1      0        2     3
        5    1m00s     0      1        2     3
        completed after 5 steps and 1m30s: 3 healthy, 3 live

        service shop/job: a first deployment, of job:1
        3 tasks at 100/200 percent: keeps 3 healthy, allows 6
        step     time  stop  start  healthy  live
        1       0s     0      2        0     2  no room for 1
        stuck after 1 step: a task finds no instance. The closest matching (container-instance node-1) has insufficient memory available. Of 2 instances: RESOURCE:MEMORY on 2.

        service shop/tight: a first deployment, of tight:1
        1 task at 100/199 percent: keeps 1 healthy, allows 1
        step     time  stop  start  healthy  live
        1       0s     0      1        0     1
        completed after 1 step and 30s: 1 healthy, 1 live
        PercentsCannotMove: deploymentConfiguration: minimumHealthyPercent/maximumPercent 100/199 of 1 tasks keeps 1 healthy and allows 1, which leaves no room to replace one: use 100/200 to start one first, or 0/199 to stop one first

        service shop/nothing: nothing would be done
        TaskDefinitionNotFound: taskDefinition: there is no TaskDefinition nothing with a registered revision in namespace shop: create it, or see its conditions

        2 of 4 services would complete");
    assert_eq!(said.incomplete, 2);
    let asked = |request: &&Request| request.actor == "asker";
    assert_eq!(scene.api.writes().iter().filter(asked).count(), 0);
}

#[tokio::test(start_paused = true)]
async fn daemons_are_played_instance_by_instance_and_tell_each_one_that_has_no_room() {
    let scene = Scene::start(&["node-1", "node-2", "node-3"]).await;
    let daemon = |name: &str| {
        let mut daemon = service(name, 0);
        daemon["spec"]["schedulingStrategy"] = "DAEMON".into();
        daemon
    };
    let mut log = daemon("log");
    log["spec"]["deploymentConfiguration"] = json!({"minimumHealthyPercent": 66});
    scene.apply(&task_definition("log", "1")).await;
    scene.apply(&log).await;
    scene
        .until("it runs everywhere", || {
            scene.runs_only("log:1", 3) && scene.is_ready("log")
        })
        .await;
    let said = planned(&scene, &[task_definition("log", "2"), log]).await;
    assert_reads(
        &masked(&said.text),
        "service shop/log: a new deployment, from log:1 to log:2
        3 tasks at 66/100 percent: keeps 2 healthy, allows 3
        step     time  stop  start  healthy  live
        1       0s     1      0        2     3
        2       0s     0      1        2     3
        3      30s     1      0        2     3
        4      30s     0      1        2     3
        5    1m00s     1      0        2     3
        6    1m00s     0      1        2     3
        completed after 6 steps and 1m30s: 3 healthy, 3 live

        1 of 1 services would complete",
    );
    let mut huge = large("huge");
    huge["spec"]["containerDefinitions"][0]["memory"] = 1000.into();
    scene.apply(&huge).await;
    scene.apply(&daemon("huge")).await;
    scene
        .until("it finds no room", || {
            scene.condition("huge", "Ready")["reason"] == "UnableToPlaceTask"
        })
        .await;
    let said = answer(&scene, "huge").await;
    let unplaced = said["unplaced"].as_array().unwrap();
    let instances: Vec<&Value> = unplaced.iter().map(|each| &each["instances"]).collect();
    let expected = ["node-1", "node-2", "node-3"].map(|node| json!({node: "RESOURCE:MEMORY"}));
    assert_eq!(instances, expected.iter().collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_rollout_takes_the_steps_that_were_foretold() {
    let mut web = service("web", 3);
    web["spec"]["deploymentConfiguration"] =
        json!({"minimumHealthyPercent": 66, "maximumPercent": 100});
    let scene = Scene::running_as(&["node-1", "node-2"], &task_definition("web", "1"), &web).await;
    let said = planned(&scene, &[task_definition("web", "2"), web]).await;
    assert!(
        said.text.contains("completed after 6 steps"),
        "{}",
        said.text
    );
    scene.api.forget();
    scene.apply(&task_definition("web", "2")).await;
    scene
        .until("the second revision runs alone", || {
            scene.runs_only("web:2", 3) && scene.is_ready("web")
        })
        .await;
    let writes = scene.api.writes();
    let steps: Vec<Verb> = writes
        .iter()
        .filter(|write| write.actor == "controller" && write.resource == "ecstasks")
        .map(|write| write.verb)
        .collect();
    assert_eq!(steps, [Verb::Patch, Verb::Create].repeat(3));
}
