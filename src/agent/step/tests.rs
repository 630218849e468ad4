//! The step against a model of an engine: orders are carried out in any order, answers get lost, the agent and the
//! engine restart, containers end and vanish. Whatever happens, the promises at the top of the module hold.

mod crashes;
mod examples;
mod health;
mod namespaces;
mod ordering;
mod properties;
mod restarts;
mod targets;
mod volumes;
mod withdrawal;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::agent::broker;
use crate::agent::task::{Listed, Task};
use crate::agent::wanted::Rules;
use crate::api::names;
use crate::api::task::TaskTraffic;
use crate::domain::definition::tests_support;
use crate::domain::definition::{Condition, Container, TaskDefinition};
use crate::domain::supply::Supply;
use crate::domain::task::Health;
use crate::domain::traffic::check::Check;
use crate::runtime::model::{Deed, ModelEngine, Program};
use crate::runtime::{ContainerSummary, Error, Labels};

/// An agent with one task, an engine, and what the API has stored.
pub(super) struct World {
    pub(super) engine: ModelEngine,
    pub(super) task: Task,
    pub(super) wanted: Wanted,
    pub(super) stored: TaskReport,
    pub(super) now: Timestamp,
    pub(super) orders: Vec<Order>,
    /// What the controller has written.
    pub(super) traffic: TaskTraffic,
    /// How its targets are checked.
    pub(super) check: Option<Check>,
    pub(super) volume_orders: Vec<VolumeOrder>,
    /// Containers that were healthy once.
    healthy: BTreeSet<String>,
    changes: u64,
}

/// How a call ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Answered,
    AnswerLost,
    RequestLost,
}

impl World {
    pub(super) fn of(
        containers: impl IntoIterator<Item = Container>,
        programs: &[(&str, Program)],
    ) -> Self {
        Self::new(tests_support::definition("web", containers), programs)
    }

    pub(super) fn new(mut definition: TaskDefinition, programs: &[(&str, Program)]) -> Self {
        definition.volumes = volumes::all();
        let wanted = Wanted {
            uid: "0f3a9c2e-77d1-4d8a-9a52-6b6a1a0e7b10".into(),
            namespace: "shop".into(),
            cluster: "default".into(),
            revision: 3,
            definition,
            host_ports: BTreeMap::new(),
            digests: BTreeMap::new(),
            targets: Vec::new(),
            end: None,
            refusal: None,
            pull: ImagePullBehavior::Default,
            registry_access: BTreeSet::new(),
        };
        let engine = programs
            .iter()
            .fold(ModelEngine::default(), |engine, (image, program)| {
                engine.with_registry(image, program.clone())
            });
        let task = Task::new(wanted.clone(), TaskReport::default(), &Listed::new());
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        let mut world = Self {
            engine,
            task,
            wanted,
            stored: TaskReport::default(),
            now,
            orders: Vec::new(),
            traffic: TaskTraffic::default(),
            check: None,
            volume_orders: Vec::new(),
            healthy: BTreeSet::new(),
            changes: 0,
        };
        world.step();
        world
    }

    pub(super) fn step(&mut self) {
        self.tell_of_traffic();
        let before = self.task.report().clone();
        let orders = self.task.step(self.now);
        self.orders.extend(orders);
        let volume_orders = self.task.volume_orders(self.now);
        self.volume_orders.extend(volume_orders);
        self.check(&before);
    }

    fn check(&self, before: &TaskReport) {
        let report = self.task.report();
        assert!(
            report.state >= before.state,
            "went back from {} to {}",
            before.state,
            report.state
        );
        if before.state == TaskState::Stopped {
            assert_eq!(report, before, "STOPPED is final");
        }
        if report.state == TaskState::Stopped {
            let live = self.engine.live();
            let ours = self
                .wanted
                .definition
                .containers
                .iter()
                .map(|c| self.wanted.engine_name(&c.name));
            for name in ours {
                assert!(
                    !live.contains(&name),
                    "{name} lives though its task is STOPPED"
                );
            }
        }
        let mut called = BTreeSet::new();
        for order in &self.orders {
            assert!(
                called.insert(&order.container),
                "two calls under way for {}",
                order.container
            );
        }
        self.check_deeds();
    }

    /// A container is created once while it is there, and its processes start once, and again as its policy says.
    fn check_deeds(&self) {
        let mut lives: BTreeMap<&str, (bool, bool)> = BTreeMap::new();
        for (name, deed) in self.engine.deeds() {
            let (exists, ran) = lives.entry(name).or_default();
            match deed {
                Deed::Created => {
                    assert!(!std::mem::replace(exists, true), "{name} was created twice");
                }
                Deed::Started => assert!(!std::mem::replace(ran, true), "{name} was started twice"),
                Deed::StartedAgain { code, ran } => {
                    let container = self.container_called(name);
                    let policy = container.restart_policy.as_ref();
                    let ran = Duration::try_from(*ran).unwrap_or_default();
                    assert!(
                        policy.is_some_and(|policy| policy.restarts(*code, ran)),
                        "{name} was started again after exit code {code} and {ran:?}"
                    );
                }
                Deed::Ended => {}
                Deed::Removed => {
                    (*exists, *ran) = (false, false);
                }
            }
        }
    }

    fn container_called(&self, engine_name: &str) -> &Container {
        let mut containers = self.wanted.definition.containers.iter();
        let found = containers.find(|it| self.wanted.engine_name(&it.name) == engine_name);
        found.unwrap()
    }

    /// Says what the health check of a container finds, if it runs.
    pub(super) fn set_health(&mut self, container: &str, health: Health) {
        let name = self.name(container);
        if self.engine.live().contains(&name) {
            self.engine.set_health(&name, health);
            if health == Health::Healthy {
                self.healthy.insert(name);
            }
        }
    }

