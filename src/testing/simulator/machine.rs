//! A machine with a Docker Engine: power, network, the engine's own troubles, and the calls on their way to it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::agent::later;
use super::mutation::Mutation;
use super::random::Random;
use crate::agent::broker;
use crate::agent::step::{Call, Outcome};
use crate::domain::liveness::Host;
use crate::domain::supply::Supply;
use crate::domain::task::Health;
use crate::runtime::model::{Deed, ModelEngine};
use crate::runtime::{ContainerSpec, Created, Error, Hint};

/// How long Kubernetes takes to see that a node is silent.
const NODE_GRACE: SignedDuration = SignedDuration::from_secs(40);

/// How old the controller's word about a node may be.
const MEMORY: SignedDuration = SignedDuration::from_secs(15);

/// How the engine's own process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Daemon {
    Answers,
    /// Calls wait, and are carried out when it goes on.
    Hangs,
    /// Containers live on, and die when it comes back.
    Dead,
}

/// What of a machine's memory there is for tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Memory {
    Free,
    /// Something else takes it.
    Taken,
}

/// One machine.
pub(super) struct Machine {
    pub(super) engine: ModelEngine,
    pub(super) powered: bool,
    pub(super) daemon: Daemon,
    /// It reaches nobody.
    pub(super) cut: bool,
    /// How far its clock is ahead.
    pub(super) ahead: SignedDuration,
    pub(super) memory: Memory,
    /// Its node object was deleted after it was switched off for good.
    pub(super) gone: bool,
    silent_since: Option<Timestamp>,
    /// When Kubernetes last said that the node does not work.
    unready_at: Option<Timestamp>,
    pub(super) calls: Vec<InFlight>,
    /// Health results to come, by container.
    checks: Vec<(Timestamp, String, Health)>,
    /// Deeds of the engine that were looked at.
    looked: usize,
    /// Containers whose processes run.
    pub(super) live: BTreeSet<String>,
    /// How many times each container's processes were started since it was created.
    pub(super) starts: BTreeMap<String, u32>,
    /// How each container ended that did.
    pub(super) ended: BTreeMap<String, i64>,
    /// Containers that were healthy once.
    pub(super) healthy: BTreeSet<String>,
}

/// A call on its way.
pub(super) struct InFlight {
    pub(super) uid: String,
    /// What to pull or create, if that is asked.
    pub(super) spec: Option<ContainerSpec>,
    pub(super) container: String,
    pub(super) name: String,
    pub(super) call: Call,
    /// Which life of the agent made it.
    pub(super) life: u64,
    pub(super) arrives: Timestamp,
    pub(super) answers: Timestamp,
    pub(super) deadline: Timestamp,
    /// The request, or its answer, never arrives.
    pub(super) request_lost: bool,
    pub(super) answer_lost: bool,
    pub(super) outcome: Option<Outcome>,
    /// Nobody waits for it any more, but the engine may still carry it out.
    pub(super) abandoned: bool,
}

impl Machine {
    pub(super) fn new(engine: ModelEngine) -> Self {
        Self {
            engine,
            powered: true,
            daemon: Daemon::Answers,
            cut: false,
            ahead: SignedDuration::ZERO,
            memory: Memory::Free,
            gone: false,
            silent_since: None,
            unready_at: None,
            calls: Vec::new(),
            checks: Vec::new(),
            looked: 0,
            live: BTreeSet::new(),
            starts: BTreeMap::new(),
            ended: BTreeMap::new(),
            healthy: BTreeSet::new(),
        }
    }

    /// What its own clock says.
    pub(super) fn clock(&self, now: Timestamp) -> Timestamp {
        later(now, self.ahead)
    }

    /// Whether the engine answers at once.
    pub(super) fn answers(&self) -> bool {
        self.powered && self.daemon == Daemon::Answers
    }

