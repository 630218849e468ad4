//! The real controllers against an API server in memory, under paused time: minutes of a cluster's life in milliseconds.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what cannot be read fails the test"
)]

mod agents;
mod capacity;
mod deployments;
mod explain;
mod full;
mod namespace_end;
mod placement;
mod rbac;
mod scene;
mod scheduling;
mod slices;
mod targets;
mod traffic;

use std::time::Duration;

use ecs_operator::testing::api::{Fault, Verb};
use scene::{Scene, one_off_task, service, task_definition};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn a_service_gets_its_tasks_spread_over_the_instances_and_becomes_ready() {
    let scene = Scene::running(&["node-1", "node-2", "node-3"], 3).await;
    let mut instances: Vec<String> = scene
        .tasks()
        .iter()
        .map(|task| {
            task["spec"]["containerInstance"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    instances.sort();
    assert_eq!(instances, ["node-1", "node-2", "node-3"]);
    let status = scene.service("web")["status"].clone();
    assert_eq!(status["deployments"][0]["rolloutState"], "COMPLETED");
    assert_eq!(
        status["events"][0]["message"],
        "(service web) has reached a steady state."
    );
}

#[tokio::test(start_paused = true)]
async fn a_new_revision_is_rolled_out_as_a_new_deployment_and_the_old_tasks_end() {
    let scene = Scene::running(&["node-1", "node-2"], 2).await;
    scene.apply(&task_definition("web", "2")).await;
    scene
        .until("the second revision runs alone", || {
            scene.runs_only("web:2", 2)
        })
        .await;
    scene
        .until("the deployment is completed", || {
            let status = scene.service("web")["status"].clone();
            status["deployments"]
                .as_array()
                .is_some_and(|all| all.len() == 1)
                && status["lastCompletedDeployment"]["number"] == 2
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_create_that_lost_its_answer_makes_no_second_task() {
    let scene = Scene::start(&["node-1", "node-2"]).await;
    scene.api.fail(3, Fault::AnswerLost, |request| {
        request.verb == Verb::Create && request.resource == "ecstasks"
    });
    scene.apply(&task_definition("web", "1")).await;
    scene.apply(&service("web", 2)).await;
    scene
        .until("the service is ready", || scene.is_ready("web"))
        .await;
    assert_eq!(scene.tasks().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn watches_that_break_and_versions_that_expire_lose_nothing() {
    let scene = Scene::running(&["node-1"], 1).await;
    scene.api.expire();
    scene.api.cut_watches();
    scene.scale("web", 3).await;
    scene
        .until("three tasks run", || scene.runs_only("web:1", 3))
        .await;
}

#[tokio::test(start_paused = true)]
async fn the_tasks_of_a_lost_instance_are_replaced_and_those_of_a_silent_one_are_not() {
    let scene = Scene::running(&["node-1", "node-2", "node-3"], 3).await;
    scene.silence("node-3");
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert_eq!(
        scene.tasks().len(),
        3,
        "a silent agent on a ready node stops nothing"
    );
    scene.break_node("node-3").await;
    scene
        .until("its task runs elsewhere", || {
            scene
                .tasks()
                .iter()
                .filter(|task| {
                    task["status"]["lastStatus"] == "RUNNING"
                        && task["spec"]["containerInstance"] != "node-3"
                })
                .count()
                == 3
        })
        .await;
    let lost: Vec<_> = scene
        .tasks()
        .into_iter()
        .filter(|task| task["spec"]["containerInstance"] == "node-3")
        .collect();
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0]["spec"]["stop"]["code"], "TerminationNotice");
    assert_eq!(
        lost[0]["status"]["lastStatus"], "RUNNING",
        "nobody has seen it end"
    );
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_api_server_makes_nobody_lost() {
    let scene = Scene::running(&["node-1", "node-2"], 2).await;
    let before = scene.names();
    scene.api.pause();
    tokio::time::sleep(Duration::from_hours(1)).await;
    scene.api.resume();
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!(scene.names(), before);
    assert!(scene.is_ready("web"));
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_for_during_an_outage_is_done_within_ten_seconds_of_its_end() {
    let scene = Scene::running(&["node-1", "node-2"], 2).await;
    scene.api.fail(usize::MAX, Fault::Refused, |request| {
        request.actor == "controller"
    });
    scene.api.cut_watches();
    tokio::time::sleep(Duration::from_mins(20)).await;
    scene.scale("web", 3).await;
    scene.api.mend();
    let back = tokio::time::Instant::now();
    scene
        .until("three tasks run", || scene.runs_only("web:1", 3))
        .await;
    assert!(
        back.elapsed() < Duration::from_secs(10),
        "{:?}",
        back.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn nodes_that_share_one_engine_count_as_one_instance_and_say_so() {
    let scene = Scene::start(&[]).await;
    scene.share_an_engine();
    scene.add_node("node-1").await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    scene.add_node("node-2").await;
    let control = |node: &str| scene.instance(node)["status"]["control"].clone();
    scene
        .until("the second says whose engine it is", || {
            control("node-2")["reason"]
                .as_str()
                .is_some_and(|reason| reason.contains("that of container instance node-1"))
        })
        .await;
    assert_eq!(control("node-1")["conditions"][0]["status"], "True");
    scene.apply(&task_definition("web", "1")).await;
    scene.apply(&service("web", 4)).await;
    scene
        .until("four tasks run", || scene.runs_only("web:1", 4))
        .await;
    for task in scene.tasks() {
        assert_eq!(task["spec"]["containerInstance"], "node-1");
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_runs_as_wanted_costs_no_write() {
    let scene = Scene::running(&["node-1", "node-2"], 2).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    scene.api.forget();
    tokio::time::sleep(Duration::from_mins(20)).await;
    let writes: Vec<_> = scene
        .api
        .writes()
        .into_iter()
        .filter(|write| write.actor == "controller")
        .collect();
    assert!(writes.is_empty(), "{writes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_service_goes_when_the_last_of_its_tasks_has_ended() {
    let scene = Scene::running(&["node-1"], 2).await;
    scene.delete_service("web").await;
    scene
        .until("nothing is left", || {
            scene.tasks().is_empty() && scene.find_service("web").is_none()
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_task_that_fits_nowhere_is_explained_and_started_when_there_is_room() {
    let scene = Scene::start(&["node-1"]).await;
    let mut big = task_definition("web", "1");
    big["spec"]["containerDefinitions"][0]["memory"] = 800.into();
    scene.apply(&big).await;
    scene.apply(&service("web", 2)).await;
    scene
        .until("one runs and the other is explained", || {
            let ready = scene.condition("web", "Ready");
            ready["reason"] == "UnableToPlaceTask"
                && ready["message"]
                    .as_str()
                    .is_some_and(|text| text.contains("insufficient memory"))
                && scene.runs_only("web:1", 1)
        })
        .await;
    scene.add_node("node-2").await;
    scene
        .until("both run", || scene.runs_only("web:1", 2))
        .await;
}

#[tokio::test(start_paused = true)]
async fn tasks_that_fail_to_start_are_tried_ever_more_slowly_and_the_service_says_so() {
    let scene = Scene::start(&["node-1"]).await;
    scene.fail_all_starts();
    scene.apply(&task_definition("web", "1")).await;
    scene.apply(&service("web", 1)).await;
    tokio::time::sleep(Duration::from_hours(1)).await;
    let stalled = scene.condition("web", "Stalled");
    assert_eq!(
        (&stalled["status"], &stalled["reason"]),
        (&"True".into(), &"DeploymentFailed".into())
    );
    assert!(
        scene.tasks().len() < 20,
        "{} tasks in an hour",
        scene.tasks().len()
    );
    assert!(scene.tasks().len() > 5, "it never gives up");
}

#[tokio::test(start_paused = true)]
async fn what_a_task_overrides_counts_when_it_is_placed_and_what_it_misnames_ends_it() {
    let scene = Scene::running(&["node-1"], 1).await;
    scene.apply(&task_definition("job", "1")).await;
    let reason = |name: &str| scene.task(name)["status"]["stoppedReason"].clone();
    let ended = |name: &str| scene.task(name)["status"]["stopCode"] == "TaskFailedToStart";
    let overridden = |name: &str, change| one_off_task(name, "job", &json!([change]));

    scene
        .apply(&overridden("large", json!({"name": "app", "memory": 800})))
        .await;
    scene
        .until("the large one runs", || {
            scene.task("large")["status"]["lastStatus"] == "RUNNING"
        })
        .await;
    // As registered it would fit beside the large one.
    scene
        .apply(&overridden("second", json!({"name": "app", "memory": 300})))
        .await;
    scene.until("there is no room", || ended("second")).await;
    assert!(
        reason("second")
            .as_str()
            .unwrap()
            .contains("insufficient memory")
    );
    scene
        .apply(&overridden("typo", json!({"name": "ap", "memory": 64})))
        .await;
    scene.until("it is refused", || ended("typo")).await;
    assert_eq!(
        reason("typo"),
        "overrides.containerOverrides[0].name: the task definition has no container 'ap': it has app"
    );
}

#[tokio::test(start_paused = true)]
async fn a_cordoned_node_sheds_its_tasks_without_ever_running_fewer_and_says_when_it_is_empty() {
    let scene = Scene::running(&["node-1", "node-2", "node-3"], 3).await;
    scene.cordon("node-2").await;
    let control = || scene.instance("node-2")["status"]["control"].clone();
    scene
        .until("the node is empty", || {
            let running = scene.running_tasks();
            assert!(running >= 3, "{running} tasks run");
            control()["reason"] == "its node is unschedulable, and no task is left"
        })
        .await;
    assert_eq!(control()["conditions"][0]["reason"], "Drained");
    let on_it = |task: &&serde_json::Value| {
        task["status"]["lastStatus"] == "RUNNING" && task["spec"]["containerInstance"] == "node-2"
    };
    assert_eq!(scene.tasks().iter().filter(on_it).count(), 0);
    scene
        .until("the service is ready", || scene.is_ready("web"))
        .await;
}
