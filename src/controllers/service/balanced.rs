//! What leads to the tasks of a service: the target groups that it names, and those that carry the names under which it is
//! found, which it makes itself.

use kube::api::ObjectMeta;
use kube::{Api, ResourceExt};
use serde_json::json;

use super::observe::{Obstacle, Scene, invalid};
use super::revisions::{owner, recorded};
use crate::api::conditions::reason;
use crate::api::parse;
use crate::api::service::EcsService;
use crate::api::shapes::LoadBalancer;
use crate::api::target_group::TargetGroup;
use crate::api::task::TaskLoadBalancer;
use crate::controllers::context::Context;
use crate::controllers::writes::{Created, Error, api_of, create, delete, doing, patch};
use crate::domain::definition::TaskDefinition;
use crate::domain::resources::Protocol;

/// Whether each target group exists and each container has the port.
pub(super) fn check(
    context: &Context,
    service: &EcsService,
    definition: &TaskDefinition,
) -> Result<(), Obstacle> {
    let named = service.spec.load_balancers.iter().flatten();
    let protocol = |group: &str| protocol(context, service, group);
    parse::load_balancers(named, definition, protocol).map_err(invalid)?;
    let namespace = service.namespace().unwrap_or_default();
    parse::discovered(&service.spec, &namespace, definition).map_err(invalid)?;
    for named in service.spec.load_balancers.iter().flatten() {
        let Some(group) = &named.target_group_arn else {
            continue;
        };
        let group = parse::target_group_name(group);
        if protocol(group).is_none() {
            return Err(Obstacle::waits(
                reason::TARGET_GROUP_NOT_FOUND,
                format!(
                    "loadBalancers: there is no TargetGroup {group} in namespace {namespace}: create it, and the service goes on"
                ),
            ));
        }
    }
    Ok(())
}

/// Makes the target groups that carry the service's names, and takes away those that nothing of it has any more.
pub(super) async fn ensure_names(
    context: &Context,
    service: &EcsService,
    scene: &Scene,
) -> Result<Option<Obstacle>, Error> {
    let namespace = service.namespace().unwrap_or_default();
    let definition = &scene.wanted.definition;
    // Problems were an obstacle before.
    let wanted = parse::discovered(&service.spec, &namespace, definition).unwrap_or_default();
    let uid = service.uid().unwrap_or_default();
    let cache = &context.world.target_groups;
    let is_ours = |group: &TargetGroup| {
        let mut owners = group.owner_references().iter();
        owners.any(|owner| owner.uid == uid)
    };
    let api: Api<TargetGroup> = api_of(&context.client, service.namespace());
    for name in &wanted {
        let found = cache.get(&(namespace.clone(), name.name().to_owned()));
        let known = if let Some(known) = found {
            known
        } else {
            let group = TargetGroup {
                metadata: ObjectMeta {
                    name: Some(name.name().to_owned()),
                    namespace: service.namespace(),
                    owner_references: Some(vec![owner(service)]),
                    ..ObjectMeta::default()
                },
                spec: name.group.clone(),
                status: None,
            };
            let made = create(&api, cache, &group).await;
            match made.map_err(doing("create target group"))? {
                Created::New(made) | Created::Exists(made) => made.into(),
            }
        };
        if !is_ours(&known) {
            return Ok(Some(Obstacle::waits(
                reason::NAME_TAKEN,
                format!(
                    "the name {} belongs to a TargetGroup that is not of this service: give the service another name in serviceRegistries or serviceConnectConfiguration",
                    name.name()
                ),
            )));
        }
        if known.spec != name.group {
            let change = json!({"spec": name.group});
            patch(&api, cache, &known, "write target group", change).await?;
        }
    }
    let used = |group: &str| {
        let mut tasks = scene.objects.values();
        wanted.iter().any(|name| name.name() == group)
            || tasks.any(|task| !task.is_stopped() && task.target_groups().any(|it| it == group))
    };
    let spare = cache.select(|group| {
        group.namespace() == service.namespace() && is_ours(group) && !used(&group.name_any())
    });
    for group in spare {
        delete(&api, cache, &group).await?;
    }
    Ok(None)
}

/// The ports that tasks of a service revision are reached at: as the revision says, where it is known.
pub(super) fn ports(
    context: &Context,
    service: &EcsService,
    revision: &str,
    definition: &TaskDefinition,
) -> Vec<TaskLoadBalancer> {
    let known = recorded(context, service, revision);
    let known = known.as_ref().map(|known| &known.spec);
    let (balancers, registries, connect) = match known {
        Some(spec) => (
            &spec.load_balancers,
            &spec.service_registries,
            &spec.service_connect_configuration,
        ),
        None => (
            &service.spec.load_balancers,
            &service.spec.service_registries,
            &service.spec.service_connect_configuration,
        ),
    };
    let balancers: Vec<&LoadBalancer> = balancers.iter().flatten().collect();
    let protocol = |group: &str| protocol(context, service, group);
    // What cannot be read was an obstacle before it could be recorded.
    let mut ports = parse::load_balancers(balancers, definition, protocol).unwrap_or_default();
    let namespace = service.namespace().unwrap_or_default();
    let registries = registries.iter().flatten();
    let names = parse::discovered_names(registries, connect.as_ref(), &namespace, definition);
    let names = names.unwrap_or_default().into_iter();
    ports.extend(names.map(|name| name.port));
    ports
}

/// What carries the traffic of a target group; `None` where there is no such group.
fn protocol(context: &Context, service: &EcsService, group: &str) -> Option<Protocol> {
    let key = (service.namespace().unwrap_or_default(), group.to_owned());
    let group = context.world.target_groups.get(&key)?;
    Some(parse::transport(group.spec.protocol))
}
