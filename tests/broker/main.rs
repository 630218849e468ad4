//! The broker on an API server in memory: who gets what, and who does not.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what cannot be read fails the test"
)]

mod scene;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ecs_operator::agent::broker::Error;
use ecs_operator::platform::clock::Clock;
use ecs_operator::platform::serving::shared::{Server, look};
use ecs_operator::testing::api::Fault;
use ecs_operator::testing::broker::{NODE_AGENT, POD_AGENT};
use ecs_operator::testing::rights;
use jiff::SignedDuration;
use scene::{PASSWORD, Scene};
use serde_json::{Value, json};

fn refused(error: Error) -> String {
    match error {
        Error::Refused(message) => message,
        Error::Unavailable(message) => panic!("asked again: {message}"),
    }
}

#[tokio::test]
async fn a_container_gets_what_its_definition_names_and_nothing_else() {
    let scene = Scene::start().await;
    let supply = scene.ask("node-1", "one", "app").await.unwrap();
    let environment = supply.environment.expose();
    assert_eq!(environment.len(), 2);
    assert_eq!(environment["PASSWORD"], PASSWORD);
    assert_eq!(
        environment["USER"], "shop",
        "a field of JSON that an ARN names"
    );
    let credentials = supply.credentials.unwrap();
    assert_eq!(credentials.username, "puller");
    let side = scene.ask("node-1", "one", "side").await.unwrap();
    assert!(side.environment.expose().is_empty());
    assert_eq!(
        side.credentials.unwrap().username,
        "own",
        "its own go first"
    );
    assert!(
        !format!(
            "{supply:?}",
            supply = scene.ask("node-1", "one", "app").await
        )
        .contains(PASSWORD)
    );
}

#[tokio::test]
async fn another_instances_agent_is_refused_and_so_is_every_other_token() {
    let scene = Scene::start().await;
    let message = refused(scene.ask("node-2", "one", "app").await.unwrap_err());
    assert_eq!(message, "the task is not bound to this instance");
    let absent = refused(scene.ask("node-2", "nobody", "app").await.unwrap_err());
    assert_eq!(absent, message, "what exists elsewhere is not told");
    let claims = json!({"authentication.kubernetes.io/node-name": ["node-1"]});
    scene.broker.know("unbound", NODE_AGENT, &json!({}));
    scene
        .broker
        .know("tenant", "system:serviceaccount:shop:default", &claims);
    scene.broker.know(
        "pod",
        POD_AGENT,
        &json!({"authentication.kubernetes.io/pod-name": ["node-9"]}),
    );
    for token in ["unbound", "tenant", "pod", "unknown"] {
        scene.ask_with(token, "one", "app").await.unwrap_err();
    }
    assert_eq!(scene.secrets_read(), 0);
}

#[tokio::test]
async fn a_task_that_is_to_stop_or_has_another_uid_gets_nothing() {
    let scene = Scene::start().await;
    let other = scene.ask_for("node-1", "one", "another-uid", "app").await;
    assert_eq!(
        refused(other.unwrap_err()),
        "the task is another one of the same name"
    );
    scene.stop("one").await;
    let stopped = scene.ask("node-1", "one", "app").await;
    assert_eq!(refused(stopped.unwrap_err()), "the task is to stop");
    assert_eq!(scene.secrets_read(), 0);
}

#[tokio::test]
async fn a_namespace_that_did_not_opt_in_is_told_how_to() {
    let scene = Scene::start().await;
    scene.api.fail(1, Fault::Status(403), |request| {
        request.resource == "secrets"
    });
    let message = refused(scene.ask("node-1", "one", "app").await.unwrap_err());
    assert!(message.contains("kubectl create rolebinding ecs-operator-broker-secrets --namespace shop --clusterrole ecs-operator-broker-secrets --serviceaccount ecs-operator:ecs-operator-broker"), "{message}");
}

