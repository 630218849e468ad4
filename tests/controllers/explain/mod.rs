//! What people ask about services and tasks, answered from one list of each kind while the real controllers run.

mod plan;
mod status;

use std::time::Duration;

use ecs_operator::cli::explain::{Output, explain};
use ecs_operator::cli::protect::protect;
use ecs_operator::platform::clock::Clock;
use ecs_operator::testing::api::Fault;
use kube::Client;
use regex::Regex;
use serde_json::{Value, json};

use crate::agents::Fate;
use crate::scene::{Scene, one_off_task, service, task_definition};

/// A person's client, whose requests are told from the controller's.
fn asker(scene: &Scene) -> (Client, Clock) {
    let clock = Clock::starting_at(scene.api.now());
    (scene.api.client_of("asker"), clock)
}

async fn explained(scene: &Scene, name: &str) -> String {
    let (client, clock) = asker(scene);
    let text = explain(&client, clock, "shop", name, Output::Text).await;
    masked(&text.unwrap())
}

async fn answer(scene: &Scene, name: &str) -> Value {
    let (client, clock) = asker(scene);
    let text = explain(&client, clock, "shop", name, Output::Json).await;
    serde_json::from_str(&text.unwrap()).unwrap()
}

/// Without what differs from run to run: UIDs and times.
fn masked(text: &str) -> String {
    let mut text = text.to_owned();
    for (pattern, word) in [
        (r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "TIME"),
        (r"ecs-svc/\d{19}", "ecs-svc/ID"),
        (r"-[0-9a-f]{8}-(\d+-\d+)", "-UID-$1"),
    ] {
        text = Regex::new(pattern)
            .unwrap()
            .replace_all(&text, word)
            .into_owned();
    }
    text
}

fn assert_reads(found: &str, expected: &str) {
    let expected: Vec<&str> = expected.lines().map(str::trim).collect();
    let found: Vec<&str> = found.lines().map(str::trim).collect();
    assert_eq!(found, expected, "\n{}", found.join("\n"));
}

/// A definition of which one task fills a node.
fn large(name: &str) -> Value {
    let mut large = task_definition(name, "1");
    large["spec"]["containerDefinitions"][0]["memory"] = 800.into();
    large
}

