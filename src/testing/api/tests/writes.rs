use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use serde_json::{Value, json};

use super::super::{Fault, Verb};
use super::*;

const NEW: PostParams = PostParams {
    dry_run: false,
    field_manager: None,
};

fn apply() -> PatchParams {
    PatchParams::apply("agent-i1").force()
}

fn status(body: Value) -> Patch<Value> {
    Patch::Apply(
        json!({"apiVersion": "ecs-operator.io/v1alpha1", "kind": "EcsTask", "status": body}),
    )
}

#[tokio::test]
async fn a_name_is_taken_once_and_every_object_gets_a_uid_and_the_next_version() {
    let api = FakeApi::new();
    let first = maps(&api).create(&NEW, &map("a", "1")).await.unwrap();
    let second = maps(&api).create(&NEW, &map("b", "1")).await.unwrap();
    assert_ne!(first.uid(), second.uid());
    assert!(first.resource_version().unwrap() < second.resource_version().unwrap());
    let again = maps(&api).create(&NEW, &map("a", "2")).await;
    assert_eq!(code(again), (409, "AlreadyExists".into()));
    assert_eq!(code(maps(&api).get("c").await), (404, "NotFound".into()));
    assert_eq!(maps(&api).get_opt("c").await.unwrap(), None);
    assert_eq!(
        maps(&api)
            .list(&ListParams::default().limit(1))
            .await
            .unwrap()
            .items
            .len(),
        1
    );
}

#[tokio::test]
async fn a_stale_replace_is_a_conflict_and_an_equal_one_changes_nothing() {
    let api = FakeApi::new();
    let old = maps(&api).create(&NEW, &map("a", "1")).await.unwrap();
    let mut new = old.clone();
    new.data = map("a", "2").data;
    let new = maps(&api).replace("a", &NEW, &new).await.unwrap();
    assert_eq!(
        code(maps(&api).replace("a", &NEW, &old).await),
        (409, "Conflict".into())
    );
    let same = maps(&api).replace("a", &NEW, &new).await.unwrap();
    assert_eq!(same.resource_version(), new.resource_version());
    assert_eq!(
        code(maps(&api).replace("b", &NEW, &map("b", "1")).await).0,
        404
    );
}

#[tokio::test]
async fn status_is_written_through_its_subresource_alone_and_does_not_count_as_a_generation() {
    let api = FakeApi::new();
    let created = tasks(&api).create(&NEW, &task("t", "i1")).await.unwrap();
    assert_eq!(
        (created.data.get("status"), created.metadata.generation),
        (None, Some(1))
    );
    let patch = Patch::Merge(json!({"spec": {"x": 1}, "status": {"lastStatus": "PENDING"}}));
    let status = tasks(&api)
        .patch_status("t", &PatchParams::default(), &patch)
        .await
        .unwrap();
    assert_eq!(
        status.data,
        json!({"spec": {"containerInstance": "i1"}, "status": {"lastStatus": "PENDING"}})
    );
    assert_eq!(status.metadata.generation, Some(1));
    let spec = tasks(&api)
        .patch("t", &PatchParams::default(), &patch)
        .await
        .unwrap();
    assert_eq!(
        (&spec.data["spec"]["x"], spec.metadata.generation),
        (&json!(1), Some(2))
    );
}

#[tokio::test]
async fn an_apply_keeps_what_others_applied_and_drops_what_it_left_out() {
    let api = FakeApi::new();
    tasks(&api).create(&NEW, &task("t", "i1")).await.unwrap();
    let agent = status(json!({"lastStatus": "RUNNING", "health": "UNKNOWN"}));
    tasks(&api)
        .patch_status("t", &apply(), &agent)
        .await
        .unwrap();
    let traffic = status(json!({"traffic": {"registered": true}}));
    let other = PatchParams::apply("controller").force();
    tasks(&api)
        .patch_status("t", &other, &traffic)
        .await
        .unwrap();
    let before = api.version();
    let last = status(json!({"lastStatus": "RUNNING"}));
    let applied = tasks(&api)
        .patch_status("t", &apply(), &last)
        .await
        .unwrap();
    assert_eq!(
        applied.data["status"],
        json!({"lastStatus": "RUNNING", "traffic": {"registered": true}})
    );
    tasks(&api)
        .patch_status("t", &apply(), &last)
        .await
        .unwrap();
    assert_eq!(api.version(), before + 1);
    assert_eq!(
        code(tasks(&api).patch_status("none", &apply(), &last).await).0,
        404
    );
    assert_eq!(api.writes().last().unwrap().manager, "agent-i1");
}

