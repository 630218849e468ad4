//! `kubectl ecs logs`: of one container, of all containers of a task, or of all tasks of a service.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use futures::{AsyncBufReadExt, AsyncReadExt, StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use kube::api::{ListParams, LogParams};

use super::connection::{Connection, explained};
use super::output;
use crate::api::names;
use crate::api::task::EcsTask;
use crate::platform::clock::Clock;

pub(super) const EXAMPLE: &str = "Examples:
  kubectl ecs logs web-1f3a9c2e-0-1                     all that a task has written; a stopped one, too, while its containers are kept
  kubectl ecs logs web-1f3a9c2e-0-1 -c proxy -f         one container, and what it writes from now on
  kubectl ecs logs service/web --tail 20 --since 10m    all tasks of a service, each line with its task and container";

/// Streams at once: more tasks than that are no reading any more.
const STREAMS: usize = 50;

/// Arguments of `logs`.
#[derive(Debug, Args)]
pub(super) struct LogsArguments {
    /// Name of a task, or `service/NAME`.
    of: String,
    /// One container; by default all of them.
    #[arg(long, short)]
    container: Option<String>,
    /// Goes on until the containers end.
    #[arg(long, short)]
    follow: bool,
    /// Only so many lines of each container.
    #[arg(long)]
    tail: Option<i64>,
    /// Only what is younger, such as 90s, 10m or 2h.
    #[arg(long, value_parser = age)]
    since: Option<SignedDuration>,
    /// Begins each line with the time at which it was written.
    #[arg(long)]
    timestamps: bool,
}

fn age(text: &str) -> Result<SignedDuration, String> {
    let age: SignedDuration = text
        .parse()
        .map_err(|_| "write it like 90s, 10m or 2h".to_owned())?;
    if age.is_negative() {
        return Err("the future has no logs".to_owned());
    }
    Ok(age)
}

/// One container of one task.
struct Stream {
    task: String,
    /// The only one where nobody says which there are.
    container: Option<String>,
    prefix: String,
}

pub(super) async fn run(
    connection: &Connection,
    arguments: &LogsArguments,
) -> anyhow::Result<ExitCode> {
    let only = arguments.container.as_deref();
    let streams = match arguments.of.split_once('/') {
        None => match connection.visible_task(&arguments.of).await? {
            Some(task) => streams(&[task], only),
            None => vec![unseen(&arguments.of, only)],
        },
        Some(("service" | "ecsservice", name)) => {
            streams(&of_service(connection, name).await?, only)
        }
        Some((kind, _)) => bail!("{kind} has no logs: name a task, or service/NAME"),
    };
    if streams.is_empty() {
        bail!("no container of this name has been created yet: see kubectl ecs tasks");
    }
    if streams.len() > STREAMS {
        let count = streams.len();
        bail!("{count} containers are too many to read: name a task, or a container with -c");
    }
    let since = arguments.since.map(|age| Clock::system().now() - age);
    let shown = stream::iter(streams)
        .map(|stream| show(connection, arguments, stream, since))
        .buffer_unordered(STREAMS);
    // What one container has to say is shown although another one's is gone.
    let results: Vec<anyhow::Result<()>> = shown.collect().await;
    results.into_iter().collect::<anyhow::Result<()>>()?;
    Ok(ExitCode::SUCCESS)
}

async fn of_service(connection: &Connection, name: &str) -> anyhow::Result<Vec<EcsTask>> {
    let wanted = ListParams::default().labels(&format!("{}={name}", names::SERVICE_LABEL));
    let listed = connection.tasks().list(&wanted).await;
    let tasks = listed.map_err(|error| explained(error, "list the service's tasks"))?;
    let live: Vec<EcsTask> = tasks
        .into_iter()
        .filter(|task| !task.is_stopped())
        .collect();
    if live.is_empty() {
        bail!(
            "no task of service {name} runs in namespace {}: kubectl ecs tasks --service {name} --stopped lists those that have ended, and logs TASK reads one",
            connection.namespace
        );
    }
    Ok(live)
}

