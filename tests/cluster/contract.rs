//! What the agent relies on in an engine is true of the real one: the same suite runs on the fake.

use ecs_operator::runtime::contract;
use ecs_operator::runtime::docker::Docker;

use crate::harness::beside_others;
use crate::harness::engine::WORKLOAD;

#[tokio::test]
async fn the_real_engine_keeps_what_the_agent_relies_on() {
    beside_others("contract", async |scene| {
        let docker = Docker::at(scene.engine("node-1").socket());
        contract::suite(&docker, WORKLOAD).await.unwrap();
        contract::streams::suite(&docker, &docker, WORKLOAD)
            .await
            .unwrap();
    })
    .await;
}
