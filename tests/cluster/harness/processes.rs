//! The product's processes on this machine, found by what they run and are told, and ended by their id.

use std::path::Path;

use super::machine::run;

/// The agent of an instance.
pub(crate) fn agent(instance: &str) -> Option<u32> {
    find("agent", "INSTANCE_NAME", instance)
}

/// The controller in a pod.
pub(crate) fn controller(pod: &str) -> Option<u32> {
    find("controller", "POD_NAME", pod)
}

/// `kill -9`.
pub(crate) async fn kill(process: u32) {
    let said = run("kill", &["-9", &process.to_string()]).await;
    said.expect();
}

fn find(subcommand: &str, variable: &str, value: &str) -> Option<u32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let processes = entries.filter_map(|entry| {
        let id = entry.file_name().to_string_lossy().parse().ok()?;
        Some((id, entry.path()))
    });
    let told = format!("{variable}={value}");
    let mut found = processes.filter(|(_, folder)| {
        let arguments = words(&folder.join("cmdline"));
        arguments
            .first()
            .is_some_and(|program| program.ends_with("ecs-operator"))
            && arguments.get(1).is_some_and(|first| first == subcommand)
            && words(&folder.join("environ")).contains(&told)
    });
    found.next().map(|(id, _)| id)
}

/// A process may end while it is looked at: then it has no words.
fn words(file: &Path) -> Vec<String> {
    let bytes = std::fs::read(file).unwrap_or_default();
    bytes
        .split(|byte| *byte == 0)
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect()
}
