//! Whatever happens to objects, and whenever somebody asks, the ledger knows what one knows that enters all anew.

use kube::ResourceExt;
use kube::runtime::watcher::Event;
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;
use crate::api::container_instance::ContainerInstance;
use crate::api::task_definition::TaskDefinitionRevision;
use crate::controllers::cache::Cache;
use crate::controllers::world::{Writers, build};
use crate::domain::placement::Instance;

fn read<K: DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}

fn instance(n: usize, version: u64, draining: bool) -> ContainerInstance {
    read(json!({
        "apiVersion": "ecs-operator.io/v1alpha1", "kind": "ContainerInstance",
        "metadata": {"name": format!("i{n}"), "resourceVersion": version.to_string()},
        "spec": {
            "cluster": "default", "nodeName": format!("i{n}"),
            "status": if draining { "DRAINING" } else { "ACTIVE" },
        },
        "status": {"agent": {
            "agentVersion": "0.1.0",
            "registeredResources": {"cpu": 1024, "memory": 512, "pids": 4096},
            "engine": {"ready": true, "id": format!("engine-{}", n / 2), "bootId": "boot"},
        }},
    }))
}

fn revision(version: u64) -> TaskDefinitionRevision {
    read(json!({
        "apiVersion": "ecs-operator.io/v1alpha1", "kind": "TaskDefinitionRevision",
        "metadata": {"name": "web.1", "namespace": "shop", "uid": "r", "resourceVersion": version.to_string()},
        "spec": {"family": "web", "revision": 1, "definition": {"containerDefinitions": [
            {"name": "app", "image": "workload:dev", "memory": 64, "cpu": 128},
        ]}},
    }))
}

/// A version of a task: bound or not, told to stop or not, and as far as it has come.
#[derive(Debug, Clone)]
struct Version {
    bound: Option<usize>,
    stop: bool,
    state: Option<&'static str>,
    port: u16,
}

fn task(n: usize, at: u64, version: &Version) -> EcsTask {
    let mut task: EcsTask = read(json!({
        "apiVersion": "ecs-operator.io/v1alpha1", "kind": "EcsTask",
        "metadata": {"name": format!("t{n}"), "namespace": "shop", "uid": format!("t{n}"), "resourceVersion": at.to_string()},
        "spec": {
            "taskDefinition": "web:1",
            "extensions": {
                "service": {"name": "web", "uid": format!("s{}", n % 2), "deployment": 1, "serviceRevision": "web.1", "slot": n, "attempt": 1},
                "hostPorts": [{"containerName": "app", "containerPort": 80, "hostPort": version.port, "protocol": "tcp"}],
            },
        },
    }));
    task.spec.container_instance = version.bound.map(|n| format!("i{n}").as_str().into());
    if version.stop {
        task.spec.stop = Some(read(json!({"code": "UserInitiated"})));
    }
    task.status = version
        .state
        .map(|state| read(json!({"lastStatus": state})));
    task
}

fn versions() -> impl Strategy<Value = Version> {
    let states = vec![None, Some("PENDING"), Some("RUNNING"), Some("STOPPED")];
    let state = prop::sample::select(states);
    let bound = prop::option::weighted(0.8, 0_usize..4);
    (bound, any::<bool>(), state, 61000_u16..61002).prop_map(|(bound, stop, state, port)| Version {
        bound,
        stop,
        state,
        port,
    })
}

#[derive(Debug, Clone)]
enum Happens {
    Reserved(usize, Version),
    Released(usize),
    /// The answer to a write of ours.
    Written(usize, u64, Version),
    /// A delete of ours.
    Removed(usize, u64),
    /// The watch shows a version, maybe an older one than was written.
    Shown(usize, u64, Version),
    ShownDeleted(usize, u64),
    /// A new list, of these tasks alone.
    Listed(Vec<(usize, Version)>),
    InstanceShown(usize, bool),
    InstanceDeleted(usize),
    RevisionShown,
    RevisionDeleted,
    Heard(Vec<bool>),
    /// Somebody asks.
    Asked,
}

fn events() -> impl Strategy<Value = Vec<Happens>> {
    let (n, at) = (|| 0_usize..4, || 1_u64..40);
    let list = prop::collection::vec((n(), versions()), 0..4);
    let one = prop_oneof![
        4 => (n(), versions()).prop_map(|(n, version)| Happens::Reserved(n, version)),
        2 => n().prop_map(Happens::Released),
        4 => (n(), at(), versions()).prop_map(|(n, at, version)| Happens::Written(n, at, version)),
        2 => (n(), at()).prop_map(|(n, at)| Happens::Removed(n, at)),
        4 => (n(), at(), versions()).prop_map(|(n, at, version)| Happens::Shown(n, at, version)),
        2 => (n(), at()).prop_map(|(n, at)| Happens::ShownDeleted(n, at)),
        1 => list.prop_map(Happens::Listed),
        3 => (n(), any::<bool>()).prop_map(|(n, draining)| Happens::InstanceShown(n, draining)),
        1 => n().prop_map(Happens::InstanceDeleted),
        2 => Just(Happens::RevisionShown),
        1 => Just(Happens::RevisionDeleted),
        2 => prop::collection::vec(any::<bool>(), 4).prop_map(Happens::Heard),
        6 => Just(Happens::Asked),
    ];
    prop::collection::vec(one, 0..60)
}

struct Scene {
    world: World,
    writers: Writers,
    presence: Arc<Presences>,
}

