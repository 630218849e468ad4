//! Bounds of whole tasks, over a real Unix socket, in folders that stand for cgroups. Time runs, as with metadata.

use std::fs;
use std::path::Path;

use ecs_operator::agent::limits::{SOCKET, Tree, hand};
use ecs_operator::domain::ids;
use ecs_operator::runtime::Engine;
use tokio::task::JoinHandle;

use crate::scene::Scene;

/// Folders as of cgroup version 2 with the relay in one of them, and the hand that works on them.
fn hand(folder: &Path) -> JoinHandle<std::io::Result<()>> {
    fs::create_dir_all(folder.join("docker/relay")).unwrap();
    fs::write(folder.join("cgroup.controllers"), "cpu memory").unwrap();
    let tree = Tree::find(folder, None, "0::/docker/relay\n").unwrap();
    let socket = folder.join(SOCKET);
    tokio::spawn(async move { hand::serve(&socket, tree).await })
}

#[tokio::test]
async fn a_task_with_bounds_waits_for_its_cgroup_runs_in_it_and_takes_it_along() {
    let scene = Scene::start().await;
    let folder = tempfile::tempdir().unwrap();
    let agent = scene.answering_agent("agent-a", folder.path());
    scene.run_bounded_task("one", "512").await;
    scene.run_task("free").await;
    scene.until("free", "RUNNING").await;
    assert_eq!(
        scene.live_of("web"),
        1,
        "nobody is there yet who bounds the other one"
    );
    let _hand = hand(folder.path());
    scene.until("one", "RUNNING").await;

    let uid = scene.uid("one");
    let group = format!("docker/ecs-task-{}", ids::task_id(&uid));
    let lines = scene.engine.list(&[].into()).await.unwrap();
    let parents = lines.iter().map(|line| {
        scene.engine.with(|model, _| {
            let spec = model.spec(&line.name).unwrap();
            spec.cgroup_parent.clone()
        })
    });
    let parents: Vec<String> = parents.flatten().collect();
    assert_eq!(parents, [format!("/{group}")]);
    let place = folder.path().join(&group);
    let read = |file: &str| fs::read_to_string(place.join(file)).unwrap();
    assert_eq!(read("memory.max"), "536870912");
    assert_eq!(read("cpu.max"), "25000 100000");

    // An agent that was away finds what the one before it left.
    agent.stop().await;
    scene.stop_task("one").await;
    let _next = scene.answering_agent("agent-b", folder.path());
    scene.until("one", "STOPPED").await;
    assert!(place.exists());
    for file in fs::read_dir(&place).unwrap() {
        // The kernel's own files are no obstacle to removing a cgroup.
        fs::remove_file(file.unwrap().path()).unwrap();
    }
    while place.exists() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(folder.path().join("docker/relay").exists());
}
