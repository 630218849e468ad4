//! The tasks that tests bind to the instance, and what becomes of them in the API.

use serde_json::{Value, json};

use super::{IMAGE, INSTANCE, OURS, Scene};

impl Scene {
    /// Binds a task of a revision to the instance, with these fields of its spec.
    pub(crate) async fn run_revision_with(&self, name: &str, revision: i64, fields: &Value) {
        let mut fields = fields.clone();
        fields["taskDefinition"] = json!(format!("web:{revision}"));
        self.api.apply(&task(name, &fields)).await;
    }

    /// Binds a task of `web:1` to the instance.
    pub(crate) async fn run_task(&self, name: &str) {
        self.api.apply(&task(name, &json!({}))).await;
    }

    /// Binds a task of the service `web` to the instance.
    pub(crate) async fn run_task_of_service(&self, name: &str) {
        let service = json!({"name": "web", "uid": "u", "deployment": 1, "serviceRevision": "web.1", "slot": 0, "attempt": 1});
        self.api
            .apply(&task(name, &json!({"extensions": {"service": service}})))
            .await;
    }

    /// Binds a task of another revision to the instance.
    pub(crate) async fn run_revision(&self, name: &str, revision: i64) {
        let which = json!({"taskDefinition": format!("web:{revision}")});
        self.api.apply(&task(name, &which)).await;
    }

    /// The same, of the image with this digest.
    pub(crate) async fn run_task_of(&self, name: &str, digest: &str) {
        let digests = json!([{"containerName": "app", "imageDigest": digest}]);
        let extensions = json!({"extensions": {"imageDigests": digests}});
        self.api.apply(&task(name, &extensions)).await;
    }

    /// A task that may use so much memory as a whole.
    pub(crate) async fn run_bounded_task(&self, name: &str, memory: &str) {
        let overrides = json!({"overrides": {"memory": memory, "cpu": "256"}});
        self.api.apply(&task(name, &overrides)).await;
    }

    /// A task whose container needs so many GPUs.
    pub(crate) async fn run_task_with_gpus(&self, name: &str, count: u32) {
        let needs = json!([{"type": "GPU", "value": count.to_string()}]);
        let change = json!([{"name": "app", "resourceRequirements": needs}]);
        let overrides = json!({"overrides": {"containerOverrides": change}});
        self.api.apply(&task(name, &overrides)).await;
    }

    /// A task whose one container mounts a volume of the task's own.
    pub(crate) async fn run_task_with_a_volume(&self, name: &str) {
        let mount = json!({"sourceVolume": "data", "containerPath": "/data"});
        let app = json!({"name": "app", "image": IMAGE, "memory": 64, "mountPoints": [mount]});
        let definition = json!({"volumes": [{"name": "data"}], "containerDefinitions": [app]});
        self.api
            .apply(&json!({
                "apiVersion": "ecs-operator.io/v1alpha1", "kind": "TaskDefinitionRevision",
                "metadata": {"name": "store.1", "namespace": "shop"},
                "spec": {"family": "store", "revision": 1, "definition": definition},
            }))
            .await;
        let store = json!({"taskDefinition": "store:1"});
        self.api.apply(&task(name, &store)).await;
    }

    /// A task whose one container listens on a port of the instance and gets requests, and the target group that sends them.
    pub(crate) async fn run_served_task(&self, name: &str) {
        self.define_served_task().await;
        self.make_target_group().await;
        self.bind_served_task(name).await;
    }

    pub(crate) async fn define_served_task(&self) {
        let port = json!({"containerPort": 8080, "hostPort": 8080});
        let app = json!({"name": "app", "image": IMAGE, "memory": 64, "portMappings": [port]});
        self.api
            .apply(&json!({
                "apiVersion": "ecs-operator.io/v1alpha1", "kind": "TaskDefinitionRevision",
                "metadata": {"name": "served.1", "namespace": "shop"},
                "spec": {"family": "served", "revision": 1, "definition": {"containerDefinitions": [app]}},
            }))
            .await;
    }

    /// Nothing listens in this engine, so that the health is the task's own.
    pub(crate) async fn make_target_group(&self) {
        self.api
            .apply(&json!({
                "apiVersion": "ecs-operator.io/v1alpha1", "kind": "TargetGroup",
                "metadata": {"name": "web", "namespace": "shop"},
                "spec": {"protocol": "HTTP", "port": 80, "healthCheck": {"enabled": false}},
            }))
            .await;
    }

    pub(crate) async fn bind_served_task(&self, name: &str) {
        self.apply_served_task(name, &json!({})).await;
    }

    /// Tells a task that gets requests to stop.
    pub(crate) async fn stop_served_task(&self, name: &str) {
        let stop = json!({"stop": {"code": "UserInitiated", "reason": "enough"}});
        self.apply_served_task(name, &stop).await;
    }

    async fn apply_served_task(&self, name: &str, more: &Value) {
        let target = json!({"targetGroup": "web", "containerName": "app", "containerPort": 8080, "protocol": "tcp"});
        let mut spec =
            json!({"taskDefinition": "served:1", "extensions": {"loadBalancers": [target]}});
        for (field, value) in more.as_object().unwrap() {
            spec[field] = value.clone();
        }
        self.api.apply(&task(name, &spec)).await;
    }

    /// The controller writes of a task's traffic.
    pub(crate) async fn tell_of_traffic(&self, name: &str, traffic: &Value) {
        self.api
            .apply_status(&json!({
                "apiVersion": "ecs-operator.io/v1alpha1", "kind": "EcsTask",
                "metadata": {"name": name, "namespace": "shop"}, "status": {"traffic": traffic},
            }))
            .await;
    }

    /// The controller has taken the task's endpoints away.
    pub(crate) async fn withdraw(&self, name: &str, delay: u64) {
        let now = self.api.now();
        let traffic = json!({"registeredAt": now, "deregisteredAt": now, "deregistrationDelaySeconds": delay});
        self.tell_of_traffic(name, &traffic).await;
    }

    /// Tells a task to stop.
    pub(crate) async fn stop_task(&self, name: &str) {
        let stop = json!({"stop": {"code": "UserInitiated", "reason": "enough"}});
        self.api.apply(&task(name, &stop)).await;
    }

    /// The task's object goes, with nobody to hold it.
    pub(crate) async fn delete_task(&self, name: &str) {
        let path = format!("{OURS}/namespaces/shop/ecstasks/{name}");
        self.api.delete(&path).await;
    }
}

fn task(name: &str, more: &Value) -> Value {
    let mut spec =
        json!({"cluster": "default", "taskDefinition": "web:1", "containerInstance": INSTANCE});
    for (field, value) in more.as_object().unwrap() {
        spec[field] = value.clone();
    }
    json!({
        "apiVersion": "ecs-operator.io/v1alpha1", "kind": "EcsTask",
        "metadata": {"name": name, "namespace": "shop"}, "spec": spec,
    })
}