#[tokio::test]
async fn an_apply_creates_what_is_not_there() {
    let api = FakeApi::new();
    let wanted = Patch::Apply(json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1"}}));
    let made = maps(&api).patch("new", &apply(), &wanted).await.unwrap();
    assert_eq!(
        (made.name_any(), made.data.unwrap()["a"].as_str()),
        ("new".into(), "1")
    );
    let less = Patch::Apply(json!({"apiVersion": "v1", "kind": "ConfigMap"}));
    assert_eq!(
        maps(&api).patch("new", &apply(), &less).await.unwrap().data,
        None
    );
}

#[tokio::test]
async fn a_json_patch_whose_test_fails_is_refused() {
    let api = FakeApi::new();
    maps(&api).create(&NEW, &map("a", "1")).await.unwrap();
    let patch = |text: &str| Patch::<()>::Json(serde_json::from_str(text).unwrap());
    let wrong =
        patch(r#"[{"op":"test","path":"/data/key","value":"2"},{"op":"remove","path":"/data"}]"#);
    let params = PatchParams::default();
    assert_eq!(
        code(maps(&api).patch("a", &params, &wrong).await),
        (422, "Invalid".into())
    );
    let right =
        patch(r#"[{"op":"test","path":"/data/key","value":"1"},{"op":"remove","path":"/data"}]"#);
    assert_eq!(
        maps(&api).patch("a", &params, &right).await.unwrap().data,
        None
    );
}

#[tokio::test]
async fn a_delete_waits_for_finalizers_and_holds_to_its_preconditions() {
    let api = FakeApi::new();
    let mut kept = map("a", "1");
    kept.metadata.finalizers = Some(vec!["x.io/keep".into()]);
    let kept = maps(&api).create(&NEW, &kept).await.unwrap();
    let with = |uid: &str, version: Option<String>| {
        DeleteParams::default().preconditions(Preconditions {
            uid: Some(uid.into()),
            resource_version: version,
        })
    };
    assert_eq!(
        code(maps(&api).delete("a", &with("other", None)).await).0,
        409
    );
    let stale = with(&kept.uid().unwrap(), Some("0".into()));
    assert_eq!(code(maps(&api).delete("a", &stale).await).0, 409);
    let fresh = with(&kept.uid().unwrap(), kept.resource_version());
    let deleting = maps(&api)
        .delete("a", &fresh)
        .await
        .unwrap()
        .left()
        .unwrap();
    assert!(deleting.metadata.deletion_timestamp.is_some());
    let added = json!({"metadata": {"finalizers": ["x.io/keep", "x.io/more"]}});
    assert_eq!(
        code(
            maps(&api)
                .patch("a", &PatchParams::default(), &Patch::Merge(added))
                .await
        )
        .0,
        422
    );
    let none = json!({"metadata": {"finalizers": null}});
    maps(&api)
        .patch("a", &PatchParams::default(), &Patch::Merge(none))
        .await
        .unwrap();
    assert_eq!(maps(&api).get_opt("a").await.unwrap(), None);
    maps(&api).create(&NEW, &map("b", "1")).await.unwrap();
    assert!(
        maps(&api)
            .delete("b", &DeleteParams::default())
            .await
            .unwrap()
            .is_right()
    );
}

#[tokio::test]
async fn what_is_owned_goes_with_its_last_owner() {
    let api = FakeApi::new();
    let owner = |name: &str, uid: &str| OwnerReference {
        name: name.into(),
        uid: uid.into(),
        ..OwnerReference::default()
    };
    let (a, b) = (
        maps(&api)
            .create(&NEW, &map("a", "1"))
            .await
            .unwrap()
            .uid()
            .unwrap(),
        maps(&api)
            .create(&NEW, &map("b", "1"))
            .await
            .unwrap()
            .uid()
            .unwrap(),
    );
    let mut child = map("owned", "1");
    child.metadata.owner_references = Some(vec![owner("a", &a), owner("b", &b)]);
    maps(&api).create(&NEW, &child).await.unwrap();
    maps(&api)
        .delete("a", &DeleteParams::default())
        .await
        .unwrap();
    assert!(maps(&api).get_opt("owned").await.unwrap().is_some());
    maps(&api)
        .delete("b", &DeleteParams::default())
        .await
        .unwrap();
    assert!(maps(&api).get_opt("owned").await.unwrap().is_none());
}

#[tokio::test]
async fn faults_befall_the_requests_they_are_meant_for() {
    let api = FakeApi::new();
    api.fail(1, Fault::Status(429), |request| {
        request.verb == Verb::Create
    });
    api.fail(1, Fault::AnswerLost, |request| request.verb == Verb::Create);
    api.fail(1, Fault::Refused, |request| request.verb == Verb::Delete);
    assert_eq!(
        code(maps(&api).create(&NEW, &map("a", "1")).await),
        (429, "TooManyRequests".into())
    );
    assert!(maps(&api).get_opt("a").await.unwrap().is_none());
    assert!(matches!(
        maps(&api).create(&NEW, &map("a", "1")).await,
        Err(Error::Service(_))
    ));
    assert!(maps(&api).get_opt("a").await.unwrap().is_some());
    assert!(
        maps(&api)
            .delete("a", &DeleteParams::default())
            .await
            .is_err()
    );
    assert!(maps(&api).get_opt("a").await.unwrap().is_some());
    let seen: Vec<String> = api.writes().iter().map(ToString::to_string).collect();
    assert_eq!(
        seen,
        [
            "create configmaps shop/a -> 429",
            "create configmaps shop/a -> 200",
            "delete configmaps shop/a -> 0"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_paused_server_answers_when_it_resumes() {
    let api = FakeApi::new();
    api.pause();
    let maps = maps(&api);
    let wait = tokio::time::Duration::from_mins(1);
    assert!(tokio::time::timeout(wait, maps.get_opt("a")).await.is_err());
    api.resume();
    assert_eq!(maps.get_opt("a").await.unwrap(), None);
    api.isolate("agent");
    let agent: Api<ConfigMap> = Api::namespaced(api.client_of("agent"), "shop");
    assert!(
        tokio::time::timeout(wait, agent.get_opt("a"))
            .await
            .is_err()
    );
    assert_eq!(maps.get_opt("a").await.unwrap(), None);
    api.heal("agent");
    assert_eq!(agent.get_opt("a").await.unwrap(), None);
}
