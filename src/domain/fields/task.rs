//! The fields of `RunTask`.

use super::{
    AWS_NETWORK, Entry, GPUS_ARE_WHOLE, LAUNCH_TYPES, NO_OTHER_ACCELERATOR, by_value, carried_out,
    refused, without_effect,
};

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
    by_value(
        "overrides.containerOverrides[].resourceRequirements[].type",
        &["GPU"],
        &[],
        NO_OTHER_ACCELERATOR,
    ),
    carried_out("overrides.containerOverrides[].resourceRequirements[].value"),
    refused(
        "overrides.containerOverrides[].resourceRequirements[].sharingStrategy",
        GPUS_ARE_WHOLE,
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
    carried_out("overrides.ephemeralStorage"),
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
