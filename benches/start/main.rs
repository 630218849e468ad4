//! How long fifty tasks take to run, and one that was killed to be replaced, beside a bare loop over the Docker API,
//! Docker's own swarm and a Deployment of the kubelet's, all on the same three machines in the same run. Then how soon a
//! service answers and how many requests a rolling update loses, beside a Deployment.
//!
//! `make bench` brings the cluster up and calls this. Figures are printed raw and as ratios; nothing is asserted. With the
//! argument `idle` only what an agent takes at rest is measured, with `start` only starts beside the bare loop's.

#![expect(clippy::print_stdout, reason = "a bench tells what it measured")]

mod deployment;
mod engines;
mod idle;
mod ours;
mod rest;
mod swarm;
mod traffic;

use std::future::Future;
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::Instant;

use engines::Engines;

/// Containers that each way starts.
pub(crate) const COUNT: usize = 50;

/// Image that all of them run; it is on every engine and in every kubelet's store.
pub(crate) const IMAGE: &str = "ecs-operator-workload:dev";

/// Instance of the first engine.
const FIRST: &str = "node-1";

/// Starts in turn with the bare loop's, of which the medians are compared.
const ROUNDS: usize = 5;

/// Kills of which the median is told.
const KILLS: usize = 5;

/// Nothing of this takes longer; a bench that hangs says so.
const LIMIT: Duration = Duration::from_mins(3);

fn main() -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(run())
}

async fn run() -> anyhow::Result<()> {
    let state = std::env::var("ECS_OPERATOR_CLUSTER")
        .context("no cluster: eval \"$(make -s env)\" first")?;
    let engines = Engines::of(&state);
    let client = kube::Client::try_default().await?;

    let only = |part: &str| std::env::args().any(|argument| argument == part);
    if only("idle") {
        return idle::measure(&client, FIRST, COUNT).await;
    }
    let (one_bare, one_ours) = starts(&client, &engines.first(), Some(FIRST)).await?;
    ours::remove(&client).await?;
    let (bare, ours) = starts(&client, &engines, None).await?;
    let tell_starts = || {
        ratio(
            "one engine, EcsService / bare loop (budget 1.15)",
            one_ours,
            one_bare,
        );
        ratio("all engines, EcsService / bare loop", ours, bare);
    };
    if only("start") {
        tell_starts();
        return ours::remove(&client).await;
    }
    let mut replaced = Vec::new();
    for _ in 0..KILLS {
        replaced.push(
            timed(
                "  kill to replacement RUNNING",
                ours::kill_one(&client, &engines),
            )
            .await?,
        );
    }
    ours::remove(&client).await?;
    swarm::prepare(&engines).await;
    rest::wait().await?;
    let swarm = timed(
        "docker service create on each engine",
        swarm::start(&engines, COUNT),
    )
    .await?;
    let mut swarm_replaced = Vec::new();
    for _ in 0..KILLS {
        swarm_replaced
            .push(timed("  kill to replacement running", swarm::kill_one(&engines)).await?);
    }
    swarm::remove(&engines).await?;
    rest::wait().await?;
    let kubelet = timed(
        "Deployment, apply to all ready",
        deployment::start(&client, COUNT),
    )
    .await?;
    let mut kubelet_replaced = Vec::new();
    for _ in 0..KILLS {
        let killed = deployment::kill_one(&client, COUNT);
        kubelet_replaced.push(timed("  pod deleted to replacement ready", killed).await?);
    }
    deployment::remove(&client).await?;
    rest::wait().await?;
    let one = timed("one container, create and start", engines.start_all(1)).await?;
    engines.remove_ours().await?;

    rest::wait().await?;
    println!("\ntraffic, one task and then a rolling update of six");
    let (first, first_kubelet) = traffic::measure(&client).await?;

    println!("\nat rest");
    idle::measure(&client, FIRST, COUNT).await?;

    println!("\nratios");
    tell_starts();
    ratio("EcsService / docker service create", ours, swarm);
    ratio("EcsService / Deployment", ours, kubelet);
    ratio(
        "kill to replaced, EcsService / swarm",
        median(replaced.clone()),
        median(swarm_replaced),
    );
    ratio(
        "kill to replaced, EcsService / Deployment",
        median(replaced.clone()),
        median(kubelet_replaced),
    );
    ratio(
        "kill to replaced, EcsService / one bare start",
        median(replaced),
        one,
    );
    ratio(
        "apply to first answer, EcsService / Deployment",
        first,
        first_kubelet,
    );
    Ok(())
}

/// The median times of the bare loop and of an `EcsService`, in turn and each on a machine at rest, on these engines, of which
/// `instance` is the only one if it is told; leaves the last service up.
async fn starts(
    client: &kube::Client,
    engines: &Engines,
    instance: Option<&str>,
) -> anyhow::Result<(Duration, Duration)> {
    println!(
        "{COUNT} containers, image present, number of engines: {}",
        engines.len()
    );
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        rest::wait().await?;
        let started = engines.start_all(COUNT);
        bare.push(timed("bare loop over the Docker API", started).await?);
        engines.remove_ours().await?;
        rest::wait().await?;
        let started = ours::start_on(client, COUNT, instance);
        ours.push(timed("EcsService, apply to all RUNNING", started).await?);
        if round < ROUNDS {
            ours::remove(client).await?;
        }
    }
    Ok((median(bare), median(ours)))
}

/// Runs `work` and prints how long it took.
pub(crate) async fn timed(
    what: &str,
    work: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<Duration> {
    let began = Instant::now();
    tokio::time::timeout(LIMIT, work)
        .await
        .with_context(|| format!("{what}: not done within {LIMIT:?}"))??;
    let took = began.elapsed();
    println!("{what:<44} {:>8.2} s", took.as_secs_f64());
    Ok(took)
}

fn ratio(what: &str, a: Duration, b: Duration) {
    println!("{what:<52} {:>6.2}", a.as_secs_f64() / b.as_secs_f64());
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
