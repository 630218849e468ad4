//! Files, variables and the role that a task is given, as a container of a real engine finds them.

use serde_json::{Value, json};

use crate::harness::engine::WORKLOAD;
use crate::harness::machine::kubectl;
use crate::harness::single::{run, running};
use crate::harness::{SOON, Scene, address, beside_others, http, service};
use crate::secrets::{bind, opt_in, output, secret, shown};

const VALUE: &str = "hunter2-hunter2";
const TOKEN: &str = "/var/run/secrets/ecs-operator.io/task-role/token";

async fn put(scene: &Scene, kind: &str, name: &str, more: &Value) {
    let metadata = json!({"name": name, "namespace": scene.namespace});
    let mut object = json!({"apiVersion": "v1", "kind": kind, "metadata": metadata});
    for (field, value) in more.as_object().unwrap() {
        object[field] = value.clone();
    }
    scene.put(&object).await;
}

#[tokio::test]
async fn a_container_finds_its_files_its_variables_and_a_token_by_which_its_role_is_known() {
    beside_others("given", async |scene| {
        let namespace = scene.namespace.as_str();
        secret(scene, "database", &json!({"password": VALUE})).await;
        let data = json!({"conf": "listen 80;", "env": "FROM_FILE=some words\nVERSION=file\n"});
        put(scene, "ConfigMap", "web", &json!({"data": data})).await;
        put(scene, "ServiceAccount", "shop", &json!({})).await;
        opt_in(scene).await;
        bind(scene, "ecs-operator-broker-task-roles").await;

        let variables = json!([{"type": "s3", "value": "configmap:web:env"}]);
        let mut web = service("web")
            .version("definition")
            .with("environmentFiles", variables.clone())
            .beside(json!({
                "name": "look", "image": WORKLOAD, "memory": 32, "essential": false, "user": "65534",
                "environmentFiles": variables,
                "command": ["show", "--write", "/etc/motd", "/etc/motd", "/etc/web/web.conf", "/run/key",
                    "/proc/self/environ", TOKEN],
            }));
        let file = |path: &str, from: &str| json!({"containerName": "look", "path": path, "valueFrom": from});
        web.definition["taskRoleArn"] = json!("serviceaccount:shop");
        web.definition["extensions"] = json!({"files": [
            {"containerName": "look", "path": "/etc/motd", "text": "hello"},
            file("/etc/web/web.conf", "configmap:web:conf"),
            file("/run/key", "secret:database:password"),
        ]});
        run(scene, "one", &web).await;
        let task = running(scene, "one").await;
        let inside = output(scene, &task, "look").await;
        for seen in [
            "== /etc/motd\ncannot be written",
            "== /etc/motd\nhello",
            "== /etc/web/web.conf\nlisten 80;",
            &format!("== /run/key\n{VALUE}"),
            "FROM_FILE=some words\n",
            "VERSION=file\n",
        ] {
            assert!(inside.contains(seen), "{seen:?} is not in {inside}");
        }
        let (_, token) = inside.split_once(&format!("== {TOKEN}\n")).unwrap();
        let whose = ["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}", "--token", token.trim()];
        // Without the certificate of the kubeconfig, which would count first.
        let file = tempfile::NamedTempFile::new().unwrap();
        let view = ["config", "view", "--raw", "-o", "jsonpath={.clusters[0].cluster.server}"];
        let server = kubectl(&view).await.expect();
        let server = format!("--server={}", server.lines().last().unwrap_or_default());
        let config = format!("--kubeconfig={}", file.path().display());
        let authority = format!("--certificate-authority={}", scene.machine.authority().display());
        let said = kubectl(&[&whose[..], &[&config, &server, &authority]].concat()).await;
        let user = said.text.replace(token.trim(), "TOKEN");
        let account = format!("system:serviceaccount:{namespace}:shop");
        assert!(said.success && user.ends_with(&account), "{user}");

        let place = address(&task).unwrap();
        let credentials = scene
            .eventually("the credentials endpoint", SOON, async || {
                let answer = http::get(&place, "/control/credentials").await?;
                Ok(answer.success()?.json())
            })
            .await;
        assert_eq!(credentials["RoleArn"], "serviceaccount:shop");
        assert!(token.contains(credentials["Token"].as_str().unwrap()), "another token");
        assert_eq!(scene.answer_at(&place).await["version"], "definition");
        let shown = shown(scene).await;
        assert!(!shown.contains(VALUE) && !shown.contains(token.trim()));
    })
    .await;
}
