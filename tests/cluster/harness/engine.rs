//! A node's Docker Engine as the tests see it: from outside, over its own socket, without any code of the product.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::http::{self, encode};
use super::machine::{Said, run};

/// Docker label of every container of the product's.
pub(crate) const TASK_UID: &str = "ecs-operator.io/task-uid";
/// Docker label with the container's name in its definition.
pub(crate) const CONTAINER: &str = "ecs-operator.io/container";
/// Docker label that our fixtures put on containers: `namespace/service`.
pub(crate) const SERVICE: &str = "cluster-test/service";

/// Docker label that our fixtures put on containers with a restart policy.
pub(crate) const RESTARTS: &str = "cluster-test/restarts";

/// The workload, which is on every engine.
pub(crate) const WORKLOAD: &str = "ecs-operator-workload:dev";

/// The Docker Engine of a node.
#[derive(Debug, Clone)]
pub(crate) struct Engine {
    pub(crate) node: String,
    socket: PathBuf,
}

/// A container as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) node: String,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) image: String,
    pub(crate) labels: BTreeMap<String, String>,
}

impl Listed {
    pub(crate) fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    pub(crate) fn is_running(&self) -> bool {
        self.state == "running"
    }
}

/// A container as an inspection shows it.
#[derive(Debug, Clone)]
pub(crate) struct Inspected {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) running: bool,
    pub(crate) created: Timestamp,
    pub(crate) started: Option<Timestamp>,
    pub(crate) finished: Option<Timestamp>,
}

impl Engine {
    pub(crate) fn of(state: &std::path::Path, node: &str) -> Self {
        Self {
            node: node.to_owned(),
            socket: state.join(node).join("run/docker.sock"),
        }
    }

    pub(crate) fn socket(&self) -> &std::path::Path {
        &self.socket
    }

    async fn ask(&self, method: &str, target: &str, body: Option<&Value>) -> Result<Value, String> {
        let answer = http::engine(&self.socket, method, target, body).await;
        let answer = answer.and_then(http::Answer::success);
        answer
            .map(|answer| answer.json())
            .map_err(|error| format!("{} {method} {target}: {error}", self.node))
    }

    /// Whether it answers.
    pub(crate) async fn answers(&self) -> bool {
        self.ask("GET", "/_ping", None).await.is_ok()
    }

    /// All containers that have `label`, running or not.
    pub(crate) async fn list(&self, label: &str) -> Result<Vec<Listed>, String> {
        let filters = encode(&json!({"label": [label]}).to_string());
        let target = format!("/containers/json?all=true&filters={filters}");
        let list = self.ask("GET", &target, None).await?;
        let list = list.as_array().cloned().unwrap_or_default();
        Ok(list
            .iter()
            .map(|container| Listed {
                node: self.node.clone(),
                id: text(&container["Id"]),
                name: text(&container["Names"][0])
                    .trim_start_matches('/')
                    .to_owned(),
                state: text(&container["State"]),
                image: text(&container["Image"]),
                labels: labels(&container["Labels"]),
            })
            .collect())
    }

    /// One container, `None` if there is none of that id or name.
    pub(crate) async fn inspect(&self, id: &str) -> Result<Option<Inspected>, String> {
        let answer =
            http::engine(&self.socket, "GET", &format!("/containers/{id}/json"), None).await?;
        if answer.status == 404 {
            return Ok(None);
        }
        let body = answer.success()?.json();
        Ok(Some(Inspected {
            name: text(&body["Name"]).trim_start_matches('/').to_owned(),
            labels: labels(&body["Config"]["Labels"]),
            running: body["State"]["Running"].as_bool().unwrap_or_default(),
            created: time(&body["Created"]).unwrap_or_default(),
            started: time(&body["State"]["StartedAt"]),
            finished: time(&body["State"]["FinishedAt"]),
        }))
    }

    /// All that an inspection shows.
    pub(crate) async fn raw(&self, id: &str) -> Result<Value, String> {
        let target = format!("/containers/{id}/json");
        self.ask("GET", &target, None).await
    }

