use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::{StreamExt, TryStreamExt};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::core::PartialObjectMeta;
use kube::runtime::controller::{Action, Controller};
use kube::runtime::events::{Event, EventType, Recorder};
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Resource, ResourceExt};
use serde_json::json;
use tokio::time::{Duration, sleep};

use super::super::Verb;
use super::*;

async fn add(api: &FakeApi, names: &[&str]) {
    for name in names {
        maps(api)
            .create(&PostParams::default(), &map(name, "1"))
            .await
            .unwrap();
    }
}

/// Runs a reflector while faults happen, and says what it holds in the end.
async fn reflected(config: watcher::Config) -> Vec<String> {
    let api = FakeApi::new();
    add(&api, &["a", "b", "c"]).await;
    let (store, writer) = reflector::store();
    let stream = watcher(maps(&api), config)
        .default_backoff()
        .reflect(writer)
        .applied_objects();
    let running = tokio::spawn(stream.for_each(|_| async {}));
    store.wait_until_ready().await.unwrap();
    assert_eq!(store.len(), 3);
    api.cut_watches();
    add(&api, &["d"]).await;
    sleep(Duration::from_secs(5)).await;
    api.pause();
    sleep(Duration::from_mins(1)).await;
    api.resume();
    maps(&api)
        .delete("a", &DeleteParams::default())
        .await
        .unwrap();
    api.expire();
    add(&api, &["e"]).await;
    sleep(Duration::from_mins(10)).await;
    running.abort();
    let mut names: Vec<String> = store
        .state()
        .iter()
        .map(|object| object.name_any())
        .collect();
    names.sort();
    names
}

#[tokio::test(start_paused = true)]
async fn a_reflector_holds_the_truth_after_cuts_pauses_and_expired_versions() {
    assert_eq!(
        reflected(watcher::Config::default().page_size(2)).await,
        ["b", "c", "d", "e"]
    );
    assert_eq!(
        reflected(watcher::Config::default().streaming_lists()).await,
        ["b", "c", "d", "e"]
    );
}

#[tokio::test(start_paused = true)]
async fn metadata_alone_can_be_listed_and_watched() {
    let api = FakeApi::new();
    add(&api, &["a"]).await;
    let metadata: Api<PartialObjectMeta<ConfigMap>> = Api::namespaced(api.client(), "shop");
    let listed = metadata.list(&ListParams::default()).await.unwrap();
    assert_eq!(listed.items[0].name_any(), "a");
    let mut watched = watcher(metadata, watcher::Config::default())
        .applied_objects()
        .boxed();
    assert_eq!(watched.try_next().await.unwrap().unwrap().name_any(), "a");
}

#[tokio::test(start_paused = true)]
async fn a_repeated_event_is_counted_on_the_first_one() {
    let api = FakeApi::new();
    add(&api, &["a"]).await;
    let subject = maps(&api).get("a").await.unwrap().object_ref(&());
    let recorder = Recorder::new(api.client(), "test".into());
    let event = Event {
        type_: EventType::Normal,
        reason: "Tested".into(),
        note: Some("once more".into()),
        action: "Test".into(),
        secondary: None,
    };
    for _ in 0..3 {
        recorder.publish(&event, &subject).await.unwrap();
    }
    let written: Vec<Verb> = api
        .writes()
        .iter()
        .filter(|request| request.resource == "events")
        .map(|request| request.verb)
        .collect();
    assert_eq!(written, [Verb::Create, Verb::Patch, Verb::Patch]);
}

#[tokio::test(start_paused = true)]
async fn a_controller_runs_and_sees_what_it_wrote() {
    let api = FakeApi::new();
    let count = Arc::new(AtomicU32::new(0));
    let (maps_of_controller, calls) = (maps(&api), Arc::clone(&count));
    let reconcile = move |object: Arc<ConfigMap>, maps: Arc<Api<ConfigMap>>| {
        calls.fetch_add(1, Ordering::Relaxed);
        async move {
            let patch = json!({"metadata": {"annotations": {"seen": "yes"}}});
            let params = PatchParams::default();
            maps.patch(&object.name_any(), &params, &Patch::Merge(patch))
                .await?;
            Ok::<_, Error>(Action::await_change())
        }
    };
    let running = tokio::spawn(
        Controller::new(maps_of_controller, watcher::Config::default())
            .run(
                reconcile,
                |_, _, _| Action::requeue(Duration::from_secs(1)),
                Arc::new(maps(&api)),
            )
            .for_each(|_| async {}),
    );
    sleep(Duration::from_secs(1)).await;
    add(&api, &["a"]).await;
    sleep(Duration::from_mins(1)).await;
    running.abort();
    assert_eq!(
        maps(&api).get("a").await.unwrap().annotations()["seen"],
        "yes"
    );
    // Once for the object, once for its own annotation, which changes nothing more.
    assert_eq!(count.load(Ordering::Relaxed), 2);
}
