//! The Kubernetes Service in front of a target group: of its name, without a selector, owned by it.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Api, Resource, ResourceExt};
use serde_json::{Map, Value, json};

use crate::api::names;
use crate::api::target_group::{
    ExternalTrafficPolicy, ServiceType, TargetGroup, TargetGroupProtocol,
};
use crate::controllers::cache::key_of;
use crate::controllers::context::Context;
use crate::controllers::writes::{Created, Error, api_of, create, doing, is_status, patch};

/// Seconds for which a client stays with its target where the group does not say (`stickiness.lb_cookie.duration_seconds`).
const STICKY_FOR: i32 = 86_400;

/// What became of the Service.
pub(super) enum Front {
    /// It is there.
    Ours(Arc<Service>),
    /// One of that name is there that is not the target group's.
    Foreign,
    /// The API server refuses it, for this reason.
    Refused(String),
}

impl Front {
    /// Whether endpoints may stand behind it.
    pub(super) fn is_ours(&self) -> bool {
        match self {
            Self::Ours(_) => true,
            Self::Foreign | Self::Refused(_) => false,
        }
    }
}

/// Makes the Service what it should be; one that is already is not written.
pub(super) async fn ensure(context: &Context, group: &TargetGroup) -> Result<Front, Error> {
    let api: Api<Service> = api_of(&context.client, group.namespace());
    let cache = &context.world.fronts;
    let wanted = wanted(group);
    let known = if let Some(known) = cache.get(&key_of(group)) {
        known
    } else {
        let object: Service = serde_json::from_value(wanted.clone())?;
        match create(&api, cache, &object).await {
            Ok(Created::New(made) | Created::Exists(made)) => Arc::new(made),
            Err(kube::Error::Api(refused)) if [400, 403, 422].contains(&refused.code) => {
                return Ok(Front::Refused(refused.message));
            }
            Err(error) => return Err(doing("create service")(error)),
        }
    };
    if !is_owned(&known, group) {
        // It is not of those that are watched: the next look asks again.
        cache.forget(&key_of(&*known));
        return Ok(Front::Foreign);
    }
    let current = serde_json::to_value(&*known)?;
    let dropped = dropped(&known, group);
    if dropped.is_empty() && covers(&current, &wanted) {
        return Ok(Front::Ours(known));
    }
    let mut change = wanted;
    let annotations = change.pointer_mut("/metadata/annotations");
    if let Some(annotations) = annotations.and_then(Value::as_object_mut) {
        annotations.extend(dropped.into_iter().map(|key| (key, Value::Null)));
    }
    match patch(&api, cache, &known, "write service", change).await {
        Ok(written) => Ok(Front::Ours(Arc::new(written))),
        Err(Error::Kube { source, .. }) if is_status(&source, 422) => {
            Ok(Front::Refused(source.to_string()))
        }
        Err(error) => Err(error),
    }
}

fn is_owned(service: &Service, group: &TargetGroup) -> bool {
    let uid = group.uid().unwrap_or_default();
    let mut owners = service.owner_references().iter();
    owners.any(|owner| owner.uid == uid)
}

/// Annotations that the group gave the Service before and gives no more.
fn dropped(service: &Service, group: &TargetGroup) -> Vec<String> {
    let given = service.annotations().get(names::ANNOTATIONS_ANNOTATION);
    let given = given.iter().flat_map(|keys| keys.split(','));
    let wanted = group.spec.service.as_ref().map(|front| &front.annotations);
    given
        .filter(|key| !key.is_empty() && wanted.is_none_or(|wanted| !wanted.contains_key(*key)))
        .map(ToOwned::to_owned)
        .collect()
}

/// Makes an object go with its target group.
pub(super) fn owner(group: &TargetGroup) -> OwnerReference {
    OwnerReference {
        api_version: TargetGroup::api_version(&()).into_owned(),
        kind: TargetGroup::kind(&()).into_owned(),
        name: group.name_any(),
        uid: group.uid().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(false),
    }
}

/// Name of the Service's only port, by which its slices know theirs.
pub(super) const fn port_name(group: &TargetGroup) -> &'static str {
    match group.spec.protocol {
        TargetGroupProtocol::Http => "http",
        TargetGroupProtocol::Https => "https",
        TargetGroupProtocol::Tcp => "tcp",
        TargetGroupProtocol::Grpc => "grpc",
        TargetGroupProtocol::Udp => "udp",
    }
}

/// What carries it.
pub(super) const fn protocol(group: &TargetGroup) -> &'static str {
    match group.spec.protocol {
        TargetGroupProtocol::Udp => "UDP",
        TargetGroupProtocol::Http
        | TargetGroupProtocol::Https
        | TargetGroupProtocol::Tcp
        | TargetGroupProtocol::Grpc => "TCP",
    }
}

/// What is spoken, for gateways that look (Kubernetes, "Application protocol").
pub(super) const fn app_protocol(group: &TargetGroup) -> Option<&'static str> {
    match group.spec.protocol {
        TargetGroupProtocol::Http => Some("http"),
        TargetGroupProtocol::Https => Some("https"),
        TargetGroupProtocol::Grpc => Some("kubernetes.io/h2c"),
        TargetGroupProtocol::Tcp | TargetGroupProtocol::Udp => None,
    }
}

