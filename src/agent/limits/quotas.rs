//! Whether the engine keeps containers on a file system with project quotas, by which `overlay2` bounds a container's disk.

/// The engine mounts some files of its own folder into each container, this one among them.
const OF_THE_ENGINE: &str = "/etc/hostname";

/// Reads a container's `/proc/self/mountinfo`.
pub(super) fn are_on(mounts: &str) -> bool {
    let mut lines = mounts.lines();
    lines.any(|line| {
        let Some((mount, file_system)) = line.split_once(" - ") else {
            return false;
        };
        let place = mount.split(' ').nth(4);
        let mut told = file_system.split(' ');
        let kind = told.next();
        let mut options = told.nth(1).into_iter().flat_map(|all| all.split(','));
        place == Some(OF_THE_ENGINE)
            && kind == Some("xfs")
            && options.any(|option| matches!(option, "prjquota" | "pquota"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_an_option_of_the_file_system_that_the_engines_own_files_are_on() {
        let line = |place: &str, kind: &str, options: &str| {
            format!(
                "611 606 8:1 /docker/containers/a/hostname {place} rw,relatime - {kind} /dev/sda1 {options}\n"
            )
        };
        let root = line("/", "overlay", "rw,lowerdir=/a");
        let with = |options| format!("{root}{}", line(OF_THE_ENGINE, "xfs", options));
        assert!(are_on(&with("rw,attr2,inode64,prjquota")));
        assert!(!are_on(&with("rw,attr2,inode64,noquota")));
        assert!(!are_on(&line("/data", "xfs", "rw,prjquota")));
        assert!(!are_on(&line(OF_THE_ENGINE, "ext4", "rw,prjquota")));
    }
}
