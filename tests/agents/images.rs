//! Images: pulled with what is known of the pull, and removed when nobody needs them.

use std::time::Duration;

use ecs_operator::runtime::Error;
use ecs_operator::runtime::fake::{Call, Fault};
use ecs_operator::runtime::model::Program;

use crate::scene::{IMAGE, Scene};

const OTHER: &str = "registry.example/other:1";
const FOREIGN: &str = "somebody/else:1";

/// Names of the images that the engine has.
fn images(scene: &Scene) -> Vec<String> {
    scene.engine.with(|model, _| {
        let images = model.images().into_iter();
        let mut names: Vec<String> = images.flat_map(|image| image.tags).collect();
        names.sort();
        names
    })
}

/// A scene whose task of the workload has run and is gone, containers and all.
async fn after_a_task() -> Scene {
    let scene = Scene::start().await;
    scene.engine.with(|model, _| {
        let model_with = std::mem::take(model).with_image(FOREIGN, Program::default());
        *model = model_with;
        model.push(OTHER, "sha256:other", Program::default());
    });
    scene
}

async fn run_and_delete(scene: &Scene, name: &str) {
    scene.run_task(name).await;
    scene.until(name, "RUNNING").await;
    scene.delete_task(name).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(scene.containers(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_image_goes_an_hour_after_its_last_container_and_foreign_ones_stay() {
    let scene = after_a_task().await;
    let _agent = scene.agent("agent-a");
    run_and_delete(&scene, "one").await;
    tokio::time::sleep(Duration::from_mins(50)).await;
    assert_eq!(images(&scene), [FOREIGN, IMAGE]);
    tokio::time::sleep(Duration::from_mins(45)).await;
    assert_eq!(images(&scene), [FOREIGN]);
    // It comes back when a task wants it.
    scene.run_task("two").await;
    scene.until("two", "RUNNING").await;
    tokio::time::sleep(Duration::from_hours(5)).await;
    assert_eq!(images(&scene), [FOREIGN, IMAGE]);
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_told_of_and_mended_by_removing_what_nobody_uses() {
    let scene = after_a_task().await;
    let _agent = scene.agent("agent-a");
    run_and_delete(&scene, "one").await;
    scene.engine.with(|model, _| model.fill_disk());
    scene.define(2, OTHER).await;
    scene.run_revision("two", 2).await;
    scene.until("two", "RUNNING").await;
    assert_eq!(images(&scene), [OTHER, FOREIGN]);
    assert_eq!(scene.status("two")["containers"][0].get("reason"), None);
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_stays_full_fails_the_task_with_what_to_do() {
    let scene = Scene::start().await;
    scene.engine.with(|model, _| {
        model.push(OTHER, "sha256:other", Program::default());
        model.fill_disk();
    });
    let _agent = scene.agent("agent-a");
    scene.define(2, OTHER).await;
    scene.run_revision("one", 2).await;
    scene.until("one", "STOPPED").await;
    let status = scene.status("one");
    assert_eq!(status["stopCode"], "TaskFailedToStart");
    let reason = status["containers"][0]["reason"].as_str().unwrap();
    assert!(reason.starts_with("CannotPullContainerError: "), "{reason}");
    assert!(reason.contains("no space left on device"), "{reason}");
    assert!(
        reason.contains("make the instance's disk larger"),
        "{reason}"
    );
    let pulls = scene.engine.calls();
    assert_eq!(pulls.iter().filter(|call| **call == Call::Pull).count(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_pull_that_takes_long_is_told_of_three_times_and_no_more() {
    let scene = Scene::start().await;
    scene.engine.order(Call::Pull, Fault::Hang);
    let _agent = scene.agent("agent-a");
    scene.run_task("one").await;
    let reason = || scene.status("one")["containers"][0]["reason"].clone();
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(reason(), serde_json::Value::Null);
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(
        reason(),
        format!("pulling image {IMAGE}: nothing downloaded yet")
    );
    tokio::time::sleep(Duration::from_hours(3)).await;
    let writes = scene.api.writes();
    let of_task = writes
        .iter()
        .filter(|write| write.actor == "agent-a" && write.resource == "ecstasks");
    assert!(of_task.count() <= 4);
    scene.stop_task("one").await;
    scene.until("one", "STOPPED").await;
    assert_eq!(
        reason(),
        serde_json::Value::Null,
        "what was waited for is over"
    );
}

/// How often images were pulled.
fn pulls(scene: &Scene) -> usize {
    let calls = scene.engine.calls();
    calls.iter().filter(|call| **call == Call::Pull).count()
}

#[tokio::test(start_paused = true)]
async fn an_image_that_cannot_be_removed_keeps_none_of_the_others_and_goes_later() {
    let scene = after_a_task().await;
    let _agent = scene.agent("agent-a");
    scene.define(2, OTHER).await;
    for (revision, task) in (1..).zip(["one", "two"]) {
        scene.run_revision(task, revision).await;
        scene.until(task, "RUNNING").await;
    }
    tokio::time::sleep(Duration::from_mins(1)).await;
    scene.delete_task("one").await;
    scene.delete_task("two").await;
    let conflict = Error::Conflict {
        message: "conflict: unable to remove repository reference (must force)".to_owned(),
    };
    scene
        .engine
        .order(Call::RemoveImage, Fault::Refusal(conflict));
    tokio::time::sleep(Duration::from_mins(92)).await;
    assert_eq!(images(&scene), [FOREIGN, IMAGE], "the first one stayed");
    tokio::time::sleep(Duration::from_mins(30)).await;
    assert_eq!(images(&scene), [FOREIGN]);
}

#[tokio::test(start_paused = true)]
async fn a_pull_that_hangs_holds_up_no_removal_and_a_removal_that_hangs_no_pull() {
    let scene = after_a_task().await;
    let _agent = scene.agent("agent-a");
    scene.define(2, OTHER).await;
    run_and_delete(&scene, "one").await;
    scene.engine.order(Call::Pull, Fault::Hang);
    scene.run_revision("two", 2).await;
    tokio::time::sleep(Duration::from_mins(95)).await;
    assert_eq!(images(&scene), [FOREIGN]);
    scene.delete_task("two").await;
    run_and_delete(&scene, "three").await;
    scene.engine.order(Call::RemoveImage, Fault::Hang);
    tokio::time::sleep(Duration::from_mins(95)).await;
    scene.engine.with(|model, _| {
        model.push(
            "registry.example/third:1",
            "sha256:third",
            Program::default(),
        );
    });
    scene.define(3, "registry.example/third:1").await;
    scene.run_revision("four", 3).await;
    scene.until("four", "RUNNING").await;
    assert!(scene.engine.calls().contains(&Call::RemoveImage));
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_takes_what_stopped_tasks_left_and_their_images() {
    let scene = after_a_task().await;
    let _agent = scene.agent("agent-a");
    scene.run_task("one").await;
    scene.until("one", "RUNNING").await;
    scene.stop_task("one").await;
    scene.until("one", "STOPPED").await;
    assert_eq!(scene.containers(), 1, "it can be read");
    scene.engine.with(|model, _| model.fill_disk());
    scene.define(2, OTHER).await;
    scene.run_revision("two", 2).await;
    scene.until("two", "RUNNING").await;
    assert_eq!(images(&scene), [OTHER, FOREIGN]);
    assert_eq!((scene.containers(), scene.live()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_fails_again_and_again_leaves_no_more_containers_than_are_kept() {
    let scene = Scene::start().await;
    let _agent = scene.agent("agent-a");
    for number in 0..25 {
        let name = format!("task-{number}");
        scene.run_task(&name).await;
        scene.until(&name, "RUNNING").await;
        scene.end_containers(1);
        scene.until(&name, "STOPPED").await;
    }
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(scene.containers(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_pull_that_stalls_is_tried_once_more_and_then_fails_its_task_with_the_image() {
    let scene = after_a_task().await;
    let _agent = scene.agent("agent-a");
    let after = Duration::from_mins(2);
    let stall = || {
        let stalled = Fault::Refusal(Error::Timeout { after });
        scene.engine.order(Call::Pull, stalled);
    };
    scene.define(2, OTHER).await;
    stall();
    stall();
    scene.run_revision("one", 2).await;
    scene.until("one", "STOPPED").await;
    let status = scene.status("one");
    assert_eq!(status["stopCode"], "TaskFailedToStart");
    assert_eq!(
        status["containers"][0]["reason"],
        format!("CannotPullContainerError: no answer within 120s (image {OTHER})")
    );
    stall();
    scene.run_revision("two", 2).await;
    scene.until("two", "RUNNING").await;
    assert_eq!(pulls(&scene), 4);
}

#[tokio::test(start_paused = true)]
async fn tasks_that_wait_for_one_image_share_its_pull() {
    let scene = after_a_task().await;
    scene.engine.order(Call::Pull, Fault::Hang);
    let _agent = scene.agent("agent-a");
    scene.define(2, OTHER).await;
    for number in 0..5 {
        scene.run_revision(&format!("task-{number}"), 2).await;
    }
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert_eq!(pulls(&scene), 1);
    for number in 0..5 {
        let status = scene.status(&format!("task-{number}"));
        let reason = format!("pulling image {OTHER}: nothing downloaded yet");
        assert_eq!(status["containers"][0]["reason"], reason);
    }
}
