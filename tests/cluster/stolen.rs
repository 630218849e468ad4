//! A stolen token of an agent is good for its own instance, and there for what agents write, and for nothing else.

use ecs_operator::api::task::EcsTask;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, Config};
use serde_json::{Value, json};

use crate::harness::tokens::{AGENTS, token_of_agent};
use crate::harness::{Scene, beside_others, service};

/// Whoever has the token of a node's agent.
async fn thief(scene: &Scene, node: &str) -> Client {
    let mut config = Config::infer().await.unwrap();
    let audience = "https://kubernetes.default.svc";
    let token = token_of_agent(node, audience).await;
    config.auth_info = kube::config::AuthInfo {
        token: Some(token.into()),
        ..Default::default()
    };
    config.default_namespace.clone_from(&scene.namespace);
    Client::try_from(config).unwrap()
}

/// What the API server says to a change of a task's status.
async fn report(tasks: &Api<EcsTask>, name: &str, status: &Value) -> Result<(), String> {
    let patch = Patch::Merge(json!({"status": status}));
    let how = PatchParams::default();
    let answer = tasks.patch_status(name, &how, &patch).await;
    answer.map(drop).map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_stolen_token_of_an_agent_reports_its_own_tasks_and_changes_nothing_else() {
    beside_others("stolen", async |scene| {
        scene.apply(&service("web").desired(3)).await;
        let running = scene.settled("web", 3).await;
        let (own, foreign) = (
            &running[0],
            running.iter().find(|it| it.node != running[0].node),
        );
        let foreign = foreign.unwrap();
        let thief = thief(scene, &own.node).await;
        let tasks: Api<EcsTask> = Api::namespaced(thief.clone(), &scene.namespace);
        let lie = json!({"stoppedReason": "because"});

        let said = report(&tasks, &foreign.task, &lie).await.unwrap_err();
        assert!(
            said.contains("which is not bound to its instance"),
            "{said}"
        );
        let gone = json!({"traffic": {"deregisteredAt": "2026-01-01T00:00:00.000000Z"}});
        let said = report(&tasks, &own.task, &gone).await.unwrap_err();
        assert!(said.contains("may not write status.traffic"), "{said}");
        report(&tasks, &own.task, &json!({})).await.unwrap();

        let stop = Patch::Merge(json!({"spec": {"stop": {"code": "UserInitiated"}}}));
        let answer = tasks.patch(&own.task, &PatchParams::default(), &stop).await;
        assert!(
            answer
                .unwrap_err()
                .to_string()
                .contains("cannot patch resource")
        );

        let name = format!("instance-{}", foreign.node);
        let leases: Api<Lease> = Api::namespaced(scene.kube.clone(), AGENTS);
        let mut lease = leases.get(&name).await.unwrap();
        lease.spec.as_mut().unwrap().holder_identity = Some("thief".to_owned());
        let leases: Api<Lease> = Api::namespaced(thief, AGENTS);
        let answer = leases.replace(&name, &PostParams::default(), &lease).await;
        let said = answer.unwrap_err().to_string();
        assert!(said.contains("may not write Lease"), "{said}");
        assert_eq!(scene.settled("web", 3).await, running);
    })
    .await;
}
