//! The machine at rest: containers that went leave the kernel and the engines work for seconds, which is not the next
//! measurement's.

use std::fs;
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::Instant;

use crate::LIMIT;

/// For which the machine is looked at.
const LOOK: Duration = Duration::from_secs(3);

/// Share of its time in which a machine at rest is idle; a quiet cluster takes about a tenth.
const IDLE: f64 = 0.85;

/// Looks in a row that must find it idle: work of the kernel's comes in waves.
const LOOKS: usize = 3;

/// Waits until the machine is at rest.
///
/// # Errors
/// When it still works after [`LIMIT`]: something else runs on it, and figures would tell of that.
pub(crate) async fn wait() -> anyhow::Result<()> {
    let deadline = Instant::now() + LIMIT;
    let mut idle_looks = 0;
    let mut before = times()?;
    while idle_looks < LOOKS {
        anyhow::ensure!(
            Instant::now() < deadline,
            "the machine is not at rest after {LIMIT:?}: what else runs on it?"
        );
        tokio::time::sleep(LOOK).await;
        let now = times()?;
        let is_idle = (now.idle - before.idle) >= IDLE * (now.all - before.all);
        idle_looks = if is_idle { idle_looks + 1 } else { 0 };
        before = now;
    }
    Ok(())
}

/// Time of all cores since the machine started, in the kernel's ticks.
struct Times {
    idle: f64,
    all: f64,
}

/// What `/proc/stat` tells (`proc_stat(5)`): of the first eight numbers the fourth and fifth are idle; guests' time is in others.
fn times() -> anyhow::Result<Times> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "));
    let numbers = line.context("/proc/stat has no line of all cores")?;
    let numbers: Result<Vec<f64>, _> = numbers.split_whitespace().take(8).map(str::parse).collect();
    let numbers = numbers?;
    Ok(Times {
        idle: numbers.iter().skip(3).take(2).sum(),
        all: numbers.iter().sum(),
    })
}
