//! What an engine says of itself.

use serde_json::Value;

use super::wire::text;
use crate::runtime::{DiskLimits, EngineInfo};

/// Answers of version, info and plugins.
pub(super) fn engine_info(version: &Value, info: &Value, plugins: &Value) -> EngineInfo {
    EngineInfo {
        id: text(info, "ID"),
        boot_id: None,
        version: text(version, "Version"),
        root: text(info, "DockerRootDir"),
        api_version: text(version, "ApiVersion"),
        cpus: info
            .get("NCPU")
            .and_then(Value::as_u64)
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or(0),
        memory: info.get("MemTotal").and_then(Value::as_u64).unwrap_or(0),
        os_type: text(info, "OSType"),
        operating_system: text(info, "OperatingSystem"),
        architecture: text(info, "Architecture"),
        pids: None,
        cgroup_version: info
            .get("CgroupVersion")
            .and_then(Value::as_str)
            .map(str::to_owned),
        systemd_cgroups: text(info, "CgroupDriver") == "systemd",
        disk_limits: disk_limits(info),
        swap_limit: info.get("SwapLimit").and_then(Value::as_bool) == Some(true),
        security_options: security_options(info),
        gpus: gpus(info),
        volume_drivers: volume_drivers(info, plugins),
        log_drivers: log_drivers(info),
        log_driver: text(info, "LoggingDriver"),
    }
}

/// GPUs that the engine's configuration names (`node-generic-resources`), or that it found by itself as devices of the
/// Container Device Interface (Docker 28.3 and newer).
fn gpus(info: &Value) -> Vec<String> {
    let list = |field: &str| {
        let list = info.get(field).and_then(Value::as_array);
        list.into_iter().flatten()
    };
    let named = list("GenericResources").filter_map(|resource| {
        let resource = resource.get("NamedResourceSpec")?;
        let is_gpu = text(resource, "Kind").to_lowercase().contains("gpu");
        is_gpu.then(|| text(resource, "Value"))
    });
    let mut named: Vec<String> = named.collect();
    if named.is_empty() {
        let found = list("DiscoveredDevices").map(|device| text(device, "ID"));
        let is_one = |id: &String| {
            id.split_once('=')
                .is_some_and(|(kind, name)| kind.ends_with("/gpu") && name.parse::<u32>().is_ok())
        };
        named = found.filter(is_one).collect();
    }
    named.sort();
    named.dedup();
    named
}

/// What Docker's storage drivers make of the option `size`.
fn disk_limits(info: &Value) -> DiskLimits {
    let status = info.get("DriverStatus").and_then(Value::as_array);
    let is_xfs = status.into_iter().flatten().any(|pair| {
        let word = |index: usize| pair.get(index).and_then(Value::as_str);
        (word(0), word(1)) == (Some("Backing Filesystem"), Some("xfs"))
    });
    match text(info, "Driver").as_str() {
        "btrfs" | "zfs" => DiskLimits::Always,
        "overlay2" if is_xfs => DiskLimits::WithProjectQuotas,
        _ => DiskLimits::Never,
    }
}

/// The description names drivers that are in use, the list of plugins all that are managed and on.
fn volume_drivers(info: &Value, plugins: &Value) -> Vec<String> {
    let in_use = info.pointer("/Plugins/Volume").and_then(Value::as_array);
    let in_use = in_use.into_iter().flatten().filter_map(Value::as_str);
    let managed = plugins.as_array().into_iter().flatten().filter(|plugin| {
        let is_enabled = plugin.get("Enabled").and_then(Value::as_bool) == Some(true);
        let kinds = plugin.pointer("/Config/Interface/Types");
        let kinds = kinds.and_then(Value::as_array).into_iter().flatten();
        let mut kinds = kinds.filter_map(Value::as_str);
        is_enabled && kinds.any(|kind| kind.starts_with("docker.volumedriver/"))
    });
    let managed = managed.filter_map(|plugin| plugin.get("Name")?.as_str());
    let mut drivers: Vec<String> = in_use.chain(managed).map(str::to_owned).collect();
    drivers.sort();
    drivers.dedup();
    drivers
}

fn log_drivers(info: &Value) -> Vec<String> {
    let drivers = info.pointer("/Plugins/Log").and_then(Value::as_array);
    let drivers = drivers.into_iter().flatten().filter_map(Value::as_str);
    drivers.map(str::to_owned).collect()
}

