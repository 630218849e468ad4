//! Requests to a target group without a break: from a pod through its Service, and from outside through a node's port.

use std::fmt::{Display, Formatter};
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
use super::{LATER, SOON, Scene};

/// Requests a second that each of the two sends, beside slow ones.
const RATE: u32 = 100;
/// Where the pod is, and whose port the one outside asks.
const NODE: &str = "node-1";

/// Whoever asks. It ends when this is dropped.
pub(crate) struct Load {
    pod: String,
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
    /// Seconds since it began.
    pub(crate) second: u64,
    /// The last of them in which one failed.
    pub(crate) last_failure: Option<u64>,
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
            second: count("second"),
            last_failure: found["lastFailureSecond"].as_u64(),
            line: line.to_owned(),
        })
    }
}

/// A time in which requests failed, in seconds since its cause.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outage {
    /// Until the last second in which more than one request in ten failed.
    pub(crate) lasted: u64,
    /// Until the last failure.
    pub(crate) last_failure: u64,
    pub(crate) failed: u64,
}

impl Display for Outage {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let Self {
            lasted,
            last_failure,
            failed,
        } = self;
        write!(
            f,
            "{lasted} s, the last after {last_failure} s, {failed} in all"
        )
    }
}

/// Where a Service is reached.
pub(crate) struct Front {
    /// Its address inside the cluster, with its port.
    pub(crate) inside: String,
    /// Its port on each node.
    pub(crate) node_port: i32,
}

/// Waits for a Service with a port on each node.
pub(crate) async fn front(scene: &Scene, name: &str) -> Front {
    let services: Api<Service> = scene.api();
    scene
        .eventually(&format!("Service {name}"), SOON, async || {
            let service = services.get(name).await.map_err(|it| it.to_string())?;
            let spec = service.spec.ok_or("it has no spec")?;
            let port = spec.ports.and_then(|ports| ports.into_iter().next());
            let port = port.ok_or("it has no port")?;
            Ok(Front {
                inside: format!("{}:{}", spec.cluster_ip.unwrap_or_default(), port.port),
                node_port: port.node_port.ok_or("it has no port on nodes")?,
            })
        })
        .await
}

/// The address at which a node is reached.
pub(crate) async fn node_address(scene: &Scene, name: &str) -> String {
    let nodes: Api<Node> = Api::all(scene.kube.clone());
    let node = nodes.get(name).await.unwrap().status.unwrap();
    let mut addresses = node.addresses.unwrap().into_iter();
    let address = addresses.find(|it| it.type_ == "InternalIP").unwrap();
    address.address
}

impl Load {
    /// Begins to ask a Service that has a port on each node, a target group's or another.
    pub(crate) async fn on(scene: &Scene, service: &str) -> Self {
        let front = front(scene, service).await;
        let inside = front.inside;
        let outside = format!("{}:{}", node_address(scene, NODE).await, front.node_port);
        eprintln!("load on {inside} from a pod, and on {outside} from outside");
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("load-{service}")},
            "spec": {
                "nodeName": NODE,
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
            pod: format!("load-{service}"),
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
        let [inside, outside] = self.seconds(scene, "--tail=1").await?;
        let last = |seconds: Vec<Counts>| seconds.into_iter().last().ok_or("no counts");
        Ok([last(inside)?, last(outside)?])
    }

    /// The same of every second, or of the last ones.
    async fn seconds(&self, scene: &Scene, tail: &str) -> Result<[Vec<Counts>; 2], String> {
        let logs = kubectl(&["logs", &self.pod, "-n", &scene.namespace, tail]).await;
        let (_, inside) = logs.text.split_once('\n').unwrap_or_default();
        let outside = std::fs::read_to_string(self.output.path()).map_err(|it| it.to_string())?;
        // The last line may still be written.
        let outside = outside.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let read = |text: &str| {
            text.lines()
                .map(Counts::read)
                .collect::<Result<Vec<_>, _>>()
        };
        Ok([read(inside)?, read(outside)?])
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

    /// Waits for the end of the failures whose cause came right after `before`: for so many seconds in which none failed, once
    /// some have.
    pub(crate) async fn outage(&self, scene: &Scene, before: &[Counts; 2], calm: u64) -> Outage {
        let seconds = scene
            .eventually("the end of an outage", LATER, async || {
                let after = self.counts(scene).await?;
                let mut has_failed = false;
                for (before, after) in before.iter().zip(&after) {
                    has_failed |= after.failed > before.failed;
                    if after
                        .last_failure
                        .is_some_and(|last| after.second < last + calm)
                    {
                        return Err(format!("requests still fail: {}", after.line));
                    }
                }
                if !has_failed {
                    return Err("no request has failed".to_owned());
                }
                self.seconds(scene, "--tail=-1").await
            })
            .await;
        let mut outage = Outage {
            lasted: 0,
            last_failure: 0,
            failed: 0,
        };
        for (before, seconds) in before.iter().zip(seconds) {
            for pair in seconds.windows(2) {
                let (earlier, later) = (&pair[0], &pair[1]);
                let failed = later.failed - earlier.failed;
                let answered = later.answered - earlier.answered;
                if later.second <= before.second || failed == 0 {
                    continue;
                }
                let since = later.second - before.second;
                outage.failed += failed;
                outage.last_failure = outage.last_failure.max(since);
                if failed * 10 > failed + answered {
                    outage.lasted = outage.lasted.max(since);
                }
            }
        }
        outage
    }
}
