//! Instance pods come and go as a capacity provider says.

use crate::scene::{Scene, provider, service, task_definition};

/// Two instance pods beside a node, and a service with a task on each of the three.
async fn three_instances() -> Scene {
    let scene = Scene::start(&["node-1"]).await;
    scene.apply(&provider(2)).await;
    scene
        .until("two pods", || scene.instance_pods().len() == 2)
        .await;
    scene.run_pods().await;
    let takes_tasks = |name: &String| {
        scene.instance(name)["status"]["control"]["conditions"][0]["status"] == "True"
    };
    scene
        .until("three instances", || {
            let mut names = scene.instance_pods();
            names.push("node-1".to_owned());
            names.iter().all(takes_tasks)
        })
        .await;
    scene.apply(&task_definition("web", "1")).await;
    scene.apply(&service("web", 3)).await;
    scene
        .until("the service is ready", || scene.is_ready("web"))
        .await;
    scene
}

#[tokio::test(start_paused = true)]
async fn scaling_in_moves_the_tasks_of_an_instance_before_its_pod_goes() {
    let scene = three_instances().await;
    let before = scene.instance_pods();
    scene.apply(&provider(1)).await;
    scene
        .until("one pod", || {
            let left = scene.instance_pods();
            assert!(
                scene.running_tasks() >= 3,
                "{} tasks run",
                scene.running_tasks()
            );
            left.len() == 1
        })
        .await;
    let left = scene.instance_pods();
    let gone = before.iter().find(|pod| !left.contains(pod)).unwrap();
    scene
        .until("the instance is gone", || scene.instance(gone).is_null())
        .await;
    scene
        .until("three tasks run", || scene.running_tasks() == 3)
        .await;
    let lost = scene
        .tasks()
        .iter()
        .filter(|task| task["spec"]["stop"]["code"] == "TerminationNotice")
        .count();
    assert_eq!(lost, 0, "no task was lost with its instance");
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_drains_to_go_takes_tasks_again_when_it_is_wanted_again() {
    let scene = three_instances().await;
    let before = scene.instance_pods();
    // A task that nobody moves holds the instance.
    for pod in &before {
        scene
            .apply(&serde_json::json!({
                "apiVersion": "ecs-operator.io/v1alpha1", "kind": "EcsTask",
                "metadata": {"name": format!("job-{pod}"), "namespace": "shop"},
                "spec": {"cluster": "default", "taskDefinition": "web:1", "containerInstance": pod},
            }))
            .await;
    }
    let draining = || {
        let states = before.iter().map(|pod| scene.instance(pod));
        states
            .filter(|instance| instance["spec"]["status"] == "DRAINING")
            .count()
    };
    scene.apply(&provider(1)).await;
    scene.until("one drains", || draining() == 1).await;
    tokio::time::sleep(std::time::Duration::from_mins(5)).await;
    assert_eq!(scene.instance_pods(), before);
    scene.apply(&provider(2)).await;
    scene.until("none drains", || draining() == 0).await;
    assert_eq!(scene.instance_pods(), before);
}
