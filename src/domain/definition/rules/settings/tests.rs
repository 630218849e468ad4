//! Settings that no engine could carry out are refused, and the others are not.

use super::*;
use crate::domain::definition::settings::{HostEntry, Link, Ulimit};
use crate::domain::definition::tests_support::{container, definition};

fn fields(change: impl FnOnce(&mut TaskDefinition)) -> Vec<&'static str> {
    let mut wants = definition("web", [container("app"), container("db")]);
    change(&mut wants);
    let found = problems(&wants, &wants.containers[0]);
    found.into_iter().map(|(field, _)| field).collect()
}

fn setting(change: impl FnOnce(&mut Settings)) -> Vec<&'static str> {
    fields(|wants| change(&mut wants.containers[0].settings))
}

#[test]
fn what_no_engine_could_carry_out_is_named_by_its_field() {
    assert_eq!(setting(|_| {}), [""; 0]);
    assert_eq!(
        setting(|it| it.added_capabilities = vec!["CAP_CHOWN".into()]),
        ["linuxParameters.capabilities.add"]
    );
    let tmpfs = |path: &str, size, option: &str| Tmpfs {
        path: path.into(),
        size,
        options: vec![option.into()],
    };
    for (broken, count) in [
        (tmpfs("/run", 1, "mode=1777"), 0),
        (tmpfs("run", 1, "ro"), 1),
        (tmpfs("/run", 0, "ro"), 1),
        (tmpfs("/run", 1, "bind"), 1),
        (tmpfs("/run", 1, "size=9g"), 1),
        (tmpfs("/run", 1, "mode=1777,bind"), 1),
    ] {
        assert_eq!(
            setting(|it| it.tmpfs = vec![broken.clone()]).len(),
            count,
            "{broken:?}"
        );
    }
    let limit = |soft, hard| Ulimit {
        name: "nofile",
        soft,
        hard,
    };
    assert_eq!(setting(|it| it.ulimits = vec![limit(2, 1)]), ["ulimits"]);
    assert_eq!(setting(|it| it.ulimits = vec![limit(-1, 1)]), ["ulimits"]);
    assert_eq!(setting(|it| it.ulimits = vec![limit(1, -1)]), [""; 0]);
    assert_eq!(
        setting(|it| it.dns_servers = vec!["dns.google".into()]),
        ["dnsServers"]
    );
    let host = HostEntry {
        hostname: "db".into(),
        address: "10.0.0.300".into(),
    };
    assert_eq!(setting(|it| it.extra_hosts = vec![host]), ["extraHosts"]);
    assert_eq!(
        setting(|it| it.security_options = vec!["seccomp=unconfined".into()]),
        ["dockerSecurityOptions"]
    );
    assert_eq!(
        fields(|wants| {
            wants.containers[0].memory = None;
            wants.containers[0].settings.maximum_swap = Some(0);
        }),
        ["linuxParameters.maxSwap"]
    );
}

#[test]
fn a_kernel_parameter_is_one_of_the_containers_own_namespaces() {
    let control = |name: &str| {
        let name = name.to_owned();
        move |it: &mut Settings| {
            it.system_controls.insert(name, "1".into());
        }
    };
    assert_eq!(setting(control("net.core.somaxconn")), [""; 0]);
    assert_eq!(setting(control("kernel.shmmax")), [""; 0]);
    assert_eq!(setting(control("vm.max_map_count")), ["systemControls"]);
    let on_the_host = fields(|wants| {
        wants.network_mode = NetworkMode::Host;
        control("net.core.somaxconn")(&mut wants.containers[0].settings);
    });
    assert_eq!(on_the_host, ["systemControls"]);
}

#[test]
fn a_link_leads_to_another_container_over_the_bridge() {
    let link = |to: &str, alias: &str| Link {
        container: to.into(),
        alias: alias.into(),
    };
    let linked = |mode, link: Link| {
        fields(|wants| {
            wants.network_mode = mode;
            wants.containers[0].links = vec![link];
        })
    };
    assert_eq!(linked(NetworkMode::Bridge, link("db", "data")), [""; 0]);
    for broken in [link("cache", "cache"), link("app", "app"), link("db", "")] {
        assert_eq!(linked(NetworkMode::Bridge, broken), ["links"]);
    }
    assert_eq!(linked(NetworkMode::Host, link("db", "db")), ["links"]);
}
