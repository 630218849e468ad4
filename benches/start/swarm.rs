//! Docker's own scheduler: each engine is a swarm of its own, and the replicas are split over them, which spares swarm
//! its network between machines.

use tokio::process::Command;

use crate::IMAGE;
use crate::engines::Engines;

const NAME: &str = "bench";

/// Makes each engine a swarm.
pub(crate) async fn prepare(engines: &Engines) {
    for socket in engines.sockets() {
        // A swarm of an earlier run does as well.
        docker(socket, &["swarm", "init", "--advertise-addr", "127.0.0.1"])
            .await
            .ok();
    }
}

/// Creates a service on each engine and waits until all its containers run.
pub(crate) async fn start(engines: &Engines, count: usize) -> anyhow::Result<()> {
    let sockets = engines.sockets();
    let shares = shares(count, sockets.len());
    for (socket, share) in sockets.iter().zip(&shares) {
        // By its id: an image's name makes swarm ask a registry first.
        let image = docker(socket, &["image", "inspect", "--format", "{{.Id}}", IMAGE]).await?;
        let replicas = share.to_string();
        let create = [
            "service",
            "create",
            "--detach",
            "--no-resolve-image",
            "--name",
            NAME,
            "--replicas",
            &replicas,
            image.trim(),
        ];
        docker(socket, &create).await?;
    }
    for (socket, share) in sockets.iter().zip(&shares) {
        while running(socket).await?.len() < *share {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
    Ok(())
}

/// Kills one container and waits for its successor.
pub(crate) async fn kill_one(engines: &Engines) -> anyhow::Result<()> {
    let socket = engines
        .sockets()
        .first()
        .ok_or_else(|| anyhow::anyhow!("there is no engine"))?;
    let before = running(socket).await?;
    let victim = before
        .first()
        .ok_or_else(|| anyhow::anyhow!("no container to kill"))?;
    docker(socket, &["kill", victim]).await?;
    loop {
        let now = running(socket).await?;
        if now.len() >= before.len() && !now.contains(victim) {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// Removes the services and the swarms.
pub(crate) async fn remove(engines: &Engines) -> anyhow::Result<()> {
    for socket in engines.sockets() {
        docker(socket, &["service", "rm", NAME]).await?;
        while !running(socket).await?.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
        docker(socket, &["swarm", "leave", "--force"]).await?;
    }
    Ok(())
}

fn shares(count: usize, parts: usize) -> Vec<usize> {
    (0..parts)
        .map(|index| count / parts + usize::from(index < count % parts))
        .collect()
}

async fn running(socket: &str) -> anyhow::Result<Vec<String>> {
    let label = format!("label=com.docker.swarm.service.name={NAME}");
    let listed = docker(socket, &["ps", "--quiet", "--filter", &label]).await?;
    Ok(listed.lines().map(str::to_owned).collect())
}

async fn docker(socket: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("docker")
        .arg("--host")
        .arg(format!("unix://{socket}"))
        .args(arguments)
        .output()
        .await?;
    anyhow::ensure!(
        output.status.success(),
        "docker {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}