    /// `docker wait`: until the container has ended.
    pub(crate) async fn wait(&self, id: &str) -> Result<(), String> {
        let target = format!("/containers/{id}/wait");
        self.ask("POST", &target, None).await.map(drop)
    }

    /// All that a container has printed, to either stream.
    pub(crate) async fn output(&self, id: &str) -> Result<String, String> {
        let said = self.docker(&["logs", id]).await;
        if said.success {
            return Ok(said.text.replace('\r', ""));
        }
        Err(said.text)
    }

    /// `docker rm -f`, whether it is there or not.
    pub(crate) async fn remove_if_there(&self, id: &str) {
        self.docker(&["rm", "-f", "-v", id]).await;
    }

    /// `docker kill`.
    pub(crate) async fn kill(&self, id: &str) {
        self.must("POST", &format!("/containers/{id}/kill")).await;
    }

    /// `docker rm -f`.
    pub(crate) async fn remove(&self, id: &str) {
        self.must("DELETE", &format!("/containers/{id}?force=true"))
            .await;
    }

    /// `docker tag`.
    pub(crate) async fn tag(&self, image: &str, repository: &str, tag: &str) {
        let target = format!("/images/{image}/tag?repo={repository}&tag={tag}");
        self.must("POST", &target).await;
    }

    /// `docker push`, to a registry that asks for nobody's name.
    pub(crate) async fn push(&self, repository: &str, tag: &str) {
        let said = self
            .docker(&["push", "-q", &format!("{repository}:{tag}")])
            .await;
        said.expect();
    }

    /// `docker push`, with the logins of the configuration in this folder.
    pub(crate) async fn push_as(&self, login: &std::path::Path, repository: &str, tag: &str) {
        let login = login.to_string_lossy();
        let image = format!("{repository}:{tag}");
        let push = ["--config", &login, "push", "-q", &image];
        self.docker(&push).await.expect();
    }

    /// `docker rmi`; an image that is not there is forgotten already.
    pub(crate) async fn forget(&self, image: &str) {
        self.docker(&["rmi", image]).await;
    }

    async fn docker(&self, arguments: &[&str]) -> Said {
        let host = format!("unix://{}", self.socket.display());
        run("docker", &[&["-H", &host], arguments].concat()).await
    }

    /// Everything that changed on it between two moments, of any kind, in Docker's words. What Docker does by itself for
    /// health checks is left out.
    pub(crate) async fn changes(&self, since: Timestamp, until: Timestamp) -> Vec<String> {
        let target = format!(
            "/events?since={}&until={}",
            since.as_second(),
            until.as_second()
        );
        let answer = http::engine(&self.socket, "GET", &target, None).await;
        let body = answer.and_then(http::Answer::success).unwrap().body;
        let body = String::from_utf8_lossy(&body).into_owned();
        let events = body
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let words = events.map(|event| {
            format!(
                "{} {} {}",
                text(&event["Type"]),
                text(&event["Action"]),
                event["Actor"]
            )
        });
        words
            .filter(|words| !words.contains(" exec_") && !words.contains(" health_status"))
            .collect()
    }

    async fn must(&self, method: &str, target: &str) {
        self.ask(method, target, None).await.unwrap();
    }

    /// `docker run -d` of the workload, for a container that is none of the product's business.
    pub(crate) async fn run(&self, name: &str) {
        let body = json!({"Image": WORKLOAD, "Labels": {"somebody": "else"}});
        let target = format!("/containers/create?name={name}");
        self.ask("POST", &target, Some(&body)).await.unwrap();
        self.must("POST", &format!("/containers/{name}/start"))
            .await;
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn labels(value: &Value) -> BTreeMap<String, String> {
    let pairs = value.as_object().into_iter().flatten();
    pairs
        .map(|(name, value)| (name.clone(), text(value)))
        .collect()
}

/// Docker writes year 1 for never.
fn time(value: &Value) -> Option<Timestamp> {
    let time: Timestamp = value.as_str()?.parse().ok()?;
    (time > Timestamp::UNIX_EPOCH).then_some(time)
}
