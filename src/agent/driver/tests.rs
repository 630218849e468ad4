//! What the driver keeps in memory.

use ecs_operator::testing::api::FakeApi;
use jiff::SignedDuration;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};

use super::*;
use crate::runtime::EngineInfo;
use crate::runtime::fake::Fake;
use crate::runtime::model::{ModelEngine, Program};

const TASKS: &str = "/apis/ecs-operator.io/v1alpha1/namespaces/shop/ecstasks";

/// Short tasks that come and go beside one that stays, each of a revision of its own.
async fn churn(api: &FakeApi, count: u32) {
    apply(api, "stays", 1).await;
    for number in 1..=count {
        let name = format!("short-{number}");
        apply(api, &name, number + 1).await;
        for _ in 0..60 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let task = api.object(&format!("{TASKS}/{name}")).unwrap();
            if task["status"]["lastStatus"] == "STOPPED" {
                break;
            }
        }
        api.delete(&format!("{TASKS}/{name}")).await;
    }
    tokio::time::sleep(Duration::from_mins(5)).await;
}

async fn apply(api: &FakeApi, name: &str, revision: u32) {
    let image = if revision == 1 { "stays:1" } else { "ends:1" };
    let app = json!({"name": "app", "image": image, "memory": 64});
    let object = |kind: &str, name: &str, spec: Value| {
        json!({
            "apiVersion": "ecs-operator.io/v1alpha1", "kind": kind,
            "metadata": {"name": name, "namespace": "shop"}, "spec": spec,
        })
    };
    let definition = json!({"family": "web", "revision": revision, "definition": {"containerDefinitions": [app]}});
    let revision_name = format!("web.{revision}");
    api.apply(&object(
        "TaskDefinitionRevision",
        &revision_name,
        definition,
    ))
    .await;
    let spec = json!({"cluster": "default", "taskDefinition": format!("web:{revision}"), "containerInstance": "node-1"});
    api.apply(&object("EcsTask", name, spec)).await;
}

/// How many of each thing the driver still knows after so many short tasks.
async fn kept_after(count: u32) -> Vec<usize> {
    let api = FakeApi::new();
    let ends = Program {
        runs_for: Some(SignedDuration::from_secs(2)),
        ..Program::default()
    };
    let model = ModelEngine::default()
        .with_registry("stays:1", Program::default())
        .with_registry("ends:1", ends);
    let clock = Clock::starting_at(api.now());
    let engine = Arc::new(Fake::new(model, move || clock.now()));
    let (_state, state) = watch::channel(EngineState {
        info: Some(EngineInfo {
            cpus: 2,
            memory: 4 << 30,
            ..EngineInfo::default()
        }),
        ..EngineState::default()
    });
    let (_asks, asks) = mpsc::channel(1);
    let (_reach, reach) = watch::channel(Reach::default());
    let (bridge_doubts, _doubts) = mpsc::channel(1);
    let settings = Settings {
        rules: Rules {
            instance: "node-1".to_owned(),
            ..Rules::default()
        },
        address: None,
        size: Size::default(),
        pause: PauseImage::default(),
        stopped_tasks_kept: 10,
        broker: None,
        files: None,
        image_cleanup: Some(crate::agent::images::Rules::default()),
        limits: None,
    };
    let surroundings = Surroundings {
        client: api.client_of("agent"),
        engine: Arc::clone(&engine) as Arc<dyn Engine>,
        state,
        metrics: Metrics::register(&mut Registry::default()),
        asks,
        reach,
        helpers: Helpers::new(engine, PauseImage::default(), "node-1"),
        bridge_doubts,
    };
    let shutdown = CancellationToken::new();
    let work = async {
        churn(&api, count).await;
        shutdown.cancel();
    };
    let (driver, ()) = tokio::join!(serve(settings, surroundings, clock, shutdown.clone()), work);
    let driver = driver.unwrap().unwrap();
    let stays = api.object(&format!("{TASKS}/stays")).unwrap();
    let uid = stays["metadata"]["uid"].as_str().unwrap();
    assert_eq!(driver.book.keys().collect::<Vec<_>>(), [uid]);
    // What tasks hold is known by their UIDs.
    let uids = |text: String| text.matches("-0000-").count();
    vec![
        driver.definitions.len(),
        driver.unreadable.len(),
        driver.suspects.len(),
        driver.dirty.len(),
        driver.lines.len(),
        driver.lanes.images.leases.len(),
        driver.jobs.len(),
        uids(format!("{:?}", driver.ledger)),
        uids(format!("{:?}", driver.gpus)),
        uids(format!("{:?}", driver.roles)),
    ]
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_of_short_tasks_that_are_gone_however_many_there_were() {
    let after_three = kept_after(3).await;
    assert_eq!(after_three[0], 1, "of the task that stays");
    assert_eq!(kept_after(60).await, after_three);
}
