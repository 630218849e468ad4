//! Settings of a container, from their shapes.

use super::super::bounded::Str;
use super::super::shapes::{self, DeviceCgroupPermission, UlimitName};
use super::positive;
use crate::domain::definition::settings::{Device, HostEntry, Link, Settings, Tmpfs, Ulimit};

/// The settings of a container; what is wrong with them is for the rules to say.
pub(super) fn settings(spec: &shapes::ContainerDefinition) -> Settings {
    let linux = spec.linux_parameters.clone().unwrap_or_default();
    let capabilities = linux.capabilities.unwrap_or_default();
    Settings {
        added_capabilities: words(capabilities.add.as_deref()),
        dropped_capabilities: words(capabilities.drop.as_deref()),
        devices: linux.devices.iter().flatten().map(device).collect(),
        init: linux.init_process_enabled.unwrap_or(false),
        shared_memory: positive(linux.shared_memory_size),
        tmpfs: linux.tmpfs.iter().flatten().map(tmpfs).collect(),
        maximum_swap: natural(linux.max_swap),
        swappiness: natural(linux.swappiness),
        ulimits: spec.ulimits.iter().flatten().map(ulimit).collect(),
        system_controls: spec
            .system_controls
            .iter()
            .flatten()
            .filter_map(|control| {
                let value = control.value.as_ref().map(ToString::to_string);
                Some((control.namespace.as_ref()?.to_string(), value?))
            })
            .collect(),
        dns_servers: words(spec.dns_servers.as_deref()),
        dns_search_domains: words(spec.dns_search_domains.as_deref()),
        extra_hosts: spec
            .extra_hosts
            .iter()
            .flatten()
            .map(|host| HostEntry {
                hostname: host.hostname.to_string(),
                address: host.ip_address.to_string(),
            })
            .collect(),
        security_options: words(spec.docker_security_options.as_deref()),
        read_only_root: spec.readonly_root_filesystem.unwrap_or(false),
        interactive: spec.interactive.unwrap_or(false),
        pseudo_terminal: spec.pseudo_terminal.unwrap_or(false),
        hostname: text(spec.hostname.as_ref()),
        networking_disabled: spec.disable_networking.unwrap_or(false),
    }
}

/// `name` or `name:alias`.
pub(super) fn links(spec: &shapes::ContainerDefinition) -> Vec<Link> {
    let links = words(spec.links.as_deref()).into_iter();
    links
        .map(|link| match link.split_once(':') {
            Some((container, alias)) => Link {
                container: container.to_owned(),
                alias: alias.to_owned(),
            },
            None => Link {
                container: link.clone(),
                alias: link,
            },
        })
        .collect()
}

/// The texts of a list, without empty ones.
pub(super) fn words<const LONGEST: usize>(list: Option<&Vec<Str<LONGEST>>>) -> Vec<String> {
    let words = list.into_iter().flatten().map(ToString::to_string);
    words.filter(|word| !word.is_empty()).collect()
}

/// A text that says something.
pub(super) fn text<const LONGEST: usize>(text: Option<&Str<LONGEST>>) -> Option<String> {
    text.map(ToString::to_string)
        .filter(|text| !text.is_empty())
}

fn natural(value: Option<i32>) -> Option<u32> {
    value.and_then(|value| u32::try_from(value).ok())
}

fn device(spec: &shapes::Device) -> Device {
    let host_path = spec.host_path.to_string();
    let permissions = spec.permissions.iter().flatten();
    let permissions: String = permissions
        .map(|permission| match permission {
            DeviceCgroupPermission::Read => 'r',
            DeviceCgroupPermission::Write => 'w',
            DeviceCgroupPermission::Mknod => 'm',
        })
        .collect();
    Device {
        container_path: text(spec.container_path.as_ref()).unwrap_or_else(|| host_path.clone()),
        host_path,
        permissions: if permissions.is_empty() {
            "rwm".to_owned()
        } else {
            permissions
        },
    }
}

fn tmpfs(spec: &shapes::Tmpfs) -> Tmpfs {
    Tmpfs {
        path: spec.container_path.to_string(),
        size: natural(Some(spec.size)).unwrap_or(0),
        options: words(spec.mount_options.as_deref()),
    }
}

fn ulimit(spec: &shapes::Ulimit) -> Ulimit {
    Ulimit {
        name: match spec.name {
            UlimitName::Core => "core",
            UlimitName::Cpu => "cpu",
            UlimitName::Data => "data",
            UlimitName::Fsize => "fsize",
            UlimitName::Locks => "locks",
            UlimitName::Memlock => "memlock",
            UlimitName::Msgqueue => "msgqueue",
            UlimitName::Nice => "nice",
            UlimitName::Nofile => "nofile",
            UlimitName::Nproc => "nproc",
            UlimitName::Rss => "rss",
            UlimitName::Rtprio => "rtprio",
            UlimitName::Rttime => "rttime",
            UlimitName::Sigpending => "sigpending",
            UlimitName::Stack => "stack",
        },
        soft: spec.soft_limit.into(),
        hard: spec.hard_limit.into(),
    }
}
