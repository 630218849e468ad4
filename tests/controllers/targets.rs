//! Target groups, services behind them, and what is listed there.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::scene::{OURS, Scene, service, task_definition};

impl Scene {
    /// Names of the tasks that the slices of a target group list.
    pub(crate) fn listed(&self, group: &str) -> BTreeSet<String> {
        let slices = self.slices(group);
        let endpoints = slices.iter().flat_map(|slice| {
            let endpoints = slice["endpoints"].as_array().cloned();
            endpoints.unwrap_or_default()
        });
        let name = |endpoint: &Value| endpoint["targetRef"]["name"].as_str().map(str::to_owned);
        endpoints.filter_map(|endpoint| name(&endpoint)).collect()
    }

    /// The endpoint slices of a target group.
    pub(crate) fn slices(&self, group: &str) -> Vec<Value> {
        let path = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices";
        let mut slices = self.api.all(path);
        slices.retain(|slice| slice["metadata"]["labels"]["kubernetes.io/service-name"] == group);
        slices
    }

    pub(crate) fn target_group(&self, name: &str) -> Value {
        let path = format!("{OURS}/namespaces/shop/targetgroups/{name}");
        self.api.object(&path).unwrap_or_default()
    }
}

/// A target group over HTTP.
pub(crate) fn target_group(name: &str) -> Value {
    json!({
        "apiVersion": "ecs-operator.io/v1alpha1", "kind": "TargetGroup",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"protocol": "HTTP", "port": 80, "deregistrationDelaySeconds": 20},
    })
}

/// As [`task_definition`], with a port that the instance chooses.
pub(crate) fn served_definition(name: &str, version: &str) -> Value {
    let mut definition = task_definition(name, version);
    definition["spec"]["containerDefinitions"][0]["portMappings"] =
        json!([{"containerPort": 8080, "name": "http"}]);
    definition
}

/// As [`service`], behind the target group of its name.
pub(crate) fn served(name: &str, desired: i32) -> Value {
    let mut service = service(name, desired);
    service["spec"]["loadBalancers"] =
        json!([{"targetGroupArn": name, "containerName": "app", "containerPort": 8080}]);
    service
}
