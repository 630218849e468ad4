use serde_json::json;

use super::*;
use crate::agent::dns::ClusterDns;
use crate::domain::definition::namespaces::PAUSE;
use crate::domain::security::Profile;
use crate::runtime::{Namespace, Network};

fn task(spec: serde_json::Value) -> EcsTask {
    serde_json::from_value(json!({
        "apiVersion": "ecs-operator.io/v1alpha1", "kind": "EcsTask",
        "metadata": {"name": "web-1", "namespace": "shop", "uid": "0f3a9c2e-77d1-4d8a-9a52-6b6a1a0e7b10"},
        "spec": spec,
    }))
    .unwrap()
}

fn definition(spec: serde_json::Value) -> TaskDefinitionSpec {
    serde_json::from_value(spec).unwrap()
}

fn web() -> TaskDefinitionSpec {
    definition(json!({"containerDefinitions": [{
        "name": "app", "image": "web:1", "memory": 64,
        "portMappings": [{"containerPort": 80, "hostPort": 0}],
        "dockerLabels": {"team": "shop"},
        "environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
    }]}))
}

fn rules() -> Rules {
    Rules {
        instance: "node-1".into(),
        dns: Some(ClusterDns {
            servers: vec!["10.96.0.10".into()],
            domain: "cluster.local".into(),
        }),
        ..Rules::default()
    }
}

#[test]
fn names_derive_from_the_task_and_are_safe_for_docker() {
    let task = task(json!({"taskDefinition": "web:3"}));
    let wanted = Wanted::read(&task, 3, "web", &web(), &rules());
    assert_eq!(wanted.engine_name("app"), "ecs-web-3-app-0f3a9c2e77d1");
    let family = "f".repeat(63);
    let long = Wanted::read(&task, i64::MAX, &family, &web(), &rules());
    assert!(long.engine_name(&"c".repeat(255)).len() < 128);
    assert_ne!(long.engine_name("a.b"), long.engine_name("ab"));
}

#[test]
fn the_broker_is_asked_for_images_that_it_may_have_credentials_for() {
    let task = task(json!({"taskDefinition": "web:3"}));
    let containers = json!({"containerDefinitions": [
        {"name": "app", "image": "1.dkr.ecr.eu-west-1.amazonaws.com/web:1", "memory": 64},
        {"name": "side", "image": "web:1", "memory": 64},
    ]});
    let asks = |rules: &Rules| {
        let wanted = Wanted::read(&task, 3, "web", &definition(containers.clone()), rules);
        let containers = wanted.definition.containers.iter();
        let asking = containers.filter(|container| wanted.needs_supply(container));
        asking.map(|it| it.name.clone()).collect::<Vec<_>>()
    };
    let access = Rules {
        registry_access: vec!["*.dkr.ecr.*.amazonaws.com".parse().unwrap()],
        ..rules()
    };
    assert_eq!(asks(&access), ["app"]);
    assert!(asks(&rules()).is_empty());
}

#[test]
fn our_labels_win_and_ports_are_those_that_were_chosen() {
    let task = task(json!({
        "taskDefinition": "web:3",
        "cluster": "prod",
        "extensions": {"hostPorts": [{"containerName": "app", "containerPort": 80, "hostPort": 32768, "protocol": "tcp"}]},
    }));
    let wanted = Wanted::read(&task, 3, "web", &web(), &rules());
    let spec = wanted.spec(wanted.container("app").unwrap(), &rules());
    assert_eq!(spec.ports[0].host_port, 32768);
    assert_eq!(spec.labels["team"], "shop");
    assert_eq!(spec.labels["ecs-operator.io/instance"], "node-1");
    assert_eq!(spec.labels["com.amazonaws.ecs.cluster"], "prod");
    assert!(
        spec.labels["com.amazonaws.ecs.task-arn"]
            .ends_with(":task/prod/0f3a9c2e77d14d8a9a526b6a1a0e7b10")
    );
    assert_eq!(spec.dns.search[0], "shop.svc.cluster.local");
    assert_eq!(wanted.ports().count(), 1);
}

#[test]
fn overrides_replace_what_they_name() {
    let task = task(json!({"taskDefinition": "web:3", "overrides": {
        "memory": "512",
        "containerOverrides": [{"name": "app", "command": ["migrate"], "memory": 128, "environment": [{"name": "B", "value": "3"}]}],
    }}));
    let wanted = Wanted::read(&task, 3, "web", &web(), &rules());
    let app = wanted.container("app").unwrap();
    assert_eq!(wanted.definition.memory, Some(512));
    assert_eq!(
        (app.command.as_deref(), app.memory),
        (Some(&["migrate".to_owned()][..]), Some(128))
    );
    assert_eq!(
        app.environment,
        [
            ("A".to_owned(), "1".to_owned()),
            ("B".to_owned(), "3".to_owned())
        ]
        .into()
    );
}

#[test]
fn what_the_profile_forbids_is_refused_with_the_field() {
    let power = definition(
        json!({"containerDefinitions": [{"name": "app", "image": "a", "memory": 64, "privileged": true}]}),
    );
    let wanted = Wanted::read(
        &task(json!({"taskDefinition": "web:3"})),
        3,
        "web",
        &power,
        &rules(),
    );
    assert!(
        wanted
            .refusal
            .unwrap()
            .contains("containerDefinitions[app].privileged")
    );
    let allowed = Rules {
        profile: Profile::Privileged,
        ..rules()
    };
    assert_eq!(
        Wanted::read(
            &task(json!({"taskDefinition": "web:3"})),
            3,
            "web",
            &power,
            &allowed
        )
        .refusal,
        None
    );
}