#[tokio::test]
async fn what_is_missing_is_named_and_values_are_not() {
    let scene = Scene::start().await;
    let wrong = [
        (
            "secret:nothing:password",
            "Secret nothing of namespace shop does not exist",
        ),
        (
            "secret:db:nothing",
            "Secret db of namespace shop has no key nothing",
        ),
        ("secret:db:binary", "that is no text"),
        (
            "arn:aws:ssm:eu-west-1:1:parameter/x",
            "spec.secretMappings of the EcsCluster",
        ),
        (
            "arn:aws:secretsmanager:eu-west-1:1:secret:json-AbCdEf:nothing::",
            "no JSON object with a field nothing",
        ),
    ];
    for (number, (value_from, said)) in (2..).zip(wrong) {
        let secrets = json!([{"name": "A", "valueFrom": value_from}]);
        scene
            .define(
                number,
                &json!([{"name": "app", "image": "web", "secrets": secrets}]),
            )
            .await;
        let task = format!("task-{number}");
        scene.bind(&task, number).await;
        let message = refused(scene.ask("node-1", &task, "app").await.unwrap_err());
        assert!(message.contains(said), "{message}");
        assert!(!message.contains(PASSWORD), "{message}");
    }
}

#[tokio::test]
async fn credentials_that_cannot_be_read_are_told_and_those_of_other_registries_passed_over() {
    let scene = Scene::start().await;
    let own = json!({"credentialsParameter": "secret:db:password"});
    scene
        .define(
            2,
            &json!([
                {"name": "app", "image": "registry.example/web:1", "repositoryCredentials": own},
                {"name": "other", "image": "elsewhere.example/web:1"},
            ]),
        )
        .await;
    scene.bind("two", 2).await;
    let message = refused(scene.ask("node-1", "two", "app").await.unwrap_err());
    assert!(
        message.contains("Secret db has no credentials for image registry.example/web:1"),
        "{message}"
    );
    assert!(!message.contains(PASSWORD), "{message}");
    assert_eq!(
        scene
            .ask("node-1", "two", "other")
            .await
            .unwrap()
            .credentials,
        None
    );
}

#[tokio::test]
async fn images_that_the_cluster_lets_a_namespace_pull_come_with_what_a_provider_gets() {
    let scene = Scene::start().await;
    let folder = tempfile::tempdir().unwrap();
    scene.provide("AWS", folder.path());
    let own = json!({"credentialsParameter": "secret:own:login"});
    scene
        .define(
            2,
            &json!([
                {"name": "app", "image": "eu.cloud.example/shop/web:1"},
                {"name": "again", "image": "eu.cloud.example/shop/side"},
                {"name": "own", "image": "eu.cloud.example/shop/web:1", "repositoryCredentials": own},
                {"name": "beside", "image": "eu.cloud.example/other/web:1"},
                {"name": "elsewhere", "image": "registry.elsewhere/shop/web:1"},
            ]),
        )
        .await;
    scene.bind("two", 2).await;
    for (container, user) in [
        ("app", Some("AWS")),
        ("again", Some("AWS")),
        ("own", Some("own")),
        // Of the registry, but not of the repositories that the cluster says.
        ("beside", None),
        ("elsewhere", None),
    ] {
        let supply = scene.ask("node-1", "two", container).await.unwrap();
        let found = supply.credentials.map(|it| it.username);
        assert_eq!(found.as_deref(), user, "{container}");
    }
    let calls = std::fs::read_to_string(folder.path().join("calls")).unwrap();
    assert_eq!(calls, "\n", "one call for a registry");
}

#[tokio::test]
async fn an_image_that_no_provider_is_for_is_refused_with_what_to_do() {
    let scene = Scene::start().await;
    let app = json!([{"name": "app", "image": "eu.cloud.example/shop/web:1"}]);
    scene.define(2, &app).await;
    scene.bind("two", 2).await;
    let message = refused(scene.ask("node-1", "two", "app").await.unwrap_err());
    assert!(message.contains("broker.credentialProviders"), "{message}");
}

