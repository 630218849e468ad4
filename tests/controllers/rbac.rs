//! What the controllers ask of the API server is what the chart's roles grant them: nothing is missing, nothing is spare.

use std::time::Duration;

use ecs_operator::testing::api::{Fault, Verb};
use ecs_operator::testing::rights;
use serde_json::json;

use crate::scene::{Scene, one_off_task, provider, service, task_definition};
use crate::targets::{served, served_definition, target_group};

/// Rights that this test cannot see in use: the election's, in the release's own namespace, and the one that an apply needs
/// where it creates.
const UNSEEN: [(&str, &str, &str); 4] = [
    ("coordination.k8s.io", "leases", "get"),
    ("coordination.k8s.io", "leases", "create"),
    ("coordination.k8s.io", "leases", "update"),
    ("apps", "daemonsets", "create"),
];

/// A life in which everything happens that the controllers act on.
async fn live() -> Scene {
    let scene = Scene::start(&["node-1", "node-2", "node-3"]).await;
    // Of each kind that is created one answer gets lost, so that the controller looks.
    for resource in [
        "ecstasks",
        "ecsservicerevisions",
        "taskdefinitionrevisions",
        "containerinstances",
        "services",
        "endpointslices",
        "targetgroups",
    ] {
        scene.api.fail(1, Fault::AnswerLost, move |request| {
            request.verb == Verb::Create && request.resource == resource
        });
    }
    scene.push("sha256:first");
    serve(&scene).await;
    scene.apply(&task_definition("web", "1")).await;
    scene.apply(&service("web", 3)).await;
    scene
        .until("the service is ready", || scene.is_ready("web"))
        .await;
    // More of each kind of revision than are kept.
    scene.apply(&service("old", 0)).await;
    for version in 1..30 {
        scene
            .apply(&task_definition("old", &version.to_string()))
            .await;
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    scene.apply(&task_definition("web", "2")).await;
    scene
        .until("the next version runs", || scene.runs_only("web:2", 3))
        .await;
    scene.apply(&one_off_task("once", "web", &json!([]))).await;
    let pods = "/api/v1/namespaces/ecs-operator-agents/pods";
    for capacity in [2, 1] {
        scene.apply(&provider(capacity)).await;
        scene
            .until("the instance pods", || {
                scene.api.all(pods).len() == 3 + capacity
            })
            .await;
        scene.run_pods().await;
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    scene.silence("node-3");
    scene.break_node("node-3").await;
    scene
        .until("the task is replaced", || {
            let tasks = scene.tasks();
            let elsewhere = tasks.iter().filter(|task| {
                task["status"]["lastStatus"] == "RUNNING"
                    && task["spec"]["containerInstance"] != "node-3"
            });
            elsewhere.count() >= 3
        })
        .await;
    scene.api.delete("/api/v1/nodes/node-3").await;
    scene.api.delete(&format!("{pods}/agent-node-3")).await;
    scene
        .until("the instance is gone", || {
            scene.instance("node-3").is_null()
        })
        .await;
    scene.apply(&service("web", 1)).await;
    scene.delete("namespaces/shop/ecstasks/once").await;
    scene.delete_service("web").await;
    scene.delete_service("old").await;
    scene.delete("namespaces/shop/taskdefinitions/web").await;
    scene
        .until("nothing is left of the service", || {
            scene.tasks().is_empty() && scene.find_service("web").is_none()
        })
        .await;
    scene.delete("capacityproviders/pods").await;
    scene.delete("ecsclusters/default").await;
    tokio::time::sleep(Duration::from_mins(10)).await;
    scene
}

/// Services come and go behind a target group and under a name of their own.
async fn serve(scene: &Scene) {
    scene.apply(&target_group("api")).await;
    scene.apply(&served_definition("api", "1")).await;
    scene.apply(&served("api", 1)).await;
    scene
        .until("it is served", || scene.listed("api").len() == 1)
        .await;
    let mut on_nodes = target_group("api");
    on_nodes["spec"]["service"] = json!({"type": "NodePort"});
    scene.apply(&on_nodes).await;
    scene.apply(&served("api", 2)).await;
    scene
        .until("both are served", || scene.listed("api").len() == 2)
        .await;
    scene.apply(&served("api", 0)).await;
    scene
        .until("nobody is served", || scene.slices("api").is_empty())
        .await;
    // A name of its own: made, changed, and taken away.
    let port = |port: u16| {
        let mut named = served("api", 0);
        let alias = json!([{"port": port, "dnsName": "named"}]);
        let services = json!([{"portName": "http", "clientAliases": alias}]);
        named["spec"]["serviceConnectConfiguration"] =
            json!({"enabled": true, "services": services});
        named
    };
    for number in [80, 81] {
        scene.apply(&port(number)).await;
        scene
            .until("the name has its port", || {
                scene.target_group("named")["spec"]["port"] == number
            })
            .await;
    }
    let mut nameless = port(81);
    nameless["spec"]["serviceConnectConfiguration"]["enabled"] = json!(false);
    scene.apply(&nameless).await;
    scene
        .until("the name is gone", || scene.target_group("named").is_null())
        .await;
    scene.delete_service("api").await;
}

#[tokio::test(start_paused = true)]
async fn the_chart_grants_what_the_controllers_use_and_nothing_else() {
    let scene = live().await;
    rights::compare(
        "ecs-operator-controller",
        scene.api.used_by("controller"),
        &UNSEEN,
    );
}
