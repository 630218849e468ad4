//! Deployments side by side, judged by what the engines show and by who gets answers: bad ones are given up, good ones keep
//! their bounds at every moment, and whoever leads is killed in the middle.

use std::time::Duration;

use ecs_operator::api::task::LastStatus;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::control_plane::kill_leader;
use crate::deployments::{answering_while, deployed};
use crate::harness::fixtures::Fixture;
use crate::harness::{LATER, Life, Scene, beside_all_others, now, service};

/// After this time a task without a health check counts as healthy (ECS API Reference, minimumHealthyPercent).
const PROVEN: SignedDuration = SignedDuration::from_secs(40);

/// A service that replaces tasks within these percents, as ECS does by default.
fn rolling(name: &str, desired: usize, minimum: u32, maximum: u32) -> Fixture {
    let ours = service(name).desired(desired).version("1");
    ours.percents(minimum, maximum)
}

/// The same with a circuit breaker that rolls back.
fn guarded(name: &str, desired: usize, minimum: u32, maximum: u32) -> Fixture {
    rolling(name, desired, minimum, maximum).asking(
        "deploymentConfiguration",
        json!({
            "minimumHealthyPercent": minimum, "maximumPercent": maximum,
            "deploymentCircuitBreaker": {"enable": true, "rollback": true},
        }),
    )
}

/// Time counts as it does in ECS.
fn patient(fixture: Fixture) -> Fixture {
    fixture.asking("extensions", json!({}))
}

async fn up(scene: &Scene, fixture: &Fixture) {
    let desired = fixture.service["desiredCount"].as_u64().unwrap();
    scene.apply(fixture).await;
    deployed(scene, &fixture.name, 1, "COMPLETED").await;
    let desired = usize::try_from(desired).unwrap();
    scene.settled(&fixture.name, desired).await;
}

/// A revision whose tasks end by themselves is given up, and the one before runs again; somebody answers all the time.
async fn is_rolled_back(scene: &Scene, good: &Fixture, ends_after: Duration) {
    let name = &good.name;
    up(scene, good).await;
    let milliseconds = ends_after.as_millis().to_string();
    let bad = good
        .clone()
        .env("EXIT_AFTER_MILLISECONDS", &milliseconds)
        .env("EXIT_CODE", "3");
    let (asked, unanswered) = answering_while(scene, name, async {
        scene.apply(&bad).await;
        deployed(scene, name, 3, "COMPLETED").await;
    })
    .await;
    assert_eq!(unanswered, 0, "{name}: of {asked}");
    let message = scene
        .condition(name, "Stalled", ("True", "DeploymentRolledBack"))
        .await;
    assert!(
        message.contains("Essential container in task exited"),
        "{message}"
    );
    let failed = scene.tasks(name).await.unwrap();
    let failed = failed
        .iter()
        .filter(|task| task.spec.task_definition.ends_with(":2"))
        .count();
    eprintln!("{name}: {asked} looks, all answered; {failed} tasks of the bad revision");
}

/// When the containers of a service began and ended: those of its first tasks, and those of the rest.
fn lives(scene: &Scene, name: &str, first: usize) -> (Vec<Timestamp>, Vec<Timestamp>) {
    let lives = scene.recorder.lives(&scene.key(name));
    let (old, new) = lives.split_at(first);
    let mut ends: Vec<Timestamp> = old.iter().filter_map(Life::ended).collect();
    let mut starts: Vec<Timestamp> = new.iter().filter_map(|life| life.started).collect();
    ends.sort();
    starts.sort();
    (ends, starts)
}

/// Without a check: no old task ends before a new one is 40 s old.
async fn waits_for_age(scene: &Scene) {
    let two = patient(rolling("age", 2, 100, 200));
    up(scene, &two).await;
    scene.apply(&two.clone().version("2")).await;
    deployed(scene, "age", 2, "COMPLETED").await;
    let (ends, starts) = lives(scene, "age", 2);
    assert_eq!((ends.len(), starts.len()), (2, 2));
    for (end, start) in ends.iter().zip(&starts) {
        let age = end.duration_since(*start);
        eprintln!("age: an old task ended when a new one was {age:#} old");
        assert!(age >= PROVEN, "{age:#}");
    }
}

