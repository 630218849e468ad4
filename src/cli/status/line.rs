//! What a service shows of itself, in one line, and the sum of many.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::bail;
use kube::ResourceExt;

use super::Which;
use crate::api::conditions::{self, READY, STALLED};
use crate::api::service::{EcsService, Follow};
use crate::api::task_definition::TaskDefinition;
use crate::controllers::cache::{Key, key_of};
use crate::domain::ids::RevisionReference;

/// How far a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// All that is asked for runs.
    Steady,
    /// It goes on.
    InProgress,
    /// It does not heal by itself.
    Failed,
    /// It is being deleted.
    Draining,
    /// There is none of that name.
    Missing,
}

impl State {
    const ALL: [Self; 5] = [
        Self::Steady,
        Self::InProgress,
        Self::Failed,
        Self::Draining,
        Self::Missing,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::InProgress => "in progress",
            Self::Failed => "failed",
            Self::Draining => "draining",
            Self::Missing => "missing",
        }
    }
}

/// One service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Namespace and name.
    pub service: Key,
    /// Tasks wanted, RUNNING and starting.
    pub counts: [i32; 3],
    /// How far it is.
    pub state: State,
    /// What it waits for, or why it failed.
    pub says: String,
}

/// Many services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollUp {
    /// In order of namespace and name, or as they were named.
    pub lines: Vec<Line>,
}

/// The services that were asked for. A service that follows a family is not steady before it has taken up what the family's
/// TaskDefinition says now.
pub fn roll_up(which: &Which, services: &[EcsService], definitions: &[TaskDefinition]) -> RollUp {
    let services: BTreeMap<Key, &EcsService> = services
        .iter()
        .map(|service| (key_of(service), service))
        .collect();
    let definitions: BTreeMap<Key, &TaskDefinition> = definitions
        .iter()
        .map(|definition| (key_of(definition), definition))
        .collect();
    let keys: Vec<Key> = match which {
        Which::Named(keys) => keys.clone(),
        Which::Of(_) | Which::Everywhere => services.keys().cloned().collect(),
    };
    let lines = keys.into_iter().map(|key| match services.get(&key) {
        Some(service) => line(service, &definitions),
        None => Line {
            says: "there is no such EcsService: apply it, or correct the name".to_owned(),
            service: key,
            counts: [0; 3],
            state: State::Missing,
        },
    });
    RollUp {
        lines: lines.collect(),
    }
}

fn line(service: &EcsService, definitions: &BTreeMap<Key, &TaskDefinition>) -> Line {
    let status = service.status.clone().unwrap_or_default();
    let condition = |kind| conditions::get(&status.conditions, kind);
    let holds = |kind| conditions::holds(&status.conditions, kind);
    let ready = condition(READY).map(|ready| (ready.reason.clone(), ready.message.clone()));
    let says = ready.map_or_else(
        || "nobody has looked at it yet: does the controller run?".to_owned(),
        |(reason, message)| format!("{reason}: {message}"),
    );
    let behind = behind(service, definitions);
    let looked_at = Some(status.observed_generation) == service.metadata.generation;
    let (state, says) = if service.metadata.deletion_timestamp.is_some() {
        (State::Draining, says)
    } else if !looked_at {
        let waits = "its newest change has not been looked at yet";
        (State::InProgress, waits.to_owned())
    } else if let Some(behind) = behind {
        behind
    } else if holds(STALLED) {
        (State::Failed, says)
    } else if holds(READY) {
        (State::Steady, says)
    } else {
        (State::InProgress, says)
    };
    Line {
        service: key_of(service),
        counts: [
            status.desired_count,
            status.running_count,
            status.pending_count,
        ],
        state,
        says,
    }
}

/// Why a service that follows a family does not run what the family's TaskDefinition says now.
fn behind(
    service: &EcsService,
    definitions: &BTreeMap<Key, &TaskDefinition>,
) -> Option<(State, String)> {
    let reference = RevisionReference::parse(service.task_definition_text()).ok()?;
    let extensions = service.spec.extensions.as_ref();
    let follows = extensions.and_then(|extensions| extensions.follow) != Some(Follow::OnChange);
    if reference.revision.is_some() || !follows {
        return None;
    }
    let key = (service.namespace().unwrap_or_default(), reference.family);
    let definition = definitions.get(&key)?;
    let status = definition.status.as_ref();
    let family = definition.name_any();
    if status.map(|status| status.observed_generation) != definition.metadata.generation {
        let waits = format!("TaskDefinition {family} is not registered yet");
        return Some((State::InProgress, waits));
    }
    let status = status?;
    if conditions::holds(&status.conditions, STALLED) {
        let ready = conditions::get(&status.conditions, READY)?;
        let says = format!(
            "TaskDefinition {family}: {}: {}",
            ready.reason, ready.message
        );
        return Some((State::Failed, says));
    }
    let newest = status.task_definition.as_ref()?;
    let shown = service.status.as_ref()?;
    let failed = shown.failed_deployment.as_ref();
    let is_known = shown.task_definition.as_ref() == Some(newest)
        || failed.is_some_and(|failed| failed.task_definition == *newest);
    (!is_known).then(|| (State::InProgress, format!("{newest} is not taken up yet")))
}

impl RollUp {
    fn count(&self, state: State) -> usize {
        let lines = self.lines.iter();
        lines.filter(|line| line.state == state).count()
    }

    /// Waiting longer tells nothing new: all are steady, or one has failed.
    pub fn is_settled(&self) -> bool {
        self.count(State::Steady) == self.lines.len() || self.count(State::Failed) > 0
    }

    /// What changed since an earlier look: a line for each service that did.
    pub fn news(&self, before: Option<&Self>) -> Vec<String> {
        let is_new = |line: &&Line| before.is_none_or(|before| !before.lines.contains(line));
        let news = self.lines.iter().filter(is_new);
        news.map(|line| {
            let ((namespace, name), [desired, running, _]) = (&line.service, line.counts);
            let (state, says) = (line.state.as_str(), &line.says);
            format!("{namespace}/{name}: {running} of {desired} run, {state}: {says}")
        })
        .collect()
    }

    /// # Errors
    /// When not all are steady.
    pub fn verdict(&self) -> anyhow::Result<()> {
        let (steady, all) = (self.count(State::Steady), self.lines.len());
        if steady < all {
            bail!("{} of {all} services are not steady", all - steady);
        }
        Ok(())
    }
}

impl fmt::Display for RollUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |line: &Line| format!("{}/{}", line.service.0, line.service.1);
        let widest = self.lines.iter().map(|line| name(line).len()).max();
        let width = widest.unwrap_or(0).max("SERVICE".len());
        writeln!(
            f,
            "{:width$}  DESIRED  RUNNING  PENDING  {:11}  WHY",
            "SERVICE", "STATE"
        )?;
        for line in &self.lines {
            let [desired, running, pending] = line.counts;
            let (name, state, says) = (name(line), line.state.as_str(), &line.says);
            writeln!(
                f,
                "{name:width$}  {desired:7}  {running:7}  {pending:7}  {state:11}  {says}"
            )?;
        }
        let sums: Vec<String> = State::ALL
            .into_iter()
            .filter(|state| self.count(*state) > 0)
            .map(|state| format!("{} {}", self.count(state), state.as_str()))
            .collect();
        match self.lines.len() {
            0 => f.write_str("no services"),
            1 => write!(f, "1 service: {}", sums.join(", ")),
            all => write!(f, "{all} services: {}", sums.join(", ")),
        }
    }
}
