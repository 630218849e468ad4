//! Names by which tasks are found: aliases of Service Connect, which answer from inside tasks, and registries, whose records
//! tell each task's address and port.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use ecs_operator::api::task::EcsTask;
use serde_json::{Value, json};
use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, QCLASS, QTYPE, Question, TYPE};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::harness::machine::kubectl;
use crate::harness::{SOON, Scene, beside_others, service};
use crate::traffic::live_tasks;

/// What the cluster's DNS server answers.
async fn records(name: &str, kind: TYPE) -> Result<Vec<RData<'static>>, String> {
    let slices = ["get", "endpointslices", "-n", "kube-system", "-l"];
    let of_dns = ["kubernetes.io/service-name=kube-dns", "-o"];
    let address = "jsonpath={.items[0].endpoints[0].addresses[0]}";
    let said = kubectl(&[&slices[..], &of_dns, &[address]].concat()).await;
    let address: Ipv4Addr = said
        .text
        .lines()
        .last()
        .unwrap_or_default()
        .parse()
        .unwrap();
    let mut query = Packet::new_query(1);
    let question = Name::new(name).unwrap();
    query.questions.push(Question::new(
        question,
        QTYPE::TYPE(kind),
        QCLASS::CLASS(CLASS::IN),
        false,
    ));
    let asked = async {
        let socket = UdpSocket::bind("0.0.0.0:0").await?;
        socket.connect(SocketAddr::from((address, 53))).await?;
        socket.send(&query.build_bytes_vec().unwrap()).await?;
        let mut answer = vec![0; 4096];
        let length = socket.recv(&mut answer).await?;
        answer.truncate(length);
        Ok::<_, std::io::Error>(answer)
    };
    let answer = timeout(Duration::from_secs(5), asked).await;
    let answer = answer
        .map_err(|_| "no answer")?
        .map_err(|it| it.to_string())?;
    let packet = Packet::parse(&answer).map_err(|error| error.to_string())?;
    let found = packet.answers.into_iter();
    Ok(found.map(|record| record.rdata.into_owned()).collect())
}

/// Addresses and ports of the tasks' targets of a group, as the tasks say.
async fn places(scene: &Scene, group: &str) -> BTreeSet<(Ipv4Addr, u16)> {
    let tasks = live_tasks(scene, "orders").await;
    let targets = tasks.iter().flat_map(EcsTask::targets);
    let of_group = targets.filter(|target| target.target_group.as_str() == group);
    of_group
        .filter_map(|target| {
            let port = u16::try_from(target.host_port?).ok()?;
            Some((target.address.as_ref()?.parse().ok()?, port))
        })
        .collect()
}

/// Waits until the records of the registry tell so many tasks, and compares them with what the tasks say.
async fn told(scene: &Scene, count: usize) {
    let name = format!("orders-tasks.{}.svc.cluster.local", scene.namespace);
    let ports = format!("_tcp._tcp.{name}");
    scene
        .eventually(&format!("records of {count} tasks"), SOON, async || {
            let places = places(scene, "orders-tasks").await;
            let addresses: BTreeSet<Ipv4Addr> = places.iter().map(|place| place.0).collect();
            let found = records(&name, TYPE::A).await?;
            let found: BTreeSet<Ipv4Addr> = found
                .iter()
                .filter_map(|data| {
                    let RData::A(record) = data else { return None };
                    Some(Ipv4Addr::from(record.address))
                })
                .collect();
            let services = records(&ports, TYPE::SRV).await?;
            let services: Vec<u16> = services
                .iter()
                .filter_map(|data| {
                    let RData::SRV(record) = data else {
                        return None;
                    };
                    Some(record.port)
                })
                .collect();
            let mut told = services.clone();
            let mut wanted: Vec<u16> = places.iter().map(|place| place.1).collect();
            told.sort_unstable();
            wanted.sort_unstable();
            if places.len() == count && found == addresses && told == wanted {
                return Ok(());
            }
            Err(format!("{found:?} and {services:?} for {places:?}"))
        })
        .await;
}

#[tokio::test]
async fn names_of_a_service_answer_from_inside_tasks_and_tell_addresses_and_ports() {
    beside_others("discovery", async |scene| {
        let orders = service("orders")
            .desired(2)
            .version("orders")
            .with("portMappings", json!([{"name": "http", "containerPort": 8080}]))
            .asking(
                "serviceConnectConfiguration",
                json!({"enabled": true, "services": [{
                    "portName": "http", "clientAliases": [{"port": 80, "dnsName": "orders"}],
                }]}),
            )
            .asking(
                "serviceRegistries",
                json!([{"registryArn": "orders-tasks", "containerName": "app", "containerPort": 8080}]),
            );
        scene.apply(&orders).await;
        scene.apply(&service("caller").desired(1)).await;
        let caller = scene.settled("caller", 1).await.remove(0);
        scene.settled("orders", 2).await;
        let answered = std::cell::RefCell::new(BTreeSet::new());
        scene
            .eventually("answers of both tasks", SOON, async || {
                let said = scene.ask(&caller, "/control/fetch?http://orders:80/").await?;
                let answer: Value = serde_json::from_str(&said).map_err(|_| said.clone())?;
                assert_eq!(answer["version"], "orders", "{said}");
                let mut answered = answered.borrow_mut();
                answered.insert(answer["hostname"].to_string());
                if answered.len() == 2 {
                    return Ok(());
                }
                Err(format!("{answered:?}"))
            })
            .await;
        told(scene, 2).await;
        scene.scale(&orders, 1).await;
        told(scene, 1).await;
    })
    .await;
}
