//! Not one request is lost: whatever ends tasks behind a target group, everybody who asks gets an answer, without asking
//! twice. The workload closes its listener at SIGTERM, and requests of five seconds are always in flight.

#![expect(clippy::large_futures, reason = "a test is one long future")]

use std::time::Duration;

use ecs_operator::api::task::EcsTask;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;
use tokio::time::sleep;

use crate::control_plane::kill_leader;
use crate::deployments::deployed;
use crate::harness::fixtures::{Fixture, object};
use crate::harness::load::Load;
use crate::harness::{LATER, SOON, Scene, on_the_cluster, processes, service};

/// Longer than the slowest request and the longest connection.
const DELAY: u32 = 15;

async fn target_group(scene: &Scene, name: &str) {
    let spec = json!({
        "protocol": "HTTP", "port": 80, "deregistrationDelaySeconds": DELAY,
        "healthCheck": {"path": "/healthz", "intervalSeconds": 2, "timeoutSeconds": 2},
        "service": {"type": "NodePort"},
    });
    scene
        .put(&object("TargetGroup", &scene.namespace, name, &spec))
        .await;
}

/// A service behind a target group.
fn behind(group: &str, name: &str, desired: usize) -> Fixture {
    let balanced =
        json!([{"targetGroupArn": group, "containerName": "app", "containerPort": 8080}]);
    let ours = service(name).desired(desired).version("1");
    ours.percents(50, 100).asking("loadBalancers", balanced)
}

/// So many tasks of the service run, and none is on its way out.
async fn steady(scene: &Scene, name: &str) {
    scene
        .eventually(&format!("steady {name}"), LATER, async || {
            let service = scene.service(name).await?;
            let status = service.status.clone().unwrap_or_default();
            let ready = ecs_operator::api::conditions::holds(&status.conditions, "Ready");
            let observed = Some(status.observed_generation) == service.metadata.generation;
            let tasks = scene.tasks(name).await?;
            let live = tasks.iter().filter(|task| !task.is_stopped()).count();
            let wanted = usize::try_from(service.spec.desired_count.unwrap_or(0)).unwrap();
            if ready && observed && live == wanted {
                return Ok(());
            }
            Err(format!("{live} of {wanted} tasks, {:?}", status.conditions))
        })
        .await;
}

async fn live_tasks(scene: &Scene, name: &str) -> Vec<EcsTask> {
    let mut tasks = scene.tasks(name).await.unwrap();
    tasks.retain(|task| !task.is_stopped() && !task.is_stopping());
    tasks
}

#[tokio::test]
async fn no_request_is_lost_whatever_ends_tasks() {
    on_the_cluster("traffic", async |scene| {
        target_group(scene, "web").await;
        let web = behind("web", "web", 6);
        scene.apply(&web).await;
        steady(scene, "web").await;
        let load = Load::on(scene, "web").await;

        load.unharmed(scene, "rolling update 50/100", async {
            scene.apply(&web.clone().version("2")).await;
            deployed(scene, "web", 2, "COMPLETED").await;
            steady(scene, "web").await;
        })
        .await;
        let web = web.version("3").percents(100, 200);
        load.unharmed(scene, "rolling update 100/200", async {
            scene.apply(&web).await;
            deployed(scene, "web", 3, "COMPLETED").await;
            steady(scene, "web").await;
        })
        .await;
        load.unharmed(scene, "deletion of a task", async {
            let tasks = live_tasks(scene, "web").await;
            scene.delete("ecstask", &tasks[0].name_any()).await;
            scene.gone_task(&tasks[0].name_any()).await;
            steady(scene, "web").await;
        })
        .await;
        load.unharmed(scene, "deletion of a service behind another", async {
            let second = behind("web", "second", 3);
            scene.apply(&second).await;
            steady(scene, "second").await;
            scene.delete("ecsservice", "second").await;
            scene.gone("second").await;
        })
        .await;
        load.unharmed(scene, "scale 6 to 2 to 6", async {
            scene.scale(&web, 2).await;
            steady(scene, "web").await;
            scene.scale(&web, 6).await;
            steady(scene, "web").await;
        })
        .await;
        load.unharmed(scene, "drain of an instance", async {
            scene.set_instance("node-2", "DRAINING").await;
            scene
                .eventually("an empty instance", LATER, async || {
                    let tasks = scene.tasks("web").await?;
                    let on_it =
                        |task: &&EcsTask| !task.is_stopped() && task.instance() == Some("node-2");
                    match tasks.iter().filter(on_it).count() {
                        0 => Ok(()),
                        left => Err(format!("{left} tasks are left")),
                    }
                })
                .await;
            scene.set_instance("node-2", "ACTIVE").await;
            steady(scene, "web").await;
        })
        .await;
        load.unharmed(scene, "StopTask of each task in turn", async {
            let api: Api<EcsTask> = scene.api();
            for task in live_tasks(scene, "web").await {
                let stop = json!({"spec": {"stop": {"code": "UserInitiated"}}});
                let patch = Patch::Merge(&stop);
                api.patch(&task.name_any(), &PatchParams::default(), &patch)
                    .await
                    .unwrap();
                sleep(Duration::from_secs(3)).await;
            }
            steady(scene, "web").await;
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn no_request_is_lost_when_controllers_and_agents_die_or_a_deployment_fails() {
    on_the_cluster("deaths", async |scene| {
        target_group(scene, "web").await;
        let web = behind("web", "web", 6).percents(100, 200);
        let web = web.asking(
            "deploymentConfiguration",
            json!({"minimumHealthyPercent": 100, "maximumPercent": 200,
                "deploymentCircuitBreaker": {"enable": true, "rollback": true}}),
        );
        scene.apply(&web).await;
        steady(scene, "web").await;
        let load = Load::on(scene, "web").await;

        load.unharmed(scene, "controller killed in a rolling update", async {
            scene.apply(&web.clone().version("2")).await;
            a_task_leaves(scene).await;
            kill_leader(scene).await;
            deployed(scene, "web", 2, "COMPLETED").await;
            steady(scene, "web").await;
        })
        .await;
        let web = web.version("3");
        load.unharmed(scene, "agent killed in a rolling update", async {
            scene.apply(&web).await;
            a_task_leaves(scene).await;
            let agent = processes::agent("node-1").expect("node-1 has an agent");
            processes::kill(agent).await;
            deployed(scene, "web", 3, "COMPLETED").await;
            steady(scene, "web").await;
        })
        .await;
        load.unharmed(scene, "rollback after a failing revision", async {
            let bad = web
                .clone()
                .version("4")
                .env("EXIT_AFTER_MILLISECONDS", "100");
            scene.apply(&bad).await;
            deployed(scene, "web", 5, "COMPLETED").await;
        })
        .await;
    })
    .await;
}

/// Some task is between the decision to end it and its end.
async fn a_task_leaves(scene: &Scene) {
    scene
        .eventually("a task that leaves", SOON, async || {
            let tasks = scene.tasks("web").await?;
            let leaves = |task: &EcsTask| task.is_stopping() && !task.is_stopped();
            if tasks.iter().any(leaves) {
                Ok(())
            } else {
                Err("none does".to_owned())
            }
        })
        .await;
}
