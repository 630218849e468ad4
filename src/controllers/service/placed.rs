//! Where the tasks of a plan go: each start is placed on the room that there is, or explained.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::ObjectMeta;

use super::deployment::Target;
use super::observe::Scene;
use super::revisions::owner;
use crate::api::bounded::Str;
use crate::api::service::EcsService;
use crate::api::task::{EcsTask, EcsTaskSpec, TaskExtensions, TaskService};
use crate::api::{names, tags};
use crate::controllers::context::Context;
use crate::controllers::daemons::{is_daemon, keep_room};
use crate::controllers::placing::{self, History, Room, Wish};
use crate::domain::ids;
use crate::domain::liveness::Presence;
use crate::domain::placement::{Explanation, Group, Placement, Summary};
use crate::domain::service::{Place, Start};

/// A start, and what came of it.
pub(super) struct Tried<'a> {
    /// What was asked for.
    pub(super) start: &'a Start,
    /// The task that is to be created, or why it fits nowhere.
    pub(super) task: Result<Box<EcsTask>, Explanation>,
}

/// The room that the tasks of a service find now.
pub(super) fn room<'a>(
    context: &'a Context,
    service: &EcsService,
    scene: &'a Scene,
    presence: &Arc<BTreeMap<String, Presence>>,
) -> Room<'a> {
    let mut room = Room::of(context, &scene.cluster, presence);
    if !is_daemon(service) {
        keep_room(context, &mut room, &scene.cluster);
    }
    room
}

/// Places starts of a deployment, in this order, and counts each at once. Where one that may go anywhere fits nowhere,
/// those after it are not tried.
pub(super) fn place_all<'a>(
    context: &Context,
    service: &EcsService,
    scene: &Scene,
    target: &Target,
    starts: &'a [Start],
    room: &Room<'_>,
    now: Timestamp,
) -> Vec<Tried<'a>> {
    asking(service, scene, target, now, |wish, history| {
        let mut all = Vec::new();
        for start in starts {
            let name = task_name(service, target, start);
            let task = room
                .place(wish, &start.place, &name, history)
                .map(|placement| {
                    let task = new_task(service, scene, target, start, name, &placement);
                    context.world.tasks.reserve(task.clone());
                    Box::new(task)
                });
            // What one instance lacks says nothing of the next daemon's.
            let hopeless = task.is_err() && start.place == Place::Anywhere;
            all.push(Tried { start, task });
            if hopeless {
                break;
            }
        }
        all
    })
}

/// Why a start found no instance, instance by instance.
pub(super) fn summary(
    service: &EcsService,
    scene: &Scene,
    target: &Target,
    start: &Start,
    explanation: &Explanation,
    room: &Room<'_>,
    now: Timestamp,
) -> Summary {
    asking(service, scene, target, now, |wish, history| {
        room.summary(wish, &start.place, history, explanation)
    })
}

fn asking<T>(
    service: &EcsService,
    scene: &Scene,
    target: &Target,
    now: Timestamp,
    ask: impl FnOnce(&Wish<'_>, &History) -> T,
) -> T {
    let history = History::of(scene.objects.values(), &target.runs.name, now);
    let namespace = service.namespace().unwrap_or_default();
    let spread = spread_group(service);
    let spread_group = spread
        .as_deref()
        .map(|name| Group::of_spread(&namespace, name));
    let wish = Wish {
        definition: &target.runs.definition,
        group: &Group::of_service(&namespace, &service.name_any()),
        spread_group: spread_group.as_ref(),
        rules: &scene.placement,
    };
    ask(&wish, &history)
}

/// The services that this one is spread together with.
fn spread_group(service: &EcsService) -> Option<Str<63>> {
    let extensions = service.spec.extensions.as_ref();
    extensions.and_then(|extensions| extensions.spread_group.clone())
}

/// Name of the task that a start makes.
pub(super) fn task_name(service: &EcsService, target: &Target, start: &Start) -> String {
    ids::service_task_name(
        &service.name_any(),
        &service.uid().unwrap_or_default(),
        target.number,
        start.slot,
        start.attempt,
    )
}

fn new_task(
    service: &EcsService,
    scene: &Scene,
    target: &Target,
    start: &Start,
    name: String,
    placement: &Placement,
) -> EcsTask {
    let uid = service.uid().unwrap_or_default();
    let mut labels: BTreeMap<String, String> = BTreeMap::new();
    labels.insert(names::SERVICE_LABEL.to_owned(), service.name_any());
    labels.insert(names::CLUSTER_LABEL.to_owned(), scene.cluster.clone());
    EcsTask {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: service.namespace(),
            labels: Some(labels),
            owner_references: Some(vec![owner(service)]),
            finalizers: Some(vec![names::TASK_FINALIZER.to_owned()]),
            ..ObjectMeta::default()
        },
        spec: EcsTaskSpec {
            cluster: Some(scene.cluster.as_str().into()),
            task_definition: target.runs.name.as_str().into(),
            group: Some(format!("service:{}", service.name_any()).into()),
            started_by: Some(target.id.as_str().into()),
            tags: tags::of_service_task(
                &service.spec,
                &service.name_any(),
                &scene.cluster,
                &target.runs.tags,
            ),
            enable_execute_command: service.spec.enable_execute_command,
            container_instance: Some(placement.instance.as_str().into()),
            extensions: Some(TaskExtensions {
                service: Some(TaskService {
                    name: service.name_any().into(),
                    uid: uid.into(),
                    deployment: target.number,
                    spread_group: spread_group(service),
                    service_revision: target.service_revision.as_str().into(),
                    slot: start.slot,
                    attempt: start.attempt,
                }),
                task_definition: None,
                host_ports: placing::host_ports(&target.runs.definition, placement),
                image_digests: target.digests.clone().into(),
                load_balancers: target.load_balancers.clone().into(),
            }),
            ..EcsTaskSpec::default()
        },
        status: None,
    }
}