/// As the watch of a kind does it.
macro_rules! show {
    ($scene:ident, $kind:ident, $object:expr, $deleted:expr) => {{
        let object = $object;
        let event = if $deleted {
            Event::Delete(object.clone())
        } else {
            Event::Apply(object.clone())
        };
        $scene.writers.$kind.apply_watcher_event(&event);
        $scene.world.$kind.seen(&object, $deleted);
    }};
}

impl Scene {
    fn perform(&mut self, event: Happens) {
        let tasks: &Cache<EcsTask> = &self.world.tasks;
        let nothing = Version {
            bound: None,
            stop: false,
            state: None,
            port: 61000,
        };
        match event {
            Happens::Reserved(n, version) => tasks.reserve(task(n, 0, &version)),
            Happens::Released(n) => tasks.release(&("shop".into(), format!("t{n}"))),
            Happens::Written(n, at, version) => tasks.wrote(task(n, at, &version)),
            Happens::Removed(n, at) => tasks.removed(&task(n, at, &nothing)),
            Happens::Shown(n, at, version) => show!(self, tasks, task(n, at, &version), false),
            Happens::ShownDeleted(n, at) => show!(self, tasks, task(n, at, &nothing), true),
            Happens::Listed(listed) => {
                let before = tasks.unconfirmed();
                let writer = &mut self.writers.tasks;
                writer.apply_watcher_event(&Event::Init);
                for (n, version) in listed {
                    let task = task(n, 50, &version);
                    writer.apply_watcher_event(&Event::InitApply(task.clone()));
                    tasks.seen(&task, false);
                }
                writer.apply_watcher_event(&Event::InitDone);
                tasks.listed(&before);
            }
            Happens::InstanceShown(n, drains) => {
                show!(self, instances, instance(n, 1, drains), false);
            }
            Happens::InstanceDeleted(n) => show!(self, instances, instance(n, 1, false), true),
            Happens::RevisionShown => show!(self, revisions, revision(1), false),
            Happens::RevisionDeleted => show!(self, revisions, revision(1), true),
            Happens::Heard(connected) => {
                let presence = |heard| {
                    if heard {
                        Presence::Connected
                    } else {
                        Presence::Disconnected
                    }
                };
                let names = (0..).map(|n| format!("i{n}"));
                let heard = names.zip(connected.into_iter().map(presence));
                self.presence = Arc::new(heard.collect());
            }
            Happens::Asked => {
                let fresh = Ledger::default();
                for marks in [
                    &fresh.tasks,
                    &fresh.instances,
                    &fresh.nodes,
                    &fresh.revisions,
                ] {
                    marks.mark_all();
                }
                assert_eq!(self.knows(&self.world.ledger), self.knows(&fresh));
                assert_eq!(self.counted(), self.knows(&fresh).1);
            }
        }
    }

    /// The instances as the placer sees them, and which tasks the index of a service finds.
    fn knows(&self, ledger: &Ledger) -> (Vec<Instance>, Vec<Vec<Key>>) {
        let instances = ledger.fleet(&self.world, &self.presence, |fleet| {
            fleet.cluster("default").instances().cloned().collect()
        });
        let of_services = ledger.tasks(&self.world, |tasks| {
            let of = |uid| tasks.of_service(uid).cloned().collect();
            vec![of("s0"), of("s1")]
        });
        (instances, of_services)
    }

    /// The tasks of the services by a walk over all.
    fn counted(&self) -> Vec<Vec<Key>> {
        let all = self.world.tasks.all();
        let of = |uid: &str| {
            let mine = |task: &&Arc<EcsTask>| task.service().is_some_and(|it| it.uid == uid);
            all.iter()
                .filter(mine)
                .map(|task| key_of(&**task))
                .collect()
        };
        vec![of("s0"), of("s1")]
    }
}

proptest! {
    #[test]
    fn the_ledger_knows_what_a_fresh_one_knows_whatever_came_in_which_order(events in events()) {
        let (world, writers) = build();
        let mut scene = Scene { world, writers, presence: Arc::default() };
        for event in events {
            scene.perform(event);
        }
        scene.perform(Happens::Asked);
    }
}

#[test]
fn what_is_reserved_counts_at_once_and_what_was_given_up_does_not() {
    let (world, writers) = build();
    let mut scene = Scene {
        world,
        writers,
        presence: Arc::default(),
    };
    scene.perform(Happens::RevisionShown);
    scene.perform(Happens::InstanceShown(0, false));
    let memory = |scene: &Scene| scene.knows(&scene.world.ledger).0[0].held.memory;
    let bound = Version {
        bound: Some(0),
        stop: false,
        state: None,
        port: 61000,
    };
    scene.perform(Happens::Reserved(0, bound.clone()));
    scene.perform(Happens::Reserved(1, bound.clone()));
    assert_eq!(memory(&scene), 128);
    scene.perform(Happens::Released(1));
    assert_eq!(memory(&scene), 64);
    scene.perform(Happens::Written(0, 10, bound.clone()));
    // The watch shows an older version that was not bound yet.
    let unbound = Version {
        bound: None,
        ..bound.clone()
    };
    scene.perform(Happens::Shown(0, 9, unbound));
    assert_eq!(memory(&scene), 64);
    let stopped = Version {
        state: Some("STOPPED"),
        ..bound
    };
    scene.perform(Happens::Shown(0, 11, stopped));
    assert_eq!(memory(&scene), 0);
    assert_eq!(scene.world.tasks.all()[0].name_any(), "t0");
}
