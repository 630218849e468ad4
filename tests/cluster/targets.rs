//! Target groups of every kind: what is checked where, what becomes of targets that come slowly or change their minds, and
//! requests that are datagrams.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::time::Duration;

use ecs_operator::api::task::{EcsTask, TargetHealth};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::deployments::deployed;
use crate::harness::fixtures::{Fixture, service};
use crate::harness::load::{Load, front, node_address};
use crate::harness::{LATER, SOON, Scene, beside_others, http};
use crate::lifecycle::ended;
use crate::traffic::{DELAY, live_tasks, steady, stop_task, target_group};

/// A second port of the workload, at which it serves the same.
const SECOND: u16 = 8081;
/// Where it answers datagrams.
const DATAGRAMS: u16 = 9053;

/// A service of two tasks with two ports, behind these groups, each of which leads to a port.
fn two_tasks(groups: &[(&str, u16)]) -> Fixture {
    let balancers: Vec<Value> = groups
        .iter()
        .map(|(group, port)| {
            json!({"targetGroupArn": group, "containerName": "app", "containerPort": port})
        })
        .collect();
    let ports = json!([
        {"containerPort": 8080},
        {"containerPort": SECOND},
        {"containerPort": DATAGRAMS, "protocol": "udp"},
    ]);
    let both = service("web").desired(2).version("1").percents(50, 100);
    both.env("SECOND_PORT", &SECOND.to_string())
        .env("UDP_PORT", &DATAGRAMS.to_string())
        .with("portMappings", ports)
        .asking("loadBalancers", json!(balancers))
        .asking("healthCheckGracePeriodSeconds", json!(600))
}

/// Waits until so many targets of a group are in this state.
async fn in_state(scene: &Scene, group: &str, health: TargetHealth, count: usize) {
    let what = format!("{count} {health:?} targets of {group}");
    scene
        .eventually(&what, SOON, async || {
            let tasks = scene.tasks("web").await?;
            let live = tasks.iter().filter(|task| !task.is_stopped());
            let mut targets: Vec<_> = live.flat_map(EcsTask::targets).collect();
            targets.retain(|target| target.target_group.as_str() == group);
            let found = targets.iter().filter(|it| it.health == health).count();
            if found == count {
                Ok(())
            } else {
                Err(format!("{targets:?}"))
            }
        })
        .await;
}

/// UIDs of the tasks that get requests for a group.
async fn listed(scene: &Scene, group: &str) -> BTreeSet<String> {
    let slices: Api<EndpointSlice> = scene.api();
    let of_group = ListParams::default().labels(&format!("kubernetes.io/service-name={group}"));
    let slices = slices.list(&of_group).await.unwrap().items;
    let endpoints = slices
        .iter()
        .flat_map(|slice| slice.endpoints.iter().flatten());
    endpoints
        .map(|endpoint| endpoint.target_ref.clone().unwrap().uid.unwrap())
        .collect()
}

#[tokio::test]
async fn a_container_in_two_target_groups_serves_both_and_leaves_both_before_it_ends() {
    beside_others("twogroups", async |scene| {
        target_group(scene, "front", "HTTP", &json!({})).await;
        target_group(scene, "side", "TCP", &json!({})).await;
        let web = two_tasks(&[("front", 8080), ("side", SECOND)]);
        scene.apply(&web).await;
        steady(scene, "web").await;
        let address = node_address(scene, "node-1").await;
        for group in ["front", "side"] {
            assert_eq!(listed(scene, group).await.len(), 2, "{group}");
            let port = front(scene, group).await.node_port;
            let answer = http::get(&format!("{address}:{port}"), "/").await.unwrap();
            assert_eq!(answer.json()["version"], "1", "{group}");
        }
        let leaving = live_tasks(scene, "web").await.remove(0);
        stop_task(scene, &leaving.name_any()).await;
        deregistered(scene, &leaving.name_any()).await;
        for group in ["front", "side"] {
            let listed = listed(scene, group).await;
            assert!(
                !listed.contains(&leaving.uid().unwrap()),
                "{group} lists it"
            );
        }
        steady(scene, "web").await;
    })
    .await;
}

/// Waits until it is recorded that a task gets no more requests, which is before its end.
async fn deregistered(scene: &Scene, task: &str) {
    let api: Api<EcsTask> = scene.api();
    scene
        .eventually("the record of a withdrawal", SOON, async || {
            let task = api.get(task).await.map_err(|error| error.to_string())?;
            assert!(!task.is_stopped(), "it ended first");
            let at = task.traffic().deregistered_at;
            at.map(drop).ok_or_else(|| "there is none".to_owned())
        })
        .await;
}

