//! Requests: how soon a new service answers its first, and how many are lost while a rolling update replaces its tasks, of an
//! EcsService behind a target group and of a Deployment behind a Service.

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use k8s_openapi::api::core::v1::{Node, Service};
use kube::{Api, Client};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::{deployment, ours, timed};

/// Tasks, or pods, that a rolling update replaces.
const COUNT: usize = 6;
/// Requests a second meanwhile, beside slow ones.
const RATE: &str = "200";
/// Until requests that began before the end have their answer.
const SLOWEST: Duration = Duration::from_secs(17);

/// Prints both, and gives the times to the first answer.
pub(crate) async fn measure(client: &Client) -> anyhow::Result<(Duration, Duration)> {
    let first = timed("EcsService, apply to first answer", async {
        ours::serve(client, 1, "1").await?;
        answered(client, ours::FRONT).await
    })
    .await?;
    ours::serve(client, COUNT, "1").await?;
    ours::served(client, COUNT).await?;
    let load = Load::begin(client, ours::FRONT).await?;
    ours::serve(client, COUNT, "2").await?;
    ours::served(client, COUNT).await?;
    load.end("EcsService").await?;
    ours::withdraw(client).await?;

    let kubelet = timed("Deployment, apply to first answer", async {
        deployment::serve(client, 1, "1").await?;
        answered(client, deployment::NAME).await
    })
    .await?;
    deployment::serve(client, COUNT, "1").await?;
    deployment::served(client, COUNT).await?;
    let load = Load::begin(client, deployment::NAME).await?;
    deployment::serve(client, COUNT, "2").await?;
    deployment::served(client, COUNT).await?;
    load.end("Deployment").await?;
    deployment::withdraw(client).await?;
    Ok((first, kubelet))
}

/// `address:port` at which a Service is reached from outside, once it has a port on nodes.
async fn outside(client: &Client, service: &str) -> anyhow::Result<String> {
    let nodes: Api<Node> = Api::all(client.clone());
    let status = nodes.get("node-1").await?.status;
    let mut addresses = status.and_then(|it| it.addresses).into_iter().flatten();
    let address = addresses
        .find(|it| it.type_ == "InternalIP")
        .context("node-1 has no address")?;
    let services: Api<Service> = Api::namespaced(client.clone(), "default");
    loop {
        let found = services.get_opt(service).await?.and_then(|it| it.spec);
        let port = found.and_then(|spec| spec.ports?.first()?.node_port);
        if let Some(port) = port {
            return Ok(format!("{}:{port}", address.address));
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// Asks again and again until somebody answers.
async fn answered(client: &Client, service: &str) -> anyhow::Result<()> {
    let address = outside(client, service).await?;
    while !matches!(
        timeout(Duration::from_secs(1), ask(&address)).await,
        Ok(Ok(true))
    ) {
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

async fn ask(address: &str) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.contains(" 200 "))
}

/// Requests to a Service from outside.
struct Load {
    child: Child,
    output: tempfile::NamedTempFile,
}

impl Load {
    async fn begin(client: &Client, service: &str) -> anyhow::Result<Self> {
        let output = tempfile::NamedTempFile::new()?;
        let child = Command::new(env!("CARGO_BIN_EXE_ecs-operator-workload"))
            .args(["load", &outside(client, service).await?, "--rate", RATE])
            .stdin(Stdio::null())
            .stdout(File::create(output.path())?)
            .spawn()?;
        let load = Self { child, output };
        while load.count("slow")? == 0 {
            sleep(Duration::from_millis(200)).await;
        }
        Ok(load)
    }

    fn count(&self, name: &str) -> anyhow::Result<u64> {
        let text = std::fs::read_to_string(self.output.path())?;
        // The last line may still be written.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let Some(line) = whole.lines().last() else {
            return Ok(0);
        };
        let counts: Value = serde_json::from_str(line)?;
        counts
            .get(name)
            .and_then(Value::as_u64)
            .context("no such count")
    }

    /// Prints how many requests were lost since it began.
    async fn end(mut self, what: &str) -> anyhow::Result<()> {
        sleep(SLOWEST).await;
        self.child.kill()?;
        self.child.wait()?;
        let (answered, failed) = (self.count("answered")?, self.count("failed")?);
        println!(
            "  {what}: requests lost in the update {failed:>12} of {}",
            answered + failed
        );
        Ok(())
    }
}