    /// Carries out the order at `index`, modulo their number.
    pub(super) fn perform(&mut self, index: usize, fate: Fate) {
        let both = self.orders.len() + self.volume_orders.len();
        if both == 0 {
            return;
        }
        let index = index % both;
        if index >= self.orders.len() {
            return self.perform_on_volume(index - self.orders.len(), fate);
        }
        let order = self.orders.remove(index);
        let applied = (fate != Fate::RequestLost).then(|| self.carry_out(&order));
        let outcome = match applied {
            Some(outcome) if fate == Fate::Answered => outcome,
            _ => lost(order.call),
        };
        self.changes += 1;
        self.task
            .done(&order.container, outcome, self.changes, self.now);
        self.step();
    }

    pub(super) fn carry_out(&mut self, order: &Order) -> Outcome {
        let name = self.task.engine_name(&order.container).unwrap().to_owned();
        let container = self.wanted.container(&order.container).unwrap().clone();
        match order.call {
            Call::Create => self.check_order_of_creation(&container),
            Call::Stop { .. } | Call::Kill => self.check_order_of_end(&order.container),
            Call::Inspect | Call::Supply | Call::Pull | Call::Start | Call::Remove => {}
        }
        match order.call {
            Call::Inspect => Outcome::Inspected(self.engine.inspect(&name, self.now).map(Box::new)),
            Call::Supply => Outcome::Supplied(Ok(Supply::default())),
            Call::Pull => Outcome::Pulled(
                self.engine
                    .pull(&container.image)
                    .map(|()| self.engine.image(&container.image).unwrap()),
            ),
            Call::Create => Outcome::Created(
                self.engine
                    .create(&self.wanted.spec(&container, &Rules::default()), self.now),
            ),
            Call::Start => Outcome::Started(self.engine.start(&name, self.now)),
            Call::Stop { grace } => {
                Outcome::Stopped(self.engine.stop(&name, grace, self.now).map(|ends| {
                    self.now = self.now.max(ends);
                    self.engine.tick(self.now);
                }))
            }
            Call::Kill => Outcome::Stopped(self.engine.kill(&name, self.now)),
            Call::Remove => Outcome::Removed(self.engine.remove(&name, self.now)),
        }
    }

    pub(super) fn list(&mut self) {
        let lines = self.lines();
        self.task.listed(&by_name(&lines), self.changes);
        self.list_volumes();
        self.step();
    }

    fn lines(&mut self) -> Vec<ContainerSummary> {
        self.engine.list(&Labels::new(), self.now)
    }

    pub(super) fn hints(&mut self) {
        self.engine.tick(self.now);
        for hint in self.engine.take_hints() {
            self.task.hinted(&hint);
        }
        self.step();
    }

    pub(super) fn pass(&mut self, time: SignedDuration) {
        self.now = self.now.checked_add(time).unwrap();
        self.engine.tick(self.now);
        self.step();
    }

    pub(super) fn save(&mut self) {
        if self.stored.state < TaskState::Stopped {
            self.stored = self.task.report().clone();
        }
    }

    /// kill -9: calls under way reach the engine or do not, and only the API remembers.
    pub(super) fn restart_agent(&mut self, reaches: bool) {
        for order in std::mem::take(&mut self.orders) {
            if reaches {
                self.carry_out(&order);
            }
        }
        for order in std::mem::take(&mut self.volume_orders) {
            if reaches {
                self.carry_out_on_volume(&order);
            }
        }
        let lines = self.lines();
        self.task = Task::new(self.wanted.clone(), self.stored.clone(), &by_name(&lines));
        self.changes = 0;
        self.list_volumes();
        self.step();
    }

    pub(super) fn stop(&mut self, code: StopCode, reason: &str) {
        self.wanted.end.get_or_insert_with(|| Stop {
            code,
            reason: reason.into(),
        });
        self.task.tell_to_end(self.wanted.end.clone());
        self.step();
    }

    /// Everything goes well for so many rounds.
    pub(super) fn settle(&mut self, rounds: usize) {
        for _ in 0..rounds {
            for _ in 0..20 {
                self.perform(0, Fate::Answered);
            }
            self.hints();
            self.list();
            self.save();
            self.pass(SignedDuration::from_secs(1));
        }
    }

    /// Everything that is asked for now goes well.
    pub(super) fn quiesce(&mut self) {
        for _ in 0..40 {
            self.perform(0, Fate::Answered);
        }
    }

    /// What is told of a container.
    pub(super) fn told(&self, name: &str) -> &ContainerReport {
        self.task.report().container(name).unwrap()
    }

    pub(super) fn name(&self, container: &str) -> String {
        self.wanted.engine_name(container)
    }
}

fn by_name(lines: &[ContainerSummary]) -> Listed<'_> {
    lines
        .iter()
        .map(|line| (line.labels[names::CONTAINER_DOCKER_LABEL].as_str(), line))
        .collect()
}

fn lost(call: Call) -> Outcome {
    let gone = || Error::Unreachable {
        message: "connection reset".into(),
        no_socket: false,
    };
    match call {
        Call::Inspect => Outcome::Inspected(Err(gone())),
        Call::Supply => Outcome::Supplied(Err(broker::Error::Unavailable("gone".into()))),
        Call::Pull => Outcome::Pulled(Err(gone())),
        Call::Create => Outcome::Created(Err(gone())),
        Call::Start => Outcome::Started(Err(gone())),
        Call::Stop { .. } | Call::Kill => Outcome::Stopped(Err(gone())),
        Call::Remove => Outcome::Removed(Err(gone())),
    }
}