#[tokio::test]
async fn health_is_asked_at_the_port_that_the_group_names() {
    beside_others("otherport", async |scene| {
        let check = json!({"healthCheck": {"path": "/healthz", "port": SECOND.to_string(), "intervalSeconds": 2, "timeoutSeconds": 2}});
        target_group(scene, "web", "HTTP", &check).await;
        let web = two_tasks(&[("web", 8080)]);
        // Nobody listens where it asks, though the tasks serve requests.
        scene.apply(&web.clone().env("SECOND_PORT", "8082")).await;
        in_state(scene, "web", TargetHealth::Unhealthy, 2).await;
        assert_eq!(listed(scene, "web").await.len(), 0);
        scene.apply(&web.version("2")).await;
        deployed(scene, "web", 2, "COMPLETED").await;
        in_state(scene, "web", TargetHealth::Healthy, 2).await;
        assert_eq!(listed(scene, "web").await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn targets_that_flap_and_tasks_that_start_slowly_lose_no_request() {
    beside_others("flap", async |scene| {
        let check = json!({"healthCheck": {"path": "/healthz", "intervalSeconds": 1, "timeoutSeconds": 1, "healthyThresholdCount": 2}});
        target_group(scene, "web", "HTTP", &check).await;
        let web = two_tasks(&[("web", 8080)]);
        scene.apply(&web).await;
        steady(scene, "web").await;
        let running = scene.settled("web", 2).await;
        let load = Load::on(scene, "web").await;
        load.unharmed(scene, "flapping health", async {
            for target in running.iter().cycle().take(4) {
                scene.call(target, "/control/unhealthy").await;
                in_state(scene, "web", TargetHealth::Unhealthy, 1).await;
                endpoints(scene, 1).await;
                scene.call(target, "/control/healthy").await;
                in_state(scene, "web", TargetHealth::Healthy, 2).await;
                endpoints(scene, 2).await;
            }
        })
        .await;
        assert_eq!(scene.settled("web", 2).await, running, "none was replaced");
        load.unharmed(scene, "rolling update to tasks that start slowly", async {
            let slow = web.version("2").env("START_DELAY_MILLISECONDS", "6000");
            scene.apply(&slow).await;
            deployed(scene, "web", 2, "COMPLETED").await;
            steady(scene, "web").await;
        })
        .await;
    })
    .await;
}

async fn endpoints(scene: &Scene, count: usize) {
    scene
        .eventually(&format!("{count} endpoints"), SOON, async || {
            let found = listed(scene, "web").await;
            (found.len() == count)
                .then_some(())
                .ok_or_else(|| format!("{found:?}"))
        })
        .await;
}

/// What comes back for a datagram of a new client.
async fn datagram(address: &str) -> Result<String, String> {
    let asked = async {
        let socket = UdpSocket::bind("0.0.0.0:0").await?;
        socket.connect(address).await?;
        socket.send(b"who").await?;
        let mut answer = [0; 64];
        let length = socket.recv(&mut answer).await?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer[..length]).into_owned())
    };
    let answer = timeout(Duration::from_secs(5), asked).await;
    answer
        .map_err(|_| "no answer".to_owned())?
        .map_err(|it| it.to_string())
}

#[tokio::test]
async fn datagrams_reach_tasks_and_none_is_lost_in_a_rolling_update() {
    beside_others("datagrams", async |scene| {
        let check = json!({"healthCheck": {"protocol": "HTTP", "path": "/healthz", "port": "8080", "intervalSeconds": 1, "timeoutSeconds": 1}});
        target_group(scene, "web", "UDP", &check).await;
        let web = two_tasks(&[("web", DATAGRAMS)]);
        scene.apply(&web).await;
        steady(scene, "web").await;
        let node_port = front(scene, "web").await.node_port;
        let address = format!("{}:{node_port}", node_address(scene, "node-1").await);
        scene
            .eventually("the first answer", SOON, async || datagram(&address).await)
            .await;
        scene.apply(&web.version("2")).await;
        let (answers, versions) = (Cell::new(0), RefCell::new(BTreeSet::new()));
        scene
            .eventually("answers of the new version alone", LATER, async || {
                let mut latest = BTreeSet::new();
                for _ in 0..20 {
                    let answer = datagram(&address).await;
                    let version = answer.unwrap_or_else(|why| panic!("after {answers:?}: {why}"));
                    latest.insert(version);
                    answers.set(answers.get() + 1);
                }
                versions.borrow_mut().extend(latest.iter().cloned());
                if latest.len() == 1 && latest.contains("2") {
                    return Ok(());
                }
                Err(format!("{latest:?} after {answers:?}"))
            })
            .await;
        eprintln!("{} datagrams, each answered", answers.get());
        assert_eq!(versions.into_inner(), BTreeSet::from(["1".to_owned(), "2".to_owned()]));
        // Nobody knows whether a client will send more: the whole delay passes.
        let leaving = live_tasks(scene, "web").await.remove(0);
        stop_task(scene, &leaving.name_any()).await;
        deregistered(scene, &leaving.name_any()).await;
        let status = ended(scene, &leaving.name_any()).await.status.unwrap();
        let withdrawn = status.traffic.unwrap().deregistered_at.unwrap().0;
        let waited = status.execution_stopped_at.unwrap().0.duration_since(withdrawn);
        assert!(waited.as_secs() >= i64::from(DELAY) - 1, "{waited:?}");
    })
    .await;
}
