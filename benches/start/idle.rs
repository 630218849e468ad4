//! What an agent takes that looks after fifty containers to which nothing happens: memory, and CPU over a minute.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use crate::ours;
use kube::Client;

/// For which CPU is counted.
const WHILE: Duration = Duration::from_mins(1);

/// After the last start, so that nothing of it is counted.
const SETTLING: Duration = Duration::from_secs(30);

/// Units of CPU time in `/proc`, a second.
const TICKS: f64 = 100.0;

/// Prints what the agent of `instance` takes while `count` containers on it do nothing.
pub(crate) async fn measure(client: &Client, instance: &str, count: usize) -> anyhow::Result<()> {
    let process = agent_of(instance)?;
    ours::start_on(client, count, Some(instance)).await?;
    tokio::time::sleep(SETTLING).await;
    let before = cpu(&process)?;
    tokio::time::sleep(WHILE).await;
    let share = (cpu(&process)? - before) / WHILE.as_secs_f64();
    println!(
        "agent with {count} idle containers                 {:>8.1} MiB (budget 25; {:.1} beside its program), {:.2} % of a core (budget 0.5)",
        memory(&process, "VmRSS:")?,
        memory(&process, "RssAnon:")?,
        share * 100.0
    );
    ours::remove(client).await
}

/// The process of an instance's agent: nodes of the local cluster are namespaces of this machine.
fn agent_of(instance: &str) -> anyhow::Result<PathBuf> {
    let wanted = format!("INSTANCE_NAME={instance}");
    let is_agent = |process: &Path| {
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        let mut variables = environment.split(|byte| *byte == 0);
        variables.any(|variable| variable == wanted.as_bytes())
    };
    let processes = fs::read_dir("/proc")?.filter_map(Result::ok);
    processes
        .map(|entry| entry.path())
        .find(|process| is_agent(process))
        .with_context(|| format!("no agent of {instance} runs on this machine"))
}

/// MiB that are in memory, as a line of `/proc` counts them (`proc_pid_status(5)`).
fn memory(process: &Path, counted: &str) -> anyhow::Result<f64> {
    let status = fs::read_to_string(process.join("status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(counted));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    let kibibytes: f64 = number.context("no memory is told")?.parse()?;
    Ok(kibibytes / 1024.0)
}

/// Seconds of CPU so far.
fn cpu(process: &Path) -> anyhow::Result<f64> {
    let stat = fs::read_to_string(process.join("stat"))?;
    // The name of the program may hold spaces and ends with the last bracket; user and system time are 12th and 13th after it.
    let (_, rest) = stat.rsplit_once(')').context("no times are told")?;
    let times = rest.split_whitespace().skip(11).take(2);
    let ticks: Result<Vec<f64>, _> = times.map(str::parse).collect();
    Ok(ticks?.iter().sum::<f64>() / TICKS)
}
