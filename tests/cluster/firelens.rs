//! A task whose log router gets what the others write, from the moment at which they start until they have ended.

use serde_json::json;

use crate::harness::engine::{CONTAINER, TASK_UID, WORKLOAD};
use crate::harness::{LATER, beside_others, service};

#[tokio::test]
async fn a_log_router_gets_its_configuration_and_what_the_others_write() {
    beside_others("firelens", async |scene| {
        let shop = service("shop")
            .desired(1)
            .with(
                "logConfiguration",
                json!({"logDriver": "awsfirelens", "options": {"Name": "stdout", "Format": "json_lines"}}),
            )
            .env("EXIT_AFTER_MILLISECONDS", "3600000")
            .beside(json!({
                "name": "router", "image": WORKLOAD, "memory": 32, "stopTimeout": 2,
                "command": ["collect", "/var/run/fluent.sock", "/fluent-bit/etc/fluent-bit.conf"],
                "firelensConfiguration": {"type": "fluentbit", "options": {"enable-ecs-log-metadata": "true"}},
            }));
        scene.apply(&shop).await;
        scene
            .condition("shop", "Ready", ("True", "SteadyState"))
            .await;
        let task = scene.tasks("shop").await.unwrap().remove(0);
        let uid = task.metadata.uid.clone().unwrap();
        let engine = scene.engine(task.spec.container_instance.as_ref().unwrap());
        let all = engine.list(&format!("{TASK_UID}={uid}")).await.unwrap();
        let router = all.iter().find(|it| it.label(CONTAINER) == "router").unwrap();
        let tag = format!("app-firelens-{}", uid.replace('-', ""));
        scene
            .eventually("the router's output to show the other's", LATER, async || {
                let output = engine.output(&router.id).await?;
                let wanted = ["Match app-firelens*", "Record ecs_task_definition shop:1", "json_lines", &tag, "listening"];
                let missing: Vec<_> = wanted.iter().filter(|it| !output.contains(**it)).collect();
                if missing.is_empty() { Ok(()) } else { Err(format!("{missing:?} not in {output}")) }
            })
            .await;
    })
    .await;
}
