//! Every field of a task definition that is carried out, on a real Docker Engine: a container is made by the way that the
//! agent takes, and what it sees inside, or the engine shows of it, is compared with the table.

mod rows;

use ecs_operator::agent::wanted::{Rules, Wanted};
use ecs_operator::api::task::{EcsTask, EcsTaskSpec};
use ecs_operator::api::task_definition::TaskDefinitionSpec;
use ecs_operator::domain::security::Profile;
use ecs_operator::runtime::docker::Docker;
use ecs_operator::runtime::{Created, Engine as _};
use serde_json::{Value, json};

use crate::harness::beside_others;
use crate::harness::engine::{Engine, WORKLOAD};
use rows::{Look, ROWS, Row};

/// No agent has this name, so that none takes the containers for its own.
const NOBODY: &str = "table-of-fields";

#[tokio::test]
async fn every_field_of_the_table_is_seen_in_a_container_of_a_real_engine() {
    beside_others("fields", async |scene| {
        let engine = &scene.engine("node-1");
        let docker = Docker::at(engine.socket());
        let mut faults = Vec::new();
        for (number, row) in ROWS.iter().enumerate() {
            let wanted = wanted(row, number);
            let found = play(&docker, engine, &wanted, row).await;
            clean(&docker, engine, &wanted).await;
            let missing = found.map(|found| {
                let missing = row.sees.iter().filter(|sees| !is_seen(sees, &found));
                let missing: Vec<_> = missing.collect();
                (!missing.is_empty()).then(|| format!("{missing:?} is not in:\n{found}"))
            });
            if let Some(fault) = missing.unwrap_or_else(Some) {
                faults.push(format!("{:?}: {fault}", row.fields));
            }
        }
        assert!(faults.is_empty(), "{}", faults.join("\n\n"));
        eprintln!("{} rows were seen", ROWS.len());
    })
    .await;
}

fn is_seen(sees: &str, found: &str) -> bool {
    match sees.strip_prefix('!') {
        Some(absent) => !found.contains(absent),
        None => sees.split('|').any(|either| found.contains(either)),
    }
}

/// The task of a row, as the agent reads it from a definition.
fn wanted(row: &Row, number: usize) -> Wanted {
    let mut definition: Value = serde_json::from_str(row.task).unwrap();
    let mut containers: Value = serde_json::from_str(row.containers).unwrap();
    let looks = match row.look {
        Look::Inside(paths) => paths,
        Look::Inspect(_) => &[],
    };
    let command: Vec<&str> = ["show"].iter().chain(looks).copied().collect();
    let defaults = json!({"name": "app", "image": WORKLOAD, "memory": 64, "command": command});
    for container in containers.as_array_mut().unwrap() {
        for (name, value) in defaults.as_object().unwrap() {
            let fields = container.as_object_mut().unwrap();
            fields.entry(name).or_insert_with(|| value.clone());
        }
    }
    definition["containerDefinitions"] = containers;
    let spec: TaskDefinitionSpec = serde_json::from_value(definition).unwrap();
    let mut task = EcsTask::new("row", EcsTaskSpec::default());
    task.metadata.namespace = Some("fields".to_owned());
    task.metadata.uid = Some(format!("{number:012}-fields-{}", std::process::id()));
    let rules = rules();
    let wanted = Wanted::read(&task, 1, "fields", &spec, &rules);
    assert_eq!(wanted.refusal, None, "{:?}", row.fields);
    wanted
}

fn rules() -> Rules {
    Rules {
        instance: NOBODY.to_owned(),
        profile: Profile::Privileged,
        log_driver: "json-file".to_owned(),
        ..Rules::default()
    }
}

/// Runs the containers one after the other, and tells what the last one shows.
async fn play(
    docker: &Docker,
    engine: &Engine,
    wanted: &Wanted,
    row: &Row,
) -> Result<String, String> {
    let rules = rules();
    for volume in &wanted.definition.volumes {
        if let Some((spec, _)) = wanted.volume(&volume.name, &rules) {
            let made = docker.create_volume(&spec).await;
            made.map_err(|error| error.to_string())?;
        }
    }
    let mut last = String::new();
    for container in &wanted.definition.containers {
        let spec = wanted.spec(container, &rules);
        match docker.create(&spec).await {
            Ok(Created::New { .. }) => {}
            other => return Err(format!("create: {other:?}")),
        }
        if let Look::Inside(_) = row.look {
            let started = docker.start(&spec.name).await;
            started.map_err(|error| format!("start: {error}"))?;
            let is_last = Some(container) == wanted.definition.containers.last();
            if is_last || !container.essential {
                engine.wait(&spec.name).await?;
            }
        }
        last = spec.name;
    }
    match row.look {
        Look::Inside(_) => engine.output(&last).await,
        Look::Inspect(pointer) => {
            let shown = engine.raw(&last).await?;
            let found = shown.pointer(pointer).cloned().unwrap_or_default();
            Ok(found.to_string())
        }
    }
}

async fn clean(docker: &Docker, engine: &Engine, wanted: &Wanted) {
    for container in wanted.definition.containers.iter().rev() {
        engine
            .remove_if_there(&wanted.engine_name(&container.name))
            .await;
    }
    for volume in &wanted.definition.volumes {
        if let Some((spec, _)) = wanted.volume(&volume.name, &rules()) {
            docker.remove_volume(&spec.name).await.unwrap();
        }
    }
}
