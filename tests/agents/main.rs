//! The real agent on an engine and an API server in memory, under paused time.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what cannot be read fails the test"
)]

mod firelens;
mod given;
mod images;
mod limits;
mod metadata;
mod scene;
mod secrets;
mod stories;
mod traffic;

use std::time::Duration;

use ecs_operator::testing::api::{Fault, Verb};
use ecs_operator::testing::rights;
use scene::Scene;
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn a_task_runs_until_it_is_told_to_stop_and_says_how_it_ended() {
    let scene = Scene::start().await;
    let _agent = scene.agent("agent-a");
    scene.run_task("one").await;
    scene.until("one", "RUNNING").await;
    assert_eq!(scene.live(), 1);
    scene.stop_task("one").await;
    scene.until("one", "STOPPED").await;
    let status = scene.status("one");
    assert_eq!(scene.live(), 0);
    assert_eq!(status["stopCode"], "UserInitiated");
    assert_eq!(status["stoppedReason"], "enough");
    assert_eq!(status["containers"][0]["exitCode"], 143);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_killed_and_started_again_in_its_pod_goes_on_at_once_and_restarts_nothing()
{
    let scene = Scene::start().await;
    let first = scene.agent("agent-a");
    scene.run_task("one").await;
    scene.until("one", "RUNNING").await;
    first.kill();
    let began = tokio::time::Instant::now();
    let _second = scene.agent("agent-a");
    scene.run_task("two").await;
    scene.until("two", "RUNNING").await;
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!((scene.starts(), scene.live()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn of_two_agents_of_one_instance_the_second_waits_until_the_first_ends() {
    let scene = Scene::start().await;
    let first = scene.agent("agent-a");
    scene.run_task("one").await;
    scene.until("one", "RUNNING").await;
    scene.api.forget();
    let second = scene.agent("agent-b");
    for task in ["two", "three"] {
        scene.run_task(task).await;
        scene.until(task, "RUNNING").await;
        tokio::time::sleep(Duration::from_mins(2)).await;
    }
    assert_eq!(scene.writers(), ["agent-a"]);
    first.stop().await;
    scene.api.forget();
    let began = tokio::time::Instant::now();
    scene.run_task("four").await;
    scene.until("four", "RUNNING").await;
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "a release is seen soon"
    );
    assert_eq!(scene.writers(), ["agent-b"]);
    assert_eq!((scene.starts(), scene.live()), (4, 4));
    second.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_was_cut_off_while_another_took_over_ends() {
    let scene = Scene::start().await;
    let first = scene.agent("agent-a");
    scene.run_task("one").await;
    scene.until("one", "RUNNING").await;
    scene.api.isolate("agent-a");
    let _second = scene.agent("agent-b");
    scene.run_task("two").await;
    scene.until("two", "RUNNING").await;
    scene.api.heal("agent-a");
    assert_eq!(
        first.end().await,
        "agent agent-b has taken this instance over"
    );
    assert_eq!((scene.starts(), scene.live()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_api_touches_no_container_and_what_was_asked_meanwhile_is_done_soon_after()
{
    let scene = Scene::start().await;
    let _agent = scene.agent("agent-a");
    scene.run_task("one").await;
    scene.run_task("two").await;
    scene.until("one", "RUNNING").await;
    scene.until("two", "RUNNING").await;
    scene.api.fail(usize::MAX, Fault::Refused, |request| {
        request.actor == "agent-a"
    });
    scene.api.cut_watches();
    tokio::time::sleep(Duration::from_mins(61)).await;
    assert_eq!((scene.starts(), scene.live()), (2, 2));
    scene.stop_task("one").await;
    scene.run_task("three").await;
    scene.api.mend();
    let back = tokio::time::Instant::now();
    scene.until("one", "STOPPED").await;
    scene.until("three", "RUNNING").await;
    assert!(
        back.elapsed() < Duration::from_secs(10),
        "{:?}",
        back.elapsed()
    );
    assert_eq!((scene.starts(), scene.live()), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn a_status_whose_answer_was_lost_is_written_again() {
    let scene = Scene::start().await;
    scene.api.fail(3, Fault::AnswerLost, |request| {
        request.verb == Verb::Patch && request.resource == "ecstasks" && request.actor == "agent-a"
    });
    let _agent = scene.agent("agent-a");
    scene.run_task("one").await;
    scene.until("one", "RUNNING").await;
    scene.stop_task("one").await;
    scene.until("one", "STOPPED").await;
    assert_eq!((scene.starts(), scene.live()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn the_chart_grants_what_an_agent_uses_and_nothing_else() {
    let scene = Scene::start().await;
    let agent = scene.agent("agent-a");
    scene.run_served_task("one").await;
    scene.until_target("one", "healthy").await;
    scene.stop_served_task("one").await;
    scene.withdraw("one", 0).await;
    scene.until("one", "STOPPED").await;
    agent.stop().await;
    // Whose token it is, it asks when the gateway calls: the gateway's tests see that.
    let reviews = [("authentication.k8s.io", "tokenreviews", "create")];
    rights::compare("ecs-operator-agent", scene.api.used_by("agent-a"), &reviews);
}

#[tokio::test(start_paused = true)]
async fn a_task_runs_the_image_of_its_revision_whatever_becomes_of_the_tag() {
    let scene = Scene::start().await;
    let _agent = scene.agent("agent-a");
    let digest = |task: &str| scene.status(task)["containers"][0]["imageDigest"].clone();
    scene.push("sha256:first");
    scene.run_task("one").await;
    scene.until("one", "RUNNING").await;
    assert_eq!(digest("one"), "sha256:first");
    scene.push("sha256:second");
    scene.run_task_of("two", "sha256:first").await;
    scene.until("two", "RUNNING").await;
    assert_eq!(digest("two"), "sha256:first");
    scene.run_task("three").await;
    scene.until("three", "RUNNING").await;
    assert_eq!(digest("three"), "sha256:second");
    // The tag of the first is taken now, and its content comes by its digest.
    scene.run_task_of("four", "sha256:first").await;
    scene.until("four", "RUNNING").await;
    assert_eq!(digest("four"), "sha256:first");
    scene.run_task_of("five", "sha256:nobody").await;
    scene.until("five", "STOPPED").await;
    assert_eq!(scene.status("five")["stopCode"], "TaskFailedToStart");
}

#[tokio::test(start_paused = true)]
async fn the_volume_of_a_task_is_there_before_its_container_and_goes_with_the_task() {
    let scene = Scene::start().await;
    let agent = scene.agent("agent-a");
    scene.run_task_with_a_volume("one").await;
    scene.until("one", "RUNNING").await;
    assert_eq!(scene.volumes(), 1);
    agent.kill();
    let _agent = scene.agent("agent-a");
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!((scene.volumes(), scene.starts()), (1, 1));
    scene.delete_task("one").await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!((scene.volumes(), scene.live()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn each_gpu_is_one_containers_whatever_becomes_of_the_agent() {
    let scene = Scene::start().await;
    scene.engine.set_gpus(&["gpu-a", "gpu-b", "gpu-c"]);
    let agent = scene.agent("agent-a");
    scene.run_task_with_gpus("one", 1).await;
    scene.until("one", "RUNNING").await;
    agent.kill();
    let _agent = scene.agent("agent-b");
    scene.run_task_with_gpus("two", 2).await;
    scene.until("two", "RUNNING").await;
    assert_eq!(scene.gpus(), [vec!["gpu-a"], vec!["gpu-b", "gpu-c"]]);
    let told = scene.status("two")["containers"][0]["gpuIds"].clone();
    assert_eq!(told, json!(["gpu-b", "gpu-c"]));
    scene.run_task_with_gpus("three", 1).await;
    scene.until("three", "STOPPED").await;
    let why = "Refused by the container instance: RESOURCE:GPU";
    assert_eq!(scene.status("three")["stoppedReason"], why);
    scene.stop_task("one").await;
    scene.until("one", "STOPPED").await;
    scene.run_task_with_gpus("four", 1).await;
    scene.until("four", "RUNNING").await;
    assert_eq!(scene.gpus(), [vec!["gpu-a"], vec!["gpu-b", "gpu-c"]]);
}

#[tokio::test(start_paused = true)]
async fn a_volume_whose_task_is_gone_is_swept() {
    let scene = Scene::start().await;
    let agent = scene.agent("agent-a");
    scene.run_task_with_a_volume("one").await;
    scene.until("one", "RUNNING").await;
    agent.kill();
    scene.delete_task("one").await;
    scene.remove_containers();
    assert_eq!(scene.volumes(), 1);
    let _agent = scene.agent("agent-a");
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert_eq!(scene.volumes(), 0);
}
