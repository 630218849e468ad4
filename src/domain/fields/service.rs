//! The fields of `CreateService`.

use super::{
    AWS_NETWORK, DESCRIBED, Entry, LAUNCH_TYPES, by_value, carried_out, refused, without_effect,
};

const PUBLISH: &str =
    "publish the port with portMappings and a fixed hostPort, and reach the instances on it";
const READ_WITH_ALARMS: &str = "it is read only while alarms.enable is true";
const READ_WITH_STRATEGY: &str = "it is read only with the strategy of its name";
const READ_WITH_CRITERIA: &str = "it is read only while earlySuccessCriteria.enable is true";
const NO_PROXY: &str = "Kubernetes Services carry the requests, and there is no proxy in the task";
const SHIFTS_TRAFFIC: &str =
    "it is read only with a strategy that shifts traffic between two revisions";

pub(super) const TABLE: &[Entry] = &[
    carried_out("cluster"),
    carried_out("serviceName"),
    carried_out("taskDefinition"),
    carried_out("availabilityZoneRebalancing"),
    carried_out("loadBalancers[].targetGroupArn"),
    refused(
        "loadBalancers[].loadBalancerName",
        "Classic Load Balancers exist only in AWS: name a TargetGroup in targetGroupArn",
    ),
    carried_out("loadBalancers[].containerName"),
    carried_out("loadBalancers[].containerPort"),
    without_effect("loadBalancers[].advancedConfiguration", SHIFTS_TRAFFIC),
    carried_out("serviceRegistries"),
    carried_out("desiredCount"),
    without_effect(
        "clientToken",
        "the object's name already makes a repeated request the same one",
    ),
    by_value("launchType", &["EC2"], LAUNCH_TYPES, ""),
    refused(
        "capacityProviderStrategy",
        "leave it out: tasks run on all instances of the cluster",
    ),
    without_effect("platformVersion", "Fargate's platform exists only in AWS"),
    without_effect("role", "it is for load balancers of AWS"),
    carried_out("deploymentConfiguration.deploymentCircuitBreaker"),
    carried_out("deploymentConfiguration.maximumPercent"),
    carried_out("deploymentConfiguration.minimumHealthyPercent"),
    refused(
        "deploymentConfiguration.alarms.enable",
        "CloudWatch alarms exist only in AWS: set it to false",
    ),
    without_effect(
        "deploymentConfiguration.alarms.alarmNames",
        READ_WITH_ALARMS,
    ),
    without_effect("deploymentConfiguration.alarms.rollback", READ_WITH_ALARMS),
    by_value(
        "deploymentConfiguration.strategy",
        &["ROLLING"],
        &[],
        "use ROLLING, or leave it out",
    ),
    by_value(
        "deploymentConfiguration.bakeTimeInMinutes",
        &["0"],
        &[],
        "leave it out",
    ),
    refused(
        "deploymentConfiguration.lifecycleHooks",
        "call what is to be called from the pipeline that applies the service",
    ),
    without_effect(
        "deploymentConfiguration.linearConfiguration",
        READ_WITH_STRATEGY,
    ),
    without_effect(
        "deploymentConfiguration.canaryConfiguration",
        READ_WITH_STRATEGY,
    ),
    refused(
        "deploymentConfiguration.earlySuccessCriteria.enable",
        "set it to false: a deployment completes when all its tasks are healthy",
    ),
    without_effect(
        "deploymentConfiguration.earlySuccessCriteria.healthyPercent",
        READ_WITH_CRITERIA,
    ),
    without_effect(
        "deploymentConfiguration.earlySuccessCriteria.sourceServiceRevisionCleanup",
        READ_WITH_CRITERIA,
    ),
    carried_out("placementConstraints"),
    carried_out("placementStrategy"),
    without_effect("networkConfiguration", AWS_NETWORK),
    carried_out("healthCheckGracePeriodSeconds"),
    carried_out("schedulingStrategy"),
    by_value(
        "deploymentController.type",
        &["ECS"],
        &[],
        "use ECS, or leave deploymentController out",
    ),
    carried_out("tags"),
    carried_out("enableECSManagedTags"),
    carried_out("propagateTags"),
    carried_out("enableExecuteCommand"),
    carried_out("serviceConnectConfiguration.enabled"),
    without_effect(
        "serviceConnectConfiguration.namespace",
        "names are found in the service's Kubernetes namespace",
    ),
    carried_out("serviceConnectConfiguration.services[].portName"),
    carried_out("serviceConnectConfiguration.services[].discoveryName"),
    carried_out("serviceConnectConfiguration.services[].clientAliases[].port"),
    carried_out("serviceConnectConfiguration.services[].clientAliases[].dnsName"),
    without_effect(
        "serviceConnectConfiguration.services[].clientAliases[].testTrafficRules",
        SHIFTS_TRAFFIC,
    ),
    without_effect(
        "serviceConnectConfiguration.services[].ingressPortOverride",
        NO_PROXY,
    ),
    without_effect("serviceConnectConfiguration.services[].timeout", NO_PROXY),
    refused(
        "serviceConnectConfiguration.services[].tls",
        "there is no proxy that would encrypt: have the application do it, and leave tls out",
    ),
    without_effect("serviceConnectConfiguration.logConfiguration", NO_PROXY),
    without_effect(
        "serviceConnectConfiguration.accessLogConfiguration",
        NO_PROXY,
    ),
    without_effect(
        "serviceConnectConfiguration.containerConfigurations",
        NO_PROXY,
    ),
    refused(
        "volumeConfigurations",
        "Amazon EBS exists only in AWS: leave it out",
    ),
    refused("vpcLatticeConfigurations", PUBLISH),
    refused("gatewayConnectors", PUBLISH),
    without_effect("monitoring", "CloudWatch exists only in AWS"),
    without_effect("serviceArn", DESCRIBED),
    without_effect("clusterArn", DESCRIBED),
    without_effect("status", DESCRIBED),
    without_effect("runningCount", DESCRIBED),
    without_effect("pendingCount", DESCRIBED),
    without_effect("platformFamily", DESCRIBED),
    without_effect("taskSets", DESCRIBED),
    without_effect("deployments", DESCRIBED),
    without_effect("roleArn", DESCRIBED),
    without_effect("events", DESCRIBED),
    without_effect("createdAt", DESCRIBED),
    without_effect("createdBy", DESCRIBED),
    without_effect("currentServiceDeployment", DESCRIBED),
    without_effect("currentServiceRevisions", DESCRIBED),
    without_effect("resourceManagementType", DESCRIBED),
    carried_out("extensions"),
];
