//! The largest objects that the schemas allow are accepted by the real API server: no rule of theirs costs more than it may,
//! when they are created, changed and read back.
//!
//! They are made from the schemas themselves and from the table of fields, so that a new field is in them from its first day.

use ecs_operator::api::crds;
use ecs_operator::api::parse;
use ecs_operator::api::service::EcsService;
use ecs_operator::api::task_definition::TaskDefinition;
use ecs_operator::domain::fields::{Body, Entry, Outcome};
use serde_json::{Map, Value, json};

use crate::harness::fixtures::object;
use crate::harness::machine::kubectl;
use crate::harness::{SOON, Scene, beside_others};
use crate::input::stalled_definition;

/// etcd takes 1.5 MiB; strings in lists are kept short so that every list can be full.
const SHORT: usize = 12;
const LONG: usize = 100;

/// Writes the largest body that is not refused.
struct Largest {
    body: Body,
    number: u32,
}

impl Largest {
    fn spec_of(body: Body, kind: &str) -> Value {
        let crd = crds::all()
            .into_iter()
            .find(|crd| crd.spec.names.kind == kind)
            .unwrap();
        let crd = serde_json::to_value(crd).unwrap();
        let schema = crd
            .pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec")
            .unwrap();
        Self { body, number: 0 }.value(schema, "", false)
    }

    fn value(&mut self, schema: &Value, path: &str, in_list: bool) -> Value {
        self.number += 1;
        let chosen = self.accepted(path);
        if !chosen.is_empty() && schema["type"] != "array" {
            let text = chosen[self.number as usize % chosen.len()];
            return text
                .parse::<i64>()
                .map_or_else(|_| json!(text), |number| json!(number));
        }
        match schema["type"].as_str().unwrap_or_default() {
            "object" if schema["properties"].is_object() => self.object(schema, path, in_list),
            "object" => self.map(schema, path),
            "array" => self.list(schema, path),
            "boolean" => json!(true),
            "integer" => whole(&schema["maximum"]),
            "number" => schema["maximum"].clone(),
            _ => self.text(schema, in_list),
        }
    }

    fn object(&mut self, schema: &Value, path: &str, in_list: bool) -> Value {
        let mut made = Map::new();
        for (name, child) in schema["properties"].as_object().unwrap() {
            let path = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            if !self.is_refused(&path) {
                made.insert(name.clone(), self.value(child, &path, in_list));
            } else if child["type"] == "boolean" {
                // It may be required, and says nothing when it is false.
                made.insert(name.clone(), json!(false));
            }
        }
        Value::Object(made)
    }

    fn map(&mut self, schema: &Value, path: &str) -> Value {
        let most = schema["maxProperties"].as_u64().unwrap();
        let entries = (0..most).map(|number| {
            (
                format!("key-{number}"),
                self.value(&schema["additionalProperties"], path, true),
            )
        });
        Value::Object(entries.collect())
    }

    fn list(&mut self, schema: &Value, path: &str) -> Value {
        let most = schema["maxItems"].as_u64().unwrap();
        let of_objects = schema["items"]["properties"].is_object();
        let path = if of_objects {
            format!("{path}[]")
        } else {
            path.to_owned()
        };
        (0..most)
            .map(|_| self.value(&schema["items"], &path, true))
            .collect()
    }

    fn text(&self, schema: &Value, in_list: bool) -> Value {
        if let Some(values) = schema["enum"].as_array() {
            return values[self.number as usize % values.len()].clone();
        }
        // Times that AWS adds to what it describes may be written in any way.
        if schema["format"] == "date-time" || schema["type"].is_null() {
            return json!("2026-11-23T00:00:00Z");
        }
        let most = usize::try_from(schema["maxLength"].as_u64().unwrap()).unwrap();
        let length = most.min(if in_list { SHORT } else { LONG });
        // Numbered, because lists may want no value twice.
        let text = format!("{:x<length$}", format!("n{}", self.number));
        json!(text.chars().take(length).collect::<String>())
    }

    fn accepted(&self, path: &str) -> Vec<&'static str> {
        let mut entries = self.body.table().iter();
        entries
            .find(|entry| entry.path == path)
            .map(Entry::accepted)
            .unwrap_or_default()
    }

    fn is_refused(&self, path: &str) -> bool {
        let mut entries = self.body.table().iter();
        entries.any(|entry| entry.covers(path) && matches!(entry.outcome, Outcome::Refused(_)))
    }
}

/// A bound as a whole number, whatever it is written as.
fn whole(bound: &Value) -> Value {
    let text = bound.to_string();
    let number = text.trim_end_matches(".0").parse::<i64>();
    json!(number.unwrap_or(1))
}