    /// What Kubernetes says of the node.
    pub(super) fn host(&self, now: Timestamp) -> Host {
        match self.silent_since {
            _ if self.gone => Host::Gone,
            Some(since) if now.duration_since(since) >= NODE_GRACE => Host::NotReady,
            Some(_) | None => Host::Ready,
        }
    }

    /// Whether a controller may say, by now, that the node does not work.
    pub(super) fn was_broken(&self, now: Timestamp) -> bool {
        self.unready_at
            .is_some_and(|at| now.duration_since(at) < MEMORY)
    }

    /// Lets time pass: programs end, checks give results, calls arrive.
    pub(super) fn pass(&mut self, now: Timestamp) {
        let silent = !self.powered || self.cut;
        self.silent_since = silent.then(|| self.silent_since.unwrap_or(now));
        if self.host(now) != Host::Ready {
            self.unready_at = Some(now);
        }
        if !self.powered {
            return;
        }
        let now = self.clock(now);
        self.engine.tick(now);
        if self.daemon == Daemon::Answers {
            let due: Vec<(String, Health)> = self
                .checks
                .extract_if(.., |(at, _, _)| *at <= now)
                .map(|(_, name, health)| (name, health))
                .collect();
            for (name, health) in due.into_iter().filter(|(name, _)| self.live.contains(name)) {
                self.engine.set_health(&name, health);
                if health == Health::Healthy {
                    self.healthy.insert(name);
                }
            }
        }
        for index in 0..self.calls.len() {
            self.arrive(index, now);
        }
        self.calls
            .retain(|call| !call.abandoned || (call.outcome.is_none() && !call.request_lost));
    }

    fn arrive(&mut self, index: usize, now: Timestamp) {
        let Some(call) = self.calls.get_mut(index) else {
            return;
        };
        if call.outcome.is_some() || call.request_lost || call.arrives > now {
            return;
        }
        match self.daemon {
            Daemon::Hangs => {}
            Daemon::Dead => call.request_lost = true,
            Daemon::Answers => {
                let (outcome, ends) = carry_out(&mut self.engine, call, now);
                call.answers = call.answers.max(ends);
                call.outcome = Some(outcome);
            }
        }
    }

    /// Answers that the agent's present life gets now: by task, container and outcome.
    pub(super) fn answered(
        &mut self,
        life: u64,
        now: Timestamp,
        mutation: Mutation,
    ) -> Vec<(String, String, Outcome)> {
        let mut answered = Vec::new();
        for call in self.calls.iter_mut().filter(|call| !call.abandoned) {
            if call.life != life {
                call.abandoned = true;
                continue;
            }
            let lost = call.request_lost || (call.answer_lost && call.outcome.is_some());
            let outcome = if lost && call.answers <= now && mutation == Mutation::UnknownIsGone {
                let message = "taken for gone".to_owned();
                Some(failed(call.call, &Error::NotFound { message }))
            } else if lost && call.answers <= now {
                Some(failed(call.call, &unreachable()))
            } else if call.answers <= now && call.outcome.is_some() {
                call.outcome.clone()
            } else if call.deadline <= now {
                let after = std::time::Duration::from_secs(30);
                Some(failed(call.call, &Error::Timeout { after }))
            } else {
                None
            };
            if let Some(outcome) = outcome {
                call.abandoned = true;
                answered.push((call.uid.clone(), call.container.clone(), outcome));
            }
        }
        answered
    }

