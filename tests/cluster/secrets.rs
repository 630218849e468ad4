//! Secrets on their real way: from Kubernetes through the broker into a container, to nobody else, and with no trace.

use std::time::Duration;

use ecs_operator::api::supply::AUDIENCE;
use ecs_operator::api::task::EcsTask;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::harness::engine::{CONTAINER, TASK_UID, WORKLOAD};
use crate::harness::fixtures::{Fixture, object};
use crate::harness::machine::{kubectl, run as program};
use crate::harness::single::{becomes, run, running, seen, why_stopped};
use crate::harness::tokens::{AGENT, AGENTS, token, token_of_agent};
use crate::harness::{LATER, RELEASE, SOON, Scene, beside_others, on_the_cluster, service};

const BROKER: &str = "ecs-operator-broker";
/// What must be seen in the container and nowhere else.
const VALUE: &str = "hunter2-hunter2";

/// Lets the broker read the Secrets of the test's namespace, in the words of the docs.
pub(crate) async fn opt_in(scene: &Scene) {
    bind(scene, "ecs-operator-broker-secrets").await;
    scene
        .eventually("the right to read Secrets", SOON, async || {
            let may = broker_may("get", &scene.namespace).await;
            may.then_some(()).ok_or_else(|| "not yet".to_owned())
        })
        .await;
}

/// Gives the broker a role in the test's namespace.
pub(crate) async fn bind(scene: &Scene, role: &str) {
    let namespace = scene.namespace.as_str();
    let account = format!("--serviceaccount={RELEASE}:{BROKER}");
    let bind = ["create", "rolebinding", role, "-n", namespace];
    let bind = [&bind[..], &["--clusterrole", role, &account]].concat();
    kubectl(&bind).await.expect();
}

async fn broker_may(verb: &str, namespace: &str) -> bool {
    let account = format!("--as=system:serviceaccount:{RELEASE}:{BROKER}");
    let ask = ["auth", "can-i", verb, "secrets", "-n", namespace, &account];
    kubectl(&ask).await.success
}

/// A Secret of the test's namespace.
pub(crate) async fn secret(scene: &Scene, name: &str, data: &Value) {
    let metadata = json!({"name": name, "namespace": scene.namespace});
    let secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data});
    scene.put(&secret).await;
}

/// Everything that could show a value and must not: what stands in the API of ours and of events, the labels of all
/// containers of ours, and what our processes have logged.
pub(crate) async fn shown(scene: &Scene) -> String {
    let mut all = Vec::new();
    for kinds in ["ecs", "events"] {
        let get = ["get", kinds, "-A", "-o", "json", "--show-managed-fields"];
        all.push(kubectl(&get).await.expect());
    }
    for engine in scene.machine.engines() {
        for container in engine.list(TASK_UID).await.unwrap() {
            all.push(format!("{:?}", container.labels));
        }
    }
    for log in scene.machine.logs() {
        all.push(std::fs::read_to_string(log).unwrap_or_default());
    }
    all.join("\n")
}

/// All that a container of a task wrote until it ended.
pub(crate) async fn output(scene: &Scene, task: &EcsTask, container: &str) -> String {
    let engine = scene.engine(task.instance().unwrap());
    let label = format!("{TASK_UID}={}", task.uid().unwrap());
    let all = engine.list(&label).await.unwrap();
    let found = all.iter().find(|it| it.label(CONTAINER) == container);
    let id = &found.unwrap().id;
    engine.wait(id).await.unwrap();
    engine.output(id).await.unwrap()
}

fn with_secret(name: &str) -> Fixture {
    let secrets = json!([{"name": "PASSWORD", "valueFrom": "secret:database:password"}]);
    service(name).with("secrets", secrets)
}

#[tokio::test]
async fn a_secret_reaches_its_container_in_a_namespace_that_opted_in_and_leaves_no_trace() {
    beside_others("secrets", async |scene| {
        let namespace = scene.namespace.as_str();
        secret(scene, "database", &json!({"password": VALUE})).await;
        let secrets = json!([{"name": "PASSWORD", "valueFrom": "secret:database:password"}]);
        let web = with_secret("web").beside(json!({
            "name": "look", "image": WORKLOAD, "memory": 32, "essential": false,
            "command": ["show", "/proc/self/environ"], "secrets": secrets,
        }));
        run(scene, "refused", &web).await;
        let reason = why_stopped(scene, "refused").await;
        let advice = format!("kubectl create rolebinding ecs-operator-broker-secrets --namespace {namespace} --clusterrole ecs-operator-broker-secrets --serviceaccount {RELEASE}:{BROKER}");
        assert!(reason.contains(&advice), "{reason}");
        assert!(!broker_may("get", namespace).await && !broker_may("get", "kube-system").await);

        opt_in(scene).await;
        assert!(!broker_may("list", namespace).await && !broker_may("get", "default").await);
        run(scene, "given", &web).await;
        let task = running(scene, "given").await;
        let uid = task.uid().unwrap();
        let inside = output(scene, &task, "look").await;
        assert!(inside.contains(&format!("PASSWORD={VALUE}")), "{inside}");

        only_the_agent_of_the_instance_is_given_it(scene, task.instance().unwrap(), &uid).await;
        assert!(!shown(scene).await.contains(VALUE));
    })
    .await;
}

