//! What a task may use as a whole, as the kernel of its node has it.

use std::fs;
use std::path::{Path, PathBuf};

use ecs_operator::agent::limits::Tree;
use ecs_operator::api::task::EcsTask;
use ecs_operator::domain::definition::limits::TaskLimits;
use ecs_operator::runtime::docker::Docker;
use ecs_operator::runtime::{ContainerSpec, Created, Engine as _, Network};
use serde_json::{Value, json};

use crate::harness::engine::{CONTAINER, TASK_UID, WORKLOAD};
use crate::harness::fixtures::object;
use crate::harness::machine::kubectl;
use crate::harness::{LATER, Scene, beside_others, service};

/// What the kernel says of a cgroup, in the words of either version.
fn bound(group: &str, one: [&str; 2], two: &str) -> String {
    let group = group.trim_start_matches('/');
    let [controller, file] = one;
    let root = Path::new("/sys/fs/cgroup");
    let file = if root.join("cgroup.controllers").exists() {
        root.join(group).join(two)
    } else {
        root.join(controller).join(group).join(file)
    };
    fs::read_to_string(file).unwrap().trim().to_owned()
}

fn folder(group: &str) -> PathBuf {
    let group = group.trim_start_matches('/');
    let root = Path::new("/sys/fs/cgroup");
    if root.join("cgroup.controllers").exists() {
        root.join(group)
    } else {
        root.join("memory").join(group)
    }
}

async fn until(scene: &Scene, name: &str, state: &str) -> EcsTask {
    let what = format!("task {name} to be {state}");
    scene
        .eventually(&what, LATER, async || {
            let found = scene.api::<EcsTask>().get(name).await;
            let task = found.map_err(|error| error.to_string())?;
            let status = serde_json::to_value(&task.status).unwrap();
            if status["lastStatus"] == state {
                Ok(task)
            } else {
                Err(status.to_string())
            }
        })
        .await
}

/// Whether the status of a service has this text somewhere.
async fn says(scene: &Scene, service: &str, text: &str) -> Result<(), String> {
    let status = scene.service(service).await?.status;
    let status = serde_json::to_string(&status).unwrap();
    if status.contains(text) {
        Ok(())
    } else {
        Err(status)
    }
}

/// The cgroup that all containers of a task were made in, and their ids.
async fn group(scene: &Scene, task: &EcsTask) -> (String, Vec<String>) {
    let label = format!("{TASK_UID}={}", task.metadata.uid.clone().unwrap());
    let mut parents = Vec::new();
    let mut ids = Vec::new();
    for engine in scene.machine.engines() {
        for container in engine.list(&label).await.unwrap() {
            assert!(!container.label(CONTAINER).is_empty());
            let shown = engine.raw(&container.id).await.unwrap();
            let parent = shown["HostConfig"]["CgroupParent"].as_str().unwrap();
            parents.push(parent.to_owned());
            ids.push(container.id);
        }
    }
    parents.dedup();
    assert_eq!(parents.len(), 1, "{parents:?}");
    (parents.remove(0), ids)
}

/// Removes an empty cgroup from the one tree, or from each controller's.
fn remove_everywhere(group: &str) {
    let group = group.trim_start_matches('/');
    let root = Path::new("/sys/fs/cgroup");
    let controllers = fs::read_dir(root).unwrap().flatten();
    let places = controllers.map(|controller| controller.path().join(group));
    for place in places.chain([root.join(group)]) {
        if place.is_dir() {
            fs::remove_dir(place).unwrap();
        }
    }
}

#[tokio::test]
async fn the_containers_of_a_task_share_its_cpu_and_memory_until_the_task_is_over() {
    beside_others("bounds", async |scene| {
        let mut shop = service("shop").beside(json!({
            "name": "neighbour", "image": WORKLOAD, "memoryReservation": 16,
        }));
        shop.definition["cpu"] = json!(".25 vCPU");
        shop.definition["memory"] = json!("96");
        scene.put(&shop.definition_object(&scene.namespace)).await;
        let tasks: [(&str, Value, &str, &str); 2] = [
            ("one", json!({}), "100663296", "25000"),
            (
                "more",
                json!({"cpu": "512", "memory": "128"}),
                "134217728",
                "50000",
            ),
        ];
        let mut groups = Vec::new();
        for (name, overrides, memory, cpu) in &tasks {
            let spec = json!({"taskDefinition": "shop", "overrides": overrides});
            scene
                .put(&object("EcsTask", &scene.namespace, name, &spec))
                .await;
            let task = until(scene, name, "RUNNING").await;
            let (group, containers) = group(scene, &task).await;
            assert_eq!(
                bound(&group, ["memory", "memory.limit_in_bytes"], "memory.max"),
                *memory
            );
            let quota = bound(&group, ["cpu", "cpu.cfs_quota_us"], "cpu.max");
            assert_eq!(quota.split(' ').next(), Some(*cpu));
            assert_eq!(containers.len(), 2);
            for id in &containers {
                assert!(folder(&group).join(id).is_dir(), "{id} is not in {group}");
            }
            groups.push(group);
        }
        let patch = r#"{"spec":{"stop":{"code":"UserInitiated","reason":"enough"}}}"#;
        for (name, ..) in &tasks {
            let namespace = scene.namespace.as_str();
            kubectl(&[
                "patch",
                "ecstask",
                name,
                "-n",
                namespace,
                "--type=merge",
                "-p",
                patch,
            ])
            .await
            .expect();
            until(scene, name, "STOPPED").await;
        }
        scene
            .eventually("the cgroups to go", LATER, async || {
                let left = groups.iter().filter(|group| folder(group).exists());
                let left: Vec<_> = left.collect();
                if left.is_empty() {
                    Ok(())
                } else {
                    Err(format!("{left:?}"))
                }
            })
            .await;
    })
    .await;
}

