//! Going away: a cluster that is in use is held back with ECS's reason, an installation too; and after a drain nothing is
//! left, neither a container nor an object that nobody finishes.

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};

use crate::harness::engine::TASK_UID;
use crate::harness::fixtures::default_cluster;
use crate::harness::machine::{helm, kubectl};
use crate::harness::{LATER, RELEASE, SOON, on_the_cluster, service};

#[tokio::test]
async fn a_cluster_in_use_is_held_back_and_goes_when_it_is_empty() {
    on_the_cluster("cluster", async |scene| {
        scene.apply(&service("web").desired(3)).await;
        let before = scene.settled("web", 3).await;
        kubectl(&["delete", "ecscluster", "default", "--wait=false"])
            .await
            .expect();
        let ready = "jsonpath={.status.conditions[?(@.type==\"Ready\")].message}";
        scene
            .eventually("the reason why the cluster stays", SOON, async || {
                let said = kubectl(&["get", "ecscluster", "default", "-o", ready]).await;
                if said.text.contains("ClusterContainsServicesException") {
                    Ok(())
                } else {
                    Err(said.text)
                }
            })
            .await;
        assert_eq!(scene.settled("web", 3).await, before);
        scene.delete("ecsservice", "web").await;
        scene.gone("web").await;
        kubectl(&["wait", "--for=delete", "ecscluster/default", "--timeout=2m"])
            .await
            .expect();
        scene
            .eventually("the end of the instances and agents", LATER, async || {
                let said = kubectl(&[
                    "get",
                    "containerinstances,daemonsets,pods",
                    "-n",
                    "ecs-operator-agents",
                    "-o",
                    "name",
                ])
                .await;
                if said.text.lines().count() == 1 {
                    Ok(())
                } else {
                    Err(said.text)
                }
            })
            .await;
        scene.put(&default_cluster()).await;
        scene
            .eventually("three instances", LATER, async || {
                for node in scene.machine.nodes() {
                    scene.is_ready(&node).await?;
                }
                Ok(())
            })
            .await;
    })
    .await;
}

#[tokio::test]
async fn an_installation_in_use_is_held_back_and_drains_when_it_may() {
    on_the_cluster("uninstall", async |scene| {
        helm(&["test", RELEASE, "-n", RELEASE, "--timeout", "2m"])
            .await
            .expect();
        for name in ["web", "api"] {
            scene.apply(&service(name).desired(3)).await;
        }
        let web = scene.settled("web", 3).await;
        let api = scene.settled("api", 3).await;

        let uninstall = [
            "uninstall",
            RELEASE,
            "-n",
            RELEASE,
            "--wait",
            "--timeout",
            "3m",
        ];
        let said = helm(&uninstall).await.expect_failure();
        assert!(said.contains("ClusterContainsServicesException"), "{said}");
        assert!(said.contains(&scene.key("web")), "{said}");
        assert_eq!(scene.settled("web", 3).await, web);
        assert_eq!(scene.settled("api", 3).await, api);

        // What the message tells to do.
        assert!(
            said.contains("newest number of helm history RELEASE"),
            "{said}"
        );
        let history = helm(&["history", RELEASE, "-n", RELEASE, "-o", "json"]).await;
        let history = history.expect();
        let (_, history) = history.split_once('\n').unwrap();
        let history: Value = serde_json::from_str(history).unwrap();
        let revision = history.as_array().unwrap().last().unwrap()["revision"].to_string();
        helm(&[
            "rollback",
            RELEASE,
            &revision,
            "-n",
            RELEASE,
            "--wait",
            "--timeout",
            "3m",
        ])
        .await
        .expect();
        let drain = [
            "upgrade",
            RELEASE,
            "charts/ecs-operator",
            "-n",
            RELEASE,
            "--reuse-values",
        ];
        let drain = [
            &drain[..],
            &["--set", "uninstall.drain=true", "--wait", "--timeout", "3m"],
        ];
        helm(&drain.concat()).await.expect();
        helm(&uninstall).await.expect();

        for engine in scene.machine.engines() {
            assert_eq!(engine.list(TASK_UID).await.unwrap(), [], "{}", engine.node);
        }
        for kind in [
            "ecsservices",
            "ecstasks",
            "ecsclusters",
            "containerinstances",
        ] {
            let said = kubectl(&["get", kind, "-A", "-o", "name"]).await.expect();
            assert_eq!(said.lines().count(), 1, "{said}");
        }
        for namespace in [RELEASE, "ecs-operator-agents"] {
            kubectl(&[
                "delete",
                "namespace",
                namespace,
                "--ignore-not-found",
                "--timeout=2m",
            ])
            .await
            .expect();
        }
        let namespaces: Api<Namespace> = Api::all(scene.kube.clone());
        let terminating: Vec<String> = namespaces
            .list(&ListParams::default())
            .await
            .unwrap()
            .into_iter()
            .filter(|namespace| namespace.metadata.deletion_timestamp.is_some())
            .filter_map(|namespace| namespace.metadata.name)
            .collect();
        assert_eq!(terminating, Vec::<String>::new());
        // The definitions stay by default, and with them nothing that would wait for a controller.
        let left = json!({"kinds": kubectl(&["get", "crd", "-o", "name"]).await.expect()});
        assert!(
            left.to_string().contains("ecsservices.ecs-operator.io"),
            "{left}"
        );
    })
    .await;
}