#[tokio::test]
async fn files_variables_and_options_come_from_secrets_and_config_maps() {
    let scene = Scene::start().await;
    let log = json!({"logDriver": "splunk", "secretOptions": [
        {"name": "splunk-token", "valueFrom": "secret:db:password"},
    ]});
    let app = json!({
        "name": "app", "image": "web", "logConfiguration": log,
        "environmentFiles": [{"type": "s3", "value": "configmap:web:env"}],
    });
    let files = json!([
        {"containerName": "app", "path": "/a", "valueFrom": "secret:db:binary"},
        {"containerName": "app", "path": "/b", "text": "stands in the definition"},
        {"containerName": "other", "path": "/c", "valueFrom": "secret:db:password"},
    ]);
    let definition = json!({"containerDefinitions": [app], "extensions": {"files": files}});
    scene.define_whole(2, &definition).await;
    scene.bind("two", 2).await;
    let supply = scene.ask("node-1", "two", "app").await.unwrap();
    assert_eq!(supply.environment_files.expose()["A"], "1");
    assert_eq!(supply.log_options.expose()["splunk-token"], PASSWORD);
    let files = supply.files.expose();
    assert_eq!((files.len(), &files["/a"]), (1, &vec![0xff, 0xfe]));
}

#[tokio::test]
async fn a_role_is_a_token_of_its_service_account_for_the_agent_of_the_instance_while_the_task_runs()
 {
    let scene = Scene::start().await;
    let definition = json!({
        "taskRoleArn": "serviceaccount:shop", "extensions": {"taskRoleAudience": "vault"},
        "containerDefinitions": [{"name": "app", "image": "web"}],
    });
    scene.define_whole(2, &definition).await;
    scene.bind("two", 2).await;
    let supply = scene.ask("node-1", "two", "app").await.unwrap();
    let token = supply.role_token.unwrap();
    let claims = token.expose().split('.').nth(1).unwrap();
    let claims = URL_SAFE_NO_PAD.decode(claims).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(
        (&claims["sub"], &claims["aud"]),
        (&json!("shop"), &json!(["vault"]))
    );
    assert_eq!(scene.renew("node-1", "two").await.unwrap(), token);
    let message = refused(scene.renew("node-2", "two").await.unwrap_err());
    assert_eq!(message, "the task is not bound to this instance");
    let message = refused(scene.renew("node-1", "one").await.unwrap_err());
    assert_eq!(message, "the task has no role");
    scene.stop("two").await;
    let message = refused(scene.renew("node-1", "two").await.unwrap_err());
    assert_eq!(message, "the task is to stop");
}

#[tokio::test]
async fn while_the_api_server_does_not_answer_the_agent_may_ask_again() {
    let scene = Scene::start().await;
    for resource in [
        "ecstasks",
        "taskdefinitionrevisions",
        "ecsclusters",
        "secrets",
    ] {
        scene.api.fail(1, Fault::Refused, move |request| {
            request.resource == resource
        });
        let error = scene.ask("node-1", "one", "app").await.unwrap_err();
        assert!(
            matches!(error, Error::Unavailable(_)),
            "{resource}: {error}"
        );
    }
    scene.ask("node-1", "one", "app").await.unwrap();
}

#[tokio::test]
async fn the_chart_grants_what_the_broker_uses_and_nothing_else() {
    let scene = Scene::start().await;
    scene.ask("node-1", "one", "app").await.unwrap();
    let server = Server {
        namespace: "ecs-operator-agents".into(),
        secret: "ecs-operator-broker-tls".into(),
        config_map: "ecs-operator-broker-ca".into(),
        names: vec!["ecs-operator-broker.ecs-operator.svc".into()],
    };
    let client = scene.api.client_of("broker");
    for days in [0, 70] {
        let later = scene.api.now() + SignedDuration::from_hours(24 * days);
        look(&server, &client, Clock::starting_at(later))
            .await
            .unwrap();
    }
    let unseen = [
        ("authentication.k8s.io", "tokenreviews", "create"),
        // An authority is replaced after ten years.
        ("", "configmaps", "update"),
    ];
    rights::compare("ecs-operator-broker", scene.api.used_by("broker"), &unseen);
}