async fn only_the_agent_of_the_instance_is_given_it(scene: &Scene, instance: &str, uid: &str) {
    let request =
        json!({"namespace": scene.namespace, "task": "given", "uid": uid, "container": "app"});
    for node in scene.machine.nodes() {
        let token = token_of_agent(&node, AUDIENCE).await;
        let (status, body) = ask(&token, &request).await;
        if node == instance {
            assert_eq!(
                (status, &body["environment"]["PASSWORD"]),
                (200, &json!(VALUE))
            );
        } else {
            let message = "the task is not bound to this instance";
            assert_eq!((status, &body["message"]), (403, &json!(message)));
        }
    }
    for token in [
        token(AGENTS, AGENT, AUDIENCE, &[]).await,
        token(AGENTS, AGENT, "https://kubernetes.default.svc", &[]).await,
        token(&scene.namespace, "default", AUDIENCE, &[]).await,
        "nonsense".to_owned(),
    ] {
        assert_eq!(ask(&token, &request).await.0, 401);
    }
}

/// Asks the broker over its own TLS; gives status and body.
async fn ask(token: &str, request: &Value) -> (u16, Value) {
    let slices = [
        "get",
        "endpointslices",
        "-n",
        RELEASE,
        "-l",
        "kubernetes.io/service-name=ecs-operator-broker",
    ];
    let path = ["-o", "jsonpath={.items[0].endpoints[0].addresses[0]}"];
    let address = kubectl(&[&slices[..], &path].concat()).await.expect();
    let address = address.lines().last().unwrap_or_default();
    let authority = [
        "get",
        "configmap",
        "ecs-operator-broker-ca",
        "-n",
        AGENTS,
        "-o",
        "jsonpath={.data.ca\\.crt}",
    ];
    let authority = kubectl(&authority).await.expect();
    let (_, authority) = authority.split_once('\n').unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), authority).unwrap();
    let host = format!("{BROKER}.{RELEASE}.svc:8443");
    let said = program(
        "curl",
        &[
            "-s",
            "-w",
            "\n%{http_code}",
            "--cacert",
            &file.path().to_string_lossy(),
            "--resolve",
            &format!("{host}:{address}"),
            "-H",
            "Content-Type: application/json",
            "-H",
            &format!("Authorization: Bearer {token}"),
            "-d",
            &request.to_string(),
            &format!("https://{host}/v1/supplies"),
        ],
    )
    .await;
    let said = said.expect();
    let mut lines = said.lines().rev();
    let status = lines.next().and_then(|line| line.parse().ok());
    let body = lines
        .next()
        .and_then(|line| serde_json::from_str(line).ok());
    let status = status.unwrap_or_else(|| panic!("{}", said.replace(token, "TOKEN")));
    (status, body.unwrap_or_default())
}

#[tokio::test]
async fn without_a_broker_tasks_run_on_and_restart_in_place_and_new_ones_wait_for_it() {
    on_the_cluster("brokerless", async |scene| {
        secret(scene, "database", &json!({"password": VALUE})).await;
        opt_in(scene).await;
        let web = with_secret("web")
            .env("EXIT_AFTER_MILLISECONDS", "61000")
            .with(
                "restartPolicy",
                json!({"enabled": true, "restartAttemptPeriod": 60}),
            );
        run(scene, "one", &web).await;
        let task = running(scene, "one").await;
        let first = seen(scene, &task).await.unwrap().remove("app").unwrap();
        replicas(scene, 0).await;
        let pod = ["delete", "pods", "-n", AGENTS, "--field-selector"];
        let on_the_node = format!("spec.nodeName={}", task.instance().unwrap());
        kubectl(&[&pod[..], &[&on_the_node]].concat())
            .await
            .expect();
        let again = becomes(scene, "one", "/containers/0/restartCount", json!(1)).await;
        let second = seen(scene, &again).await.unwrap().remove("app").unwrap();
        assert_eq!((first.created, &first.name), (second.created, &second.name));
        assert!(
            second.running && second.started > first.started,
            "{second:?}"
        );

        let spec = json!({"taskDefinition": "web"});
        scene
            .put(&object("EcsTask", &scene.namespace, "late", &spec))
            .await;
        scene
            .eventually("a task that waits for the broker", SOON, async || {
                let task = crate::harness::single::task(scene, "late").await?;
                let status = serde_json::to_value(&task.status).unwrap();
                let reason = status["containers"][0]["reason"]
                    .as_str()
                    .unwrap_or_default();
                if reason.starts_with("waits for the broker: ") {
                    Ok(())
                } else {
                    Err(status.to_string())
                }
            })
            .await;
        replicas(scene, 2).await;
        running(scene, "late").await;
    })
    .await;
}

async fn replicas(scene: &Scene, count: usize) {
    let deployment = format!("deployment/{BROKER}");
    let replicas = format!("--replicas={count}");
    kubectl(&["scale", &deployment, "-n", RELEASE, &replicas])
        .await
        .expect();
    scene
        .eventually("the brokers", LATER, async || {
            let path = "jsonpath={.status.replicas}/{.status.readyReplicas}";
            let said = kubectl(&["get", &deployment, "-n", RELEASE, "-o", path])
                .await
                .expect();
            let found = said.lines().last().unwrap_or_default().to_owned();
            let wanted = if count == 0 {
                "/".to_owned()
            } else {
                format!("{count}/{count}")
            };
            if found == wanted || (count == 0 && found == "0/") {
                Ok(())
            } else {
                Err(found)
            }
        })
        .await;
    if count == 0 {
        // The Deployment counts those that are ending no more.
        let wait = [
            "wait",
            "pods",
            "-n",
            RELEASE,
            "-l",
            "app.kubernetes.io/component=broker",
            "--for=delete",
        ];
        let limit = format!("--timeout={}s", Duration::from_mins(1).as_secs());
        kubectl(&[&wait[..], &[&limit]].concat()).await.expect();
    }
}