/// What the schema says only by rules, or by patterns.
fn mend_definition(spec: &mut Value, name: &str) {
    spec["family"] = json!(name);
    spec["cpu"] = json!("262144");
    spec["memory"] = json!("1000000");
    spec["networkMode"] = json!("bridge");
    spec["pidMode"] = json!("task");
    spec["ipcMode"] = json!("task");
    let volumes = spec["volumes"].as_array_mut().unwrap();
    for (index, volume) in volumes.iter_mut().enumerate() {
        volume["name"] = json!(format!("volume-{index}"));
        volume["host"] = Value::Null;
        let docker = &mut volume["dockerVolumeConfiguration"];
        docker["driver"] = json!("local");
        docker["scope"] = json!("task");
        docker["autoprovision"] = Value::Null;
    }
    let volumes = volumes.len();
    let containers = spec["containerDefinitions"].as_array_mut().unwrap();
    let names: Vec<String> = (0..containers.len())
        .map(|index| format!("{:c<255}", format!("container-{index}-")))
        .collect();
    for (index, container) in containers.iter_mut().enumerate() {
        container["name"] = json!(names[index]);
        mend_settings(container, &names[..index], volumes);
        container["image"] = json!("ecs-operator-workload:dev");
        container["cpu"] = json!(1024);
        container["memory"] = json!(4096);
        container["memoryReservation"] = json!(2048);
        container["privileged"] = json!(false);
        container["healthCheck"]["command"][0] = json!("CMD");
        for (number, mapping) in container["portMappings"]
            .as_array_mut()
            .unwrap()
            .iter_mut()
            .enumerate()
        {
            mapping["containerPort"] = json!(1 + number);
            mapping["hostPort"] = json!(20_000 + 100 * index + number);
            mapping["protocol"] = json!("tcp");
            mapping["containerPortRange"] = Value::Null;
        }
    }
    mend_files(spec, &names[0]);
}

/// Settings whose values only mean something together; `earlier` are the containers that this one may depend on.
fn mend_settings(container: &mut Value, earlier: &[String], volumes: usize) {
    container["dependsOn"] = earlier
        .iter()
        .map(|name| json!({"containerName": name, "condition": "START"}))
        .collect();
    container["links"] = json!([]);
    container["volumesFrom"] = earlier
        .iter()
        .map(|name| json!({"sourceContainer": name, "readOnly": true}))
        .collect();
    let paths = |count: usize| (0..count).map(|number| format!("/path-{number}"));
    container["mountPoints"] = paths(volumes)
        .enumerate()
        .map(|(number, path)| json!({"sourceVolume": format!("volume-{number}"), "containerPath": path}))
        .collect();
    let linux = &mut container["linuxParameters"];
    linux["capabilities"] = json!({"add": ["NET_ADMIN"], "drop": ["ALL"]});
    let many = linux["devices"].as_array().map_or(0, Vec::len);
    linux["devices"] = (0..many)
        .map(|number| json!({"hostPath": "/dev/null", "containerPath": format!("/dev/n{number}"), "permissions": ["read"]}))
        .collect();
    let many = linux["tmpfs"].as_array().map_or(0, Vec::len);
    linux["tmpfs"] = (0..many)
        .map(|number| json!({"containerPath": format!("/tmp-{number}"), "size": 1, "mountOptions": ["noexec"]}))
        .collect();
    linux["swappiness"] = json!(60);
    container["systemControls"] = json!([{"namespace": "net.core.somaxconn", "value": "1024"}]);
    container["logConfiguration"] =
        json!({"logDriver": "json-file", "options": {"max-size": "10m"}});
    let many = container["extraHosts"].as_array().map_or(0, Vec::len);
    container["extraHosts"] = (0..many)
        .map(|number| json!({"hostname": format!("host-{number}"), "ipAddress": "10.0.0.1"}))
        .collect();
    let many = container["dnsServers"].as_array().map_or(0, Vec::len);
    container["dnsServers"] = vec!["10.0.0.1"; many].into();
    container["dockerSecurityOptions"] = json!(["no-new-privileges"]);
    container["disableNetworking"] = json!(false);
    mend_references(container, earlier.is_empty());
    container["ulimits"] = json!([{"name": "nofile", "softLimit": 1024, "hardLimit": 2048}]);
}

/// What is named elsewhere, in the words in which it is named.
fn mend_references(container: &mut Value, first: bool) {
    container["repositoryCredentials"] = json!({"credentialsParameter": "secret:registry"});
    container["resourceRequirements"] = json!([{"type": "GPU", "value": "1"}]);
    for secret in container["secrets"].as_array_mut().unwrap() {
        secret["valueFrom"] = json!("secret:database:password");
    }
    for file in container["environmentFiles"].as_array_mut().unwrap() {
        file["value"] = json!("configmap:settings:all.env");
    }
    container["readonlyRootFilesystem"] = json!(!first);
    container["firelensConfiguration"] = if first {
        json!({"type": "fluentbit", "options": {"enable-ecs-log-metadata": "true"}})
    } else {
        Value::Null
    };
}

/// Files of one container.
fn mend_files(spec: &mut Value, container: &str) {
    spec["taskRoleArn"] = json!("serviceaccount:largest");
    let files = spec["extensions"]["files"].as_array_mut().unwrap();
    for (number, file) in files.iter_mut().enumerate() {
        file["containerName"] = json!(container);
        file["path"] = json!(format!("/files/{number}"));
        file["valueFrom"] = Value::Null;
    }
}

