//! People reach into tasks through the API server, with nothing but a client certificate, as far as Kubernetes' roles let them.

use std::io::Write;

use serde_json::{Value, json};

use crate::harness::{Person, SOON, Scene, beside_others, http, service};

const LOG: (&str, &str) = ("tasks.ecs-operator.io", "ecstasks/log");
const EXEC: (&str, &str) = ("tasks.ecs-operator.io", "ecstasks/exec");
const FORWARD: (&str, &str) = ("tasks.ecs-operator.io", "ecstasks/portforward");
const STATS: (&str, &str) = ("tasks.ecs-operator.io", "ecstasks/stats");
const TASKS: (&str, &str) = ("ecs-operator.io", "ecstasks");
const DEFINITIONS: (&str, &str) = ("ecs-operator.io", "taskdefinitions");
const WORKLOAD: &str = "/ecs-operator-workload";

fn forbidden(said: &str, what: &str) {
    let wanted = format!("cannot {what}");
    assert!(
        said.contains("forbidden") && said.contains(&wanted),
        "{said}"
    );
}

/// Waits until a right has come to count.
async fn works(scene: &Scene, person: &Person, arguments: &[&str]) -> String {
    scene
        .eventually(&arguments.join(" "), SOON, async || {
            let said = person.ecs(arguments).await;
            said.success.then_some(said.text.clone()).ok_or(said.text)
        })
        .await
}

#[tokio::test]
async fn people_reach_into_tasks_as_far_as_their_roles_let_them() {
    beside_others("gateway", async |scene| {
        let web = service("web").desired(1);
        let web = web.asking("enableExecuteCommand", json!(true));
        scene.apply(&web).await;
        let running = scene.settled("web", 1).await;
        let task = running[0].task.as_str();
        let person = Person::new(scene, "reader").await;
        let check = ["exec", task, "--", WORKLOAD, "health"];

        let refused = person.ecs(&["logs", task]).await.expect_failure();
        forbidden(&refused, "get resource \"ecstasks/log\"");
        let refused = person.ecs(&check).await.expect_failure();
        forbidden(&refused, "get resource \"ecstasks/exec\"");

        person.may(scene, &["get"], LOG).await;
        let log = works(scene, &person, &["logs", task]).await;
        assert!(log.contains("listening"), "{log}");

        // A WebSocket begins as a read, and reading is no right to run commands.
        person.may(scene, &["get"], EXEC).await;
        scene
            .eventually("the gateway's own refusal", SOON, async || {
                let said = person.ecs(&check).await.expect_failure();
                let create = said.contains("cannot create resource \"ecstasks/exec\"");
                create.then_some(()).ok_or(said)
            })
            .await;
        let other = Person::new(scene, "operator").await;
        other.may(scene, &["get", "create", "update"], EXEC).await;
        works(scene, &other, &check).await;
        commands_have_a_terminal(scene, &other, task).await;
        files_go_in_and_come_out(&other, task).await;

        other.may(scene, &["get", "create"], FORWARD).await;
        a_port_is_forwarded(scene, &other, task).await;

        other.may(scene, &["get"], STATS).await;
        let path = format!(
            "/apis/tasks.ecs-operator.io/v1alpha1/namespaces/{}/ecstasks/{task}/stats",
            scene.namespace
        );
        let stats = scene
            .eventually("figures", SOON, async || {
                let said = other.raw(&path).await;
                said.success.then_some(said.text.clone()).ok_or(said.text)
            })
            .await;
        let stats: Value = serde_json::from_str(stats.split_once('\n').unwrap().1).unwrap();
        let memory = stats["app"]["memory_stats"]["usage"].as_u64();
        assert!(memory > Some(0), "{stats}");
        let received = &stats["app"]["network_rate_stats"]["rx_bytes_per_sec"];
        assert!(received.is_number(), "{stats}");
    })
    .await;
}

async fn commands_have_a_terminal(scene: &Scene, person: &Person, task: &str) {
    let line = ["exec", "-it", task, "--", WORKLOAD, "echo", "7"];
    let terminal = person.at_a_terminal(&line);
    for (columns, lines) in [(100, 30), (132, 43)] {
        terminal.has_size(columns, lines);
        let size = format!("{columns}x{lines}");
        scene
            .eventually(&size, SOON, async || {
                terminal.types("size\r");
                let text = terminal.text();
                text.contains(&size).then_some(()).ok_or(text)
            })
            .await;
    }
    // The end of the input, as a terminal says it.
    terminal.types("\x04");
    let (code, text) = terminal.ends().await;
    assert_eq!(code, Some(7), "{text}");
}

