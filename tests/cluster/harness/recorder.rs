//! The physical truth: follows every engine's events, lists its containers, and writes down each container's life.
//!
//! It shares no code with the product and outlives engines, nodes and the API server. Events can be lost with an engine and
//! lists lag behind, so each of the two fills what the other misses, and both only add to what is known.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::engine::{CONTAINER, Engine, Inspected, RESTARTS, SERVICE, TASK_UID};
use super::http::{self, encode};
use super::lives::{Book, Life};
use super::now;
use super::turns::Company;

/// Between two lists of an engine.
const LOOK: Duration = Duration::from_millis(300);
/// The same where several recorders look at once: lists only fill what events have missed.
const LOOK_BESIDE_OTHERS: Duration = Duration::from_secs(1);

/// Follows all engines from its start to its end.
pub(crate) struct Recorder {
    book: Arc<Mutex<Book>>,
    /// Ends with the recorder.
    _followers: JoinSet<()>,
}

impl Recorder {
    /// Begins to write.
    pub(crate) fn start(engines: &[Engine], company: Company) -> Self {
        let pause = match company {
            Company::Alone => LOOK,
            Company::Others => LOOK_BESIDE_OTHERS,
        };
        let book = Arc::new(Mutex::new(Book::default()));
        let mut followers = JoinSet::new();
        for engine in engines {
            followers.spawn(follow_events(engine.clone(), Arc::clone(&book), now()));
            followers.spawn(follow_lists(engine.clone(), Arc::clone(&book), pause));
        }
        Self {
            book,
            _followers: followers,
        }
    }

    /// From now on a service, `namespace/name`, may have this many tasks at once.
    pub(crate) fn bound(&self, service: &str, tasks: usize) {
        let bound = (now(), service.to_owned(), tasks);
        self.book.lock().unwrap().bounds.push(bound);
    }

    /// From now on the node's containers count no longer: nobody can stop them.
    pub(crate) fn out_of_reach(&self, node: &str) {
        let mut book = self.book.lock().unwrap();
        for ((engine, _), life) in &mut book.lives {
            if engine == node && life.ended().is_none() {
                life.out_of_reach.get_or_insert_with(now);
            }
        }
    }

    /// The same for one container, which a test is about to hide from the controller.
    pub(crate) fn hidden(&self, id: &str) {
        let mut book = self.book.lock().unwrap();
        for ((_, container), life) in &mut book.lives {
            if container == id {
                life.out_of_reach.get_or_insert_with(now);
            }
        }
    }

    /// Containers of a service, `namespace/name`, that were ever created.
    pub(crate) fn ever(&self, service: &str) -> usize {
        let book = self.book.lock().unwrap();
        let lives = book.lives.values();
        lives.filter(|life| life.service == service).count()
    }

    /// Lives of a service's containers, the oldest first.
    pub(crate) fn lives(&self, service: &str) -> Vec<Life> {
        let book = self.book.lock().unwrap();
        let lives = book.lives.values().filter(|life| life.service == service);
        let mut lives: Vec<Life> = lives.cloned().collect();
        lives.sort_by_key(|life| life.created);
        lives
    }

    /// Rules that the history breaks.
    pub(crate) fn violations(&self) -> Vec<String> {
        self.book.lock().unwrap().violations()
    }

    /// The whole history, a line a container.
    pub(crate) fn history(&self) -> String {
        self.book.lock().unwrap().to_string()
    }
}

async fn follow_events(engine: Engine, book: Arc<Mutex<Book>>, mut since: Timestamp) {
    let filters = encode(&json!({"type": ["container"], "label": [TASK_UID]}).to_string());
    loop {
        let from = format!("{}.{:09}", since.as_second(), since.subsec_nanosecond());
        let target = format!("/events?since={from}&filters={filters}");
        if let Ok(stream) = http::stream(engine.socket(), &target).await {
            let mut lines = BufReader::new(stream).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let Ok(event) = serde_json::from_str::<Value>(&line) else {
                    continue; // a line of the head
                };
                if let Some(time) = moment(&event["timeNano"]) {
                    since = since.max(time);
                    write_event(&mut book.lock().unwrap(), &engine, &event, time);
                }
            }
        }
        sleep(LOOK).await;
    }
}

fn moment(nanoseconds: &Value) -> Option<Timestamp> {
    Timestamp::from_nanosecond(nanoseconds.as_i64()?.into()).ok()
}

fn write_event(book: &mut Book, engine: &Engine, event: &Value, time: Timestamp) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let attributes = &event["Actor"]["Attributes"];
    let key = (engine.node.clone(), text(&event["Actor"]["ID"]));
    let action = event["Action"].as_str().unwrap_or_default();
    if action == "create" {
        let name = text(&attributes["name"]);
        let life = born(engine, &name, |label| text(&attributes[label]), time);
        book.lives.entry(key).or_insert(life);
        return;
    }
    let Some(life) = book.lives.get_mut(&key) else {
        return; // the next list finds it
    };
    match action {
        "start" if !life.starts.contains(&time) => life.starts.push(time),
        "die" => life.died = Some(life.died.map_or(time, |died| died.min(time))),
        "destroy" => life.removed = Some(time),
        _ => {}
    }
}

fn born(engine: &Engine, name: &str, label: impl Fn(&str) -> String, created: Timestamp) -> Life {
    Life {
        node: engine.node.clone(),
        name: name.to_owned(),
        task: label(TASK_UID),
        container: label(CONTAINER),
        service: label(SERVICE),
        may_restart: label(RESTARTS) == "true",
        created,
        starts: Vec::new(),
        started: None,
        died: None,
        removed: None,
        out_of_reach: None,
        started_again: false,
    }
}

async fn follow_lists(engine: Engine, book: Arc<Mutex<Book>>, pause: Duration) {
    loop {
        let asked = now();
        if let Ok(listed) = engine.list(TASK_UID).await {
            for container in &listed {
                let key = (engine.node.clone(), container.id.clone());
                if is_news(&book.lock().unwrap(), &key, &container.state)
                    && let Ok(Some(found)) = engine.inspect(&container.id).await
                {
                    write_inspection(&mut book.lock().unwrap(), &engine, key, &found);
                }
            }
            for ((node, id), life) in &mut book.lock().unwrap().lives {
                let absent = || listed.iter().all(|container| container.id != *id);
                if *node == engine.node
                    && life.created < asked
                    && life.removed.is_none()
                    && absent()
                {
                    life.removed = Some(asked);
                }
            }
        }
        sleep(pause).await;
    }
}

/// Whether a list says something that the book does not.
fn is_news(book: &Book, key: &(String, String), state: &str) -> bool {
    let Some(life) = book.lives.get(key) else {
        return true;
    };
    match state {
        "running" => life.started.is_none() || life.died.is_some(),
        "exited" | "dead" => life.died.is_none(),
        _ => false,
    }
}

fn write_inspection(book: &mut Book, engine: &Engine, key: (String, String), found: &Inspected) {
    let label = |name: &str| found.labels.get(name).cloned().unwrap_or_default();
    let life = book
        .lives
        .entry(key)
        .or_insert_with(|| born(engine, &found.name, label, found.created));
    if let (Some(before), Some(after)) = (life.started, found.started)
        && before != after
    {
        life.started_again = true;
    }
    life.started = found.started.or(life.started);
    if !found.running && life.started.is_some() && life.died.is_none() {
        life.died = found.finished.or_else(|| Some(now()));
    }
}