#[test]
fn a_deleted_task_was_stopped_by_its_user_and_a_stop_keeps_its_reason() {
    let mut deleted = task(json!({"taskDefinition": "web:3"}));
    deleted.metadata.deletion_timestamp = Some(
        k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(jiff::Timestamp::UNIX_EPOCH),
    );
    assert_eq!(
        Wanted::end_of(&deleted).unwrap().reason,
        "Task stopped by user"
    );
    let stopped = task(
        json!({"taskDefinition": "web:3", "stop": {"code": "ServiceSchedulerInitiated", "reason": "Scaling activity"}}),
    );
    assert_eq!(Wanted::end_of(&stopped).unwrap().reason, "Scaling activity");
}

#[test]
fn the_ledger_gives_no_room_twice_and_takes_it_back() {
    use crate::domain::resources::Capacity;
    let capacity = Capacity {
        cpu: 1024,
        memory: 100,
        pids: 10_000,
        gpus: 0,
    };
    let mut one = Wanted::read(
        &task(json!({"taskDefinition": "web:3"})),
        3,
        "web",
        &web(),
        &rules(),
    );
    let mut two = one.clone();
    one.uid = "1".into();
    two.uid = "2".into();
    let mut ledger = Ledger::default();
    assert_eq!(ledger.admit(&one, capacity), Ok(()));
    assert_eq!(
        ledger.admit(&one, capacity),
        Ok(()),
        "asking again takes nothing"
    );
    assert_eq!(
        ledger.admit(&two, capacity),
        Err("Refused by the container instance: RESOURCE:MEMORY".into())
    );
    ledger.release("1");
    assert_eq!(ledger.admit(&two, capacity), Ok(()));
}

/// What each container of a definition is created from, by its name.
fn specs(spec: serde_json::Value) -> BTreeMap<String, ContainerSpec> {
    let task = task(json!({
        "taskDefinition": "web:3",
        "extensions": {"hostPorts": [{"containerName": "app", "containerPort": 80, "hostPort": 61000, "protocol": "tcp"}]},
    }));
    let rules = Rules {
        pause_image: "pause:1".into(),
        profile: Profile::Privileged,
        ..rules()
    };
    let wanted = Wanted::read(&task, 3, "web", &definition(spec), &rules);
    assert_eq!(wanted.refusal, None);
    let containers = wanted.definition.containers.iter();
    containers
        .map(|it| (it.name.clone(), wanted.spec(it, &rules)))
        .collect()
}

#[test]
fn a_task_with_an_address_of_its_own_publishes_its_ports_on_the_pause_container_that_the_others_join()
 {
    let specs = specs(json!({"networkMode": "awsvpc", "containerDefinitions": [
        {"name": "app", "image": "web:1", "memory": 64, "portMappings": [{"containerPort": 80, "hostPort": 80}]},
        {"name": "log", "image": "log:1", "memory": 64},
    ]}));
    let pause = &specs[PAUSE];
    assert_eq!(
        (pause.network.clone(), pause.image.as_str()),
        (Network::Bridge, "pause:1")
    );
    assert_eq!(
        pause.ports,
        [Publish {
            container_port: 80,
            host_port: 61000,
            protocol: Protocol::Tcp
        }]
    );
    assert_eq!(
        pause.dns.servers,
        ["10.96.0.10"],
        "it is shared with the network"
    );
    for name in ["app", "log"] {
        assert_eq!(specs[name].network, Network::Container(pause.name.clone()));
        assert_eq!(
            (specs[name].ports.len(), &specs[name].dns),
            (0, &Dns::default())
        );
    }
}

#[test]
fn namespaces_are_the_containers_the_tasks_or_the_instances() {
    let of = |modes: serde_json::Value| {
        let mut spec =
            json!({"containerDefinitions": [{"name": "app", "image": "web:1", "memory": 64}]});
        spec.as_object_mut()
            .unwrap()
            .extend(modes.as_object().unwrap().clone());
        let specs = specs(spec);
        let app = &specs["app"];
        let pause = specs
            .get(PAUSE)
            .map(|it| (it.network.clone(), it.ipc.clone()));
        (app.network.clone(), app.pid.clone(), app.ipc.clone(), pause)
    };
    assert_eq!(
        of(json!({"networkMode": "none", "ipcMode": "none"})),
        (Network::None, Namespace::Engine, Namespace::None, None)
    );
    assert_eq!(
        of(json!({"networkMode": "host", "pidMode": "host", "ipcMode": "host"})),
        (Network::Host, Namespace::Host, Namespace::Host, None)
    );
    let (network, pid, ipc, held) = of(json!({"pidMode": "task", "ipcMode": "task"}));
    let Namespace::Container(name) = &pid else {
        panic!("{pid:?}")
    };
    assert!(name.starts_with("ecs-web-3-internalecspause-"), "{name}");
    assert_eq!((network, &ipc), (Network::Bridge, &pid));
    assert_eq!(held, Some((Network::None, Namespace::Shareable)));
}
