//! Nothing happens when nothing happens, and little is written for what does.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use crate::harness::audit::{Write, counted};
use crate::harness::fixtures::Fixture;
use crate::harness::{Scene, beside_others, now, on_the_cluster, restore, service};
use crate::traffic::{behind, steady, target_group};

#[tokio::test]
async fn an_idle_minute_writes_only_leases_and_changes_nothing_in_docker() {
    on_the_cluster("idle", async |scene| {
        scene.apply(&service("web").desired(3).checked()).await;
        scene.apply(&service("plain").desired(3)).await;
        // One that waits for room, too: it has something to say only once.
        scene
            .apply(&service("huge").desired(1).with("memory", 10_000_000.into()))
            .await;
        scene.settled("web", 3).await;
        scene.settled("plain", 3).await;
        scene
            .condition("huge", "Ready", ("False", "UnableToPlaceTask"))
            .await;
        restore::ended(scene).await;
        scene.quiet(Duration::from_secs(5)).await;
        let mark = scene.mark();
        let begin = now();
        sleep(Duration::from_mins(1)).await;
        let end = now();
        let mut writes = mark.since();
        writes.retain(Write::is_ours);
        let (leases, others): (Vec<Write>, Vec<Write>) = writes
            .into_iter()
            .partition(|write| write.resource == "leases");
        assert!(others.is_empty(), "{:#?}", counted(&others));
        // Four instances' worth of renewals every 10 s, and a leader's every 2 s, are far below this.
        assert!((1..=100).contains(&leases.len()), "{:#?}", counted(&leases));
        for engine in scene.machine.engines() {
            let changes = engine.changes(begin, end).await;
            assert!(changes.is_empty(), "{}: {changes:#?}", engine.node);
        }
    })
    .await;
}

/// Tasks whose writes are counted.
const TASKS: usize = 3;

/// The writes for the tasks of a service, from their creation until they are gone, and those for the slices that list them.
async fn writes_for_lives(scene: &Scene, fixture: &Fixture) -> (Vec<Write>, Vec<Write>) {
    let mark = scene.mark();
    scene.apply(fixture).await;
    steady(scene, &fixture.name).await;
    scene.delete("ecsservice", &fixture.name).await;
    scene.gone(&fixture.name).await;
    let mut writes = mark.since();
    let own = format!("{}/{}", scene.namespace, fixture.name);
    writes.retain(|write| write.is_ours() && write.object.starts_with(&own));
    let of = |kinds: &[&str]| {
        let mut found = writes.clone();
        found.retain(|write| kinds.contains(&write.resource.as_str()));
        found
    };
    (
        of(&["ecstasks", "ecstasks/status"]),
        of(&["endpointslices"]),
    )
}

#[tokio::test]
async fn a_tasks_whole_life_takes_eight_writes_at_most_and_twelve_behind_a_target_group() {
    beside_others("life", async |scene| {
        let (plain, none) = writes_for_lives(scene, &service("plain").desired(TASKS)).await;
        target_group(scene, "web", "HTTP", &json!({})).await;
        let (balanced, slices) = writes_for_lives(scene, &behind("web", "web", TASKS)).await;
        eprintln!(
            "writes for the lives of {TASKS} tasks: {}, behind a target group {} and {} of slices",
            plain.len(),
            balanced.len(),
            slices.len(),
        );
        assert!(none.is_empty());
        assert!(
            (1..=8 * TASKS).contains(&plain.len()),
            "{:#?}",
            counted(&plain)
        );
        assert!(
            (1..=12 * TASKS).contains(&balanced.len()),
            "{:#?}",
            counted(&balanced)
        );
        // One each in which it comes and goes, at most.
        assert!(
            (2..=2 * TASKS).contains(&slices.len()),
            "{:#?}",
            counted(&slices)
        );
    })
    .await;
}
