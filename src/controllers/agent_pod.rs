//! The agent as a container of a pod: the same on a node and beside an engine of its own.

use serde_json::{Value, json};

use super::context::Settings;
use crate::api::cluster::{
    EcsCluster, ImageCleanup, ImagePullBehavior, RegistryAccess, SecurityProfile,
};
use crate::api::supply::{AUDIENCE, BROKER};

/// Folder in which the agent finds the engine's socket.
pub(super) const SOCKET_DIRECTORY: &str = "/run/ecs-engine";

/// Folder in which the agent finds its token for the broker, and whom to trust as the broker.
const BROKER_DIRECTORY: &str = "/run/ecs-broker";

/// Seconds for which a token of an agent for the broker is good. The kubelet renews it in time.
const TOKEN_SECONDS: u32 = 3600;

/// Label of a pod that says of which version of its template it is.
pub(super) const TEMPLATE_ANNOTATION: &str = "ecs-operator.io/template";

/// The agent's container. `instance` and `address` are downward-API field paths; the engine has its socket in
/// `socket_folder_on_instance`; `arguments` are added.
pub(super) fn container(
    settings: &Settings,
    cluster: &EcsCluster,
    instance: &str,
    address: &str,
    socket_folder_on_instance: &str,
    arguments: &[String],
) -> Value {
    let pull = match cluster.spec.image_pull_behavior {
        ImagePullBehavior::Default => "default",
        ImagePullBehavior::Always => "always",
        ImagePullBehavior::Once => "once",
        ImagePullBehavior::PreferCached => "prefer-cached",
    };
    let profile = match cluster.spec.security_profile {
        SecurityProfile::Baseline => "baseline",
        SecurityProfile::Privileged => "privileged",
    };
    let mut args = vec![
        "agent".to_owned(),
        format!("--docker-socket={SOCKET_DIRECTORY}/docker.sock"),
        format!("--socket-folder-on-instance={socket_folder_on_instance}"),
        format!("--image-pull-behavior={pull}"),
        format!("--security-profile={profile}"),
        format!("--gateway={}", settings.gateway),
    ];
    args.extend(image_cleanup(cluster));
    let lines = cluster.spec.registry_access.iter();
    let images = lines.flat_map(RegistryAccess::patterns);
    args.extend(images.map(|(pattern, _)| format!("--registry-access={pattern}")));
    args.extend_from_slice(arguments);
    let mut mounts = vec![json!({"name": "engine", "mountPath": SOCKET_DIRECTORY})];
    if let Some(url) = &settings.broker_url {
        args.push(format!("--broker-url={url}"));
        args.push(format!("--broker-directory={BROKER_DIRECTORY}"));
        mounts.push(json!({"name": "broker", "mountPath": BROKER_DIRECTORY, "readOnly": true}));
    }
    let field = |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
    json!({
        "name": "agent",
        "image": settings.agent_image,
        "imagePullPolicy": settings.agent_image_pull_policy,
        "args": args,
        "env": [
            field("INSTANCE_NAME", instance),
            field("INSTANCE_ADDRESS", address),
            field("POD_IP", "status.podIP"),
            field("POD_NAME", "metadata.name"),
            field("POD_NAMESPACE", "metadata.namespace"),
        ],
        "ports": [{"name": "http", "containerPort": 9102}, {"name": "streams", "containerPort": 9103}],
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 20, "failureThreshold": 6},
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": {
            // The socket belongs to root; beyond that the agent needs nothing of the node.
            "runAsUser": 0,
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": mounts,
    })
}

/// The volumes of an agent's pod beside its engine's. An agent starts without the broker's authority, and asks the broker
/// once that is there.
pub(super) fn volumes(settings: &Settings) -> Vec<Value> {
    if settings.broker_url.is_none() {
        return Vec::new();
    }
    let token = json!({"audience": AUDIENCE, "expirationSeconds": TOKEN_SECONDS, "path": "token"});
    let authority = json!({
        "name": format!("{BROKER}-ca"),
        "items": [{"key": "ca.crt", "path": "ca.crt"}],
        "optional": true,
    });
    let sources = json!([{"serviceAccountToken": token}, {"configMap": authority}]);
    vec![json!({"name": "broker", "projected": {"sources": sources}})]
}

/// What the agent is told of removing images, where that is not what it does anyway.
fn image_cleanup(cluster: &EcsCluster) -> Vec<String> {
    let ImageCleanup {
        enabled,
        interval_minutes,
        minimum_age_minutes,
        images_per_cycle,
        untracked,
    } = cluster.spec.image_cleanup;
    let keeps_all = cluster.spec.image_pull_behavior == ImagePullBehavior::PreferCached;
    if keeps_all || !enabled {
        return vec!["--keep-images".to_owned()];
    }
    let default = ImageCleanup::default();
    let mut told = Vec::new();
    let mut tell = |name: &str, value: u32, default: u32| {
        if value != default {
            told.push(format!("--{name}={value}"));
        }
    };
    tell(
        "image-cleanup-minutes",
        interval_minutes,
        default.interval_minutes,
    );
    tell(
        "image-age-minutes",
        minimum_age_minutes,
        default.minimum_age_minutes,
    );
    tell(
        "images-per-cleanup",
        images_per_cycle,
        default.images_per_cycle,
    );
    if untracked {
        told.push("--clean-untracked-images".to_owned());
    }
    told
}
