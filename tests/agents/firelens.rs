//! What containers are told of their task's log router.

use serde_json::json;

use crate::scene::{IMAGE, Scene};

#[tokio::test(start_paused = true)]
async fn on_the_bridge_a_container_finds_the_router_of_its_task_at_the_address_that_it_got() {
    let scene = Scene::start().await;
    let containers = json!([
        {"name": "app", "image": IMAGE, "memory": 64, "logConfiguration": {"logDriver": "awsfirelens"}},
        {"name": "router", "image": IMAGE, "memory": 64, "firelensConfiguration": {"type": "fluentbit"}},
    ]);
    let definition = json!({"containerDefinitions": containers});
    scene.define_whole(2, definition).await;
    let _agent = scene.agent("agent-a");
    // The one before it takes the first address.
    scene.run_task("before").await;
    scene.until("before", "RUNNING").await;
    scene.run_revision("one", 2).await;
    scene.until("one", "RUNNING").await;
    let specs = scene.engine.with(|model, _| model.specs());
    let told = specs.iter().filter_map(|spec| {
        let host = spec.environment.get("FLUENT_HOST")?;
        Some((spec.name.as_str(), host, &spec.environment["FLUENT_PORT"]))
    });
    let told: Vec<_> = told.collect();
    let router = specs
        .iter()
        .find(|it| it.name.contains("-router-"))
        .unwrap();
    let view = scene
        .engine
        .with(|model, now| model.inspect(&router.name, now));
    let address = view.unwrap().address.unwrap();
    let [(name, host, port)] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert!(name.contains("-app-"), "{name}");
    assert_eq!((*host, port.as_str()), (&address, "24224"));
}