/// `name=seccomp,profile=default` is `seccomp`.
fn security_options(info: &Value) -> Vec<String> {
    let options = info.get("SecurityOptions").and_then(Value::as_array);
    let options = options.into_iter().flatten().filter_map(Value::as_str);
    options
        .filter_map(|option| option.split(',').next()?.strip_prefix("name="))
        .map(str::to_owned)
        .collect()
}

/// The version to put into paths: `ours`, or the engine's oldest where it has left ours behind.
pub(super) fn api_version(version: &Value, ours: &str) -> String {
    let number = |text: &str| -> Option<(u32, u32)> {
        let (major, minor) = text.split_once('.')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    let oldest = text(version, "MinAPIVersion");
    if number(&oldest) > number(ours) {
        oldest
    } else {
        ours.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_disk_is_bounded_by_drivers_that_count_and_by_quotas_of_xfs() {
        let of = |driver: &str, file_system: &str| {
            let status = json!([
                ["Backing Filesystem", file_system],
                ["Supports d_type", "true"]
            ]);
            disk_limits(&json!({"Driver": driver, "DriverStatus": status}))
        };
        assert_eq!(of("zfs", "zfs"), DiskLimits::Always);
        assert_eq!(of("overlay2", "xfs"), DiskLimits::WithProjectQuotas);
        assert_eq!(of("overlay2", "extfs"), DiskLimits::Never);
        assert_eq!(disk_limits(&json!({})), DiskLimits::Never);
    }

    #[test]
    fn drivers_of_volumes_are_those_in_use_and_the_plugins_that_are_enabled_for_it() {
        let plugin = |name: &str, enabled: bool, kind: &str| {
            let types = json!([format!("docker.{kind}/1.0")]);
            json!({"Name": name, "Enabled": enabled, "Config": {"Interface": {"Types": types}}})
        };
        let info = json!({"Plugins": {"Volume": ["local", "vieux/sshfs:latest", "flocker"]}});
        let plugins = json!([
            plugin("vieux/sshfs:latest", true, "volumedriver"),
            plugin("rexray/ebs:0.11", true, "volumedriver"),
            plugin("off", false, "volumedriver"),
            plugin("logs", true, "logdriver"),
            {"Name": "odd", "Enabled": true, "Config": {"Interface": {"Types": null}}},
        ]);
        assert_eq!(
            volume_drivers(&info, &plugins),
            ["flocker", "local", "rexray/ebs:0.11", "vieux/sshfs:latest"]
        );
        assert_eq!(volume_drivers(&json!({}), &json!(null)), [""; 0]);
    }

    #[test]
    fn gpus_are_those_that_the_configuration_names_or_else_those_that_the_engine_found() {
        let found = json!([
            {"Source": "cdi", "ID": "nvidia.com/gpu=1"}, {"Source": "cdi", "ID": "nvidia.com/gpu=0"},
            {"Source": "cdi", "ID": "nvidia.com/gpu=all"}, {"Source": "cdi", "ID": "vendor.com/net=0"},
        ]);
        let named = json!([
            {"NamedResourceSpec": {"Kind": "NVIDIA-GPU", "Value": "GPU-b"}},
            {"NamedResourceSpec": {"Kind": "NVIDIA-GPU", "Value": "GPU-a"}},
            {"DiscreteResourceSpec": {"Kind": "SSD", "Value": 3}},
        ]);
        let all = |info: Value| gpus(&info);
        assert_eq!(all(json!({})), [""; 0]);
        assert_eq!(
            all(json!({"DiscoveredDevices": found})),
            ["nvidia.com/gpu=0", "nvidia.com/gpu=1"]
        );
        assert_eq!(
            all(json!({"DiscoveredDevices": found, "GenericResources": named})),
            ["GPU-a", "GPU-b"]
        );
    }

    #[test]
    fn an_engine_that_left_our_version_behind_is_spoken_to_in_its_oldest() {
        let engine = |oldest: &str| json!({"ApiVersion": "1.56", "MinAPIVersion": oldest});
        assert_eq!(api_version(&engine("1.12"), "1.41"), "1.41");
        assert_eq!(api_version(&engine("1.44"), "1.41"), "1.44");
    }
}
