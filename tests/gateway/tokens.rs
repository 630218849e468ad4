//! The tokens that the gateway shows to agents.

use std::time::Duration;

use ecs_operator::gateway::{Account, Tokens};
use ecs_operator::platform::clock::Clock;
use ecs_operator::testing::api::FakeApi;

#[tokio::test(start_paused = true)]
async fn each_instance_has_tokens_of_its_own_and_others_before_they_end() {
    let api = FakeApi::new();
    let account = Account {
        namespace: "ecs-operator".into(),
        name: "gateway".into(),
        pod: Some("gateway-1".into()),
    };
    let clock = Clock::starting_at(api.now());
    let tokens = Tokens::new(api.client_of("gateway"), clock, account);
    let of = async |instance: &str| tokens.of(instance).await.unwrap();
    let first = of("node-1").await;
    assert_eq!(of("node-1").await, first);
    assert_ne!(of("node-2").await, first);
    tokio::time::advance(Duration::from_secs(479)).await;
    assert_eq!(of("node-1").await, first);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_ne!(of("node-1").await, first);
    let asked = api.requests();
    let made = asked.iter().filter(|it| it.subresource == "token");
    assert_eq!(made.count(), 3);
}
