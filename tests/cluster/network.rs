//! What tasks reach and by which names, in each network mode, and how they are reached themselves.

use ecs_operator::api::task::{EcsTask, LastStatus};
use kube::api::ListParams;
use serde_json::{Value, json};

use crate::harness::fixtures::{Fixture, default_cluster, object};
use crate::harness::{SOON, Scene, http, on_the_cluster, service};

/// Port of the tasks that are on their instance's own network.
const OWN_PORT: u16 = 18_080;

/// A service of one task in this network mode.
fn in_mode(mode: &str) -> Fixture {
    let mut one = service(mode).desired(1).version(mode);
    one.definition["networkMode"] = json!(mode);
    let port = if mode == "host" { OWN_PORT } else { 8080 };
    one.env("PORT", &port.to_string())
        .with("portMappings", json!([{"containerPort": port}]))
}

/// `address` and `port` at which the one task of a service is reached, and its node.
async fn reached(scene: &Scene, name: &str) -> (String, u16, String) {
    scene
        .eventually(
            &format!("a task of {name} that answers"),
            SOON,
            async || {
                let tasks = scene.api::<EcsTask>().list(&ListParams::default()).await;
                let tasks = tasks.map_err(|error| error.to_string())?.items;
                let is_it = |task: &EcsTask| {
                    let state = task.status.as_ref().and_then(|it| it.last_status);
                    task.service_name() == Some(name) && state == Some(LastStatus::Running)
                };
                let task = tasks.into_iter().find(is_it);
                let task = task.ok_or("none is RUNNING")?;
                let status = task.status.clone().unwrap_or_default();
                let address = status.container_instance_address.ok_or("no address")?;
                let mut bindings = status
                    .containers
                    .iter()
                    .flat_map(|it| it.network_bindings.iter());
                let port = bindings.find_map(|it| it.host_port?.try_into().ok());
                let port = port.unwrap_or(OWN_PORT);
                let answer = http::get(&format!("{address}:{port}"), "/")
                    .await?
                    .success()?;
                if answer.json()["version"] != name {
                    return Err(format!("somebody else answers: {}", answer.json()));
                }
                let node = task.spec.container_instance.clone().ok_or("not bound")?;
                Ok((address.to_string(), port, node.to_string()))
            },
        )
        .await
}

/// A Service with one endpoint, as the controller makes them.
fn fronting(
    namespace: &str,
    name: &str,
    (address, port, node): &(String, u16, String),
) -> [Value; 2] {
    let mut front = object(
        "Service",
        namespace,
        name,
        &json!({"ports": [{"port": 80, "targetPort": 8080}]}),
    );
    front["apiVersion"] = json!("v1");
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": namespace, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "ports": [{"name": "", "port": port}],
        "endpoints": [{"addresses": [address], "nodeName": node, "conditions": {"ready": true}}],
    });
    [front, slice]
}

#[tokio::test]
async fn tasks_find_each_other_by_name_and_reach_each_other_in_every_network_mode() {
    on_the_cluster("network", async |scene| {
        // The network of the host is for those who are trusted with it.
        let mut trusting = default_cluster();
        trusting["spec"]["securityProfile"] = json!("privileged");
        scene.put(&trusting).await;
        let modes = ["bridge", "host", "awsvpc"];
        let mut places = Vec::new();
        for mode in modes {
            scene.apply(&in_mode(mode)).await;
        }
        for mode in modes {
            let place = reached(scene, mode).await;
            for part in fronting(&scene.namespace, &format!("to-{mode}"), &place) {
                scene.put(&part).await;
            }
            places.push((mode, place));
        }
        let namespace = &scene.namespace;
        for (from, (address, port, _)) in &places {
            for to in modes {
                for name in [
                    format!("to-{to}"),
                    format!("to-{to}.{namespace}"),
                    format!("to-{to}.{namespace}.svc.cluster.local"),
                ] {
                    let what = format!("{name} from a task in mode {from}");
                    scene
                        .eventually(&what, SOON, async || {
                            let path = format!("/control/fetch?http://{name}/");
                            let answer = http::get(&format!("{address}:{port}"), &path).await?;
                            let said = String::from_utf8_lossy(&answer.body).into_owned();
                            let version = format!(r#""version":"{to}""#);
                            said.contains(&version).then_some(()).ok_or(said)
                        })
                        .await;
                }
            }
        }
        for mode in modes {
            scene.delete("ecsservice", mode).await;
            scene.gone(mode).await;
        }
        scene.put(&default_cluster()).await;
    })
    .await;
}
