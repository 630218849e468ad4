//! Requests to a target group without a break: from a pod through its Service, and from outside through a node's port.

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Pod, Service};
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::engine::WORKLOAD;
use super::machine::kubectl;
use super::{SOON, Scene};

/// Requests a second that each of the two sends, beside slow ones.
const RATE: u32 = 100;
const POD: &str = "load";

/// Whoever asks. It ends when this is dropped.
pub(crate) struct Load {
    outside: Child,
    output: tempfile::NamedTempFile,
}

impl Drop for Load {
    fn drop(&mut self) {
        let ended = self.outside.kill().and_then(|()| self.outside.wait());
        if let Err(error) = ended {
            eprintln!("the load from outside did not end: {error}");
        }
    }
}

/// What one of them has seen.
#[derive(Debug, Clone)]
pub(crate) struct Counts {
    pub(crate) answered: u64,
    pub(crate) slow: u64,
    pub(crate) failed: u64,
    pub(crate) line: String,
}

impl Counts {
    fn read(line: &str) -> Result<Self, String> {
        let found: Value = serde_json::from_str(line).map_err(|_| format!("no counts: {line}"))?;
        let count = |name: &str| found[name].as_u64().unwrap_or(0);
        Ok(Self {
            answered: count("answered"),
            slow: count("slow"),
            failed: count("failed"),
            line: line.to_owned(),
        })
    }
}

impl Load {
    /// Begins to ask the Service of a target group, which has a port on each node.
    pub(crate) async fn on(scene: &Scene, group: &str) -> Self {
        let services: Api<Service> = scene.api();
        let spec = scene
            .eventually("the target group's Service", SOON, async || {
                let service = services.get(group).await.map_err(|it| it.to_string())?;
                service.spec.ok_or_else(|| "no spec".to_owned())
            })
            .await;
        let port = spec.ports.unwrap().remove(0);
        let inside = format!("{}:{}", spec.cluster_ip.unwrap(), port.port);
        let nodes: Api<Node> = Api::all(scene.kube.clone());
        let node = nodes.get("node-1").await.unwrap().status.unwrap();
        let mut addresses = node.addresses.unwrap().into_iter();
        let address = addresses.find(|it| it.type_ == "InternalIP").unwrap();
        let outside = format!("{}:{}", address.address, port.node_port.unwrap());
        eprintln!("load on {inside} from a pod, and on {outside} from outside");
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": POD},
            "spec": {
                "terminationGracePeriodSeconds": 0,
                "containers": [{
                    "name": "load", "image": WORKLOAD, "imagePullPolicy": "Never",
                    "args": ["load", inside, "--rate", RATE.to_string()],
                }],
            },
        });
        let pods: Api<Pod> = scene.api();
        let pod = serde_json::from_value(pod).unwrap();
        pods.create(&PostParams::default(), &pod).await.unwrap();
        let output = tempfile::NamedTempFile::new().unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_ecs-operator-workload"))
            .args(["load", &outside, "--rate", &RATE.to_string()])
            .stdin(Stdio::null())
            .stdout(File::create(output.path()).unwrap())
            .spawn()
            .unwrap();
        let load = Self {
            outside: child,
            output,
        };
        scene
            .eventually("answers", SOON, async || {
                let counts = load.counts(scene).await?;
                let silent = counts.iter().find(|counts| counts.slow == 0);
                silent.map_or(Ok(()), |counts| Err(counts.line.clone()))
            })
            .await;
        load
    }

    /// What the pod and the one outside have seen.
    pub(crate) async fn counts(&self, scene: &Scene) -> Result<[Counts; 2], String> {
        let logs = kubectl(&["logs", POD, "-n", &scene.namespace, "--tail=1"]).await;
        let text = std::fs::read_to_string(self.output.path()).map_err(|it| it.to_string())?;
        // The last line may still be written.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let last = whole.lines().last().unwrap_or_default();
        Ok([Counts::read(logs.text.trim())?, Counts::read(last)?])
    }

    /// Lets something happen, and asserts that no request failed from its beginning until a while after its end.
    pub(crate) async fn unharmed(
        &self,
        scene: &Scene,
        what: &str,
        happens: impl Future<Output = ()>,
    ) {
        let before = self.counts(scene).await.unwrap();
        let begun = Instant::now();
        Box::pin(happens).await;
        // Requests that began before the end have an answer, or have failed.
        sleep(Duration::from_secs(17)).await;
        let seconds = begun.elapsed().as_secs();
        let after = self.counts(scene).await.unwrap();
        for (place, before, after) in [
            ("from a pod", &before[0], &after[0]),
            ("from outside", &before[1], &after[1]),
        ] {
            let (answered, failed) = (
                after.answered - before.answered,
                after.failed - before.failed,
            );
            eprintln!(
                "{what}, {place}: {failed} of {} requests failed in {seconds} s ({} took 5 s)",
                answered + failed,
                after.slow - before.slow,
            );
            assert_eq!(failed, 0, "{what}, {place}: {}", after.line);
            assert!(
                answered > u64::from(RATE) * seconds / 2,
                "{what}, {place}: only {answered} answers"
            );
            assert!(after.slow > before.slow, "{what}, {place}: no slow answer");
        }
    }
}