async fn files_go_in_and_come_out(person: &Person, task: &str) {
    let at = |name: &str| person.folder().join(name).to_string_lossy().into_owned();
    let program = format!("{task}:{WORKLOAD}");
    person.ecs(&["cp", &program, &at("program")]).await.expect();
    let program = std::fs::read(at("program")).unwrap();
    assert!(program.starts_with(b"\x7fELF"));

    // More than anything on the way holds.
    std::fs::create_dir(at("folder")).unwrap();
    let mut large = std::fs::File::create(at("folder/large")).unwrap();
    for number in 0..1_000_000_u32 {
        large.write_all(&number.to_le_bytes()).unwrap();
    }
    let remote = format!("{task}:/copied");
    person.ecs(&["cp", &at("folder"), &remote]).await.expect();
    let back = format!("{remote}/large");
    person.ecs(&["cp", &back, &at("back")]).await.expect();
    let (sent, came) = (std::fs::read(at("folder/large")), std::fs::read(at("back")));
    assert!(sent.unwrap() == came.unwrap());
    let nowhere = format!("{task}:/nowhere/file");
    let refused = person.ecs(&["cp", &at("back"), &nowhere]).await;
    let refused = refused.expect_failure();
    assert!(refused.contains("nowhere"), "{refused}");
}

async fn a_port_is_forwarded(scene: &Scene, person: &Person, task: &str) {
    let forward = person.starts(&["port-forward", task, "0:8080"]);
    let address = scene
        .eventually("a local port", SOON, async || {
            let text = forward.text();
            let rest = text.strip_prefix("Forwarding from ");
            let address = rest.and_then(|rest| Some(rest.split_once(" -> 8080")?.0.to_owned()));
            address.ok_or(text)
        })
        .await;
    scene
        .eventually("an answer", SOON, async || {
            let answer = http::get(&address, "/").await?.success()?;
            let version = answer.json()["version"].clone();
            (version == "dev")
                .then_some(())
                .ok_or_else(|| version.to_string())
        })
        .await;
}

#[tokio::test]
async fn a_task_is_run_watched_and_stopped_by_who_may_and_its_log_outlives_it() {
    beside_others("run", async |scene| {
        let definition = service("web").definition_object(&scene.namespace);
        scene.put(&definition).await;
        let person = Person::new(scene, "developer").await;
        person
            .may(scene, &["get", "list", "create", "patch"], TASKS)
            .await;
        person.may(scene, &["get"], DEFINITIONS).await;
        person.may(scene, &["get"], LOG).await;
        works(scene, &person, &["tasks"]).await;

        // A task that finds no place stops, also where agents are about to come: one that runs shows that they are there.
        scene.apply(&service("first").desired(1)).await;
        scene.settled("first", 1).await;
        let line = ["run", "web", "--", "echo", "3"];
        let (code, said) = person.starts(&line).ends().await;
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains("ready\n"), "{said}");
        assert!(
            said.contains("stopped: Essential container in task exited"),
            "{said}"
        );

        let run = ["run", "web", "--detach", "--env", "VERSION=other"];
        let task = person.ecs(&run).await.expect();
        let task = task.lines().last().unwrap();
        works(scene, &person, &["logs", task]).await;
        let follow = person.starts(&["logs", "-f", task]);
        scene
            .eventually("its first line", SOON, async || {
                let text = follow.text();
                text.contains("listening").then_some(()).ok_or(text)
            })
            .await;
        let listed = person.ecs(&["tasks"]).await.expect();
        assert!(
            listed.contains(task) && listed.contains("RUNNING"),
            "{listed}"
        );
        // It was not run with enableExecuteCommand.
        person.may(scene, &["get", "create"], EXEC).await;
        let exec = ["exec", task, "--", WORKLOAD, "health"];
        scene
            .eventually("ECS's own words", SOON, async || {
                let said = person.ecs(&exec).await.expect_failure();
                let enabled = said.contains("execute command was not enabled");
                enabled.then_some(()).ok_or(said)
            })
            .await;

        let stop = ["stop", task, "--reason", "seen enough"];
        person.ecs(&stop).await.expect();
        let (code, followed) = follow.ends().await;
        assert_eq!(code, Some(0), "{followed}");
        assert!(followed.contains("stopped"), "{followed}");
        let stopped = scene
            .eventually("its end", SOON, async || {
                let listed = person.ecs(&["tasks", "--stopped"]).await.expect();
                let line = listed.lines().find(|line| line.starts_with(task));
                let ended = line.filter(|line| line.contains("STOPPED"));
                ended.map(str::to_owned).ok_or(listed)
            })
            .await;
        assert!(stopped.contains("seen enough"), "{stopped}");
        let past = person.ecs(&["logs", task]).await.expect();
        assert!(
            past.contains("listening") && past.contains("stopped"),
            "{past}"
        );
    })
    .await;
}
