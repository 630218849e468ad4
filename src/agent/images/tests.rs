use proptest::prelude::*;

use super::*;
use crate::domain::task::Health;
use crate::runtime::{ContainerState, Labels};

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + 60 * minute).unwrap()
}

fn image(id: &str, tags: &[&str]) -> LocalImage {
    LocalImage {
        id: id.to_owned(),
        tags: tags.iter().map(ToString::to_string).collect(),
        ..LocalImage::default()
    }
}

fn container(image: &str, labels: Labels) -> ContainerSummary {
    ContainerSummary {
        id: format!("of-{image}"),
        name: format!("of-{image}"),
        labels,
        state: ContainerState::Exited,
        health: Health::Unknown,
        created_at: at(0),
        image_id: image.to_owned(),
        image: "app:1".to_owned(),
    }
}

fn ids(removals: &[Removal]) -> Vec<&str> {
    removals.iter().map(|removal| removal.id.as_str()).collect()
}

#[test]
fn what_tasks_ran_goes_after_an_hour_the_least_recently_used_first_and_five_at_a_time() {
    let names: Vec<String> = (0..8).map(|n| format!("app:{n}")).collect();
    let images: Vec<LocalImage> = (0..8)
        .map(|n| image(&n.to_string(), &[&names[n]]))
        .collect();
    let mut usage = Usage::default();
    for (n, minute) in [5, 3, 1, 0, 2, 4, 7, 6].into_iter().enumerate() {
        usage.used(&n.to_string(), [&names[n]], at(minute));
    }
    let plan = |minute| {
        usage.plan(
            &images,
            &[],
            |_| false,
            &Rules::default(),
            Disk::Roomy,
            at(minute),
        )
    };
    assert_eq!(plan(59), []);
    assert_eq!(ids(&plan(62)), ["3", "2", "4"]);
    assert_eq!(ids(&plan(90)), ["3", "2", "4", "1", "5"]);
}

#[test]
fn images_that_no_task_ran_stay_unless_the_cluster_says_otherwise() {
    let images = [image("other", &["other:1"]), image("nameless", &[])];
    let mut usage = Usage::default();
    usage.observe(&images, &[], at(0));
    let plan = |rules| usage.plan(&images, &[], |_| false, &rules, Disk::Full, at(600));
    assert_eq!(plan(Rules::default()), []);
    let untracked = Rules {
        untracked: true,
        ..Rules::default()
    };
    assert_eq!(ids(&plan(untracked)), ["other"]);
}

#[test]
fn a_full_disk_does_not_wait_for_images_to_grow_old() {
    let images: Vec<LocalImage> = (0..9).map(|n| image(&n.to_string(), &["app:1"])).collect();
    let mut usage = Usage::default();
    for image in &images {
        usage.used(&image.id, &image.tags, at(0));
    }
    let plan = |disk| usage.plan(&images, &[], |_| false, &Rules::default(), disk, at(1));
    assert_eq!(plan(Disk::Roomy), []);
    assert_eq!(plan(Disk::Full).len(), 9);
}

#[test]
fn the_image_of_a_stopped_container_of_ours_counts_as_run_by_a_task() {
    let images = [image("a", &["app:1"])];
    let ours = Labels::from([(names::INSTANCE_DOCKER_LABEL.to_owned(), "node-1".to_owned())]);
    let mut usage = Usage::default();
    usage.used("a", ["app:1"], at(-60));
    usage.observe(&images, &[container("a", ours)], at(0));
    usage.observe(&images, &[], at(30));
    let plan = |minute| {
        usage.plan(
            &images,
            &[],
            |_| false,
            &Rules::default(),
            Disk::Roomy,
            at(minute),
        )
    };
    assert_eq!(plan(59), []);
    assert_eq!(ids(&plan(60)), ["a"]);
}

#[test]
fn the_name_that_somebody_else_gave_an_image_stays_and_so_does_the_image() {
    let digest = "app@sha256:1".to_owned();
    let images = [LocalImage {
        digests: vec![digest.clone()],
        ..image("a", &["app:1", "somebody/kept:1"])
    }];
    let mut usage = Usage::default();
    usage.used("a", ["app:1", &digest], at(0));
    usage.observe(&images, &[], at(0));
    let names = |usage: &Usage, images: &[LocalImage]| {
        let rules = Rules::default();
        let plan = usage.plan(images, &[], |_| false, &rules, Disk::Roomy, at(90));
        plan.into_iter().flat_map(|it| it.names).collect::<Vec<_>>()
    };
    assert_eq!(names(&usage, &images), ["app:1"]);
    // What is left of it is theirs, also where the engine still knows by which digest it came.
    let left = [image("a", &["somebody/kept:1"])];
    usage.observe(&left, &[], at(80));
    assert_eq!(names(&usage, &left), [""; 0]);
}

proptest! {
    #[test]
    fn no_image_goes_that_a_container_or_a_task_uses_or_that_has_no_name(
        tracked in proptest::collection::vec(any::<bool>(), 12),
        used in proptest::collection::btree_set(0..12_usize, 0..12),
        leased in proptest::collection::btree_set(0..12_usize, 0..12),
        nameless in proptest::collection::btree_set(0..12_usize, 0..4),
        ages in proptest::collection::vec(0..200_i64, 12),
        full in any::<bool>(),
        untracked in any::<bool>(),
        per_cycle in 0..6_usize,
    ) {
        let names: Vec<String> = (0..12).map(|n| format!("app:{n}")).collect();
        let images: Vec<LocalImage> = (0..12)
            .map(|n| {
                let tags: &[&str] = if nameless.contains(&n) { &[] } else { &[&names[n]] };
                image(&n.to_string(), tags)
            })
            .collect();
        let containers: Vec<_> = used.iter().map(|n| container(&n.to_string(), Labels::new())).collect();
        let mut usage = Usage::default();
        for (n, tracked) in tracked.iter().enumerate() {
            if *tracked {
                usage.used(&n.to_string(), [&names[n]], at(200 - ages[n]));
            } else {
                usage.observe(&images[..=n], &[], at(200 - ages[n]));
            }
        }
        let rules = Rules { per_cycle, untracked, ..Rules::default() };
        let disk = if full { Disk::Full } else { Disk::Roomy };
        let lease = |name: &str| leased.iter().any(|n| names[*n] == name);
        let plan = usage.plan(&images, &containers, lease, &rules, disk, at(200));
        prop_assert!(full || plan.len() <= per_cycle);
        for removal in &plan {
            let n: usize = removal.id.parse().unwrap();
            prop_assert!(!used.contains(&n) && !leased.contains(&n) && !nameless.contains(&n));
            prop_assert_eq!(&removal.names, &vec![names[n].clone()]);
        }
    }
}
