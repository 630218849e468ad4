//! Task definitions and services as the tests write them, one sentence each: `service("web").desired(3).version("1")`.

use serde_json::{Value, json};

use super::engine::{RESTARTS, SERVICE, WORKLOAD};

/// A service, and the task definition of the same name that it runs.
///
/// It may replace tasks only one for one (0/100 percent), so that the recorder's bound is the desired count, and its tasks
/// count as healthy as soon as they run.
#[derive(Debug, Clone)]
pub(crate) struct Fixture {
    pub(crate) name: String,
    pub(crate) definition: Value,
    pub(crate) service: Value,
}

/// One container of the workload, with a dynamic host port, in a service without tasks.
pub(crate) fn service(name: &str) -> Fixture {
    Fixture {
        name: name.to_owned(),
        definition: json!({"containerDefinitions": [{
            "name": "app",
            "image": WORKLOAD,
            "memory": 32,
            "stopTimeout": 5,
            "portMappings": [{"containerPort": 8080, "hostPort": 0}],
        }]}),
        service: json!({
            "taskDefinition": name,
            "desiredCount": 0,
            "deploymentConfiguration": {"minimumHealthyPercent": 0, "maximumPercent": 100},
            "extensions": {"healthyAfterSeconds": 0},
        }),
    }
}

impl Fixture {
    fn container(&mut self) -> &mut Value {
        &mut self.definition["containerDefinitions"][0]
    }

    /// How many tasks.
    pub(crate) fn desired(mut self, count: usize) -> Self {
        self.service["desiredCount"] = json!(count);
        self
    }

    /// What `/` answers as its version.
    pub(crate) fn version(self, version: &str) -> Self {
        self.env("VERSION", version)
    }

    /// A variable of the workload's environment.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        let variables = &mut self.container()["environment"];
        let mut list = variables.as_array().cloned().unwrap_or_default();
        list.retain(|variable| variable["name"] != name);
        list.push(json!({"name": name, "value": value}));
        *variables = list.into();
        self
    }

    /// Any field of the container.
    pub(crate) fn with(mut self, field: &str, value: Value) -> Self {
        self.container()[field] = value;
        self
    }

    /// A further container.
    pub(crate) fn beside(mut self, container: Value) -> Self {
        let containers = self.definition["containerDefinitions"].as_array_mut();
        containers.unwrap().push(container);
        self
    }

    /// Any field of the service.
    pub(crate) fn asking(mut self, field: &str, value: Value) -> Self {
        self.service[field] = value;
        self
    }

    /// A host port of its own choice.
    pub(crate) fn on_port(self, port: u16) -> Self {
        let mapping = json!([{"containerPort": 8080, "hostPort": port}]);
        self.with("portMappings", mapping)
    }

    /// The workload's own health check.
    pub(crate) fn checked(self) -> Self {
        let check = json!({
            "command": ["CMD", "/ecs-operator-workload", "health"],
            "interval": 5,
            "retries": 1,
        });
        self.with("healthCheck", check)
    }

    /// How far a deployment may go below and above the desired count.
    pub(crate) fn percents(self, minimum: u32, maximum: u32) -> Self {
        self.asking(
            "deploymentConfiguration",
            json!({"minimumHealthyPercent": minimum, "maximumPercent": maximum}),
        )
    }

    /// The cluster that it runs on, where that is not `default`.
    pub(crate) fn on_cluster(self, cluster: &str) -> Self {
        self.asking("cluster", json!(cluster))
    }

    /// Tasks that it may have at once: ECS rounds the upper bound down.
    pub(crate) fn bound(&self) -> usize {
        let desired = self.service["desiredCount"].as_u64().unwrap();
        self.bound_at(usize::try_from(desired).unwrap())
    }

    /// The same, scaled to another number. Of daemons there are as many as instances.
    pub(crate) fn bound_at(&self, desired: usize) -> usize {
        if self.service["schedulingStrategy"] == "DAEMON" {
            return usize::MAX;
        }
        let percents = &self.service["deploymentConfiguration"];
        let maximum = percents["maximumPercent"].as_u64().unwrap_or(200);
        desired * usize::try_from(maximum).unwrap() / 100
    }

    /// The task definition as an object. Its containers carry Docker labels that tell the recorder their service, and that they may be
    /// started again.
    pub(crate) fn definition_object(&self, namespace: &str) -> Value {
        let mut spec = self.definition.clone();
        for container in spec["containerDefinitions"].as_array_mut().unwrap() {
            container["dockerLabels"][SERVICE] = json!(format!("{namespace}/{}", self.name));
            if !container["restartPolicy"].is_null() {
                container["dockerLabels"][RESTARTS] = json!("true");
            }
        }
        object("TaskDefinition", namespace, &self.name, &spec)
    }

    /// The service as an object.
    pub(crate) fn service_object(&self, namespace: &str) -> Value {
        object("EcsService", namespace, &self.name, &self.service)
    }
}

/// An object of ours in a namespace.
pub(crate) fn object(kind: &str, namespace: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "ecs-operator.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    })
}

/// An object of ours that is in no namespace. The label lets the next test clear it away.
pub(crate) fn cluster_object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "ecs-operator.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "labels": {super::restore::LABEL: "true"}},
        "spec": spec,
    })
}

/// The cluster that all three nodes belong to.
///
/// Images are on the engines, and there is no registry to ask for them; 30 s is the shortest time that the schema allows.
pub(crate) fn default_cluster() -> Value {
    let spec = json!({
        "nodes": {},
        "allowedNamespaces": {"all": true},
        "lostAfterSeconds": 30,
        "imagePullBehavior": "prefer-cached",
        "registryAccess": [{
            "matchImages": ["10.90.0.1:5443/provided"], "allowedNamespaces": {"all": true},
        }],
    });
    cluster_object("EcsCluster", "default", &spec)
}
