use std::pin::pin;

use futures::{StreamExt, TryStreamExt};
use kube::ResourceExt;
use kube::api::{
    DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams,
};
use serde_json::json;
use tokio::time::{Duration, timeout};

use super::*;

fn word<K: ResourceExt>(event: &WatchEvent<K>) -> String {
    match event {
        WatchEvent::Added(object) => format!("+{}", object.name_any()),
        WatchEvent::Modified(object) => format!("~{}", object.name_any()),
        WatchEvent::Deleted(object) => format!("-{}", object.name_any()),
        WatchEvent::Bookmark(mark) => format!("@{}", mark.metadata.resource_version),
        WatchEvent::Error(status) => format!("!{}", status.code),
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_replays_everything_after_its_version_and_then_follows() {
    let api = FakeApi::new();
    let maps = maps(&api);
    maps.create(&PostParams::default(), &map("a", "1"))
        .await
        .unwrap();
    let version = maps
        .list(&ListParams::default())
        .await
        .unwrap()
        .metadata
        .resource_version
        .unwrap();
    maps.create(&PostParams::default(), &map("b", "1"))
        .await
        .unwrap();
    maps.delete("a", &DeleteParams::default()).await.unwrap();
    let mut watch = pin!(maps.watch(&WatchParams::default(), &version).await.unwrap());
    let mut seen = Vec::new();
    for _ in 0..2 {
        seen.push(word(&watch.try_next().await.unwrap().unwrap()));
    }
    maps.create(&PostParams::default(), &map("c", "1"))
        .await
        .unwrap();
    seen.push(word(&watch.try_next().await.unwrap().unwrap()));
    // A minute of silence brings a bookmark, and after its time the watch ends.
    seen.push(word(&watch.try_next().await.unwrap().unwrap()));
    assert_eq!(seen, ["+b", "-a", "+c", "@4"]);
    let rest: Vec<String> = watch
        .map_ok(|event| word(&event))
        .try_collect()
        .await
        .unwrap();
    assert_eq!(rest, ["@4", "@4", "@4"]);
}

#[tokio::test(start_paused = true)]
async fn an_object_enters_and_leaves_a_selected_watch_as_its_fields_change() {
    let api = FakeApi::new();
    let tasks = tasks(&api);
    for (name, instance) in [("a", "i1"), ("b", "i2")] {
        tasks
            .create(&PostParams::default(), &task(name, instance))
            .await
            .unwrap();
    }
    let params = WatchParams::default()
        .fields("spec.containerInstance=i1")
        .disable_bookmarks()
        .timeout(10);
    let watch = tasks.watch(&params, "0").await.unwrap();
    for (name, instance) in [("b", "i1"), ("a", "i2"), ("a", "i3")] {
        let patch = Patch::Merge(json!({"spec": {"containerInstance": instance}}));
        tasks
            .patch(name, &PatchParams::default(), &patch)
            .await
            .unwrap();
    }
    let seen: Vec<String> = watch
        .map_ok(|event| word(&event))
        .try_collect()
        .await
        .unwrap();
    assert_eq!(seen, ["+a", "+b", "-a"]);
    let list = tasks
        .list(&ListParams::default().fields("spec.containerInstance=i1"))
        .await
        .unwrap();
    assert_eq!(
        list.items
            .iter()
            .map(ResourceExt::name_any)
            .collect::<Vec<_>>(),
        ["b"]
    );
}

#[tokio::test(start_paused = true)]
async fn an_expired_version_is_gone_for_new_watches_and_for_open_ones() {
    let api = FakeApi::new();
    let maps = maps(&api);
    maps.create(&PostParams::default(), &map("a", "1"))
        .await
        .unwrap();
    let mut open = pin!(maps.watch(&WatchParams::default(), "1").await.unwrap());
    api.expire();
    assert_eq!(word(&open.try_next().await.unwrap().unwrap()), "!410");
    // The real server's watch cache opens the stream, and says so in its first line.
    let mut late = pin!(maps.watch(&WatchParams::default(), "1").await.unwrap());
    assert_eq!(word(&late.try_next().await.unwrap().unwrap()), "!410");
    let now = maps
        .list(&ListParams::default())
        .await
        .unwrap()
        .metadata
        .resource_version
        .unwrap();
    assert!(maps.watch(&WatchParams::default(), &now).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_cut_ends_a_watch_and_a_pause_silences_it() {
    let api = FakeApi::new();
    let (maps, quiet) = (maps(&api), WatchParams::default().disable_bookmarks());
    let mut watch = pin!(maps.watch(&quiet, "0").await.unwrap());
    api.isolate("");
    let other: Api<ConfigMap> = Api::namespaced(api.client_of("other"), "shop");
    other
        .create(&PostParams::default(), &map("a", "1"))
        .await
        .unwrap();
    assert!(timeout(Duration::from_mins(1), watch.next()).await.is_err());
    api.heal("");
    assert_eq!(word(&watch.try_next().await.unwrap().unwrap()), "+a");
    api.cut_watches();
    assert!(watch.next().await.is_none());
}
