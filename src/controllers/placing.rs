//! The room that a cluster's instances have now, from what is known and what was just decided.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::context::Context;
use super::world::World;
use crate::api::bounded::List;
use crate::api::parse;
use crate::api::task::{self, EcsTask, StopCode};
use crate::domain::definition::TaskDefinition;
use crate::domain::fleet::{Entry, TaskName, kept_for};
use crate::domain::liveness::Presence;
use crate::domain::placement::{
    Constraint, Explanation, Group, Instance, Model, Placement, Request, Rules, Summary, ZONE,
};
use crate::domain::resources::{Demand, HostPort};
use crate::domain::service::Place;

/// How long an instance that refused a task, or a port that could not be bound, is passed over.
const PASSED_OVER: SignedDuration = SignedDuration::from_secs(60);

/// The instances of one cluster, as the placer sees them.
pub(super) struct Room<'a> {
    world: &'a World,
    presence: Arc<BTreeMap<String, Presence>>,
    cluster: &'a str,
    /// What room is kept for.
    kept: Vec<TaskName>,
}

impl<'a> Room<'a> {
    /// What there is, with what is known of the instances' presence. To be called while holding [`Context::placing`] by
    /// whoever writes what it decides.
    pub(super) fn of(
        context: &'a Context,
        cluster: &'a str,
        presence: &Arc<BTreeMap<String, Presence>>,
    ) -> Self {
        Self {
            world: &context.world,
            presence: Arc::clone(presence),
            cluster,
            kept: Vec::new(),
        }
    }

    /// Asks the model of the cluster: all counts that was written until now.
    fn ask<T>(&self, ask: impl FnOnce(&mut Model) -> T) -> T {
        let ledger = &self.world.ledger;
        ledger.fleet(self.world, &self.presence, |fleet| {
            ask(fleet.cluster(self.cluster))
        })
    }

    /// Places one task. It counts once it is reserved or written.
    ///
    /// # Errors
    /// Says what the instances lack.
    pub(super) fn place(
        &self,
        wish: &Wish<'_>,
        at: &Place,
        seed: &str,
        history: &History,
    ) -> Result<Placement, Explanation> {
        wish.request(seed, history, |request| match at {
            Place::Anywhere => self.ask(|model| model.place(request)),
            Place::Instance(name) => self.ask(|model| model.place_on(name, request)),
            Place::Zone(zone) => {
                let within = Constraint::within(ZONE, zone);
                let mut request = request.clone();
                request.constraints.push(&within);
                self.ask(|model| model.place(&request))
            }
        })
    }

    /// An explanation of [`Self::place`] with the reasons of single instances, for as many as a summary names.
    pub(super) fn summary(
        &self,
        wish: &Wish<'_>,
        at: &Place,
        history: &History,
        explanation: &Explanation,
    ) -> Summary {
        let (only, zone) = match at {
            Place::Anywhere => (None, None),
            Place::Instance(name) => (Some(name.as_str()), None),
            Place::Zone(zone) => (None, Some(Constraint::within(ZONE, zone))),
        };
        wish.request("", history, |request| {
            let mut request = request.clone();
            request.constraints.extend(&zone);
            self.ask(|model| {
                let reasons = model.reasons(&request);
                explanation
                    .summary(reasons.filter(|(name, _)| only.is_none_or(|only| only == *name)))
            })
        })
    }

    /// Looks at each instance on which such tasks may run, whatever it holds now, in order of the names.
    pub(super) fn eligible<T: FromIterator<V>, V>(
        &self,
        wish: &Wish<'_>,
        look: impl FnMut(&Instance) -> Option<V>,
    ) -> T {
        wish.request("", &History::default(), |request| {
            self.ask(|model| model.eligible(request).filter_map(look).collect())
        })
    }

    /// Keeps room for one such task of a daemon on each of these instances, for as long as this room is looked at.
    pub(super) fn keep(&mut self, daemon: &str, names: Vec<String>, demand: &Demand) {
        let demand = Arc::new(demand.clone());
        for instance in names {
            let task = kept_for(daemon, &instance);
            let entry = Entry::kept(instance.as_str().into(), Arc::clone(&demand));
            self.enter(&task, Some(entry));
            self.kept.push(task);
        }
    }

