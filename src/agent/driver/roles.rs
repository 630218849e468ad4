//! Tokens of task roles: another one before the old one ends, for as long as the task runs.
//!
//! The broker gives the first with the rest of what a container needs. When it is not there to give the next, the old one
//! stays, and is asked for again and again: the task runs on.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tracing::{info, warn};

use super::{Done, Driver};
use crate::agent::broker;
use crate::agent::task::Task;
use crate::api::supply::RoleTokenRequest;
use crate::domain::secret::Secret;
use crate::domain::supply::role::Validity;

const FIRST_RETRY: Duration = Duration::from_secs(5);
const LONGEST_RETRY: Duration = Duration::from_mins(2);

/// When which task's token is to be renewed, by the task's UID.
#[derive(Debug, Default)]
pub(super) struct Roles(BTreeMap<String, Renewal>);

#[derive(Debug, Clone, Copy)]
struct Renewal {
    at: Duration,
    asking: bool,
    /// Requests in a row that brought nothing.
    fails: u32,
}

impl Roles {
    /// When the next token is due.
    pub(super) fn wake(&self) -> Option<Duration> {
        let idle = self.0.values().filter(|renewal| !renewal.asking);
        idle.map(|renewal| renewal.at).min()
    }
}

/// Whether a task is to have a token that is good.
fn needs_token(task: &Task) -> bool {
    task.wanted().definition.task_role.is_some()
        && task.report().stop.is_none()
        && task.views().next().is_some()
}

impl Driver {
    /// Asks for the tokens that are due.
    pub(super) fn renew_tokens(&mut self) {
        let Some(files) = self.settings.files.clone() else {
            return;
        };
        let (now, clock) = (self.clock.now(), self.clock.monotonic());
        let needing = self.book.iter().filter_map(|(uid, entry)| {
            let object = entry.object.as_ref()?;
            let task = entry.task.as_ref().filter(|task| needs_token(task))?;
            Some((uid, object, task))
        });
        let mut renewals = BTreeMap::new();
        for (uid, object, task) in needing {
            let first = || Renewal {
                at: clock + wait(files.token(uid).as_ref(), now),
                asking: false,
                fails: 0,
            };
            let mut renewal = self.roles.0.get(uid).copied().unwrap_or_else(first);
            if !renewal.asking && renewal.at <= clock {
                renewal.asking = true;
                let request = RoleTokenRequest {
                    namespace: task.wanted().namespace.clone(),
                    task: object.metadata.name.clone().unwrap_or_default(),
                    uid: uid.clone(),
                };
                let (lanes, uid) = (self.lanes.clone(), uid.clone());
                self.jobs.spawn(async move {
                    let renewed = lanes.renew_token(&request).await;
                    Done::Renewed { uid, renewed }
                });
            }
            renewals.insert(uid.clone(), renewal);
        }
        self.roles.0 = renewals;
    }

    /// A token was written, or there is none.
    pub(super) fn renewed(&mut self, uid: &str, renewed: Result<Secret<String>, broker::Error>) {
        let (now, clock) = (self.clock.now(), self.clock.monotonic());
        let Some(renewal) = self.roles.0.get_mut(uid) else {
            return;
        };
        renewal.asking = false;
        match renewed {
            Ok(token) => {
                info!(uid, "the token of the task's role was renewed");
                renewal.fails = 0;
                // A token that is born old is no reason to ask all the time.
                renewal.at = clock + wait(Some(&token), now).max(FIRST_RETRY);
            }
            Err(error) => {
                if renewal.fails == 0 {
                    warn!(uid, %error, "the token of the task's role cannot be renewed");
                }
                let pause = FIRST_RETRY.saturating_mul(1 << renewal.fails.min(6));
                renewal.at = clock + pause.min(LONGEST_RETRY);
                renewal.fails += 1;
            }
        }
    }
}

/// How long until a token is renewed; no time where there is none that is good.
fn wait(token: Option<&Secret<String>>, now: Timestamp) -> Duration {
    let validity = token.and_then(Validity::of);
    let left = validity.map(|validity| validity.renewal().duration_since(now));
    left.and_then(|left| Duration::try_from(left).ok())
        .unwrap_or_default()
}
