//! What people ask about services and tasks, answered from one list of each kind while the real controllers run.

use std::time::Duration;

use ecs_operator::cli::explain::{Output, explain};
use ecs_operator::cli::plan::{Planned, plan};
use ecs_operator::cli::protect::protect;
use ecs_operator::cli::status::{Which, look, wait};
use ecs_operator::cli::{manifests, status};
use ecs_operator::platform::clock::Clock;
use ecs_operator::testing::api::{Fault, Request, Verb};
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

async fn planned(scene: &Scene, objects: &[Value]) -> Planned {
    let (client, clock) = asker(scene);
    let list = json!({"kind": "List", "items": objects}).to_string();
    let manifests = manifests::parse(&list, "shop").unwrap();
    plan(&client, clock, manifests).await.unwrap()
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

#[tokio::test(start_paused = true)]
async fn five_services_of_a_manifest_are_rolled_up_in_one_view() {
    let scene = Scene::running(&["node-1", "node-2"], 2).await;
    scene.fate("bad:1", Fate::FailsToStart);
    for name in ["api", "bad", "late"] {
        scene.apply(&task_definition(name, "1")).await;
    }
    scene.apply(&large("big")).await;
    let mut bad = service("bad", 1);
    bad["spec"]["deploymentConfiguration"] =
        json!({"deploymentCircuitBreaker": {"enable": true, "rollback": true}});
    for service in [service("api", 1), bad, service("big", 3)] {
        scene.apply(&service).await;
    }
    scene
        .until("all is decided", || {
            let reason = |name: &str| scene.condition(name, "Ready")["reason"].clone();
            scene.is_ready("api")
                && reason("bad") == "DeploymentFailed"
                && reason("big") == "UnableToPlaceTask"
                && scene.service("big")["status"]["runningCount"] == 2
        })
        .await;
    let names = ["web", "api", "bad", "big", "gone"];
    let which = Which::Named(names.map(|name| ("shop".into(), name.into())).to_vec());
    let (client, _) = asker(&scene);
    let seen = look(&client, &which).await.unwrap();
    assert_reads(&masked(&seen.to_string()), "SERVICE    DESIRED  RUNNING  PENDING  STATE        WHY
        shop/web         2        2        0  steady       SteadyState: 2 tasks run web:1
        shop/api         1        1        0  steady       SteadyState: 1 tasks run api:1
        shop/bad         1        0        0  failed       DeploymentFailed: the deployment of bad:1 failed, the last task: Task failed to start. There is no completed deployment to roll back to. It is tried again when the task definition, the service, or extensions.forceNewDeployment changes
        shop/big         3        2        0  in progress  UnableToPlaceTask: a task cannot be placed: no container instance met all of its requirements. The closest matching (container-instance node-1) has insufficient memory available. Of 2 instances: RESOURCE:MEMORY on 2.
        shop/gone        0        0        0  missing      there is no such EcsService: apply it, or correct the name
        5 services: 2 steady, 1 in progress, 1 failed, 1 missing");
    assert_eq!(
        seen.verdict().unwrap_err().to_string(),
        "3 of 5 services are not steady"
    );
    assert!(seen.is_settled(), "one has failed");
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_when_the_new_version_runs_and_not_before() {
    let scene = Scene::running(&["node-1", "node-2"], 2).await;
    let (client, _) = asker(&scene);
    scene.api.isolate("controller");
    scene.apply(&task_definition("web", "2")).await;
    // Nobody has looked yet: the service still says that it is steady.
    assert!(scene.is_ready("web"));
    let which = Which::Of("shop".into());
    let seen = look(&client, &which).await.unwrap();
    assert_eq!(
        seen.news(None),
        ["shop/web: 2 of 2 run, in progress: TaskDefinition web is not registered yet"]
    );
    scene.api.heal("controller");
    let told = std::sync::Mutex::new(Vec::new());
    let tell = |line| told.lock().unwrap().push(line);
    let seen = wait(&client, &which, Duration::from_mins(5), tell)
        .await
        .unwrap();
    assert!(seen.verdict().is_ok());
    assert!(scene.runs_only("web:2", 2));
    assert!(!told.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn waiting_gives_up_in_time_and_shows_what_it_saw() {
    let scene = Scene::start(&["node-1"]).await;
    scene.apply(&large("web")).await;
    scene.apply(&service("web", 2)).await;
    let (client, _) = asker(&scene);
    let waited = wait(&client, &Which::Everywhere, Duration::from_mins(2), |_| {}).await;
    let said = waited.unwrap_err().to_string();
    assert!(
        said.starts_with("not steady within 120s\nSERVICE"),
        "{said}"
    );
    assert!(said.ends_with("1 service: 1 in progress"), "{said}");
    let empty = status::roll_up(&Which::Everywhere, &[], &[]);
    assert!(empty.verdict().is_ok());
}