/// The containers to read, each line of which begins with where it is from when there are several.
fn streams(tasks: &[EcsTask], only: Option<&str>) -> Vec<Stream> {
    let mut streams: Vec<Stream> = tasks
        .iter()
        .flat_map(|task| {
            let containers = task
                .status
                .iter()
                .flat_map(|status| status.containers.iter());
            let wanted = containers
                .filter(move |container| only.is_none_or(|only| only == container.name.as_str()));
            wanted.map(|container| Stream {
                task: task.name_any(),
                container: Some(container.name.to_string()),
                prefix: format!("[{}/{}] ", task.name_any(), container.name),
            })
        })
        .collect();
    if let [single] = streams.as_mut_slice() {
        single.prefix.clear();
    }
    streams
}

/// Of a task that may not be read, by a user who may read its logs: the gateway knows its containers.
fn unseen(task: &str, container: Option<&str>) -> Stream {
    Stream {
        task: task.to_owned(),
        container: container.map(str::to_owned),
        prefix: String::new(),
    }
}

async fn show(
    connection: &Connection,
    arguments: &LogsArguments,
    stream: Stream,
    since: Option<Timestamp>,
) -> anyhow::Result<()> {
    let parameters = LogParams {
        container: stream.container.clone(),
        follow: arguments.follow,
        tail_lines: arguments.tail,
        since_time: since,
        timestamps: arguments.timestamps,
        ..LogParams::default()
    };
    copy(connection, &stream.task, &parameters, &stream.prefix)
        .await
        .with_context(|| {
            let container = stream.container.map(|name| format!("/{name}"));
            format!("{}{}", stream.task, container.unwrap_or_default())
        })
}

/// Writes a log to standard output, each line after `prefix`.
pub(super) async fn copy(
    connection: &Connection,
    task: &str,
    parameters: &LogParams,
    prefix: &str,
) -> anyhow::Result<()> {
    let log = connection.streams().log_stream(task, parameters).await;
    let mut log = log.map_err(|error| explained(error, "read the log"))?;
    if prefix.is_empty() {
        let mut part = vec![0; 16 * 1024];
        loop {
            let count = log.read(&mut part).await?;
            match part.get(..count) {
                Some([]) | None => return Ok(()),
                Some(read) => output::bytes(read)?,
            }
        }
    }
    let mut lines = log.lines();
    while let Some(line) = lines.try_next().await? {
        output::bytes(format!("{prefix}{line}\n").as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn task(name: &str, containers: &[&str]) -> EcsTask {
        let containers: Vec<_> = containers
            .iter()
            .map(|name| json!({"name": name}))
            .collect();
        serde_json::from_value(json!({
            "apiVersion": "ecs-operator.io/v1alpha1", "kind": "EcsTask", "metadata": {"name": name},
            "spec": {"taskDefinition": "web"}, "status": {"containers": containers},
        }))
        .unwrap()
    }

    #[test]
    fn lines_say_where_they_are_from_only_when_there_are_several_sources() {
        let prefixes = |tasks: &[EcsTask], only| -> Vec<String> {
            let streams = streams(tasks, only);
            streams.into_iter().map(|stream| stream.prefix).collect()
        };
        let tasks = [task("a", &["app", "proxy"]), task("b", &["app"])];
        assert_eq!(prefixes(&tasks[..1], None), ["[a/app] ", "[a/proxy] "]);
        assert_eq!(prefixes(&tasks[..1], Some("app")), [""]);
        assert_eq!(prefixes(&tasks, Some("app")), ["[a/app] ", "[b/app] "]);
        assert!(prefixes(&tasks, Some("none")).is_empty());
    }

    #[test]
    fn ages_are_written_as_people_write_them() {
        assert_eq!(age("10m"), Ok(SignedDuration::from_mins(10)));
        assert_eq!(age("1h30m"), Ok(SignedDuration::from_mins(90)));
        assert!(age("soon").is_err());
        assert!(age("-5m").is_err());
    }
}
