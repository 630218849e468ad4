//! The agent as a container of a pod: the same on a node and beside an engine of its own.

use serde_json::{Value, json};

use super::context::Settings;
use crate::api::cluster::{EcsCluster, ImagePullBehavior, SecurityProfile};

/// Folder in which the agent finds the engine's socket.
pub(super) const SOCKET_DIRECTORY: &str = "/run/ecs-engine";

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
    args.extend_from_slice(arguments);
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
        "volumeMounts": [{"name": "engine", "mountPath": SOCKET_DIRECTORY}],
    })
}
