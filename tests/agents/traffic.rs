//! A task that gets requests, on the real agent, with a controller played by the test.

use std::time::Duration;

use serde_json::json;

use super::scene::Scene;

/// Deregistration delay of the target group, in seconds.
const DELAY: u64 = 20;

/// A task that runs, whose target is healthy, and to which the controller has given an endpoint.
async fn served(scene: &Scene) {
    scene.run_served_task("one").await;
    scene.until("one", "RUNNING").await;
    scene.until_target("one", "healthy").await;
    scene
        .tell_of_traffic("one", &json!({"registeredAt": scene.api.now()}))
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_registered_task_goes_on_until_its_endpoints_are_gone_and_the_delay_has_passed() {
    let scene = Scene::start().await;
    let _agent = scene.agent("agent-a");
    served(&scene).await;
    let target = scene.status("one")["targets"][0].clone();
    assert_eq!(
        (&target["address"], &target["hostPort"]),
        (&json!("127.0.0.1"), &json!(8080))
    );
    scene.stop_served_task("one").await;
    scene.until("one", "DEACTIVATING").await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(scene.live(), 1, "the controller has not answered yet");
    assert_eq!(scene.status("one")["targets"][0]["health"], "draining");
    scene.withdraw("one", DELAY).await;
    let withdrawn = tokio::time::Instant::now();
    scene.until("one", "STOPPED").await;
    let waited = withdrawn.elapsed().as_secs();
    assert!((DELAY..DELAY + 5).contains(&waited), "{waited} s");
    let target = scene.status("one")["targets"][0].clone();
    assert_eq!(
        (&target["health"], &target["reason"]),
        (&json!("unused"), &json!("Target.InvalidState"))
    );
    assert_eq!(scene.live(), 0, "nobody looks at connections any more");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_killed_while_a_task_drains_leaves_the_rest_of_the_wait_to_the_next() {
    let scene = Scene::start().await;
    let first = scene.agent("agent-a");
    served(&scene).await;
    scene.stop_served_task("one").await;
    scene.until("one", "DEACTIVATING").await;
    scene.withdraw("one", DELAY).await;
    let withdrawn = tokio::time::Instant::now();
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert_eq!(
        scene.live(),
        2,
        "the task, and who looks at its connections"
    );
    first.kill();
    let _second = scene.agent("agent-a");
    scene.until("one", "STOPPED").await;
    let waited = withdrawn.elapsed().as_secs();
    assert!((DELAY..DELAY + 5).contains(&waited), "{waited} s");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(scene.live(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_task_without_a_target_group_is_not_healthy_for_it_and_becomes_so_when_it_is_made() {
    let scene = Scene::start().await;
    let _agent = scene.agent("agent-a");
    scene.define_served_task().await;
    scene.bind_served_task("one").await;
    scene.until_target("one", "unused").await;
    assert_eq!(
        scene.status("one")["targets"][0]["reason"],
        "Target.NotRegistered"
    );
    scene.make_target_group().await;
    scene.until_target("one", "healthy").await;
}
