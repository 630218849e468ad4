//! The cgroups of an instance: where a task's belongs, what is written into it, and how it goes again.
//!
//! There are three kinds of instances. Cgroup version 1 has a tree for each controller; version 2 has one tree; and where systemd
//! owns the tree, nobody else may write into it, so that a unit file of a slice holds the bounds and systemd carries them out.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tracing::debug;

use crate::domain::definition::limits::TaskLimits;

/// Microseconds in which a quota of CPU is counted, as in ECS.
const PERIOD: u64 = 100_000;
/// The kernel takes no smaller quota.
const SMALLEST_QUOTA: u64 = 1000;
const UNITS_PER_CPU: u64 = 1024;
const MIB: u64 = 1024 * 1024;
/// What cgroups of tasks are called, before the task's id.
const PREFIX: &str = "ecs-task-";
/// A dash would begin another level of systemd's tree.
const SLICE: &str = "ecstask";

/// The part of an instance's cgroups in which tasks have theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tree {
    /// Version 1.
    One {
        /// Where the trees are mounted.
        root: PathBuf,
        /// The cgroup that the engine makes containers' in.
        parent: String,
    },
    /// Version 2.
    Two {
        /// Where the tree is mounted.
        root: PathBuf,
        /// The cgroup that the engine makes containers' in.
        parent: String,
    },
    /// That of systemd, of either version.
    Systemd {
        /// Folder of unit files that last until the instance boots.
        units: PathBuf,
        /// The slice that the engine makes containers' scopes in, without `.slice`.
        parent: String,
    },
}

impl Tree {
    /// The tree that is mounted at `root`, as seen by a container whose `/proc/self/cgroup` is `own`. `units` is told where
    /// systemd owns it.
    ///
    /// # Errors
    /// When the container's own cgroup is not in it.
    pub fn find(root: &Path, units: Option<&Path>, own: &str) -> io::Result<Self> {
        let lost = || {
            io::Error::other(format!(
                "the container's own cgroup is not in {}: {own}",
                root.display()
            ))
        };
        let is_two = root.join("cgroup.controllers").exists();
        let path = own_path(own, if is_two { "" } else { "memory" }).ok_or_else(lost)?;
        if let Some(units) = units {
            let mut levels = path.rsplit('/');
            let slice = levels.find_map(|level| level.strip_suffix(".slice"));
            return Ok(Self::Systemd {
                units: units.to_owned(),
                parent: slice.ok_or_else(lost)?.to_owned(),
            });
        }
        let memory = if is_two {
            root.to_owned()
        } else {
            root.join("memory")
        };
        let is_there = |path: &str| memory.join(path.trim_start_matches('/')).is_dir();
        let parent = visible_parent(path, is_there).ok_or_else(lost)?.to_owned();
        let root = root.to_owned();
        Ok(if is_two {
            Self::Two { root, parent }
        } else {
            Self::One { root, parent }
        })
    }

    /// Makes the cgroup of a task, or sees to it that the one that is there has these bounds. Says what the engine calls it.
    ///
    /// # Errors
    /// When the kernel refuses, such as a bound below what the task uses already.
    pub fn provide(&self, task: &str, limits: TaskLimits) -> io::Result<String> {
        match self {
            Self::One { root, parent } => {
                let group = format!("{parent}/{PREFIX}{task}");
                for controller in ["cpu", "memory"] {
                    fs::create_dir_all(folder(&root.join(controller), &group))?;
                }
                // From kernel 5.11 on it is always so, and on some it cannot be written any more.
                let hierarchy = folder(&root.join("memory"), &group).join("memory.use_hierarchy");
                attempt(&hierarchy, "1");
                for (controller, file, value) in version_one(limits) {
                    fs::write(folder(&root.join(controller), &group).join(file), value)?;
                }
                Ok(group)
            }
            Self::Two { root, parent } => {
                let group = format!("{parent}/{PREFIX}{task}");
                fs::create_dir_all(folder(root, &group))?;
                for controller in ["+cpu", "+memory", "+pids"] {
                    let passed_on = folder(root, parent).join("cgroup.subtree_control");
                    attempt(&passed_on, controller);
                }
                for (file, value) in version_two(limits) {
                    fs::write(folder(root, &group).join(file), value)?;
                }
                Ok(group)
            }
            Self::Systemd { units, parent } => {
                let slice = format!("{parent}-{SLICE}{task}.slice");
                fs::write(units.join(&slice), unit(task, limits))?;
                Ok(slice)
            }
        }
    }

