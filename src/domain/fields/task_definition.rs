//! The fields of `RegisterTaskDefinition`.

use super::{Entry, LAUNCH_TYPES, by_value, carried_out, refused, without_effect};

const READ_WITH_DEPENDS_ON: &str =
    "it is read only where other containers name this one in dependsOn";
const READ_WITH_RESTART_POLICY: &str = "it is read only while restartPolicy.enabled is true";
const READ_BY_SERVICE_CONNECT: &str = "only Service Connect and VPC Lattice read it";
const NO_CLOUDWATCH: &str = "the output goes to the instance's default log driver, and the options that begin with awslogs are not read: there is no log group and no stream in CloudWatch";
const NO_FILE_SYSTEM: &str = "it exists only in AWS: use dockerVolumeConfiguration with scope shared, whose data stay on the instance, or mount the file system on the instances and name its folder in host.sourcePath";
const DESCRIBED: &str = "AWS fills it in when it describes a task definition";

pub(super) const TABLE: &[Entry] = &[
    carried_out("family"),
    refused(
        "taskRoleArn",
        "containers get no AWS credentials here; leave it out and give the application its credentials in another way",
    ),
    without_effect(
        "executionRoleArn",
        "only AWS uses it, to pull images, read secrets and write logs",
    ),
    by_value(
        "networkMode",
        &["bridge", "host"],
        &[],
        "use bridge with portMappings",
    ),
    carried_out("volumes[].name"),
    carried_out("volumes[].host"),
    carried_out("volumes[].dockerVolumeConfiguration"),
    refused("volumes[].efsVolumeConfiguration", NO_FILE_SYSTEM),
    refused("volumes[].s3filesVolumeConfiguration", NO_FILE_SYSTEM),
    refused(
        "volumes[].fsxWindowsFileServerVolumeConfiguration",
        "instances run Linux: use another kind of volume",
    ),
    refused(
        "volumes[].configuredAtLaunch",
        "disks of Amazon EBS exist only in AWS: use dockerVolumeConfiguration with scope shared, whose data stay on the instance",
    ),
    carried_out("placementConstraints"),
    by_value("requiresCompatibilities", &["EC2"], LAUNCH_TYPES, ""),
    carried_out("cpu"),
    carried_out("memory"),
    carried_out("tags"),
    refused(
        "pidMode",
        "leave it out: each container has its own process namespace",
    ),
    refused(
        "ipcMode",
        "leave it out: the Docker daemon's default is used",
    ),
    refused(
        "proxyConfiguration",
        "App Mesh exists only in AWS: run the proxy as an ordinary container",
    ),
    refused(
        "inferenceAccelerators",
        "AWS has closed the service: leave it out",
    ),
    without_effect("ephemeralStorage", "a task's disk is its instance's"),
    by_value(
        "runtimePlatform.cpuArchitecture",
        &["X86_64", "ARM64"],
        &[],
        "",
    ),
    by_value(
        "runtimePlatform.operatingSystemFamily",
        &["LINUX"],
        &[],
        "instances run Linux",
    ),
    refused(
        "enableFaultInjection",
        "leave it out: the fault endpoints do not exist here",
    ),
    by_value(
        "trustedExecutionConfiguration.isolationMode",
        &["SHARED"],
        &[],
        "sandboxes exist only on ECS Managed Instances",
    ),
    refused(
        "trustedExecutionConfiguration.attestationPolicy",
        "attestation exists only on ECS Managed Instances",
    ),
    without_effect("taskDefinitionArn", DESCRIBED),
    without_effect("revision", DESCRIBED),
    without_effect("status", DESCRIBED),
    without_effect("requiresAttributes", DESCRIBED),
    without_effect("compatibilities", DESCRIBED),
    without_effect("registeredAt", DESCRIBED),
    without_effect("registeredBy", DESCRIBED),
    without_effect("deregisteredAt", DESCRIBED),
    without_effect("deleteRequestedAt", DESCRIBED),
    // What follows is each container's.
    carried_out("containerDefinitions[].name"),
    carried_out("containerDefinitions[].image"),
    refused(
        "containerDefinitions[].repositoryCredentials",
        "use an image that the instance's Docker Engine can pull without them",
    ),
    carried_out("containerDefinitions[].cpu"),
    carried_out("containerDefinitions[].memory"),
    carried_out("containerDefinitions[].memoryReservation"),
    refused(
        "containerDefinitions[].links",
        "publish the port with portMappings, or put both programs into one image",
    ),
    carried_out("containerDefinitions[].portMappings[].containerPort"),
    carried_out("containerDefinitions[].portMappings[].hostPort"),
    carried_out("containerDefinitions[].portMappings[].protocol"),
    without_effect(
        "containerDefinitions[].portMappings[].name",
        READ_BY_SERVICE_CONNECT,
    ),
    without_effect(
        "containerDefinitions[].portMappings[].appProtocol",
        READ_BY_SERVICE_CONNECT,
    ),
    refused(
        "containerDefinitions[].portMappings[].containerPortRange",
        "give each containerPort an entry of its own",
    ),
    carried_out("containerDefinitions[].essential"),
    refused(
        "containerDefinitions[].restartPolicy.enabled",
        "make the container essential, so that its service replaces the task",
    ),
    without_effect(
        "containerDefinitions[].restartPolicy.ignoredExitCodes",
        READ_WITH_RESTART_POLICY,
    ),
    without_effect(
        "containerDefinitions[].restartPolicy.restartAttemptPeriod",
        READ_WITH_RESTART_POLICY,
    ),
    carried_out("containerDefinitions[].entryPoint"),
    carried_out("containerDefinitions[].command"),
    carried_out("containerDefinitions[].environment"),
    refused(
        "containerDefinitions[].environmentFiles",
        "write the variables into environment",
    ),
    carried_out("containerDefinitions[].mountPoints"),
    carried_out("containerDefinitions[].volumesFrom"),
    carried_out("containerDefinitions[].linuxParameters.capabilities.add"),
    carried_out("containerDefinitions[].linuxParameters.capabilities.drop"),
    carried_out("containerDefinitions[].linuxParameters.devices"),
    carried_out("containerDefinitions[].linuxParameters.initProcessEnabled"),
    carried_out("containerDefinitions[].linuxParameters.sharedMemorySize"),
    carried_out("containerDefinitions[].linuxParameters.tmpfs"),
    carried_out("containerDefinitions[].linuxParameters.maxSwap"),
    carried_out("containerDefinitions[].linuxParameters.swappiness"),
    refused(
        "containerDefinitions[].secrets",
        "have the application read its secrets when it starts; never write a secret into environment",
    ),
    refused(
        "containerDefinitions[].dependsOn",
        "let the program wait for what it needs when it starts",
    ),
    without_effect("containerDefinitions[].startTimeout", READ_WITH_DEPENDS_ON),
    carried_out("containerDefinitions[].stopTimeout"),
    carried_out("containerDefinitions[].versionConsistency"),
    carried_out("containerDefinitions[].hostname"),
    carried_out("containerDefinitions[].user"),
    carried_out("containerDefinitions[].workingDirectory"),
    carried_out("containerDefinitions[].disableNetworking"),
    carried_out("containerDefinitions[].privileged"),
    carried_out("containerDefinitions[].readonlyRootFilesystem"),
    carried_out("containerDefinitions[].dnsServers"),
    carried_out("containerDefinitions[].dnsSearchDomains"),
    carried_out("containerDefinitions[].extraHosts"),
    carried_out("containerDefinitions[].dockerSecurityOptions"),
    carried_out("containerDefinitions[].interactive"),
    carried_out("containerDefinitions[].pseudoTerminal"),
    carried_out("containerDefinitions[].dockerLabels"),
    carried_out("containerDefinitions[].ulimits"),
    by_value(
        "containerDefinitions[].logConfiguration.logDriver",
        &[
            "json-file",
            "local",
            "journald",
            "syslog",
            "gelf",
            "fluentd",
            "splunk",
        ],
        &[("awslogs", NO_CLOUDWATCH)],
        "there is no log router: use the driver of what receives the logs, such as fluentd, or leave logConfiguration out and collect them on the instances",
    ),
    carried_out("containerDefinitions[].logConfiguration.options"),
    refused(
        "containerDefinitions[].logConfiguration.secretOptions",
        "log drivers get no secrets: use a receiver that asks for none, or configure it in the Docker Engine of the instances",
    ),
    carried_out("containerDefinitions[].healthCheck"),
    carried_out("containerDefinitions[].systemControls"),
    refused(
        "containerDefinitions[].resourceRequirements",
        "accelerators are not given to tasks: leave it out",
    ),
    refused(
        "containerDefinitions[].firelensConfiguration",
        "write the logs to standard output",
    ),
    refused(
        "containerDefinitions[].credentialSpecs",
        "they exist for Windows and Active Directory only: leave it out",
    ),
];
