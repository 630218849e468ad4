//! Room that is kept for daemon tasks: they come first on an instance, so that what starts there before them must leave
//! enough (ECS Developer Guide, "Amazon ECS services": tasks of daemon services are started before all others).

use std::collections::BTreeSet;
use std::sync::Arc;

use kube::ResourceExt;

use super::context::Context;
use super::definition::newest;
use super::placing::{Room, Wish};
use crate::api::parse;
use crate::api::service::EcsService;
use crate::api::shapes::SchedulingStrategy;
use crate::domain::definition::TaskDefinition;
use crate::domain::ids::{self, RevisionReference};
use crate::domain::placement::Group;

/// There is one task of the service on each instance.
pub(super) fn is_daemon(service: &EcsService) -> bool {
    service.spec.scheduling_strategy == Some(SchedulingStrategy::Daemon)
}

/// Counts the daemon tasks that are still to come as if they were there.
pub(super) fn keep_room(context: &Context, room: &mut Room<'_>, cluster: &str) {
    let services = context.world.services.all();
    let daemons = services.iter().filter(|service| {
        is_daemon(service)
            && service.cluster_name() == cluster
            && service.metadata.deletion_timestamp.is_none()
    });
    for service in daemons {
        let (Some(definition), Ok(rules)) = (
            definition(context, service),
            parse::service_placement(&service.spec),
        ) else {
            continue;
        };
        let group = Group::of_service(
            &service.namespace().unwrap_or_default(),
            &service.name_any(),
        );
        let wish = Wish {
            definition: &definition,
            group: &group,
            spread_group: None,
            rules: &rules,
        };
        let has_one = instances_with_a_task(context, service);
        let to_come = room.eligible(&wish, |instance| {
            (!has_one.contains(instance.name.as_str())).then(|| instance.name.clone())
        });
        let uid = service.uid().unwrap_or_default();
        room.keep(&uid, to_come, &definition.demand());
    }
}

/// What the service runs, or will once its first deployment is recorded.
fn definition(context: &Context, service: &EcsService) -> Option<Arc<TaskDefinition>> {
    let namespace = service.namespace().unwrap_or_default();
    let recorded = service
        .status
        .as_ref()
        .and_then(|status| status.task_definition.as_ref());
    let name = if let Some(recorded) = recorded {
        recorded.to_string()
    } else {
        let reference = RevisionReference::parse(service.task_definition_text()).ok()?;
        let number = reference
            .revision
            .or_else(|| newest(&context.world, &namespace, &reference.family))?;
        ids::revision_name(&reference.family, number)
    };
    context.definitions.get(&context.world, &namespace, &name)
}

fn instances_with_a_task(context: &Context, service: &EcsService) -> BTreeSet<Arc<str>> {
    let uid = service.uid().unwrap_or_default();
    let world = &context.world;
    world.ledger.tasks(world, |tasks| {
        let entries = tasks.of_service(&uid).filter_map(|task| tasks.get(task));
        entries
            .filter(|task| !task.stopped)
            .filter_map(|task| task.instance.clone())
            .collect()
    })
}