#[tokio::test]
async fn an_engine_takes_the_request_for_gpus_and_a_service_says_that_no_instance_has_one() {
    beside_others("gpus", async |scene| {
        let engine = scene.engine("node-1");
        let docker = Docker::at(engine.socket());
        let name = format!("{}-gpus", scene.namespace);
        let spec = ContainerSpec {
            name: name.clone(),
            image: WORKLOAD.to_owned(),
            gpus: vec!["GPU-7".to_owned(), "vendor.com/gpu=0".to_owned()],
            ..ContainerSpec::default()
        };
        let created = docker.create(&spec).await;
        let shown = engine.raw(&name).await;
        engine.remove_if_there(&name).await;
        assert!(matches!(created, Ok(Created::New { .. })), "{created:?}");
        let requests = &shown.unwrap()["HostConfig"]["DeviceRequests"];
        assert_eq!(requests[0]["DeviceIDs"], json!(["vendor.com/gpu=0"]));
        assert_eq!(requests[0]["Driver"], "cdi");
        assert_eq!(requests[1]["DeviceIDs"], json!(["GPU-7"]));
        assert_eq!(requests[1]["Capabilities"], json!([["gpu"]]));

        let needs = json!([{"type": "GPU", "value": "1"}]);
        let train = service("train")
            .desired(1)
            .with("resourceRequirements", needs);
        scene.apply(&train).await;
        scene
            .eventually("an event that says why", LATER, async || {
                says(scene, "train", "has insufficient GPUs available").await
            })
            .await;
    })
    .await;
}

#[tokio::test]
async fn a_disk_is_bounded_where_the_engine_can_and_elsewhere_the_service_says_what_lacks() {
    beside_others("disk", async |scene| {
        let mut shop = service("shop").desired(1);
        shop.definition["ephemeralStorage"] = json!({"sizeInGiB": 21});
        scene.apply(&shop).await;
        scene
            .eventually(
                "a task with a bounded disk, or the reason",
                LATER,
                async || {
                    if let Ok(tasks) = scene.try_settled("shop", 1).await {
                        let shown = scene
                            .engine(&tasks[0].node)
                            .raw(&tasks[0].container)
                            .await?;
                        assert_eq!(shown["HostConfig"]["StorageOpt"]["size"], "21G");
                        return Ok(());
                    }
                    says(
                        scene,
                        "shop",
                        "is missing an attribute required by your task",
                    )
                    .await
                },
            )
            .await;
    })
    .await;
}

#[tokio::test]
async fn what_a_task_may_use_holds_for_all_its_containers_whatever_each_may_and_goes_only_when_empty()
 {
    beside_others("cgroup", async |scene| {
        let engine = scene.engine("node-1");
        let docker = Docker::at(engine.socket());
        let spec = |name: &str| ContainerSpec {
            name: format!("{}-{name}", scene.namespace),
            image: WORKLOAD.to_owned(),
            network: Network::None,
            ..ContainerSpec::default()
        };
        // A place of its own: the node's agent removes cgroups of tasks that it does not know.
        let place = format!("/ecs-node-1/docker/{}", scene.namespace);
        // Where the engine makes cgroups is where its containers' are: as the relay sees by its own.
        let beside = ContainerSpec {
            cgroup_parent: Some(place.clone()),
            ..spec("beside")
        };
        docker.create(&beside).await.unwrap();
        docker.start(&beside.name).await.unwrap();
        let id = docker.inspect(&beside.name).await.unwrap().id;
        let own = format!("4:memory:{place}/{id}\n0::{place}/{id}\n");
        let tree = Tree::find(Path::new("/sys/fs/cgroup"), None, &own).unwrap();
        let task = format!("{:032x}", std::process::id());
        let limits = TaskLimits {
            cpu: Some(512),
            memory: Some(64),
            shares: 512,
        };
        let parent = tree.provide(&task, limits).unwrap();
        assert!(parent.starts_with(&place), "{parent}");
        let within = |name: &str| ContainerSpec {
            cgroup_parent: Some(parent.clone()),
            ..spec(name)
        };
        let quiet = within("quiet");
        let hungry = ContainerSpec {
            environment: [("EXHAUST_MEMORY".to_owned(), "1".to_owned())].into(),
            ..within("hungry")
        };
        for container in [&quiet, &hungry] {
            docker.create(container).await.unwrap();
            docker.start(&container.name).await.unwrap();
        }
        engine.wait(&hungry.name).await.unwrap();
        let ended = docker.inspect(&hungry.name).await.unwrap();
        let in_use = tree.remove(&task);
        let listed = tree.tasks().unwrap();
        for name in [&beside.name, &quiet.name, &hungry.name] {
            engine.remove_if_there(name).await;
        }
        assert_eq!(ended.exit_code, Some(137), "it had no limit of its own");
        assert!(in_use.is_err(), "the quiet one is in it");
        assert!(listed.contains(&task));
        scene
            .eventually("the cgroup to be removed", LATER, async || {
                tree.remove(&task).map_err(|error| error.to_string())
            })
            .await;
        assert!(!tree.tasks().unwrap().contains(&task));
        remove_everywhere(&place);
    })
    .await;
}
