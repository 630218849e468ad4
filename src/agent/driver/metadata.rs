//! The driver's part with what tasks ask: finds who asks, and answers from what it knows.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::sync::oneshot;

use super::Driver;
use super::entry::Entry;
use crate::agent::metadata::ADDRESS;
use crate::agent::metadata::document::{self, Subject};
use crate::agent::metadata::route::{ContainerKey, Question};
use crate::agent::metadata::server::{Answer, Ask, Change, Reply};
use crate::agent::task::Task;
use crate::domain::definition::NetworkMode;
use crate::domain::task::{PROTECTION_DEFAULT, PROTECTION_MINUTES, TaskState};

/// Somebody who waits until a protection stands in the API.
#[derive(Debug)]
pub(super) struct Protecting {
    until: Option<Timestamp>,
    reply: oneshot::Sender<Answer>,
}

impl Driver {
    /// Answers what a container asks.
    pub(super) fn asked(&mut self, ask: Ask) {
        let Ask {
            origin,
            route,
            change,
            reply,
        } = ask;
        let now = self.clock.now();
        let found = self.book.iter_mut().find_map(|(uid, entry)| {
            let container = caller(entry, &route.container, origin.0)?;
            Some((uid.clone(), container, entry))
        });
        let Some((uid, container, entry)) = found else {
            return answer(reply, Reply::unknown());
        };
        let (Some(task), Some(object)) = (&mut entry.task, &entry.object) else {
            return answer(reply, Reply::unknown());
        };
        let subject = Subject { task, object };
        let said = match route.question {
            Question::Container(version) => document::container(subject, &container, version),
            Question::Task(version) => Some(document::task(subject, version)),
            Question::TaskWithTags(version) => Some(document::task_with_tags(subject, version)),
            Question::Statistics => {
                let name = running(task, &container);
                let unknown = || Reply::unknown().into();
                return answer(reply, name.map_or_else(unknown, Answer::Figures));
            }
            Question::TaskStatistics => {
                let own = task.wanted().definition.own_containers();
                let figures = own.filter_map(|it| {
                    let view = task.known(&it.name)?.view()?;
                    Some((view.id.clone(), running(task, &it.name)))
                });
                return answer(reply, Answer::AllFigures(figures.collect()));
            }
            Question::Credentials => {
                let files = self.settings.files.as_ref();
                let token = files.and_then(|files| files.token(&uid));
                token.and_then(|token| document::credentials(task, &token))
            }
            Question::Protection => {
                let until = object.protected_until().filter(|until| *until > now);
                Some(document::protection(task, until))
            }
            Question::Protect => {
                let until = match protection(task, object.service().is_some(), change, now) {
                    Ok(until) => until,
                    Err(refused) => return answer(reply, refused),
                };
                task.protect(until);
                entry.protecting.push(Protecting { until, reply });
                self.dirty.insert(uid);
                return;
            }
        };
        answer(reply, said.map_or_else(Reply::unknown, Reply::found));
    }
}

impl Entry {
    /// A status was written: those whose protection stands in it are told.
    pub(super) fn protection_written(&mut self, until: Option<Timestamp>) {
        let Some(task) = &self.task else {
            return;
        };
        let waiting = std::mem::take(&mut self.protecting);
        for waits in waiting {
            if waits.until == until {
                answer(waits.reply, Reply::found(document::protection(task, until)));
            } else if !waits.reply.is_closed() {
                self.protecting.push(waits);
            }
        }
    }
}

/// The name in the engine of a container, while it runs.
fn running(task: &Task, container: &str) -> Option<String> {
    let view = task.known(container)?.view()?;
    view.state.is_live().then(|| view.name.clone())
}

/// Until when a task is to be protected by `change`.
fn protection(
    task: &Task,
    is_of_service: bool,
    change: Option<Change>,
    now: Timestamp,
) -> Result<Option<Timestamp>, Reply> {
    let refused = |code: &str, message: &str| Reply {
        status: http::StatusCode::BAD_REQUEST,
        body: document::protection_error(task, code, message),
    };
    let state = task.report().state;
    if !is_of_service || state >= TaskState::Deactivating || task.report().stop.is_some() {
        let why = if is_of_service {
            "the task is ending"
        } else {
            "the task belongs to no service"
        };
        let arn = task.wanted().arn();
        let failure = json!({"Arn": arn, "Reason": "TASK_NOT_VALID", "Detail": why});
        return Err(Reply::found(json!({"failure": failure})));
    }
    match change {
        None => Err(refused("InvalidParameterException", "there is no body")),
        Some(Change {
            protection_enabled: false,
            ..
        }) => Ok(None),
        Some(Change {
            expires_in_minutes, ..
        }) => {
            let minutes = expires_in_minutes.unwrap_or(PROTECTION_DEFAULT);
            if !PROTECTION_MINUTES.contains(&minutes) {
                let message = "ExpiresInMinutes must be between 1 and 2880";
                return Err(refused("InvalidParameterException", message));
            }
            let until = now.checked_add(SignedDuration::from_mins(minutes));
            // Whole seconds, as the API keeps them: what is written is what is read back.
            let until = until.and_then(|until| until.round(jiff::Unit::Second));
            until
                .map(Some)
                .map_err(|error| refused("InvalidParameterException", &error.to_string()))
        }
    }
}

/// The container of this task that the key means, if it is one of this task's and the connection came from its network.
fn caller(entry: &Entry, key: &ContainerKey, origin: IpAddr) -> Option<String> {
    let task = entry.task.as_ref()?;
    let origin = origin.to_string();
    let is_own_address = task
        .views()
        .any(|(_, view)| view.address.as_ref() == Some(&origin));
    let on_the_instance = task.wanted().definition.network_mode == NetworkMode::Host;
    let mut views = task.views();
    let (name, _) = match key {
        // On the instance's own network the connection has the very address that it goes to.
        ContainerKey::Id(_) if on_the_instance && origin != ADDRESS => None,
        ContainerKey::Id(_) if !on_the_instance && !is_own_address => None,
        ContainerKey::Id(id) => views.find(|(_, view)| view.metadata_id.as_ref() == Some(id)),
        ContainerKey::RuntimeId(_) | ContainerKey::Caller if !is_own_address => None,
        ContainerKey::RuntimeId(id) => views.find(|(_, view)| view.id.starts_with(id.as_str())),
        ContainerKey::Caller => views.find(|(_, view)| view.address.as_ref() == Some(&origin)),
    }?;
    Some(name.to_owned())
}

/// Whoever asked may have gone away.
fn answer(to: oneshot::Sender<Answer>, said: impl Into<Answer>) {
    if to.send(said.into()).is_err() {
        tracing::debug!("nobody waits for the answer any more");
    }
}
