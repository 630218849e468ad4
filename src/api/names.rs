//! Names that several processes must agree on: labels, finalizers, field managers, Leases.

/// API group of every kind of ours, and prefix of every label.
pub const GROUP: &str = "ecs-operator.io";

/// Field manager of the controller's writes to status.
pub const CONTROLLER: &str = "ecs-operator-controller";
/// Field manager of the controller's record of a task's traffic, which it writes beside the agent's status.
pub const TRAFFIC: &str = "ecs-operator-traffic";
/// Field manager of an agent's writes to status.
pub const AGENT: &str = "ecs-operator-agent";

/// Holds an EcsTask until its containers are gone or its instance is fenced.
pub const TASK_FINALIZER: &str = "ecs-operator.io/containers";
/// Holds an EcsService until its tasks are gone.
pub const SERVICE_FINALIZER: &str = "ecs-operator.io/tasks";
/// Holds an EcsCluster while it has services, tasks or instances.
pub const CLUSTER_FINALIZER: &str = "ecs-operator.io/cluster";

/// Label of an EcsTask: name of its service.
pub const SERVICE_LABEL: &str = "ecs-operator.io/service";
/// Label of objects that belong to a cluster.
pub const CLUSTER_LABEL: &str = "ecs-operator.io/cluster";
/// Label of Services and `EndpointSlices`: name of their `TargetGroup`.
pub const TARGET_GROUP_LABEL: &str = "ecs-operator.io/target-group";
/// Annotation of a Service: keys of the annotations that its `TargetGroup` gave it.
pub const ANNOTATIONS_ANNOTATION: &str = "ecs-operator.io/annotations";
/// Label of agent pods: `node` or `pod`.
pub const AGENT_LABEL: &str = "ecs-operator.io/agent";
/// Label of instance pods: name of their CapacityProvider.
pub const CAPACITY_PROVIDER_LABEL: &str = "ecs-operator.io/capacity-provider";

/// Docker label of our containers: name of the instance whose agent made them.
pub const INSTANCE_DOCKER_LABEL: &str = "ecs-operator.io/instance";
/// Docker label of our containers: UID of the EcsTask.
pub const TASK_UID_DOCKER_LABEL: &str = "ecs-operator.io/task-uid";
/// Docker label of our containers: name of the container in its definition.
pub const CONTAINER_DOCKER_LABEL: &str = "ecs-operator.io/container";

/// Docker label of the relay of tasks' questions: name of the instance whose agent made it.
pub const RELAY_DOCKER_LABEL: &str = "ecs-operator.io/relay-of";
/// Docker label with the image of a relay.
pub const RELAY_IMAGE_DOCKER_LABEL: &str = "ecs-operator.io/relay-image";
/// Docker label of a container with GPUs: their ids, with commas between.
pub const GPUS_DOCKER_LABEL: &str = "ecs-operator.io/gpus";
/// Docker label of containers that find something out for an agent: name of its instance.
pub const HELPER_DOCKER_LABEL: &str = "ecs-operator.io/helper-of";
/// Docker label of the volumes that go with a task: name of the volume in its definition.
pub const VOLUME_DOCKER_LABEL: &str = "ecs-operator.io/volume";
/// DNS name in the certificates of agents, which are trusted one by one and not by name.
pub const AGENT_SERVER: &str = "agent.ecs-operator.io";
/// API group of the subresources that the gateway serves.
pub const TASKS_GROUP: &str = "tasks.ecs-operator.io";

/// Audience of the tokens by which an instance's agent knows the gateway: neither the API server nor another agent accepts them.
pub fn agent_audience(instance: &str) -> String {
    format!("agents.ecs-operator.io/{instance}")
}

/// Name of the Lease that an instance's agent renews.
pub fn instance_lease(instance: &str) -> String {
    format!("instance-{instance}")
}
