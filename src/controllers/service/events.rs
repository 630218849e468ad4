//! The newest messages of a service, in its status and coarsely as Kubernetes Events.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use crate::api::bounded::Str;
use crate::api::service::{EcsService, EcsServiceStatus, ServiceEvent};
use crate::controllers::context::{Context, Unreported};
use crate::domain::events::{self, ServiceEvent as Happened};
use crate::domain::ids;

/// Messages that status keeps.
const EVENTS: usize = 100;

/// Identical messages are not repeated within this time (ECS suppresses them for six hours).
const REPEATED_AFTER: jiff::SignedDuration = jiff::SignedDuration::from_hours(6);

/// Puts what happened on top of the events, without what was said lately, and copies it to Kubernetes Events.
pub(super) async fn add(
    context: &Context,
    service: &EcsService,
    status: &mut EcsServiceStatus,
    happened: &[Happened],
    now: Timestamp,
) {
    let name = service.name_any();
    let uid = service.uid().unwrap_or_default();
    let mut told: BTreeSet<String> = status
        .events
        .iter()
        .filter(|event| now.duration_since(event.created_at.0) < REPEATED_AFTER)
        .map(|event| event.message.to_string())
        .collect();
    for event in happened {
        let message = event.message(&name);
        let repeats = matches!(event, Happened::SteadyState) || told.insert(message.clone());
        if repeats {
            context
                .tell(service, event.is_warning(), event.reason(), &message)
                .await;
            context.unreported(&uid, |unreported| unreported.events.push(message));
        }
    }
    let fresh = context.unreported(&uid, |unreported: &mut Unreported| {
        let moved = registrations(std::mem::take(&mut unreported.targets));
        let moved = moved.iter().map(|event| event.message(&name));
        unreported.events.extend(moved);
        unreported.events.clone()
    });
    for message in fresh {
        let id = ids::hash(&[&uid, &now.to_string(), &message], 32);
        let event = ServiceEvent {
            id: id.into(),
            created_at: Time(now),
            message: Str::cut(&events::bounded(&message, 1024)),
        };
        status.events.insert(0, event);
    }
    status.events.truncate(EVENTS);
}

/// What became of the service's targets, by target group.
fn registrations(targets: BTreeMap<String, (usize, usize)>) -> Vec<Happened> {
    let events = targets.into_iter().flat_map(|(group, (more, fewer))| {
        let registered = (more > 0).then(|| Happened::Registered {
            targets: more,
            group: group.clone(),
        });
        let deregistered = (fewer > 0).then_some(Happened::Deregistered {
            targets: fewer,
            group,
        });
        [registered, deregistered]
    });
    events.flatten().collect()
}
