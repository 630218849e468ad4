//! The table of tested fields: for each field of a task definition that is carried out, what a real engine must show of it.
//!
//! `tests/cluster` runs the rows on a Docker Engine, and the page `docs/fields.md` names them.

/// One task and what must be seen of it.
#[derive(Debug)]
pub(crate) struct Row {
    /// Paths in the table of fields.
    pub(crate) fields: &'static [&'static str],
    /// JSON of the task definition, without its `containerDefinitions`.
    pub(crate) task: &'static str,
    /// JSON of the containers. The last is looked at; those before it run first, to their end where they are not
    /// essential. Name, image, memory and command are given to those that have none.
    pub(crate) containers: &'static str,
    /// Where to look.
    pub(crate) look: Look,
    /// What must be there. `a|b` is either, `!a` is what must not be there.
    pub(crate) sees: &'static [&'static str],
}

/// Where the test looks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Look {
    /// Inside the container, at these paths.
    Inside(&'static [&'static str]),
    /// At the engine's inspection of the container that was created, under this pointer, because inside cannot tell.
    Inspect(&'static str),
}

const STATUS: Look = Look::Inside(&["/proc/self/status"]);
const MOUNTS: Look = Look::Inside(&["/proc/self/mounts"]);

const fn row(
    fields: &'static [&'static str],
    containers: &'static str,
    look: Look,
    sees: &'static [&'static str],
) -> Row {
    Row {
        fields,
        task: "{}",
        containers,
        look,
        sees,
    }
}

/// A task whose volume one container has written to before the next one looks.
const fn volume(
    fields: &'static [&'static str],
    task: &'static str,
    containers: &'static str,
    sees: &'static [&'static str],
) -> Row {
    Row {
        fields,
        task,
        containers,
        look: Look::Inside(&["/data/file", "/proc/self/mounts"]),
        sees,
    }
}

