use super::*;
use crate::runtime::Publish;

#[test]
fn a_container_never_restarts_and_has_no_health_check_of_its_image() {
    let body = create_body(&ContainerSpec {
        name: "a".into(),
        image: "i".into(),
        ..ContainerSpec::default()
    });
    assert_eq!(body["HostConfig"]["RestartPolicy"]["Name"], "no");
    assert_eq!(body["Healthcheck"]["Test"], json!(["NONE"]));
    assert_eq!(body["HostConfig"]["PidsLimit"], 1024);
    assert_eq!(body["HostConfig"]["CpuShares"], 2);
    assert!(
        body.get("Cmd").is_none(),
        "an absent command leaves the image's own"
    );
}

#[test]
fn ports_are_published_on_the_bridge_and_not_on_the_host_network() {
    let publish = Publish {
        container_port: 80,
        host_port: 32768,
        protocol: Protocol::Tcp,
    };
    let spec = ContainerSpec {
        ports: vec![publish],
        ..ContainerSpec::default()
    };
    assert_eq!(
        create_body(&spec)["HostConfig"]["PortBindings"]["80/tcp"][0]["HostPort"],
        "32768"
    );
    let host = ContainerSpec {
        network: Network::Host,
        ..spec
    };
    assert_eq!(create_body(&host)["HostConfig"]["PortBindings"], json!({}));
}

#[test]
fn a_word_of_a_newer_engine_does_not_fail_the_list() {
    let found = summaries(json!([
        {"Id": "1", "Names": ["/a"], "State": "hibernating", "Status": "?", "Labels": null, "New": 1},
        {"Id": "2", "Names": ["/b"], "State": "running", "Status": "Up 2 minutes (healthy)"},
    ]))
    .unwrap();
    assert_eq!(found[0].state, ContainerState::Unknown);
    assert_eq!(
        (found[1].state, found[1].health),
        (ContainerState::Running, Health::Healthy)
    );
}

#[test]
fn an_inspect_reads_times_ports_and_the_exit() {
    let found = view(json!({
        "Id": "1", "Name": "/a", "Image": "sha256:2",
        "State": {"Status": "exited", "ExitCode": 137, "OOMKilled": true, "Error": "",
            "StartedAt": "2026-11-22T10:00:00.123456789Z", "FinishedAt": "2026-11-22T10:00:05Z"},
        "NetworkSettings": {"Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}, {"HostIp": "::", "HostPort": "8080"}], "81/tcp": null}},
    }))
    .unwrap();
    assert_eq!(
        (found.name.as_str(), found.exit_code, found.oom_killed),
        ("a", Some(137), true)
    );
    assert_eq!(found.error, None);
    assert_eq!(found.ports.len(), 1, "IPv6 bindings are left out");
    assert_eq!(
        found.finished_at.unwrap().to_string(),
        "2026-11-22T10:00:05Z"
    );
}

#[test]
fn what_was_never_started_has_no_times_and_no_exit_code() {
    let found = view(json!({
        "Id": "1", "Name": "/a",
        "State": {"Status": "created", "ExitCode": 128, "Error": "port is already allocated",
            "StartedAt": "0001-01-01T00:00:00Z", "FinishedAt": "0001-01-01T00:00:00Z"},
    }))
    .unwrap();
    assert_eq!(
        (found.started_at, found.finished_at, found.exit_code),
        (None, None, None)
    );
    assert_eq!(found.error.as_deref(), Some("port is already allocated"));
}

#[test]
fn health_events_are_hints_and_the_execs_behind_them_are_not() {
    let event = |action: &str| json!({"Action": action, "Actor": {"Attributes": {"name": "a"}}});
    assert_eq!(
        hint(&event("health_status: healthy")).unwrap().activity,
        Activity::Health
    );
    assert_eq!(hint(&event("exec_create: /bin/true")), None);
    assert_eq!(hint(&event("die")).unwrap().activity, Activity::Ended);
}

#[test]
fn swap_is_counted_with_memory_and_only_what_is_set_is_sent() {
    let mut spec = ContainerSpec {
        memory: Some(64),
        ..ContainerSpec::default()
    };
    let host = |spec: &ContainerSpec| create_body(spec)["HostConfig"].clone();
    for field in ["MemorySwap", "MemorySwappiness", "ShmSize", "Init"] {
        assert_eq!(host(&spec).get(field), None, "{field} is the engine's own");
    }
    spec.settings.maximum_swap = Some(0);
    spec.settings.swappiness = Some(0);
    assert_eq!(host(&spec)["MemorySwap"], 64 * MIB);
    assert_eq!(host(&spec)["MemorySwappiness"], 0);
    spec.settings.security_options = vec!["label:type:container_t".into()];
    assert_eq!(
        host(&spec)["SecurityOpt"],
        json!(["label=type:container_t"])
    );
}

#[test]
fn shared_namespaces_are_named_by_the_container_that_holds_them_and_its_address_is_read() {
    let joined = ContainerSpec {
        network: Network::Container("pause".into()),
        pid: Namespace::Container("pause".into()),
        ipc: Namespace::None,
        ..ContainerSpec::default()
    };
    let host = &create_body(&joined)["HostConfig"];
    assert_eq!(
        [&host["NetworkMode"], &host["PidMode"], &host["IpcMode"]],
        ["container:pause", "container:pause", "none"]
    );
    let seen = view(json!({
        "Id": "f00", "Name": "/pause", "State": {"Status": "running"},
        "NetworkSettings": {"Networks": {"bridge": {"IPAddress": "172.17.0.2"}}},
    }));
    assert_eq!(seen.unwrap().address.as_deref(), Some("172.17.0.2"));
}