/// The Service as it should be. Null and an empty list stand for what must not be there.
fn wanted(group: &TargetGroup) -> Value {
    let front = group.spec.service.clone().unwrap_or_default();
    let kind = front.type_.unwrap_or_default();
    let sticky = group.spec.stickiness.as_ref().filter(|it| it.enabled);
    let mut annotations: Map<String, Value> = front
        .annotations
        .iter()
        .map(|(key, value)| (key.clone(), json!(value)))
        .collect();
    let keys: Vec<&str> = annotations.keys().map(String::as_str).collect();
    let keys = keys.join(",");
    annotations.insert(names::ANNOTATIONS_ANNOTATION.to_owned(), json!(keys));
    let mut port = json!({
        "name": port_name(group), "protocol": protocol(group), "port": group.spec.port,
    });
    if let Some(app_protocol) = app_protocol(group) {
        set(&mut port, "appProtocol", json!(app_protocol));
    }
    if let Some(node_port) = front.node_port {
        set(&mut port, "nodePort", json!(node_port));
    }
    let sticky_for = sticky.map(|it| it.duration_seconds.unwrap_or(STICKY_FOR));
    let mut spec = json!({
        "type": match kind {
            ServiceType::ClusterIp | ServiceType::Headless => "ClusterIP",
            ServiceType::NodePort => "NodePort",
            ServiceType::LoadBalancer => "LoadBalancer",
        },
        "ports": [port],
        "selector": null,
        "sessionAffinity": if sticky.is_some() { "ClientIP" } else { "None" },
        "sessionAffinityConfig": sticky_for.map(|seconds| json!({"clientIP": {"timeoutSeconds": seconds}})),
        "externalTrafficPolicy": null,
        "loadBalancerSourceRanges": [],
    });
    if kind == ServiceType::Headless {
        set(&mut spec, "clusterIP", json!("None"));
    }
    if matches!(kind, ServiceType::NodePort | ServiceType::LoadBalancer) {
        let policy = front.external_traffic_policy;
        let policy = match policy {
            Some(ExternalTrafficPolicy::Local) => json!("Local"),
            Some(ExternalTrafficPolicy::Cluster) | None => json!("Cluster"),
        };
        set(&mut spec, "externalTrafficPolicy", policy);
    }
    if kind == ServiceType::LoadBalancer {
        set(
            &mut spec,
            "loadBalancerSourceRanges",
            json!(front.load_balancer_source_ranges),
        );
        if let Some(class) = front.load_balancer_class {
            set(&mut spec, "loadBalancerClass", json!(class));
        }
    }
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "name": group.name_any(), "namespace": group.namespace(),
            "labels": {names::TARGET_GROUP_LABEL: group.name_any()},
            "annotations": annotations,
            "ownerReferences": [owner(group)],
        },
        "spec": spec,
    })
}

/// Whether all that is wanted is there; what others added beside it is theirs.
fn covers(current: &Value, wanted: &Value) -> bool {
    match (current, wanted) {
        (current, Value::Null) => current.is_null(),
        (current, Value::Array(none)) if none.is_empty() => {
            current.is_null() || current.as_array().is_some_and(Vec::is_empty)
        }
        (Value::Object(current), Value::Object(wanted)) => wanted
            .iter()
            .all(|(key, value)| covers(current.get(key).unwrap_or(&Value::Null), value)),
        (Value::Array(current), Value::Array(wanted)) => {
            current.len() == wanted.len()
                && current
                    .iter()
                    .zip(wanted)
                    .all(|(current, wanted)| covers(current, wanted))
        }
        (current, wanted) => current == wanted,
    }
}

fn set(object: &mut Value, field: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(field.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(spec: Value) -> TargetGroup {
        let group =
            json!({"metadata": {"name": "web", "namespace": "shop", "uid": "u"}, "spec": spec});
        serde_json::from_value(group).unwrap()
    }

    #[test]
    fn what_the_api_server_and_others_add_is_no_reason_to_write() {
        let group = group(json!({"protocol": "HTTP", "port": 80, "service": {"type": "NodePort"}}));
        let mut current = wanted(&group);
        current["spec"]["clusterIP"] = json!("10.96.0.7");
        current["spec"]["ports"][0]["nodePort"] = json!(30_080);
        current["spec"]["ports"][0]["targetPort"] = json!(80);
        current["metadata"]["annotations"]["cloud"] = json!("its own");
        assert!(covers(&current, &wanted(&group)));
        current["spec"]["selector"] = json!({"app": "stolen"});
        assert!(!covers(&current, &wanted(&group)));
    }

    #[test]
    fn an_annotation_that_is_taken_from_the_group_is_taken_from_the_service() {
        let with = group(
            json!({"protocol": "TCP", "port": 80, "service": {"annotations": {"a": "1", "b": "2"}}}),
        );
        let without =
            group(json!({"protocol": "TCP", "port": 80, "service": {"annotations": {"b": "2"}}}));
        let service: Service = serde_json::from_value(wanted(&with)).unwrap();
        assert_eq!(dropped(&service, &with), Vec::<String>::new());
        assert_eq!(dropped(&service, &without), ["a"]);
    }
}
