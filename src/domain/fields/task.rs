//! The fields of `RunTask`.

use super::{AWS_NETWORK, Entry, LAUNCH_TYPES, by_value, carried_out, refused, without_effect};

pub(super) const TABLE: &[Entry] = &[
    carried_out("cluster"),
    carried_out("taskDefinition"),
    carried_out("overrides.containerOverrides[].name"),
    carried_out("overrides.containerOverrides[].command"),
    carried_out("overrides.containerOverrides[].environment"),
    carried_out("overrides.containerOverrides[].environmentFiles"),
    carried_out("overrides.containerOverrides[].cpu"),
    carried_out("overrides.containerOverrides[].memory"),
    carried_out("overrides.containerOverrides[].memoryReservation"),
    refused(
        "overrides.containerOverrides[].resourceRequirements",
        "accelerators are not given to tasks: leave it out",
    ),
    carried_out("overrides.cpu"),
    carried_out("overrides.memory"),
    refused(
        "overrides.inferenceAcceleratorOverrides",
        "AWS has closed the service: leave it out",
    ),
    without_effect(
        "overrides.executionRoleArn",
        "only AWS uses it, to pull images, read secrets and write logs",
    ),
    carried_out("overrides.taskRoleArn"),
    without_effect(
        "overrides.ephemeralStorage",
        "a task's disk is its instance's",
    ),
    carried_out("group"),
    carried_out("startedBy"),
    by_value("launchType", &["EC2"], LAUNCH_TYPES, ""),
    refused(
        "capacityProviderStrategy",
        "leave it out: tasks run on all instances of the cluster",
    ),
    carried_out("count"),
    without_effect("networkConfiguration", AWS_NETWORK),
    carried_out("placementConstraints"),
    carried_out("placementStrategy"),
    without_effect("platformVersion", "Fargate's platform exists only in AWS"),
    carried_out("tags"),
    by_value(
        "propagateTags",
        &["NONE", "TASK_DEFINITION"],
        &[],
        "the task belongs to no service",
    ),
    carried_out("enableECSManagedTags"),
    carried_out("enableExecuteCommand"),
    refused(
        "volumeConfigurations",
        "Amazon EBS exists only in AWS: leave it out",
    ),
    carried_out("referenceId"),
    without_effect(
        "clientToken",
        "the object's name already makes a repeated request the same one",
    ),
    carried_out("containerInstance"),
    carried_out("stop"),
    carried_out("protection"),
    carried_out("extensions"),
];
