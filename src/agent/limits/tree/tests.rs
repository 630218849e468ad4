use super::*;

const TASK: &str = "0f3a9c2e77d10f3a9c2e77d10f3a9c2e";
const OWN_ONE: &str =
    "12:memory:/ecs-node-1/docker/abc\n9:cpu,cpuacct:/ecs-node-1/docker/abc\n0::/\n";
const LIMITS: TaskLimits = TaskLimits {
    cpu: Some(256),
    memory: Some(512),
    shares: 256,
};

fn folders(root: &Path, paths: &[&str]) {
    for path in paths {
        fs::create_dir_all(root.join(path)).unwrap();
    }
}

fn read(root: &Path, file: &str) -> String {
    fs::read_to_string(root.join(file)).unwrap()
}

#[test]
fn in_version_one_a_tasks_cgroup_is_beside_the_relays_in_each_tree_that_bounds_it() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    folders(
        root,
        &[
            "memory/ecs-node-1/docker/abc",
            "cpu/ecs-node-1/docker/abc",
            "pids",
        ],
    );
    let tree = Tree::find(root, None, OWN_ONE).unwrap();
    let group = format!("ecs-node-1/docker/ecs-task-{TASK}");
    assert_eq!(tree.provide(TASK, LIMITS).unwrap(), format!("/{group}"));
    assert_eq!(
        tree.provide(TASK, LIMITS).unwrap(),
        format!("/{group}"),
        "once more"
    );
    assert_eq!(
        read(root, &format!("memory/{group}/memory.limit_in_bytes")),
        "536870912"
    );
    assert_eq!(
        read(root, &format!("cpu/{group}/cpu.cfs_quota_us")),
        "25000"
    );
    assert_eq!(read(root, &format!("cpu/{group}/cpu.shares")), "256");
    assert_eq!(tree.tasks().unwrap(), [TASK]);
    let in_use = tree.remove(TASK);
    assert!(
        in_use.is_err(),
        "what holds something stays, and is still listed"
    );
    assert_eq!(tree.tasks().unwrap(), [TASK]);
    for controller in ["memory", "cpu"] {
        let folder = root.join(controller).join(&group);
        fs::remove_dir_all(&folder).unwrap();
        fs::create_dir(&folder).unwrap();
    }
    tree.remove(TASK).unwrap();
    tree.remove(TASK).unwrap();
    assert_eq!(tree.tasks().unwrap(), [""; 0]);
}

#[test]
fn in_version_two_the_parent_passes_its_controllers_on() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    folders(root, &["docker/abc"]);
    fs::write(root.join("cgroup.controllers"), "cpu memory pids").unwrap();
    let tree = Tree::find(root, None, "0::/docker/abc\n").unwrap();
    let group = format!("docker/ecs-task-{TASK}");
    assert_eq!(tree.provide(TASK, LIMITS).unwrap(), format!("/{group}"));
    assert_eq!(read(root, "docker/cgroup.subtree_control"), "+pids");
    assert_eq!(read(root, &format!("{group}/memory.max")), "536870912");
    assert_eq!(read(root, &format!("{group}/cpu.max")), "25000 100000");
    assert_eq!(read(root, &format!("{group}/cpu.weight")), "10");
    assert_eq!(tree.tasks().unwrap(), [TASK]);
}

#[test]
fn where_systemd_owns_the_tree_a_unit_file_holds_the_bounds() {
    let place = tempfile::tempdir().unwrap();
    let (root, units) = (place.path().join("cgroup"), place.path().join("units"));
    folders(place.path(), &["cgroup", "units"]);
    fs::write(root.join("cgroup.controllers"), "cpu memory pids").unwrap();
    let own = "0::/system.slice/docker-abc.scope\n";
    let tree = Tree::find(&root, Some(&units), own).unwrap();
    let slice = format!("system-ecstask{TASK}.slice");
    assert_eq!(tree.provide(TASK, LIMITS).unwrap(), slice);
    let text = fs::read_to_string(units.join(&slice)).unwrap();
    assert!(
        text.ends_with("[Slice]\nCPUWeight=10\nCPUQuota=25%\nMemoryMax=536870912\n"),
        "{text}"
    );
    fs::write(units.join("system-other.slice"), "").unwrap();
    assert_eq!(tree.tasks().unwrap(), [TASK]);
    tree.remove(TASK).unwrap();
    assert_eq!(tree.tasks().unwrap(), [""; 0]);
}

#[test]
fn an_engine_that_sees_a_part_of_the_tree_calls_cgroups_by_their_place_in_it() {
    let seen = |path| visible_parent(path, |it| it == "/ecs/abc");
    assert_eq!(seen("/kubepods/pod1/ecs/abc"), Some("/ecs"));
    assert_eq!(seen("/ecs/abc"), Some("/ecs"));
    assert_eq!(seen("/elsewhere/abc"), None);
    assert_eq!(visible_parent("/abc", |it| it == "/abc"), Some(""));
}

#[test]
fn what_only_weighs_gets_no_quota_and_what_is_tiny_gets_the_smallest() {
    let weighs = TaskLimits {
        cpu: None,
        memory: None,
        shares: 0,
    };
    assert_eq!(version_two(weighs), [("cpu.weight", "1".to_owned())]);
    assert_eq!(version_one(weighs), [("cpu", "cpu.shares", "2".to_owned())]);
    assert_eq!(quota(1), SMALLEST_QUOTA);
    assert_eq!(quota(1024), PERIOD);
    assert_eq!((weight(1024), weight(262_144)), (39, 10_000));
}

#[test]
fn nothing_but_an_id_becomes_part_of_a_path() {
    assert!(is_id(TASK));
    for text in ["", "..", "a/b", "xyz"] {
        assert!(!is_id(text), "{text}");
    }
}