    /// Ids of the tasks that have cgroups.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn tasks(&self) -> io::Result<Vec<String>> {
        let (folder, prefix, suffix) = match self {
            Self::One { root, parent } => {
                (folder(&root.join("memory"), parent), PREFIX.to_owned(), "")
            }
            Self::Two { root, parent } => (folder(root, parent), PREFIX.to_owned(), ""),
            Self::Systemd { units, parent } => {
                (units.clone(), format!("{parent}-{SLICE}"), ".slice")
            }
        };
        let mut found = Vec::new();
        for entry in fs::read_dir(folder)? {
            let name = entry?.file_name();
            let id = name
                .to_str()
                .and_then(|name| name.strip_prefix(&prefix)?.strip_suffix(suffix));
            found.extend(id.filter(|id| is_id(id)).map(str::to_owned));
        }
        found.sort();
        Ok(found)
    }

    /// Removes the cgroup of a task; one that is gone already is well.
    ///
    /// # Errors
    /// When a container is in it, or the kernel refuses.
    pub fn remove(&self, task: &str) -> io::Result<()> {
        let gone = |result: io::Result<()>| match result {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        };
        match self {
            Self::One { root, parent } => {
                let group = format!("{parent}/{PREFIX}{task}");
                // This one is what a list shows, so it goes last.
                let memory = root.join("memory");
                for controller in fs::read_dir(root)? {
                    let controller = controller?;
                    if controller.path() != memory && controller.file_type()?.is_dir() {
                        gone(fs::remove_dir(folder(&controller.path(), &group)))?;
                    }
                }
                gone(fs::remove_dir(folder(&memory, &group)))
            }
            Self::Two { root, parent } => gone(fs::remove_dir(folder(
                root,
                &format!("{parent}/{PREFIX}{task}"),
            ))),
            Self::Systemd { units, parent } => gone(fs::remove_file(
                units.join(format!("{parent}-{SLICE}{task}.slice")),
            )),
        }
    }
}

/// Whether it can be the id of a task, and so a part of a path.
pub(super) fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The folder of the cgroup `group` in the tree at `root`.
fn folder(root: &Path, group: &str) -> PathBuf {
    root.join(group.trim_start_matches('/'))
}

/// The line of `controller` in `/proc/self/cgroup`; that of version 2 has none.
fn own_path<'a>(own: &'a str, controller: &str) -> Option<&'a str> {
    own.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        controllers
            .split(',')
            .any(|it| it == controller)
            .then_some(path)
    })
}

/// The parent of the cgroup at `path`. An engine in a pod may see only a part of the tree: then the path begins further down.
///
/// Example: of `/kubepods/pod1/ecs/abc`, where only `/ecs/abc` is to be seen, it is `/ecs`.
fn visible_parent(path: &str, is_there: impl Fn(&str) -> bool) -> Option<&str> {
    let starts = path.match_indices('/').map(|(at, _)| at);
    let mut visible = starts
        .filter_map(|at| path.get(at..))
        .filter(|rest| rest.len() > 1);
    visible
        .find(|rest| is_there(rest))?
        .rsplit_once('/')
        .map(|(parent, _)| parent)
}

fn quota(cpu: u32) -> u64 {
    (u64::from(cpu) * PERIOD / UNITS_PER_CPU).max(SMALLEST_QUOTA)
}

fn bytes(mebibytes: u32) -> u64 {
    u64::from(mebibytes) * MIB
}

/// Controller, file and value, in the order in which they are written.
fn version_one(limits: TaskLimits) -> Vec<(&'static str, &'static str, String)> {
    let mut files = vec![(
        "cpu",
        "cpu.shares",
        limits.shares.clamp(2, 262_144).to_string(),
    )];
    if let Some(cpu) = limits.cpu {
        files.push(("cpu", "cpu.cfs_period_us", PERIOD.to_string()));
        files.push(("cpu", "cpu.cfs_quota_us", quota(cpu).to_string()));
    }
    let memory = limits.memory.map(|memory| bytes(memory).to_string());
    files.extend(memory.map(|memory| ("memory", "memory.limit_in_bytes", memory)));
    files
}

/// File and value, in the order in which they are written.
fn version_two(limits: TaskLimits) -> Vec<(&'static str, String)> {
    let mut files = vec![("cpu.weight", weight(limits.shares).to_string())];
    files.extend(
        limits
            .cpu
            .map(|cpu| ("cpu.max", format!("{} {PERIOD}", quota(cpu)))),
    );
    files.extend(
        limits
            .memory
            .map(|memory| ("memory.max", bytes(memory).to_string())),
    );
    files
}

/// As the engine's own runtime turns shares (2 to 262144) into a weight (1 to 10000).
fn weight(shares: u32) -> u64 {
    1 + u64::from(shares.clamp(2, 262_144) - 2) * 9999 / 262_142
}

/// systemd reads it when the first container of the task starts, and stops the slice after the last. Its quota is in whole
/// percent of one CPU, so that it is rounded up.
fn unit(task: &str, limits: TaskLimits) -> String {
    let percent = |cpu| (u64::from(cpu) * 100).div_ceil(UNITS_PER_CPU).max(1);
    let quota = limits
        .cpu
        .map(|cpu| format!("CPUQuota={}%\n", percent(cpu)));
    let memory = limits
        .memory
        .map(|memory| format!("MemoryMax={}\n", bytes(memory)));
    format!(
        "[Unit]\nDescription=Bounds of the task {task}\nStopWhenUnneeded=yes\n\n[Slice]\nCPUWeight={}\n{}{}",
        weight(limits.shares),
        quota.unwrap_or_default(),
        memory.unwrap_or_default()
    )
}

/// Writes what may be so already, and cannot be written then: the files with the bounds themselves tell whether it is.
fn attempt(file: &Path, value: &str) {
    if let Err(error) = fs::write(file, value) {
        debug!(%error, file = %file.display(), value, "cannot write");
    }
}

#[cfg(test)]
mod tests;
