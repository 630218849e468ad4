//! What the recorder wrote down, and the rules that every history must obey.
//!
//! Lives are compared by Docker's own times: all engines are on one machine and have one clock.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;

/// One container's life.
#[derive(Debug, Clone)]
pub(crate) struct Life {
    pub(crate) node: String,
    pub(crate) name: String,
    pub(crate) task: String,
    pub(crate) container: String,
    pub(crate) service: String,
    /// It has a restart policy.
    pub(crate) may_restart: bool,
    pub(crate) created: Timestamp,
    /// Every start that was seen; without a restart policy a second one breaks a rule.
    pub(crate) starts: Vec<Timestamp>,
    /// As the last inspection gave it.
    pub(crate) started: Option<Timestamp>,
    pub(crate) died: Option<Timestamp>,
    pub(crate) removed: Option<Timestamp>,
    /// Since when it is beyond the controller's reach, and does not count towards its service's bound.
    pub(crate) out_of_reach: Option<Timestamp>,
    pub(crate) started_again: bool,
}

impl Life {
    pub(crate) fn ended(&self) -> Option<Timestamp> {
        self.died.into_iter().chain(self.removed).min()
    }

    fn is_live_at(&self, time: Timestamp) -> bool {
        self.created <= time && self.ended().is_none_or(|ended| ended > time)
    }

    fn counts_at(&self, time: Timestamp) -> bool {
        self.is_live_at(time) && self.out_of_reach.is_none_or(|since| since > time)
    }
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |time: Option<Timestamp>| {
            time.map_or_else(
                || "-".to_owned(),
                |time| time.strftime("%T%.3f").to_string(),
            )
        };
        write!(
            f,
            "{} {:<48} {:<24} task {} created {} started {} died {} removed {}",
            self.node,
            self.name,
            self.service,
            self.task.get(..8).unwrap_or_default(),
            time(Some(self.created)),
            time(self.started.or_else(|| self.starts.first().copied())),
            time(self.died),
            time(self.removed),
        )
    }
}

/// Everything that was written down.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// By node and Docker's id.
    pub(crate) lives: BTreeMap<(String, String), Life>,
    /// From when on a service may have how many tasks.
    pub(crate) bounds: Vec<(Timestamp, String, usize)>,
}

impl Book {
    /// Every way in which the history breaks a rule; empty when it obeys them all.
    pub(crate) fn violations(&self) -> Vec<String> {
        let mut found = Vec::new();
        for life in self.lives.values() {
            if !life.may_restart && (life.starts.len() > 1 || life.started_again) {
                found.push(format!("a container that ran was started again: {life}"));
            }
            let twins = self.lives.values().filter(|other| {
                (&other.task, &other.container) == (&life.task, &life.container)
                    && other.is_live_at(life.created)
            });
            if twins.count() > 1 {
                found.push(format!("a second live container of one task: {life}"));
            }
            let live = self.live_tasks(&life.service, life.created);
            match self.bound(&life.service, life.created) {
                Some(bound) if live > bound => found.push(format!(
                    "{live} tasks of {} were live, {bound} is the bound, when this was created: {life}",
                    life.service
                )),
                Some(_) | None => {}
            }
        }
        found
    }

    fn live_tasks(&self, service: &str, time: Timestamp) -> usize {
        let mut tasks: Vec<&String> = self
            .lives
            .values()
            .filter(|life| life.service == service && life.counts_at(time))
            .map(|life| &life.task)
            .collect();
        tasks.sort();
        tasks.dedup();
        tasks.len()
    }

    fn bound(&self, service: &str, time: Timestamp) -> Option<usize> {
        let given = self.bounds.iter().rev();
        given
            .filter(|(since, name, _)| name == service && *since <= time)
            .map(|(_, _, bound)| *bound)
            .next()
    }
}

impl fmt::Display for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lives: Vec<&Life> = self.lives.values().collect();
        lives.sort_by_key(|life| life.created);
        lives.iter().try_for_each(|life| writeln!(f, "{life}"))
    }
}
