//! What engines are known to do wrong (docs/design/failures.md), done to the real agent; and what it costs to look after tasks
//! to which nothing happens.

use std::time::Duration;

use ecs_operator::runtime::Error;
use ecs_operator::runtime::fake::{Call, Fault};
use ecs_operator::runtime::model::Program;
use ecs_operator::testing::api::Verb;
use jiff::SignedDuration;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::scene::{IMAGE, Scene};

fn refusal(message: &str) -> Fault {
    Fault::Refusal(Error::Refused {
        status: 500,
        message: message.to_owned(),
    })
}

#[tokio::test(start_paused = true)]
async fn containers_that_outlive_an_absence_of_their_engine_are_taken_up_again() {
    let scene = Scene::start().await;
    let _agent = scene.agent("agent-a");
    scene.run_task("one").await;
    scene.until("one", "RUNNING").await;
    let before = scene.status("one");
    scene.engine.set_reachable(false);
    sleep(Duration::from_mins(10)).await;
    assert_eq!(scene.status("one"), before, "nothing is known");
    scene.engine.set_reachable(true);
    sleep(Duration::from_mins(1)).await;
    assert_eq!((scene.starts(), scene.live()), (1, 1));
    scene.stop_task("one").await;
    scene.until("one", "STOPPED").await;
    assert_eq!(scene.live(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_end_of_which_no_event_tells_is_seen_in_the_next_list() {
    let scene = Scene::start().await;
    let _agent = scene.agent("agent-a");
    scene.run_task("one").await;
    scene.until("one", "RUNNING").await;
    scene.engine.set_deaf(true);
    scene.end_containers(3);
    let begun = Instant::now();
    scene.until("one", "STOPPED").await;
    assert!(begun.elapsed() <= Duration::from_secs(16));
    assert_eq!(scene.status("one")["containers"][0]["exitCode"], 3);
}

#[tokio::test(start_paused = true)]
async fn a_port_that_is_taken_ends_the_task_with_the_engines_words() {
    let scene = Scene::start().await;
    let _agent = scene.agent("agent-a");
    let taken = "driver failed programming external connectivity: Bind for 0.0.0.0:61000 failed: port is already allocated";
    scene.engine.order(Call::Start, refusal(taken));
    scene.run_task("one").await;
    scene.until("one", "STOPPED").await;
    let status = scene.status("one");
    assert_eq!(status["stopCode"], "TaskFailedToStart");
    let reason = status["containers"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("port is already allocated"), "{reason}");
    assert_eq!(scene.live(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_cannot_be_removed_is_removed_later_and_holds_up_nothing() {
    let scene = Scene::start().await;
    let _agent = scene.agent("agent-a");
    scene.run_task("one").await;
    scene.until("one", "RUNNING").await;
    for _ in 0..3 {
        let busy = "driver \"overlay2\" failed to remove root filesystem: device or resource busy";
        scene.engine.order(Call::Remove, refusal(busy));
    }
    scene.delete_task("one").await;
    scene.run_task("two").await;
    scene.until("two", "RUNNING").await;
    sleep(Duration::from_mins(2)).await;
    assert_eq!(
        scene.containers(),
        1,
        "only that of the second task is left"
    );
}

#[tokio::test(start_paused = true)]
async fn an_image_that_somebody_removed_after_its_pull_is_pulled_once_more() {
    let scene = Scene::start().await;
    let _agent = scene.agent("agent-a");
    let gone = Error::NotFound {
        message: "No such image: workload:dev".to_owned(),
    };
    scene.engine.order(Call::Create, Fault::Refusal(gone));
    scene.run_task("one").await;
    scene.until("one", "RUNNING").await;
    let pulls = scene.engine.calls();
    let pulls = pulls.iter().filter(|call| **call == Call::Pull).count();
    assert_eq!((pulls, scene.starts()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_hangs_holds_up_no_other_task() {
    let scene = Scene::start().await;
    let _agent = scene.agent("agent-a");
    scene.run_task("one").await;
    scene.until("one", "RUNNING").await;
    scene.engine.order(Call::Stop, Fault::Hang);
    scene.stop_task("one").await;
    sleep(Duration::from_secs(5)).await;
    let begun = Instant::now();
    scene.run_task("two").await;
    scene.until("two", "RUNNING").await;
    scene.stop_task("two").await;
    scene.until("two", "STOPPED").await;
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_ne!(scene.status("one")["lastStatus"], "STOPPED");
}

#[tokio::test(start_paused = true)]
async fn the_whole_life_of_a_task_costs_its_agent_at_most_four_writes() {
    let scene = Scene::start().await;
    let _agent = scene.agent("agent-a");
    sleep(Duration::from_mins(1)).await;
    scene.api.forget();
    scene.run_task("one").await;
    scene.until("one", "RUNNING").await;
    scene.stop_task("one").await;
    scene.until("one", "STOPPED").await;
    sleep(Duration::from_hours(1)).await;
    let writes = scene.api.writes();
    let of_agent = writes.iter().filter(|it| it.actor == "agent-a");
    let of_agent = of_agent.filter(|it| it.resource != "leases");
    let of_agent: Vec<_> = of_agent.collect();
    // The others of the eight are its creation and its stop, and what a controller adds.
    assert!(of_agent.len() <= 4, "{of_agent:#?}");
    assert!(of_agent.iter().all(|it| it.verb == Verb::Patch));
}

/// Calls to the engine in ten minutes in which nothing happens.
async fn calls_while_idle(scene: &Scene) -> usize {
    sleep(Duration::from_mins(2)).await;
    let before = scene.engine.calls().len();
    sleep(Duration::from_mins(10)).await;
    scene.engine.calls().len() - before
}

#[tokio::test(start_paused = true)]
async fn looking_after_thirty_idle_tasks_asks_the_engine_no_more_than_looking_after_one() {
    let scene = Scene::start().await;
    let _agent = scene.agent("agent-a");
    scene.run_task("first").await;
    scene.until("first", "RUNNING").await;
    let with_one = calls_while_idle(&scene).await;
    for number in 1..30 {
        scene.run_task(&format!("task-{number}")).await;
    }
    for number in 1..30 {
        scene.until(&format!("task-{number}"), "RUNNING").await;
    }
    assert_eq!(scene.live(), 30);
    let with_thirty = calls_while_idle(&scene).await;
    assert!(with_one > 0);
    assert!(
        with_thirty.abs_diff(with_one) <= 1,
        "{with_one} and {with_thirty}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_engine_gets_no_more_starts_at_once_than_twice_its_cores() {
    let scene = Scene::start().await;
    let _agent = scene.agent("agent-a");
    for number in 0..12 {
        scene.engine.order(Call::Start, Fault::Hang);
        scene.run_task(&format!("task-{number}")).await;
    }
    sleep(Duration::from_mins(1)).await;
    let calls = scene.engine.calls();
    let under_way = calls.iter().filter(|call| **call == Call::Start).count();
    assert_eq!(under_way, 4, "of an engine with two cores");
}

#[tokio::test(start_paused = true)]
async fn what_is_made_starts_while_others_are_still_being_made() {
    let scene = Scene::start().await;
    let policy = json!({"restartPolicy": {"enabled": true, "restartAttemptPeriod": 60}});
    scene.define_with(2, policy).await;
    let _agent = scene.agent("agent-a");
    scene.run_revision("one", 2).await;
    scene.until("one", "RUNNING").await;
    sleep(Duration::from_mins(2)).await;
    for number in 0..8 {
        scene.engine.order(Call::Create, Fault::Hang);
        scene.run_task(&format!("task-{number}")).await;
    }
    sleep(Duration::from_secs(2)).await;
    let creates = scene.engine.calls();
    let creates = creates.iter().filter(|call| **call == Call::Create).count();
    assert_eq!(creates, 1 + 2, "of an engine with two cores");
    scene.end_containers(1);
    sleep(Duration::from_secs(2)).await;
    assert_eq!((scene.starts(), scene.live()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_container_has_all_the_time_to_end_that_its_definition_gives_it() {
    let scene = Scene::start().await;
    let slow = Program {
        stops_in: Some(SignedDuration::from_hours(1)),
        ..Program::default()
    };
    scene
        .engine
        .with(|model, _| model.push("slow:1", "sha256:slow", slow));
    let patient = json!({"image": "slow:1", "stopTimeout": 7200});
    scene.define_with(2, patient).await;
    let _agent = scene.agent("agent-a");
    scene.run_revision("one", 2).await;
    scene.until("one", "RUNNING").await;
    scene.stop_task("one").await;
    sleep(Duration::from_mins(59)).await;
    assert_eq!(scene.live(), 1);
    scene.until("one", "STOPPED").await;
    assert_eq!(scene.status("one")["containers"][0]["exitCode"], 143);
}

#[tokio::test(start_paused = true)]
async fn no_task_has_a_network_that_could_stay_behind_and_an_endpoint_that_did_ends_one_task() {
    let scene = Scene::start().await;
    let _agent = scene.agent("agent-a");
    for (revision, mode) in (2..).zip(["bridge", "awsvpc", "none"]) {
        let app = json!({"name": "app", "image": IMAGE, "memory": 64});
        let definition = json!({"networkMode": mode, "containerDefinitions": [app]});
        scene.define_whole(revision, definition).await;
        scene.run_revision(mode, revision).await;
        scene.until(mode, "RUNNING").await;
        scene.delete_task(mode).await;
    }
    sleep(Duration::from_mins(1)).await;
    let networks = scene.engine.with(|model, _| model.networks().len());
    assert_eq!((scene.containers(), networks), (0, 0));
    let left = "endpoint with name ecs-web-1-app already exists in network bridge";
    scene.engine.order(Call::Start, refusal(left));
    scene.run_task("one").await;
    scene.until("one", "STOPPED").await;
    let reason = scene.status("one")["containers"][0]["reason"].clone();
    assert_eq!(reason, format!("CannotStartContainerError: {left}"));
    scene.run_task("two").await;
    scene.until("two", "RUNNING").await;
}

/// The helper that connects to the instance's own address, of another container.
const CALLER: &str = "ecs-operator-path-caller";

#[tokio::test(start_paused = true)]
async fn an_instance_says_whether_its_containers_get_through_to_its_ports() {
    let found = [
        (Some(0), "reachable"),
        (Some(3), "unreachable"),
        (None, "unreachable"),
    ];
    for (exit_code, word) in found {
        let scene = Scene::start().await;
        // Nobody's on this machine, as the node's is not in the agent's pod.
        let _agent = scene.agent_at("agent-a", "192.0.2.1");
        for _ in 0..60 {
            sleep(Duration::from_secs(1)).await;
            scene.engine.with(|model, now| {
                if let Some(code) = exit_code {
                    model.end(CALLER, code, now);
                }
            });
        }
        let attributes = scene.instance()["attributes"].clone();
        assert_eq!(attributes["ecs-operator.published-ports"], word);
        assert_eq!(scene.containers(), 0, "what found it out is gone");
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_whose_bridge_is_gone_says_so_until_it_is_back_and_its_tasks_were_refused() {
    let scene = Scene::start().await;
    let _agent = scene.agent("agent-a");
    let gone = "failed to create endpoint ecs-web-1-app on network bridge: could not find bridge docker0: route ip+net: no such network interface";
    scene.run_task("one").await;
    scene.until("one", "RUNNING").await;
    // The start of the task, and tries of the agent's own for a minute.
    for _ in 0..5 {
        scene.engine.order(Call::Start, refusal(gone));
    }
    scene.run_task("two").await;
    scene.until("two", "STOPPED").await;
    let status = scene.status("two");
    let reason = "Refused by the container instance: NETWORK:BRIDGE";
    assert_eq!(status["stoppedReason"], reason);
    assert_eq!(status["stopCode"], "TaskFailedToStart");
    sleep(Duration::from_secs(30)).await;
    let engine = scene.instance()["engine"].clone();
    assert_eq!(
        (&engine["ready"], &engine["reason"]),
        (&json!(false), &json!("NoBridge"))
    );
    assert_eq!(scene.status("one")["lastStatus"], "RUNNING");
    sleep(Duration::from_mins(1)).await;
    assert_eq!(scene.instance()["engine"]["ready"], true);
    assert_eq!((scene.live(), scene.containers()), (1, 1), "of tasks only");
    scene.run_task("three").await;
    scene.until("three", "RUNNING").await;
}

// A loop that waits for what cannot come yet by asking again at once would let no time pass here, and this would never end.
#[tokio::test(start_paused = true)]
async fn an_agent_that_waits_for_the_api_server_waits_idly() {
    let scene = Scene::start().await;
    scene.api.isolate("agent-a");
    let _agent = scene.agent("agent-a");
    for number in 0..12 {
        scene.run_task(&format!("task-{number}")).await;
    }
    sleep(Duration::from_mins(1)).await;
    scene.api.heal("agent-a");
    scene.until("task-11", "RUNNING").await;
    assert_eq!(scene.starts(), 12);

    // More statuses are to be written than are written at once, and none of them is answered.
    scene.end_containers(3);
    scene.api.isolate("agent-a");
    sleep(Duration::from_mins(1)).await;
    scene.delete_task("task-0").await;
    sleep(Duration::from_mins(1)).await;
    scene.api.heal("agent-a");
    for number in 1..12 {
        scene.until(&format!("task-{number}"), "STOPPED").await;
    }
}