    /// Sets the results of the health checks of containers that started, and says what happened since the last look.
    pub(super) fn look(
        &mut self,
        now: Timestamp,
        random: &mut Random,
        health: impl Fn(&str) -> Option<Health>,
    ) -> Vec<(String, Deed)> {
        let now = self.clock(now);
        let new: Vec<(String, Deed)> = self
            .engine
            .deeds()
            .get(self.looked..)
            .unwrap_or_default()
            .to_vec();
        self.looked += new.len();
        for (name, deed) in &new {
            match deed {
                Deed::Created => {
                    self.starts.insert(name.clone(), 0);
                }
                Deed::Started | Deed::StartedAgain { .. } => {
                    self.live.insert(name.clone());
                    *self.starts.entry(name.clone()).or_default() += 1;
                    let at = now.saturating_add(random.time(1000, 8000)).unwrap_or(now);
                    self.checks
                        .extend(health(name).map(|health| (at, name.clone(), health)));
                }
                Deed::Ended => {
                    self.live.remove(name);
                    let view = self.engine.inspect(name, now).ok();
                    let code = view.and_then(|view| view.exit_code);
                    self.ended.insert(name.clone(), code.unwrap_or_default());
                }
                Deed::Removed => {
                    self.live.remove(name);
                }
            }
        }
        new
    }

    /// Lets a check fail or pass again.
    pub(super) fn check(&mut self, now: Timestamp, name: &str, health: Health) {
        self.checks.push((self.clock(now), name.to_owned(), health));
    }

    /// Switches the machine off: everything on it ends.
    pub(super) fn power_off(&mut self, now: Timestamp) {
        self.powered = false;
        self.engine.restart(self.clock(now));
        self.calls.clear();
    }

    /// Switches it on again.
    pub(super) fn power_on(&mut self) {
        self.powered = !self.gone;
        self.daemon = Daemon::Answers;
    }

    /// The engine's process is started again, which kills what outlived it.
    pub(super) fn restart_daemon(&mut self, now: Timestamp) {
        if self.powered {
            self.engine.restart(self.clock(now));
            self.daemon = Daemon::Answers;
        }
    }

    /// Hints that get through: some are lost, some come twice.
    pub(super) fn hints(&mut self, random: &mut Random) -> Vec<Hint> {
        let mut through = Vec::new();
        for hint in self.engine.take_hints() {
            if !random.chance(5) {
                through.push(hint.clone());
            }
            if random.chance(5) {
                through.push(hint);
            }
        }
        through
    }
}

fn carry_out(engine: &mut ModelEngine, call: &InFlight, now: Timestamp) -> (Outcome, Timestamp) {
    let name = call.name.as_str();
    let missing = || Error::NotFound {
        message: "no such container in the definition".into(),
    };
    let spec = call.spec.as_ref();
    let outcome = match call.call {
        Call::Inspect => Outcome::Inspected(engine.inspect(name, now).map(Box::new)),
        Call::Supply => Outcome::Supplied(Ok(Supply::default())),
        Call::Pull => Outcome::Pulled(spec.ok_or_else(missing).and_then(|spec| {
            engine.pull(&spec.image)?;
            engine.image(&spec.image).ok_or_else(missing)
        })),
        Call::Create => Outcome::Created(
            spec.ok_or_else(missing)
                .and_then(|spec| engine.create(spec, now)),
        ),
        Call::Start => Outcome::Started(engine.start(name, now)),
        Call::Stop { grace } => match engine.stop(name, grace, now) {
            Ok(ends) => return (Outcome::Stopped(Ok(())), ends),
            Err(error) => Outcome::Stopped(Err(error)),
        },
        Call::Kill => Outcome::Stopped(engine.kill(name, now)),
        Call::Remove => Outcome::Removed(engine.remove(name, now)),
    };
    (outcome, now)
}

fn unreachable() -> Error {
    Error::Unreachable {
        message: "connection reset".into(),
        no_socket: false,
    }
}

fn failed(call: Call, error: &Error) -> Outcome {
    let error = error.clone();
    match call {
        Call::Inspect => Outcome::Inspected(Err(error)),
        Call::Supply => Outcome::Supplied(Err(broker::Error::Unavailable(error.to_string()))),
        Call::Pull => Outcome::Pulled(Err(error)),
        Call::Create => Outcome::Created(Err::<Created, _>(error)),
        Call::Start => Outcome::Started(Err(error)),
        Call::Stop { .. } | Call::Kill => Outcome::Stopped(Err(error)),
        Call::Remove => Outcome::Removed(Err(error)),
    }
}
