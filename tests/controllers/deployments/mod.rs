//! Deployments that fail: they are given up, rolled back, and never tried again by themselves.

mod leaders;

use std::time::Duration;

use serde_json::{Value, json};

use crate::agents::Fate;
use crate::scene::{Scene, service, task_definition};

const NODES: [&str; 2] = ["node-1", "node-2"];

/// Everything is looked at again every ten minutes.
const LONGER_THAN_ANY_TIMER: Duration = Duration::from_mins(12);

/// A service whose circuit breaker is on.
fn guarded(desired: i32, rollback: bool) -> Value {
    with(
        service("web", desired),
        json!({"deploymentCircuitBreaker": {"enable": true, "rollback": rollback}}),
    )
}

fn with(mut service: Value, configuration: Value) -> Value {
    service["spec"]["deploymentConfiguration"] = configuration;
    service
}

/// A definition of one container without a health check.
fn unchecked(version: &str) -> Value {
    let mut definition = task_definition("web", version);
    definition["spec"]["containerDefinitions"][0]
        .as_object_mut()
        .unwrap()
        .remove("healthCheck");
    definition
}

impl Scene {
    fn status(&self) -> Value {
        self.service("web")["status"].clone()
    }

    /// Number, place and state of the listed deployments, the newest first.
    fn deployments(&self) -> Vec<(i64, String, String)> {
        let status = self.status();
        let all = status["deployments"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        all.iter()
            .map(|one| {
                let number = one["number"].as_i64().unwrap();
                (number, text(&one["status"]), text(&one["rolloutState"]))
            })
            .collect()
    }

    fn is_alone(&self, number: i64, state: &str) -> bool {
        self.deployments() == [(number, "PRIMARY".to_owned(), state.to_owned())]
    }

    fn events(&self) -> Vec<String> {
        let status = self.status();
        let all = status["events"].as_array().cloned().unwrap_or_default();
        all.iter()
            .map(|event| event["message"].as_str().unwrap().to_owned())
            .collect()
    }

    fn tasks_of(&self, revision: &str) -> Vec<Value> {
        let mut tasks = self.tasks();
        tasks.retain(|task| task["spec"]["taskDefinition"] == revision);
        tasks
    }

    /// For this time nobody writes anything, and no task comes or goes.
    async fn stays_quiet(&self, time: Duration) {
        tokio::time::sleep(Duration::from_mins(1)).await;
        self.api.forget();
        let before = self.names();
        tokio::time::sleep(time).await;
        assert_eq!(self.names(), before);
        let mut writes = self.api.writes();
        writes.retain(|write| write.actor == "controller");
        assert!(writes.is_empty(), "{writes:?}");
    }

    async fn is_rolled_back(&self, number: i64) {
        self.until("the rollback has completed", || {
            self.is_alone(number, "COMPLETED")
                && self.condition("web", "Stalled")["reason"] == "DeploymentRolledBack"
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_bad_revision_trips_and_rolls_back_to_the_last_completed_one_and_stays_quiet() {
    let definition = task_definition("web", "1");
    let mut scene = Scene::running_as(&NODES, &definition, &guarded(3, true)).await;
    scene.fate("web:2", Fate::FailsToStart);
    scene.apply(&task_definition("web", "2")).await;
    scene.is_rolled_back(3).await;
    assert!(scene.runs_only("web:1", 3));
    // Half of 3, at least 3; and those that were on their way when the third failed.
    let failed = scene.tasks_of("web:2").len();
    assert!((3..=5).contains(&failed), "{failed}");
    let status = scene.status();
    assert_eq!(status["failedDeployment"]["number"], 2);
    assert_eq!(status["failedDeployment"]["taskDefinition"], "web:2");
    assert_eq!(status["failedDeployment"]["reason"], "Task failed to start");
    assert_eq!(status["lastCompletedDeployment"]["number"], 3);
    let events = scene.events();
    for part in [
        "deployment failed: tasks failed to start.",
        "(service web) rolling back to deployment ecs-svc/",
        "deployment completed.",
        "(service web) has reached a steady state.",
    ] {
        assert!(
            events.iter().any(|event| event.contains(part)),
            "{events:?}"
        );
    }
    scene.stays_quiet(Duration::from_hours(1)).await;

    // Neither a new leader, nor scaling, nor both try it again.
    scene.change_leader();
    scene.apply(&guarded(4, true)).await;
    scene
        .until("four of the old revision", || scene.runs_only("web:1", 4))
        .await;
    scene.stays_quiet(LONGER_THAN_ANY_TIMER).await;
    assert_eq!(scene.tasks_of("web:2").len(), failed);

    // A new revision is something else, and is tried.
    scene.apply(&task_definition("web", "3")).await;
    scene
        .until("the mended revision runs", || {
            scene.runs_only("web:3", 4) && scene.is_ready("web")
        })
        .await;
    assert!(scene.status()["failedDeployment"].is_null());
}

#[tokio::test(start_paused = true)]
async fn a_service_that_follows_on_change_does_not_try_again_when_it_is_scaled() {
    let on_change = |desired| {
        let mut service = guarded(desired, true);
        service["spec"]["extensions"] = json!({"follow": "OnChange"});
        service
    };
    let definition = task_definition("web", "1");
    let scene = Scene::running_as(&NODES, &definition, &on_change(2)).await;
    scene.fate("web:2", Fate::FailsToStart);
    scene.apply(&task_definition("web", "2")).await;
    scene.stays_quiet(LONGER_THAN_ANY_TIMER).await;
    scene.apply(&on_change(3)).await;
    scene.is_rolled_back(3).await;
    let failed = scene.tasks_of("web:2").len();
    scene.apply(&on_change(4)).await;
    scene
        .until("four of the old revision", || scene.runs_only("web:1", 4))
        .await;
    scene.stays_quiet(LONGER_THAN_ANY_TIMER).await;
    assert_eq!(scene.tasks_of("web:2").len(), failed);
    assert_eq!(scene.status()["failedDeployment"]["number"], 2);
}

#[tokio::test(start_paused = true)]
async fn asking_anew_for_what_failed_tries_it_once_more() {
    let definition = task_definition("web", "1");
    let scene = Scene::running_as(&NODES, &definition, &guarded(2, true)).await;
    scene.fate("web:2", Fate::FailsToStart);
    scene.apply(&task_definition("web", "2")).await;
    scene.is_rolled_back(3).await;
    scene.fate("web:2", None);
    let mut forced = guarded(2, true);
    forced["spec"]["extensions"] = json!({"forceNewDeployment": "again"});
    scene.apply(&forced).await;
    scene
        .until("it runs", || {
            scene.runs_only("web:2", 2) && scene.is_ready("web")
        })
        .await;
    assert!(scene.is_alone(4, "COMPLETED"));
}

#[tokio::test(start_paused = true)]
async fn a_forced_deployment_replaces_the_tasks_and_keeps_the_revision() {
    let scene = Scene::running(&NODES, 2).await;
    let before = scene.names();
    let mut forced = service("web", 2);
    forced["spec"]["extensions"] = json!({"forceNewDeployment": "1"});
    scene.apply(&forced).await;
    scene
        .until("the second deployment has completed", || {
            scene.is_alone(2, "COMPLETED") && scene.runs_only("web:1", 2)
        })
        .await;
    assert_eq!(scene.names().difference(&before).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn without_a_completed_deployment_a_failed_one_stays_and_says_so() {
    let mut scene = Scene::start(&NODES).await;
    scene.fate("web:1", Fate::FailsToStart);
    scene.apply(&task_definition("web", "1")).await;
    scene.apply(&guarded(2, true)).await;
    scene
        .until("it has failed", || {
            scene.is_alone(1, "FAILED")
                && scene.condition("web", "Stalled")["reason"] == "DeploymentFailed"
        })
        .await;
    let stalled = scene.condition("web", "Stalled");
    let message = stalled["message"].as_str().unwrap();
    assert!(
        message.contains("no completed deployment") && message.contains("Task failed to start"),
        "{message}"
    );
    let reason = &scene.status()["deployments"][0]["rolloutStateReason"];
    assert_eq!(
        reason,
        "ECS deployment circuit breaker: tasks failed to start."
    );
    let events = scene.events();
    assert!(
        events
            .iter()
            .any(|event| event.contains("cannot roll back")),
        "{events:?}"
    );
    let tried = scene.tasks().len();
    scene.stays_quiet(LONGER_THAN_ANY_TIMER).await;
    scene.change_leader();
    scene.apply(&guarded(5, true)).await;
    tokio::time::sleep(LONGER_THAN_ANY_TIMER).await;
    assert!(scene.is_alone(1, "FAILED"));
    assert_eq!(
        scene.tasks().len(),
        tried,
        "nothing is started for it any more"
    );
}

#[tokio::test(start_paused = true)]
async fn without_rollback_the_old_tasks_stay_and_are_kept_up() {
    let definition = task_definition("web", "1");
    let scene = Scene::running_as(&NODES, &definition, &guarded(3, false)).await;
    let old = scene.names();
    scene.fate("web:2", Fate::FailsToStart);
    scene.apply(&task_definition("web", "2")).await;
    scene
        .until("it has failed", || {
            let expected = [(2, "PRIMARY", "FAILED"), (1, "ACTIVE", "COMPLETED")];
            scene.deployments() == expected.map(|(n, place, state)| (n, place.into(), state.into()))
        })
        .await;
    assert!(scene.runs_only("web:1", 3));
    let failed = scene.tasks_of("web:2").len();
    scene.stays_quiet(LONGER_THAN_ANY_TIMER).await;
    let victim = scene.tasks_of("web:1").remove(0);
    scene.end(&victim).await;
    scene
        .until("another one of its own revision runs", || {
            scene.runs_only("web:1", 3)
        })
        .await;
    assert_eq!(scene.tasks_of("web:1").len(), old.len() + 1);
    assert_eq!(scene.tasks_of("web:2").len(), failed);
}

#[tokio::test(start_paused = true)]
async fn a_rollback_that_fails_too_ends_there() {
    let definition = task_definition("web", "1");
    let mut scene = Scene::running_as(&NODES, &definition, &guarded(2, true)).await;
    scene.fate("web:1", Fate::FailsToStart);
    scene.fate("web:2", Fate::FailsToStart);
    scene.apply(&task_definition("web", "2")).await;
    scene
        .until("both have failed", || {
            scene.deployments().first() == Some(&(3, "PRIMARY".to_owned(), "FAILED".to_owned()))
        })
        .await;
    assert_eq!(scene.status()["failedDeployment"]["number"], 2);
    scene.stays_quiet(LONGER_THAN_ANY_TIMER).await;
    scene.change_leader();
    scene.stays_quiet(LONGER_THAN_ANY_TIMER).await;
    assert!(scene.runs_only("web:1", 2), "the first tasks still run");
    assert_eq!(scene.status()["lastDeploymentNumber"], 3);
}

#[tokio::test(start_paused = true)]
async fn tasks_that_end_after_a_minute_fail_a_deployment_that_has_not_completed() {
    // Each counts as healthy after 40 s, one starts at a time, and three are never healthy at once.
    let mut guarded = guarded(3, true);
    guarded["spec"]["deploymentConfiguration"]["maximumPercent"] = 134.into();
    let scene = Scene::running_as(&NODES, &unchecked("1"), &guarded).await;
    scene.fate("web:2", Fate::EndsAfter(60));
    scene.apply(&unchecked("2")).await;
    scene.is_rolled_back(3).await;
    assert!(scene.runs_only("web:1", 3));
    assert_eq!(scene.status()["failedDeployment"]["number"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_newer_deployment_supersedes_one_that_still_runs() {
    let definition = task_definition("web", "1");
    let scene = Scene::running_as(&NODES, &definition, &guarded(2, true)).await;
    scene.fate("web:2", Fate::NeverHealthy);
    scene.apply(&task_definition("web", "2")).await;
    scene
        .until("the second waits for health", || {
            let newest = &scene.status()["deployments"][0];
            newest["runningCount"] == 2
                && newest["waitingFor"]
                    .as_str()
                    .is_some_and(|text| text.contains("2 tasks to become healthy"))
        })
        .await;
    scene.fate("web:3", Fate::NeverHealthy);
    scene.apply(&task_definition("web", "3")).await;
    scene
        .until("the third is the newest", || {
            let all = scene.deployments();
            all.first() == Some(&(3, "PRIMARY".to_owned(), "IN_PROGRESS".to_owned()))
                && all.contains(&(1, "ACTIVE".to_owned(), "COMPLETED".to_owned()))
        })
        .await;
    scene.fate("web:3", None);
    scene.apply(&task_definition("web", "4")).await;
    scene
        .until("the fourth runs alone", || {
            scene.runs_only("web:4", 2) && scene.is_alone(4, "COMPLETED")
        })
        .await;
    let status = scene.status();
    assert_eq!(status["lastCompletedDeployment"]["number"], 4);
    assert!(status["failedDeployment"].is_null());
}

#[tokio::test(start_paused = true)]
async fn percents_that_cannot_move_are_named_at_once_and_scaling_goes_on() {
    let tight = |desired| {
        let percents = json!({"minimumHealthyPercent": 67, "maximumPercent": 100});
        with(service("web", desired), percents)
    };
    let definition = task_definition("web", "1");
    let scene = Scene::running_as(&NODES, &definition, &tight(3)).await;
    let condition = scene.condition("web", "PercentsCannotMove");
    assert_eq!(condition["status"], "True");
    let message = condition["message"].as_str().unwrap();
    assert!(
        message.contains("67/100 of 3") && message.contains("66/100"),
        "{message}"
    );
    scene.apply(&task_definition("web", "2")).await;
    scene
        .until("the deployment says what it waits for", || {
            scene.condition("web", "Ready")["reason"] == "NoRoomToDeploy"
        })
        .await;
    scene.apply(&tight(4)).await;
    scene
        .until("with four it moves", || {
            scene.runs_only("web:2", 4) && scene.is_ready("web")
        })
        .await;
    assert_eq!(
        scene.condition("web", "PercentsCannotMove")["status"],
        "False"
    );
}