/// With a check: no old task ends before a new one is HEALTHY, and never more tasks are live than the upper bound.
async fn waits_for_health(scene: &Scene) {
    let four = rolling("health", 4, 75, 125).checked();
    up(scene, &four).await;
    scene.apply(&four.clone().version("2")).await;
    deployed(scene, "health", 2, "COMPLETED").await;
    let (ends, _) = lives(scene, "health", 4);
    let tasks = scene.tasks("health").await.unwrap();
    let new = tasks
        .iter()
        .filter(|task| task.spec.task_definition.ends_with(":2"));
    let mut healthy: Vec<Timestamp> = new
        .filter_map(|task| Some(task.status.as_ref()?.healthy_since.as_ref()?.0))
        .collect();
    healthy.sort();
    assert_eq!((ends.len(), healthy.len()), (4, 4));
    // One may go first at 75 percent of 4; each further one after one more is healthy.
    for (end, healthy) in ends.iter().skip(1).zip(&healthy) {
        let after = end.duration_since(*healthy);
        assert!(after.is_positive(), "an old task ended {after:#} early");
    }
}

/// A third version in the middle of the second: nothing of the second is left, and nothing is started for it any more.
async fn is_superseded(scene: &Scene) {
    let three = rolling("super", 3, 100, 134).checked();
    up(scene, &three).await;
    let slow = three.clone().version("2");
    scene.apply(&slow).await;
    scene
        .eventually("a task of the second version", LATER, async || {
            let tasks = scene.tasks("super").await?;
            let runs = tasks.iter().any(|task| {
                task.spec.task_definition.ends_with(":2")
                    && task
                        .status
                        .as_ref()
                        .is_some_and(|status| status.last_status == Some(LastStatus::Running))
            });
            runs.then_some(()).ok_or_else(|| "none".to_owned())
        })
        .await;
    scene.apply(&three.version("3")).await;
    deployed(scene, "super", 3, "COMPLETED").await;
    let running = scene.settled("super", 3).await;
    for task in &running {
        assert_eq!(scene.answer(task).await["version"], "3");
    }
    let status = scene.service("super").await.unwrap().status.unwrap();
    assert_eq!(status.deployments.len(), 1, "{:?}", status.deployments);
    assert_eq!(status.last_completed_deployment.unwrap().number, 3);
    let second = scene.tasks("super").await.unwrap();
    let second = second
        .iter()
        .filter(|task| task.spec.task_definition.ends_with(":2"))
        .count();
    assert!((1..=3).contains(&second), "{second}");
}

/// A full cluster: each node has one port, and it is taken. The deployment waits, says so, and fails for nothing.
async fn waits_for_room(scene: &Scene) {
    let full = guarded("full", 3, 100, 200).on_port(18_111);
    up(scene, &full).await;
    let second = full.clone().version("2");
    scene.apply(&second).await;
    let message = scene
        .condition("full", "Ready", ("False", "UnableToPlaceTask"))
        .await;
    assert!(message.contains("RESOURCE:PORTS on 3"), "{message}");
    sleep(Duration::from_secs(20)).await;
    let status = scene.service("full").await.unwrap().status.unwrap();
    let shown: Value = serde_json::to_value(&status.deployments).unwrap();
    assert_eq!(
        (
            &shown[0]["rolloutState"],
            &shown[0]["failedTasks"],
            &shown[0]["waitingFor"]
        ),
        (
            &json!("IN_PROGRESS"),
            &json!(0),
            &json!("an instance with room")
        ),
        "{shown:#}"
    );
    scene.apply(&second.percents(66, 100)).await;
    deployed(scene, "full", 2, "COMPLETED").await;
}

/// Whoever leads is killed, at moments that nobody chose.
async fn leaders_die(scene: &Scene) {
    for _ in 0..3 {
        let moment =
            Duration::from_millis(3_000 + u64::try_from(now().as_microsecond() % 9_000).unwrap());
        eprintln!("the leader dies in {moment:?}");
        sleep(moment).await;
        kill_leader(scene).await;
    }
}

#[tokio::test]
async fn deployments_keep_their_bounds_and_bad_ones_are_rolled_back_while_leaders_die() {
    beside_all_others("rollouts", async |scene| {
        let early = guarded("early", 2, 100, 200);
        let late = guarded("late", 3, 100, 134);
        let (early, late) = (patient(early), patient(late));
        tokio::join!(
            Box::pin(is_rolled_back(scene, &early, Duration::from_secs(5))),
            Box::pin(is_rolled_back(scene, &late, Duration::from_mins(1))),
            Box::pin(waits_for_age(scene)),
            Box::pin(waits_for_health(scene)),
            Box::pin(is_superseded(scene)),
            Box::pin(waits_for_room(scene)),
            Box::pin(leaders_die(scene)),
        );
    })
    .await;
}
