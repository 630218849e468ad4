//! Instances that are pods, each with a Docker Engine of its own: the same life as on nodes, alone and beside nodes.
//!
//! Their engines are asked through `kubectl exec`, because no socket of theirs is outside.

use std::collections::BTreeSet;

use ecs_operator::api::task::StopCode;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::harness::engine::TASK_UID;
use crate::harness::fixtures::cluster_object;
use crate::harness::machine::kubectl;
use crate::harness::{LATER, Scene, beside_others, on_the_cluster, service};

/// Namespace of agents and instance pods.
const AGENTS: &str = "ecs-operator-agents";

/// Applies a capacity provider of `count` pods.
async fn provide(scene: &Scene, name: &str, cluster: &str, count: usize) {
    let spec = json!({
        "cluster": cluster,
        "autoScalingGroup": {"desiredCapacity": count},
        "launchTemplate": {
            "image": "ecs-operator-engine:dev",
            "cpu": 512,
            "memory": 512,
            "storage": 2,
            "preloadDirectory": "/run/ecs-preload",
        },
    });
    scene
        .put(&cluster_object("CapacityProvider", name, &spec))
        .await;
}

fn pods(scene: &Scene) -> Api<Pod> {
    Api::namespaced(scene.kube.clone(), AGENTS)
}

/// Waits until the provider has `count` instances that take tasks; gives their names.
async fn instances(scene: &Scene, provider: &str, count: usize) -> Vec<String> {
    let ours =
        ListParams::default().labels(&format!("ecs-operator.io/capacity-provider={provider}"));
    scene
        .eventually(
            &format!("{count} instance pods of {provider}"),
            LATER,
            async || {
                let pods = pods(scene)
                    .list(&ours)
                    .await
                    .map_err(|error| error.to_string())?;
                let names: Vec<String> = pods.iter().map(ResourceExt::name_any).collect();
                for name in &names {
                    scene.is_ready(name).await?;
                }
                if names.len() == count {
                    Ok(names)
                } else {
                    Err(format!("{names:?}"))
                }
            },
        )
        .await
}

/// How many containers of ours are in an instance pod, running or not.
async fn inside(pod: &str) -> usize {
    let filter = format!("label={TASK_UID}");
    let list = ["docker", "ps", "--all", "--quiet", "--filter", &filter];
    let said = kubectl(
        &[
            &["exec", pod, "-n", AGENTS, "-c", "engine", "--"],
            &list[..],
        ]
        .concat(),
    )
    .await;
    said.expect().lines().count() - 1
}

/// Waits until the pods hold so many containers, in order of the pods.
async fn hold(scene: &Scene, pods: &[String], wanted: &[usize]) {
    scene
        .eventually(
            &format!("{wanted:?} containers in {pods:?}"),
            LATER,
            async || {
                let mut found = Vec::new();
                for pod in pods {
                    found.push(inside(pod).await);
                }
                if found == wanted {
                    Ok(())
                } else {
                    Err(format!("{found:?}"))
                }
            },
        )
        .await;
}

#[tokio::test]
async fn instance_pods_run_a_service_are_replaced_when_gone_and_keep_no_container() {
    beside_others("pods", async |scene| {
        let name = scene.namespace.clone();
        let spec =
            json!({"allowedNamespaces": {"all": true}, "imagePullBehavior": "prefer-cached"});
        scene.put(&cluster_object("EcsCluster", &name, &spec)).await;
        provide(scene, &name, &name, 2).await;
        let two = instances(scene, &name, 2).await;
        let web = service("web").desired(2).version("1").on_cluster(&name);
        scene.apply(&web).await;
        let running = scene.in_pods("web", 2).await;
        for (_, address) in &running {
            assert_eq!(scene.answer_at(address).await["version"], "1");
        }
        hold(scene, &two, &[1, 1]).await;
        scene.scale(&web, 4).await;
        for (_, address) in scene.in_pods("web", 4).await {
            scene.answer_at(&address).await;
        }
        hold(scene, &two, &[2, 2]).await;

        let scale = |replicas: &'static str| {
            let name = name.clone();
            async move {
                let scale = ["scale", "capacityprovider", &name, replicas];
                kubectl(&scale).await.expect();
            }
        };
        scale("--replicas=1").await;
        let one = instances(scene, &name, 1).await;
        for (instance, address) in scene.in_pods("web", 4).await {
            assert_eq!(instance, one[0]);
            scene.answer_at(&address).await;
        }
        let tasks = scene.tasks("web").await.unwrap();
        let lost = tasks.iter().filter(|task| {
            let status = task.status.as_ref();
            status.and_then(|status| status.stop_code) == Some(StopCode::TerminationNotice)
        });
        assert_eq!(lost.count(), 0, "tasks moved before their pod went");
        scale("--replicas=2").await;
        let two = instances(scene, &name, 2).await;

        let gone = &two[0];
        pods(scene)
            .delete(gone, &DeleteParams::default().grace_period(0))
            .await
            .unwrap();
        scene
            .eventually("an instance in its place", LATER, async || {
                let now = scene.instances_of(&name).await?;
                if now.contains(gone) || now.len() != 2 {
                    Err(format!("{now:?}"))
                } else {
                    Ok(())
                }
            })
            .await;
        let two = instances(scene, &name, 2).await;
        assert!(two.iter().all(|name| name != gone), "{two:?}");
        for (instance, address) in scene.in_pods("web", 4).await {
            assert_ne!(instance, *gone);
            scene.answer_at(&address).await;
        }
        scene.scale(&web, 0).await;
        scene.in_pods("web", 0).await;
        scene.delete("ecsservice", "web").await;
        hold(scene, &two, &[0, 0]).await;
        scale("--replicas=0").await;
        instances(scene, &name, 0).await;
        kubectl(&["delete", "capacityprovider", &name, "--timeout=2m"])
            .await
            .expect();
        kubectl(&["delete", "ecscluster", &name, "--timeout=2m"])
            .await
            .expect();
    })
    .await;
}

#[tokio::test]
async fn one_cluster_has_both_kinds_of_instance() {
    on_the_cluster("both", async |scene| {
        let name = scene.namespace.clone();
        // One on each node, and one more on the instance that joins.
        let logs = service("logs").asking("schedulingStrategy", json!("DAEMON"));
        scene.apply(&logs).await;
        scene.settled("logs", 3).await;
        provide(scene, &name, "default", 1).await;
        let pod = instances(scene, &name, 1).await;
        let daemons = scene.in_pods("logs", 4).await;
        let places: BTreeSet<&String> = daemons.iter().map(|(instance, _)| instance).collect();
        assert!(places.len() == 4 && places.contains(&pod[0]), "{places:?}");
        scene.delete("ecsservice", "logs").await;
        let web = service("web").desired(4).version("1");
        scene.apply(&web).await;
        let running = scene.in_pods("web", 4).await;
        for (_, address) in &running {
            assert_eq!(scene.answer_at(address).await["version"], "1");
        }
        let there = running
            .iter()
            .filter(|(instance, _)| *instance == pod[0])
            .count();
        let on_nodes = scene.containers("web").await.unwrap().len();
        assert_eq!((there, on_nodes), (1, 3), "{running:?}");
        scene.delete("ecsservice", "web").await;
        scene.gone("web").await;
        hold(scene, &pod, &[0]).await;
        kubectl(&["delete", "capacityprovider", &name, "--timeout=2m"])
            .await
            .expect();
        instances(scene, &name, 0).await;
    })
    .await;
}