/// All rows.
pub(crate) const ROWS: &[Row] = &[
    row(
        &["family"],
        "[{}]",
        Look::Inspect("/Config/Labels/com.amazonaws.ecs.task-definition-family"),
        &["fields"],
    ),
    Row {
        fields: &["networkMode"],
        task: r#"{"networkMode": "host"}"#,
        containers: "[{}]",
        look: Look::Inside(&["/proc/net/dev"]),
        sees: &["docker0"],
    },
    Row {
        fields: &["memory"],
        task: r#"{"memory": "0.125 GB"}"#,
        containers: r#"[{"memory": null}]"#,
        look: Look::Inside(&[
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory.max",
        ]),
        sees: &["134217728"],
    },
    volume(
        &[
            "volumes[].name",
            "volumes[].dockerVolumeConfiguration",
            "containerDefinitions[].mountPoints",
        ],
        r#"{"volumes": [{"name": "data", "dockerVolumeConfiguration": {"scope": "task", "labels": {"team": "shop"}}}]}"#,
        r#"[{"name": "writer", "essential": false, "command": ["show", "--write", "/data/file"],
             "mountPoints": [{"sourceVolume": "data", "containerPath": "/data"}]},
            {"mountPoints": [{"sourceVolume": "data", "containerPath": "/data", "readOnly": true}]}]"#,
        &[
            "written",
            " /data ext4 ro,| /data xfs ro,| /data overlay ro,",
        ],
    ),
    volume(
        &["containerDefinitions[].volumesFrom"],
        r#"{"volumes": [{"name": "data", "host": {}}]}"#,
        r#"[{"name": "writer", "essential": false, "command": ["show", "--write", "/data/file"],
             "mountPoints": [{"sourceVolume": "data", "containerPath": "/data"}]},
            {"volumesFrom": [{"sourceContainer": "writer", "readOnly": true}]}]"#,
        &[
            "written",
            " /data ext4 ro,| /data xfs ro,| /data overlay ro,",
        ],
    ),
    Row {
        fields: &["volumes[].host"],
        task: r#"{"volumes": [{"name": "etc", "host": {"sourcePath": "/etc"}}]}"#,
        containers: r#"[{"mountPoints": [{"sourceVolume": "etc", "containerPath": "/host", "readOnly": true}]}]"#,
        look: Look::Inside(&["/host/passwd"]),
        sees: &["root:"],
    },
    row(
        &["containerDefinitions[].name"],
        r#"[{"name": "shown"}]"#,
        Look::Inspect("/Config/Labels/com.amazonaws.ecs.container-name"),
        &["shown"],
    ),
    row(
        &["containerDefinitions[].image"],
        "[{}]",
        Look::Inspect("/Config/Image"),
        &["ecs-operator-workload:dev"],
    ),
    row(
        &["containerDefinitions[].cpu"],
        r#"[{"cpu": 512}]"#,
        Look::Inside(&["/sys/fs/cgroup/cpu/cpu.shares", "/sys/fs/cgroup/cpu.weight"]),
        &["\n512|\n20"],
    ),
    row(
        &["containerDefinitions[].memory"],
        r#"[{"memory": 48}]"#,
        Look::Inside(&[
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory.max",
        ]),
        &["50331648"],
    ),
    row(
        &["containerDefinitions[].memoryReservation"],
        r#"[{"memoryReservation": 32}]"#,
        Look::Inside(&[
            "/sys/fs/cgroup/memory/memory.soft_limit_in_bytes",
            "/sys/fs/cgroup/memory.low",
        ]),
        &["33554432"],
    ),
    row(
        &[
            "containerDefinitions[].portMappings[].containerPort",
            "containerDefinitions[].portMappings[].hostPort",
            "containerDefinitions[].portMappings[].protocol",
        ],
        r#"[{"portMappings": [{"containerPort": 8080, "hostPort": 61998, "protocol": "udp"}, {"containerPort": 9090}]}]"#,
        Look::Inspect("/HostConfig/PortBindings"),
        &[
            r#""8080/udp":[{"HostIp":"","HostPort":"61998"}]"#,
            r#""9090/tcp""#,
        ],
    ),
    row(
        &["containerDefinitions[].links"],
        r#"[{"name": "db", "command": []}, {"links": ["db:data"]}]"#,
        Look::Inside(&["/etc/hosts"]),
        &["\tdata "],
    ),
    row(
        &["containerDefinitions[].entryPoint"],
        r#"[{"entryPoint": ["/ecs-operator-workload", "show", "/proc/self/cmdline"], "command": []}]"#,
        Look::Inside(&[]),
        &["/ecs-operator-workload\nshow\n/proc/self/cmdline"],
    ),
    row(
        &["containerDefinitions[].command"],
        "[{}]",
        Look::Inside(&["/proc/self/cmdline"]),
        &["show\n/proc/self/cmdline"],
    ),
    row(
        &["containerDefinitions[].environment"],
        r#"[{"environment": [{"name": "GREETING", "value": "good day"}]}]"#,
        Look::Inside(&["/proc/self/environ"]),
        &["GREETING=good day\n"],
    ),
    row(
        &[
            "containerDefinitions[].linuxParameters.capabilities.add",
            "containerDefinitions[].linuxParameters.capabilities.drop",
        ],
        r#"[{"linuxParameters": {"capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}}}]"#,
        STATUS,
        &["CapEff:\t0000000000000400"],
    ),
    row(
        &["containerDefinitions[].linuxParameters.devices"],
        r#"[{"linuxParameters": {"devices": [{"hostPath": "/dev/zero", "containerPath": "/dev/nothing", "permissions": ["read"]}]}}]"#,
        Look::Inside(&["/dev/nothing"]),
        &["character device 1:5"],
    ),
    row(
        &["containerDefinitions[].linuxParameters.initProcessEnabled"],
        r#"[{"linuxParameters": {"initProcessEnabled": true}}]"#,
        Look::Inside(&["/proc/1/cmdline"]),
        &["docker-init"],
    ),
    row(
        &["containerDefinitions[].linuxParameters.sharedMemorySize"],
        r#"[{"linuxParameters": {"sharedMemorySize": 32}}]"#,
        MOUNTS,
        &["shm /dev/shm tmpfs rw,nosuid,nodev,noexec,relatime,size=32768k"],
    ),
    row(
        &["containerDefinitions[].linuxParameters.tmpfs"],
        r#"[{"linuxParameters": {"tmpfs": [{"containerPath": "/scratch", "size": 16, "mountOptions": ["noexec", "mode=1777"]}]}}]"#,
        MOUNTS,
        &["tmpfs /scratch tmpfs rw,nosuid,nodev,noexec,relatime,size=16384k"],
    ),
    row(
        &[
            "containerDefinitions[].linuxParameters.maxSwap",
            "containerDefinitions[].linuxParameters.swappiness",
        ],
        r#"[{"memory": 64, "linuxParameters": {"maxSwap": 32, "swappiness": 10}}]"#,
        Look::Inside(&[
            "/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.swappiness",
            "/sys/fs/cgroup/memory.swap.max",
        ]),
        &[
            "100663296|33554432",
            "memory.swappiness\n10\n|swappiness\ncannot be read",
        ],
    ),
    row(
        &["containerDefinitions[].hostname"],
        r#"[{"hostname": "front-desk"}]"#,
        Look::Inside(&["/proc/sys/kernel/hostname"]),
        &["front-desk"],
    ),
    row(
        &["containerDefinitions[].user"],
        r#"[{"user": "1000:1001"}]"#,
        STATUS,
        &["Uid:\t1000\t", "Gid:\t1001\t"],
    ),
    row(
        &["containerDefinitions[].workingDirectory"],
        r#"[{"workingDirectory": "/work"}]"#,
        Look::Inside(&["/proc/self/cwd"]),
        &["-> /work\n"],
    ),
    row(
        &["containerDefinitions[].disableNetworking"],
        r#"[{"disableNetworking": true}]"#,
        Look::Inside(&["/proc/net/dev"]),
        &["lo:", "!eth0"],
    ),
    row(
        &["containerDefinitions[].privileged"],
        r#"[{"privileged": true}]"#,
        // The engines of the test machine may not give all rights themselves.
        Look::Inspect("/HostConfig/Privileged"),
        &["true"],
    ),
    row(
        &["containerDefinitions[].readonlyRootFilesystem"],
        r#"[{"readonlyRootFilesystem": true, "command": ["show", "--write", "/file"]}]"#,
        Look::Inside(&[]),
        &["cannot be written: Read-only file system"],
    ),
    row(
        &[
            "containerDefinitions[].dnsServers",
            "containerDefinitions[].dnsSearchDomains",
        ],
        r#"[{"dnsServers": ["10.9.8.7"], "dnsSearchDomains": ["shop.example"]}]"#,
        Look::Inside(&["/etc/resolv.conf"]),
        &["nameserver 10.9.8.7", "search shop.example"],
    ),
    row(
        &["containerDefinitions[].extraHosts"],
        r#"[{"extraHosts": [{"hostname": "db", "ipAddress": "10.1.2.3"}]}]"#,
        Look::Inside(&["/etc/hosts"]),
        &["10.1.2.3\tdb\n"],
    ),
    row(
        &["containerDefinitions[].dockerSecurityOptions"],
        r#"[{"dockerSecurityOptions": ["no-new-privileges"]}]"#,
        STATUS,
        &["NoNewPrivs:\t1"],
    ),
    row(
        &["containerDefinitions[].interactive"],
        r#"[{"interactive": true}]"#,
        Look::Inside(&["/proc/self/fd/0"]),
        &["-> pipe:"],
    ),
    row(
        &["containerDefinitions[].pseudoTerminal"],
        r#"[{"pseudoTerminal": true}]"#,
        Look::Inside(&["/proc/self/fd/1"]),
        &["-> /dev/pts/0"],
    ),
    row(
        &["containerDefinitions[].dockerLabels"],
        r#"[{"dockerLabels": {"team": "shop"}}]"#,
        Look::Inspect("/Config/Labels/team"),
        &["shop"],
    ),
    row(
        &["containerDefinitions[].ulimits"],
        r#"[{"ulimits": [{"name": "nofile", "softLimit": 1111, "hardLimit": 2222}]}]"#,
        Look::Inside(&["/proc/self/limits"]),
        &["Max open files            1111                 2222"],
    ),
    row(
        &["containerDefinitions[].systemControls"],
        r#"[{"systemControls": [{"namespace": "net.core.somaxconn", "value": "4321"}]}]"#,
        Look::Inside(&["/proc/sys/net/core/somaxconn"]),
        &["4321"],
    ),
    row(
        &[
            "containerDefinitions[].logConfiguration.logDriver",
            "containerDefinitions[].logConfiguration.options",
        ],
        r#"[{"logConfiguration": {"logDriver": "json-file", "options": {"max-size": "1m", "tag": "{{.Name}}"}}}]"#,
        Look::Inspect("/HostConfig/LogConfig"),
        &[
            r#""Type":"json-file""#,
            r#""max-size":"1m""#,
            r#""max-file":"3""#,
            r#""mode":"non-blocking""#,
        ],
    ),
    row(
        &["containerDefinitions[].healthCheck"],
        r#"[{"healthCheck": {"command": ["CMD", "/ecs-operator-workload", "health"], "interval": 5, "timeout": 2, "retries": 2, "startPeriod": 1}}]"#,
        Look::Inspect("/Config/Healthcheck"),
        &[
            r#""Test":["CMD","/ecs-operator-workload","health"]"#,
            r#""Interval":5000000000"#,
            r#""Retries":2"#,
        ],
    ),
];