    fn enter(&self, task: &TaskName, entry: Option<Entry>) {
        let ledger = &self.world.ledger;
        ledger.fleet(self.world, &self.presence, |fleet| fleet.enter(task, entry));
    }

    /// Looks at the instance of this name.
    pub(super) fn instance<T>(&self, name: &str, look: impl FnOnce(Option<&Instance>) -> T) -> T {
        self.ask(|model| look(model.instance(name)))
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        for task in &std::mem::take(&mut self.kept) {
            self.enter(task, None);
        }
    }
}

/// What tasks of one kind ask of their instances.
pub(super) struct Wish<'a> {
    /// What they run.
    pub(super) definition: &'a TaskDefinition,
    /// The group that they are kept distinct and spread in.
    pub(super) group: &'a Group,
    /// A group of services that they are spread together with.
    pub(super) spread_group: Option<&'a Group>,
    /// How their service, or the person who started them, wants them to be placed.
    pub(super) rules: &'a Rules,
}

impl Wish<'_> {
    fn request<T>(&self, seed: &str, history: &History, ask: impl FnOnce(&Request<'_>) -> T) -> T {
        let constraints = self.definition.placement_constraints.iter();
        ask(&Request {
            demand: &self.definition.demand(),
            attributes: &self.definition.required_attributes(),
            group: self.group,
            spread_group: self.spread_group,
            constraints: constraints.chain(&self.rules.constraints).collect(),
            strategies: &self.rules.strategies,
            seed,
            excluded: &history.excluded,
            unusable: &history.unusable,
        })
    }
}

/// What lately went wrong where, so that it is not tried again at once.
#[derive(Debug, Default)]
pub(super) struct History {
    excluded: BTreeSet<String>,
    unusable: BTreeMap<String, BTreeSet<HostPort>>,
}

impl History {
    /// Of tasks of the same definition: instances whose agent refused one, and dynamic ports on which one failed to start.
    pub(super) fn of<'a>(
        tasks: impl Iterator<Item = &'a Arc<EcsTask>>,
        definition: &str,
        now: Timestamp,
    ) -> Self {
        let mut history = Self::default();
        for task in tasks.filter(|task| task.revision_name() == definition) {
            let (Some(status), Some(instance)) = (&task.status, task.instance()) else {
                continue;
            };
            let recent = status
                .stopped_at
                .as_ref()
                .is_some_and(|stopped| now.duration_since(stopped.0) < PASSED_OVER);
            if !recent
                || status.stop_code != Some(StopCode::TaskFailedToStart)
                || task.spec.stop.is_some()
            {
                continue;
            }
            if task.was_refused() {
                history.excluded.insert(instance.to_owned());
            }
            history
                .unusable
                .entry(instance.to_owned())
                .or_default()
                .extend(chosen_ports(task));
        }
        history
    }
}

pub(super) fn chosen_ports(task: &EcsTask) -> impl Iterator<Item = HostPort> {
    task.spec
        .extensions
        .iter()
        .flat_map(|extensions| extensions.host_ports.iter())
        .filter_map(|chosen| {
            Some(HostPort {
                protocol: parse::protocol(Some(chosen.protocol)),
                port: u16::try_from(chosen.host_port).ok()?,
            })
        })
}

/// The chosen ports as a task's spec carries them, in the order of the definition's dynamic mappings.
pub(super) fn host_ports(
    definition: &TaskDefinition,
    placement: &Placement,
) -> List<task::HostPort, 1000> {
    let dynamic = definition.containers.iter().flat_map(|container| {
        container
            .port_mappings
            .iter()
            .filter(|mapping| definition.fixed_port(mapping).is_none())
            .map(move |mapping| (container, mapping))
    });
    dynamic
        .zip(&placement.dynamic_ports)
        .map(|((container, mapping), chosen)| task::HostPort {
            container_name: container.name.as_str().into(),
            container_port: mapping.container_port.into(),
            host_port: chosen.port.into(),
            protocol: chosen.protocol.into(),
        })
        .collect::<Vec<_>>()
        .into()
}
