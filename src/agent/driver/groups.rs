//! The target groups that tasks of this instance name. They are watched from the first such task on, all of them, because
//! one watch costs the API server less than one for each name.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use kube::core::DeserializeGuard;
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};

use super::API_RELIST;
use crate::api::parse;
use crate::api::target_group::TargetGroup;
use crate::domain::traffic::check::Group;
use crate::platform::watching;

/// All target groups, by namespace and name; none before the first list.
pub(super) type Groups = Option<Arc<BTreeMap<(String, String), Group>>>;

/// Watches target groups for ever, once somebody needs them.
pub(super) async fn watch(
    client: Client,
    mut needed: watch::Receiver<bool>,
    groups: watch::Sender<Groups>,
) {
    if needed.wait_for(|needed| *needed).await.is_err() {
        return;
    }
    let api: Api<DeserializeGuard<TargetGroup>> = Api::all(client);
    let mut known = BTreeMap::new();
    loop {
        let events = watcher(api.clone(), watcher::Config::default());
        let mut events = events.backoff(watching::backoff()).boxed();
        let relist_at = Instant::now() + API_RELIST;
        let mut listing = None;
        while let Ok(Some(event)) = timeout_at(relist_at, events.next()).await {
            match event {
                Ok(Event::Init) => listing = Some(BTreeMap::new()),
                Ok(Event::InitApply(object)) => {
                    take(listing.get_or_insert_default(), object);
                }
                Ok(Event::InitDone) => {
                    let found = listing.take().unwrap_or_default();
                    info!(groups = found.len(), "target groups listed");
                    known = found;
                    tell(&groups, &known);
                }
                Ok(Event::Apply(object)) => {
                    take(&mut known, object);
                    tell(&groups, &known);
                }
                Ok(Event::Delete(object)) => {
                    known.remove(&key(&object));
                    tell(&groups, &known);
                }
                Err(error) => warn!(%error, "cannot watch target groups"),
            }
        }
    }
}

/// A group that cannot be read stays as it was.
fn take(groups: &mut BTreeMap<(String, String), Group>, object: DeserializeGuard<TargetGroup>) {
    let key = key(&object);
    match object.0 {
        Ok(group) => {
            groups.insert(key, parse::target_group(&group.spec));
        }
        Err(broken) => {
            warn!(group = key.1, error = %broken.error, "cannot read a target group");
        }
    }
}

fn key(object: &DeserializeGuard<TargetGroup>) -> (String, String) {
    let meta = object.meta();
    (
        meta.namespace.clone().unwrap_or_default(),
        meta.name.clone().unwrap_or_default(),
    )
}

fn tell(groups: &watch::Sender<Groups>, known: &BTreeMap<(String, String), Group>) {
    groups.send_if_modified(|told| {
        let is_new = told.as_deref() != Some(known);
        if is_new {
            *told = Some(Arc::new(known.clone()));
        }
        is_new
    });
}
