//! Somebody takes things away behind the product's back: it converges, and never makes a second of anything.

use ecs_operator::api::service::EcsService;
use ecs_operator::api::task::EcsTask;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::harness::{
    LATER, Running, SOON, Scene, beside_others, on_the_cluster, processes, service,
};

/// A merge patch.
async fn patch<K>(api: &Api<K>, name: &str, change: Value)
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let patch = Patch::Merge(change);
    api.patch(name, &PatchParams::default(), &patch)
        .await
        .unwrap();
}

/// Waits until the service runs its tasks, without `lost`.
async fn without(scene: &Scene, lost: &Running, count: usize) -> Vec<Running> {
    scene
        .eventually(
            &format!("{count} tasks without {}", lost.task),
            SOON,
            async || {
                let now = scene.try_settled("web", count).await?;
                if now.contains(lost) {
                    Err("it runs".to_owned())
                } else {
                    Ok(now)
                }
            },
        )
        .await
}

#[tokio::test]
async fn a_task_object_that_somebody_deletes_takes_its_container_along_and_is_replaced() {
    beside_others("objects", async |scene| {
        scene.apply(&service("web").desired(3)).await;
        let first = scene.settled("web", 3).await;
        let api = scene.api::<EcsTask>();
        api.delete(&first[0].task, &DeleteParams::default())
            .await
            .unwrap();
        let second = without(scene, &first[0], 3).await;
        assert!(api.get_opt(&first[0].task).await.unwrap().is_none());

        // Without its finalizer the object goes at once, and nobody can know of the container but its agent.
        let hidden = second
            .iter()
            .find(|running| first.contains(running))
            .unwrap();
        scene.recorder.hidden(&hidden.container);
        patch(
            &api,
            &hidden.task,
            json!({"metadata": {"finalizers": null}}),
        )
        .await;
        api.delete(&hidden.task, &DeleteParams::default())
            .await
            .unwrap();
        let third = without(scene, hidden, 3).await;
        for running in second.iter().filter(|running| *running != hidden) {
            assert!(third.contains(running), "{running:?} was touched");
        }
    })
    .await;
}

#[tokio::test]
async fn finalizers_labels_and_statuses_that_somebody_removes_make_no_second_task() {
    beside_others("labels", async |scene| {
        let web = service("web").desired(3);
        scene.apply(&web).await;
        let before = scene.settled("web", 3).await;
        let tasks = scene.api::<EcsTask>();
        patch(
            &tasks,
            &before[0].task,
            json!({"metadata": {"labels": null}}),
        )
        .await;
        patch(
            &tasks,
            &before[1].task,
            json!({"metadata": {"ownerReferences": null}}),
        )
        .await;
        let services = scene.api::<EcsService>();
        patch(&services, "web", json!({"metadata": {"finalizers": null}})).await;
        let wiped = Patch::Merge(json!({"status": null}));
        services
            .patch_status("web", &PatchParams::default(), &wiped)
            .await
            .unwrap();
        scene
            .eventually(
                "a service with its finalizer and its status",
                SOON,
                async || {
                    let found = scene.service("web").await?;
                    if found
                        .metadata
                        .finalizers
                        .is_none_or(|finalizers| finalizers.is_empty())
                    {
                        return Err("no finalizer".to_owned());
                    }
                    scene.try_settled("web", 3).await
                },
            )
            .await;
        let task = tasks.get(&before[2].task).await.unwrap();
        assert!(
            task.metadata
                .finalizers
                .is_some_and(|finalizers| !finalizers.is_empty())
        );
        // A wiped status loses the record of the deployment; a new one may replace tasks, within the bound.
        scene.scale(&web, 4).await;
        scene.settled("web", 4).await;
        scene.scale(&web, 1).await;
        scene.settled("web", 1).await;
    })
    .await;
}

#[tokio::test]
async fn an_agent_pod_that_somebody_strips_of_its_labels_makes_no_second_container() {
    on_the_cluster("strays", async |scene| {
        use k8s_openapi::api::core::v1::Pod;
        use kube::ResourceExt;
        use kube::api::ListParams;

        let web = service("web").desired(3);
        scene.apply(&web).await;
        let before = scene.settled("web", 3).await;
        let pods: Api<Pod> = Api::namespaced(scene.kube.clone(), "ecs-operator-agents");
        let on_node_1 = ListParams::default()
            .labels("ecs-operator.io/agent=node")
            .fields("spec.nodeName=node-1");
        let stray = pods.list(&on_node_1).await.unwrap().items[0].name_any();
        let agent = processes::agent("node-1");
        // The DaemonSet makes another one: for a while two agents drive one engine.
        patch(&pods, &stray, json!({"metadata": {"labels": null}})).await;
        scene
            .eventually("a second agent on the node", LATER, async || {
                match pods.list(&on_node_1).await {
                    Ok(pods)
                        if pods.iter().any(|pod| {
                            let statuses = pod
                                .status
                                .iter()
                                .flat_map(|status| status.container_statuses.iter().flatten());
                            statuses.into_iter().any(|status| status.ready)
                        }) =>
                    {
                        Ok(())
                    }
                    other => Err(format!("{:?}", other.map(|pods| pods.items.len()))),
                }
            })
            .await;
        assert_eq!(scene.settled("web", 3).await, before);
        scene.scale(&web, 9).await;
        scene.settled("web", 9).await;
        scene.scale(&web, 3).await;
        scene.settled("web", 3).await;
        pods.delete(&stray, &DeleteParams::default()).await.unwrap();
        scene
            .eventually("the end of the stray agent", LATER, async || {
                match pods.get_opt(&stray).await {
                    Ok(None) => Ok(()),
                    _ => Err(format!("{agent:?} is still there")),
                }
            })
            .await;
        scene.settled("web", 3).await;
    })
    .await;
}
