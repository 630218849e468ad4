//! Not one request is lost: whatever ends tasks behind a target group, everybody who asks gets an answer, without asking
//! twice. The workload closes its listener at SIGTERM, and requests of five seconds are always in flight.

#![expect(clippy::large_futures, reason = "a test is one long future")]

use std::time::Duration;

use ecs_operator::api::task::EcsTask;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::control_plane::kill_leader;
use crate::deployments::deployed;
use crate::harness::fixtures::{Fixture, object};
use crate::harness::load::Load;
use crate::harness::peer::deployment;
use crate::harness::{LATER, SOON, Scene, beside_all_others, on_the_cluster, processes, service};

/// Longer than the slowest request and the longest connection.
pub(crate) const DELAY: u32 = 15;

/// A group with a port on each node, whose targets are asked every two seconds. What `other` says counts more.
pub(crate) async fn target_group(scene: &Scene, name: &str, protocol: &str, other: &Value) {
    let mut check = json!({"intervalSeconds": 2, "timeoutSeconds": 2});
    if protocol == "HTTP" {
        check["path"] = json!("/healthz");
    }
    let mut spec = json!({
        "protocol": protocol, "port": 80, "deregistrationDelaySeconds": DELAY,
        "healthCheck": check, "service": {"type": "NodePort"},
    });
    for (field, value) in other.as_object().unwrap() {
        spec[field] = value.clone();
    }
    scene
        .put(&object("TargetGroup", &scene.namespace, name, &spec))
        .await;
}

/// A service behind a target group.
pub(crate) fn behind(group: &str, name: &str, desired: usize) -> Fixture {
    let balanced =
        json!([{"targetGroupArn": group, "containerName": "app", "containerPort": 8080}]);
    let ours = service(name).desired(desired).version("1");
    ours.percents(50, 100).asking("loadBalancers", balanced)
}

/// So many tasks of the service run, and none is on its way out.
pub(crate) async fn steady(scene: &Scene, name: &str) {
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

pub(crate) async fn live_tasks(scene: &Scene, name: &str) -> Vec<EcsTask> {
    let mut tasks = scene.tasks(name).await.unwrap();
    tasks.retain(|task| !task.is_stopped() && !task.is_stopping());
    tasks
}

/// Tells a task to stop, as `StopTask` does.
pub(crate) async fn stop_task(scene: &Scene, name: &str) {
    let api: Api<EcsTask> = scene.api();
    let stop = json!({"spec": {"stop": {"code": "UserInitiated"}}});
    let patch = Patch::Merge(&stop);
    api.patch(name, &PatchParams::default(), &patch)
        .await
        .unwrap();
}

#[tokio::test]
async fn no_request_is_lost_whatever_ends_tasks() {
    beside_all_others("traffic", async |scene| {
        target_group(scene, "web", "HTTP", &json!({})).await;
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
        load.unharmed(scene, "StopTask of each task in turn", async {
            for task in live_tasks(scene, "web").await {
                stop_task(scene, &task.name_any()).await;
                sleep(Duration::from_secs(3)).await;
            }
            steady(scene, "web").await;
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn no_request_is_lost_when_instances_drain_controllers_and_agents_die_or_a_deployment_fails()
{
    on_the_cluster("deaths", async |scene| {
        target_group(scene, "web", "HTTP", &json!({})).await;
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
            // It ends before it listens: what is asked after it has said that it is well, nobody can answer.
            let bad = web
                .clone()
                .version("4")
                .env("START_DELAY_MILLISECONDS", "60000");
            let bad = bad
                .env("EXIT_AFTER_MILLISECONDS", "100")
                .env("EXIT_CODE", "1");
            scene.apply(&bad).await;
            deployed(scene, "web", 5, "COMPLETED").await;
        })
        .await;
    })
    .await;
}

/// Seconds without a failure that end an outage. A request to a dead node hangs for ten.
const CALM: u64 = 15;

#[tokio::test]
async fn after_a_node_lost_power_requests_fail_no_longer_than_those_to_a_deployment() {
    on_the_cluster("blackout", async |scene| {
        target_group(scene, "web", "HTTP", &json!({})).await;
        scene.apply(&behind("web", "web", 6)).await;
        deployment(scene, "pods", 6).await;
        steady(scene, "web").await;
        let loads = [Load::on(scene, "web").await, Load::on(scene, "pods").await];
        scene.recorder.out_of_reach("node-3");
        let before = [
            loads[0].counts(scene).await.unwrap(),
            loads[1].counts(scene).await.unwrap(),
        ];
        scene.machine.verb("node node-3 off").await.expect();
        let mut outages = Vec::new();
        for (load, before) in loads.iter().zip(&before) {
            outages.push(load.outage(scene, before, CALM).await);
        }
        eprintln!(
            "a node of three lost power: requests to tasks failed for {}; those to pods of a Deployment for {}",
            outages[0], outages[1]
        );
        // Both hear of it from Kubernetes, which finds the node not Ready. Single requests fail for longer, by chance: those
        // from ports of which the kernel still has the attempt to connect to the node.
        assert!(outages[0].lasted > 0, "{outages:?}");
        assert!(outages[0].lasted * 2 <= outages[1].lasted * 3, "{outages:?}");
        scene.machine.verb("node node-3 on").await.expect();
        steady(scene, "web").await;
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
