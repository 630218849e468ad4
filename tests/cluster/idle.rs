//! Nothing happens when nothing happens.

use std::time::Duration;

use tokio::time::sleep;

use crate::harness::audit::{Write, counted};
use crate::harness::{now, on_the_cluster, service};

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