#[tokio::test(start_paused = true)]
async fn a_task_that_finds_no_instance_is_explained_instance_by_instance() {
    let scene = Scene::start(&["node-1", "node-2"]).await;
    scene
        .set_attributes("node-2", json!({"disk": "slow"}))
        .await;
    scene.apply(&large("web")).await;
    let mut web = service("web", 3);
    web["spec"]["placementConstraints"] =
        json!([{"type": "memberOf", "expression": "attribute:disk !exists"}]);
    scene.apply(&web).await;
    scene
        .until("one runs", || {
            scene.runs_only("web:1", 1)
                && scene.condition("web", "Ready")["reason"] == "UnableToPlaceTask"
        })
        .await;
    let said = explained(&scene, "web").await;
    assert_reads(&said, "service shop/web in cluster default
        UnableToPlaceTask: a task cannot be placed: no container instance met all of its requirements. The closest matching (container-instance node-2) encountered error \"MemberOf placement constraint unsatisfied.\". Of 2 instances: MemberOf on 1, RESOURCE:MEMORY on 1.
        tasks      1 of 3 run, 0 are starting, 1 count as healthy
        bounds     100/200 percent: keeps 3 healthy, allows 6
        breaker    0 of 3 failed tasks; off: tasks that fail are tried again, ever more slowly
        deployments
        ecs-svc/ID PRIMARY IN_PROGRESS web:1: 1 of 3 run, 0 are starting, 0 failed
        waits for an instance with room
        next pass
        stops and starts nothing
        looks again at the next change, or at TIME
        no instance for 2 tasks, first web-UID-1-1
        The closest matching (container-instance node-2) encountered error \"MemberOf placement constraint unsatisfied.\". Of 2 instances: MemberOf on 1, RESOURCE:MEMORY on 1.
        node-1  RESOURCE:MEMORY
        node-2  MemberOf  closest");
    // The controller says the same in the service's condition.
    let ready = scene.condition("web", "Ready")["message"].clone();
    assert_eq!(answer(&scene, "web").await["message"], ready);
}

#[tokio::test(start_paused = true)]
async fn what_is_said_of_the_next_pass_is_what_the_controller_then_does() {
    let scene = Scene::running(&["node-1", "node-2", "node-3"], 2).await;
    scene.api.isolate("controller");
    scene.scale("web", 5).await;
    let said = answer(&scene, "web").await;
    scene.api.heal("controller");
    scene
        .until("five run", || scene.runs_only("web:1", 5))
        .await;
    let starts = said["starts"].as_array().unwrap();
    assert_eq!(starts.len(), 3);
    for start in starts {
        let task = scene.task(start["task"].as_str().unwrap());
        assert_eq!(task["spec"]["containerInstance"], start["instance"]);
    }
    scene.api.isolate("controller");
    scene.scale("web", 1).await;
    let said = answer(&scene, "web").await;
    scene.api.heal("controller");
    scene
        .until("one runs", || scene.runs_only("web:1", 1))
        .await;
    let stops = said["stops"].as_array().unwrap();
    assert_eq!(stops.len(), 4);
    for stop in stops {
        let task = scene.task(stop["task"].as_str().unwrap());
        assert_eq!(task["spec"]["stop"]["reason"], stop["reason"]);
        assert_eq!(stop["cause"], "ScaleIn");
    }
}

#[tokio::test(start_paused = true)]
async fn failed_tasks_are_told_with_who_decided_it_and_what_the_breaker_makes_of_them() {
    let scene = Scene::running(&["node-1"], 1).await;
    scene.fate("web:2", Fate::FailsToStart);
    let mut web = service("web", 1);
    web["spec"]["deploymentConfiguration"] =
        json!({"deploymentCircuitBreaker": {"enable": true, "rollback": true}});
    scene.apply(&web).await;
    scene.apply(&task_definition("web", "2")).await;
    scene
        .until("two failed", || {
            scene.service("web")["status"]["deployments"][0]["failedTasks"] == 2
        })
        .await;
    assert_reads(&explained(&scene, "web").await, "service shop/web in cluster default
        DeploymentInProgress: 1 of 1 tasks run, 0 are starting; waits for 1 task of older deployments to be replaced, the end of the pause after failed starts
        tasks      1 of 1 run, 0 are starting, 1 count as healthy
        bounds     100/200 percent: keeps 1 healthy, allows 2
        breaker    2 of 3 failed tasks; trips after 1 more task that fails: the deployment is then FAILED, and rolled back to web:1
        throttle   nothing is started before TIME
        deployments
        ecs-svc/ID PRIMARY IN_PROGRESS web:2: 0 of 1 run, 0 are starting, 2 failed
        waits for 1 task of older deployments to be replaced, the end of the pause after failed starts
        ecs-svc/ID ACTIVE COMPLETED web:1: 1 of 1 run, 0 are starting, 0 failed
        next pass
        stops and starts nothing
        looks again at the next change, or at TIME
        stopped lately
        web-UID-0-2 (web:2) on node-1 at TIME, decided by its instance, which could not start it
        TaskFailedToStart: Task failed to start
        web-UID-0-1 (web:2) on node-1 at TIME, decided by its instance, which could not start it
        TaskFailedToStart: Task failed to start");
}

#[tokio::test(start_paused = true)]
async fn protected_tasks_and_drains_are_told() {
    let scene = Scene::running(&["node-1", "node-2"], 2).await;
    let (client, clock) = asker(&scene);
    let kept = scene
        .tasks()
        .iter()
        .find(|task| task["spec"]["containerInstance"] == "node-1")
        .unwrap()["metadata"]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    let said = protect(&client, clock, "shop", &kept, Some(60))
        .await
        .unwrap();
    assert_eq!(masked(&said), "web-UID-0-1 is protected until TIME");
    scene.api.isolate("controller");
    scene.cordon("node-2").await;
    scene.scale("web", 0).await;
    assert_reads(&explained(&scene, "web").await, "service shop/web in cluster default
        DeploymentInProgress: 2 of 0 tasks run, 0 are starting; waits for 1 task to end, the protection of 1 task to end
        tasks      2 of 0 run, 0 are starting, 2 count as healthy
        bounds     100/200 percent: keeps 0 healthy, allows 0
        breaker    0 of 3 failed tasks; off: tasks that fail are tried again, ever more slowly
        deployments
        ecs-svc/ID PRIMARY COMPLETED web:1: 2 of 0 run, 0 are starting, 0 failed
        next pass
        stops web-UID-1-1 on node-2: Replaced (Scaling activity initiated by (deployment ecs-svc/ID))
        looks again at the next change, or at TIME
        protected
        web-UID-0-1 until TIME
        draining
        web-UID-1-1 on node-2");
    assert_reads(
        &explained(&scene, &format!("task/{kept}")).await,
        "task shop/web-UID-0-1, web:1: RUNNING
        service    web
        instance   node-1
        protected  until TIME",
    );
    scene.api.heal("controller");
    scene
        .until("the other one has ended", || scene.running_tasks() == 1)
        .await;
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!(scene.task(&kept)["spec"]["stop"], Value::Null);
    let (client, clock) = asker(&scene);
    protect(&client, clock, "shop", &kept, None).await.unwrap();
    scene
        .until("it has ended too", || scene.running_tasks() == 0)
        .await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_protected_is_refused_with_the_reason() {
    let scene = Scene::running(&["node-1"], 1).await;
    scene.apply(&one_off_task("once", "web", &json!([]))).await;
    let (client, clock) = asker(&scene);
    let refused = async |task: &str| {
        let refused = protect(&client, clock, "shop", task, Some(60)).await;
        refused.unwrap_err().to_string()
    };
    assert_eq!(
        refused("once").await,
        "TASK_NOT_VALID: once belongs to no service, so that neither scale-in nor a deployment stops it"
    );
    assert_eq!(
        refused("gone").await,
        "there is no EcsTask gone in namespace shop: kubectl --namespace shop get ecstasks shows those that are there"
    );
}

#[tokio::test(start_paused = true)]
async fn a_one_off_task_that_could_not_be_placed_is_explained() {
    let scene = Scene::running(&["node-1"], 1).await;
    scene.apply(&large("job")).await;
    let twice = json!([{"name": "app", "memory": 2000}]);
    scene.apply(&one_off_task("report", "job", &twice)).await;
    scene
        .until("it has failed", || {
            scene.task("report")["status"]["stopCode"] == "TaskFailedToStart"
        })
        .await;
    assert_reads(&explained(&scene, "task/report").await, "task shop/report, job: STOPPED
        stopped
        report (job) at TIME, decided by the placement, which found no instance for it
        TaskFailedToStart: The closest matching (container-instance node-1) has insufficient memory available. Of 1 instances: RESOURCE:MEMORY on 1.
        placed now it would find no instance
        The closest matching (container-instance node-1) has insufficient memory available. Of 1 instances: RESOURCE:MEMORY on 1.
        node-1  RESOURCE:MEMORY  closest");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_cannot_be_looked_at_says_why() {
    let scene = Scene::start(&["node-1"]).await;
    scene.apply(&service("web", 1)).await;
    assert_reads(&explained(&scene, "web").await, "service shop/web in cluster default
        TaskDefinitionNotFound: taskDefinition: there is no TaskDefinition web with a registered revision in namespace shop: create it, or see its conditions");
    let (client, clock) = asker(&scene);
    let missing = explain(&client, clock, "shop", "wob", Output::Text).await;
    assert_eq!(
        missing.unwrap_err().to_string(),
        "there is no EcsService wob in namespace shop: kubectl --namespace shop get ecsservices shows those that are there"
    );
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_read_is_named_with_what_to_ask_for() {
    let scene = Scene::running(&["node-1"], 1).await;
    scene.api.fail(1, Fault::Status(403), |request| {
        request.actor == "asker" && request.resource == "nodes"
    });
    let (client, clock) = asker(&scene);
    let refused = explain(&client, clock, "shop", "web", Output::Text).await;
    assert_eq!(
        refused.unwrap_err().to_string(),
        "cannot list nodes: ask for the right to do so: placement looks at the tasks, instances and nodes of all namespaces"
    );
}
