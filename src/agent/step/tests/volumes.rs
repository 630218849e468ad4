//! Volumes: in the properties every task has some, and these are the examples.

use proptest::prelude::*;

use super::*;
use crate::domain::definition::tests_support::container;
use crate::domain::definition::volumes::{
    DockerVolume, MountPoint, Scope, Volume, VolumeKind, VolumesFrom,
};

/// The volumes that every task of these tests can mount.
pub(super) fn all() -> Vec<Volume> {
    let docker = |name: &str, scope| Volume {
        name: name.into(),
        kind: VolumeKind::Docker(DockerVolume {
            scope,
            ..DockerVolume::default()
        }),
    };
    let shared = |autoprovision| Scope::Shared { autoprovision };
    vec![
        docker("data", Scope::Task),
        docker("cache", shared(true)),
        docker("archive", shared(false)),
    ]
}

/// What a generated container mounts.
#[derive(Debug, Clone)]
pub(super) struct Mounts {
    pub(super) points: Vec<MountPoint>,
    pub(super) from: Option<&'static str>,
}

pub(super) fn mounts() -> impl Strategy<Value = Mounts> {
    let names = proptest::sample::subsequence(vec!["data", "cache"], 0..=2);
    let from = proptest::option::weighted(0.3, Just("a"));
    (names, from).prop_map(|(names, from)| Mounts {
        points: names.into_iter().map(point).collect(),
        from,
    })
}

pub(super) fn from(container: &str) -> VolumesFrom {
    VolumesFrom {
        container: container.into(),
        read_only: false,
    }
}

fn point(volume: &str) -> MountPoint {
    MountPoint {
        volume: volume.into(),
        path: format!("/{volume}"),
        read_only: false,
    }
}

impl World {
    pub(super) fn perform_on_volume(&mut self, index: usize, fate: Fate) {
        let order = self.volume_orders.remove(index);
        let applied = (fate != Fate::RequestLost).then(|| self.carry_out_on_volume(&order));
        let gone = Error::Unreachable {
            message: "connection reset".into(),
            no_socket: false,
        };
        let (name, outcome) = match (applied, order.call) {
            (Some(applied), _) if fate == Fate::Answered => applied,
            (_, VolumeCall::Provide) => (
                self.volume_name(&order.volume),
                VolumeOutcome::Provided(Err(gone)),
            ),
            (_, VolumeCall::Remove) => (order.engine_name, VolumeOutcome::Removed(Err(gone))),
        };
        self.changes += 1;
        self.task
            .volume_done(&order.volume, &name, outcome, self.changes, self.now);
        self.step();
    }

    pub(super) fn carry_out_on_volume(&mut self, order: &VolumeOrder) -> (String, VolumeOutcome) {
        if order.call == VolumeCall::Remove {
            let removed = self.engine.remove_volume(&order.engine_name);
            return (order.engine_name.clone(), VolumeOutcome::Removed(removed));
        }
        let (spec, scope) = self
            .wanted
            .volume(&order.volume, &Rules::default())
            .unwrap();
        let provided = if scope
            == (Scope::Shared {
                autoprovision: false,
            }) {
            self.engine
                .volume(&spec.name)
                .ok_or_else(|| Error::NotFound {
                    message: "no such volume".into(),
                })
        } else {
            Ok(self.engine.create_volume(&spec))
        };
        (spec.name, VolumeOutcome::Provided(provided))
    }

    fn volume_name(&self, volume: &str) -> String {
        let found = self.wanted.volume(volume, &Rules::default());
        found.unwrap().0.name
    }

    pub(super) fn list_volumes(&mut self) {
        let own = Labels::from([(names::TASK_UID_DOCKER_LABEL.into(), self.wanted.uid.clone())]);
        let found = self.engine.list_volumes(&own);
        let by_name = found
            .iter()
            .map(|volume| (volume.labels[names::VOLUME_DOCKER_LABEL].as_str(), volume));
        self.task.volumes_listed(&by_name.collect(), self.changes);
    }

    pub(super) fn own_volumes(&self) -> usize {
        let own = Labels::from([(names::TASK_UID_DOCKER_LABEL.into(), self.wanted.uid.clone())]);
        self.engine.list_volumes(&own).len()
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.orders.is_empty() && self.volume_orders.is_empty()
    }
}

fn mounting(volumes: &[&str]) -> World {
    let mut app = container("app");
    app.image = "app".into();
    app.mount_points = volumes.iter().map(|name| point(name)).collect();
    World::of([app], &[("app", Program::default())])
}

#[test]
fn volumes_are_made_while_the_image_is_pulled_and_before_the_container() {
    let mut world = mounting(&["data", "cache"]);
    assert_eq!(world.orders[0].call, Call::Pull);
    assert_eq!(world.volume_orders.len(), 2);
    world.perform(0, Fate::Answered);
    assert!(world.orders.is_empty(), "it waits for its volumes");
    world.settle(2);
    assert_eq!(world.task.report().state, TaskState::Running);
    assert!(world.engine.volume(&world.volume_name("data")).is_some());
    assert_eq!(world.volume_name("cache"), "shop.cache");
}

#[test]
fn a_tasks_own_volume_goes_after_its_containers_and_a_shared_one_stays() {
    let mut world = mounting(&["data", "cache"]);
    world.settle(2);
    world.stop(StopCode::UserInitiated, "enough");
    world.settle(3);
    assert_eq!(world.own_volumes(), 1, "it can still be looked at");
    world.task.discard();
    world.step();
    world.settle(3);
    assert_eq!(world.own_volumes(), 0);
    assert!(world.engine.volume("shop.cache").is_some());
}

#[test]
fn a_shared_volume_that_is_missing_fails_the_task_unless_it_may_be_made() {
    let mut world = mounting(&["archive"]);
    world.settle(2);
    let report = world.task.report();
    assert_eq!(report.state, TaskState::Stopped);
    assert_eq!(
        report.containers[0].reason.as_deref(),
        Some("CannotCreateVolumeError: no such volume")
    );
}

#[test]
fn a_volume_of_somebody_elses_is_not_touched() {
    let mut world = mounting(&["data"]);
    let spec = crate::runtime::VolumeSpec {
        name: world.volume_name("data"),
        ..crate::runtime::VolumeSpec::default()
    };
    world.engine.create_volume(&spec);
    world.settle(2);
    assert_eq!(world.task.report().state, TaskState::Stopped);
    world.task.discard();
    world.step();
    world.settle(3);
    assert!(world.engine.volume(&spec.name).is_some());
}

#[test]
fn a_container_waits_for_the_one_that_it_has_volumes_from_and_fails_with_it() {
    let pair = |essential| {
        let mut app = container("app");
        app.image = "app".into();
        app.volumes_from = vec![from("store")];
        let mut store = container("store");
        store.image = "store".into();
        store.essential = essential;
        World::of([app, store], &[("app", Program::default())])
    };
    let mut world = pair(false);
    // There is no image of the store, so it is never created.
    world.settle(3);
    let report = world.task.report();
    assert_eq!(report.state, TaskState::Stopped);
    let reason = report.containers[0].reason.as_deref().unwrap();
    assert!(
        reason.contains("its volumes come from container store"),
        "{reason}"
    );
}