/// Every rule at its longest: expressions of 2000 characters, names of attributes of 128.
fn mend_placement(spec: &mut Value) {
    let rules = |spec: &mut Value, list: &str, rule: &Value| {
        if let Some(rules) = spec.get_mut(list).and_then(Value::as_array_mut) {
            rules.fill(rule.clone());
        }
    };
    let expression = format!("{:x<1999}'", "attribute:rack != '");
    let constraint = json!({"type": "memberOf", "expression": expression});
    rules(spec, "placementConstraints", &constraint);
    let field = format!("attribute:{}", "x".repeat(128));
    let strategy = json!({"type": "spread", "field": field});
    rules(spec, "placementStrategy", &strategy);
}

fn mend_service(spec: &mut Value, name: &str) {
    spec["serviceName"] = json!(name);
    spec["taskDefinition"] = json!("nothing");
    spec["schedulingStrategy"] = json!("REPLICA");
    spec["desiredCount"] = json!(5000);
    let deployment = &mut spec["deploymentConfiguration"];
    deployment["minimumHealthyPercent"] = json!(50);
    // The largest value is no percentage.
    deployment["deploymentCircuitBreaker"]["thresholdConfiguration"]["type"] = json!("COUNT");
}

/// The largest that the schema allows, with no more than so many items in any list.
fn largest_definition(most: usize) -> Value {
    let mut spec = Largest::spec_of(Body::RegisterTaskDefinition, "TaskDefinition");
    cut(&mut spec, most);
    mend_definition(&mut spec, "largest");
    mend_placement(&mut spec);
    spec
}

/// Leaves so many items in each list.
fn cut(value: &mut Value, most: usize) {
    match value {
        Value::Array(items) => {
            items.truncate(most);
            for item in items {
                cut(item, most);
            }
        }
        Value::Object(fields) => {
            for field in fields.values_mut() {
                cut(field, most);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The one with the longest lists that is not too large to be registered.
fn largest_registered() -> Value {
    let mut problems = None;
    for most in (1..20).rev() {
        let definition = largest_definition(most);
        let read = serde_json::from_value(definition.clone()).unwrap();
        match parse::task_definition("largest", &read) {
            Ok(_) => return definition,
            Err(found) => problems = Some(found),
        }
    }
    panic!("{problems:?}");
}

async fn registered(scene: &Scene, revision: i64) {
    scene
        .eventually(&format!("revision {revision}"), SOON, async || {
            let found = scene.api::<TaskDefinition>().get("largest").await.unwrap();
            let status = found.status.unwrap_or_default();
            if status.revision == Some(revision) {
                Ok(())
            } else {
                Err(format!("{:?}", status.conditions))
            }
        })
        .await;
}

#[tokio::test]
async fn the_largest_legal_objects_are_accepted_created_and_changed() {
    beside_others("largest", async |scene| {
        let mut definition = largest_definition(usize::MAX);
        let size = definition.to_string().len();
        assert!((400_000..1_400_000).contains(&size), "{size} bytes");
        let put = async |definition: &Value| {
            let object = object("TaskDefinition", &scene.namespace, "largest", definition);
            scene.put(&object).await;
        };
        put(&definition).await;
        definition["containerDefinitions"][9]["cpu"] = json!(2048);
        put(&definition).await;
        let message = stalled_definition(scene, "largest").await;
        assert!(message.contains("ECS registers at most 65536"), "{message}");

        let mut definition = largest_registered();
        put(&definition).await;
        registered(scene, 1).await;
        definition["containerDefinitions"][0]["cpu"] = json!(2048);
        put(&definition).await;
        registered(scene, 2).await;

        let mut service = Largest::spec_of(Body::CreateService, "EcsService");
        mend_service(&mut service, "largest");
        mend_placement(&mut service);
        scene
            .put(&object("EcsService", &scene.namespace, "largest", &service))
            .await;
        scene
            .condition("largest", "Ready", ("False", "ClusterNotFound"))
            .await;
        kubectl(&[
            "scale",
            "ecsservice",
            "largest",
            "--replicas=4999",
            "-n",
            &scene.namespace,
        ])
        .await
        .expect();
        let found = scene.api::<EcsService>().get("largest").await.unwrap();
        let unread = found.status.unwrap_or_default().without_effect;
        assert!(unread.is_empty() || unread.iter().all(|text| text.len() <= 1024));

        let mut task = Largest::spec_of(Body::RunTask, "EcsTask");
        mend_placement(&mut task);
        // A task that nothing but a person made is bound and stopped later, and nothing protects it.
        for name in ["stop", "extensions", "containerInstance", "protection"] {
            task.as_object_mut().unwrap().remove(name);
        }
        scene
            .put(&object("EcsTask", &scene.namespace, "largest", &task))
            .await;
        let mut bound = task.clone();
        bound["containerInstance"] = json!("nowhere");
        bound["stop"] = json!({"code": "UserInitiated", "reason": "x".repeat(1024)});
        scene
            .put(&object("EcsTask", &scene.namespace, "largest", &bound))
            .await;
    })
    .await;
}
