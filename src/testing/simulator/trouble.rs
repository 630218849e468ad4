//! Carries out the script: what goes wrong, and how it is put right again.

use jiff::SignedDuration;

use super::agent::{Agent, later};
use super::api::start_of_time;
use super::machine::{Daemon, Machine, Memory};
use super::script::{Fault, Harm, LeaderTrouble, MachineTrouble};
use super::world::World;
use crate::domain::task::Health;

/// The end of a trouble.
#[derive(Debug, Clone)]
pub(super) enum Undo {
    Machine(String, MachineTrouble),
    LeaderJoined,
    LeaseGranted,
    Active(String),
    WatchGoesOn,
    OneLeader,
    ApiUp,
    ApiSound,
    CallsSound,
}

impl World {
    /// Lets happen what is due.
    pub(super) fn trouble(&mut self) {
        let now = self.now;
        let due = self
            .script
            .iter()
            .take_while(|(at, _)| later(start_of_time(), *at) <= now)
            .count();
        for (_, fault) in self.script.drain(..due).collect::<Vec<_>>() {
            self.history.say(now, || format!("FAULT {fault:?}"));
            self.tally.befell(fault.kind());
            self.befall(fault);
        }
        let due: Vec<Undo> = self
            .undo
            .extract_if(.., |(at, _)| *at <= now)
            .map(|(_, undo)| undo)
            .collect();
        for undo in due {
            self.history.say(now, || format!("MENDED {undo:?}"));
            self.mend(&undo);
        }
    }

    /// Everything is put right, now.
    pub(super) fn mend_all(&mut self) {
        self.script.clear();
        for replica in &mut self.replicas {
            replica.freezes = None;
            replica.frozen_until = self.now;
        }
        for (_, undo) in std::mem::take(&mut self.undo) {
            self.mend(&undo);
        }
        self.mend_services();
    }

    fn befall(&mut self, fault: Fault) {
        match fault {
            Fault::Machine {
                machine,
                trouble,
                back_in,
            } => {
                let Some(name) = self.machine(machine) else {
                    return;
                };
                self.strike(&name, trouble);
                if trouble != MachineTrouble::Gone {
                    self.later(back_in, Undo::Machine(name, trouble));
                }
            }
            Fault::Leader { trouble, back_in } => self.trouble_leader(trouble, back_in),
            Fault::ApiDown { back_in } => {
                self.api.down = true;
                self.later(back_in, Undo::ApiUp);
            }
            Fault::ApiLossy { percent, ends_in } => {
                self.api.lossy = percent;
                self.later(ends_in, Undo::ApiSound);
            }
            Fault::CallsLossy { percent, ends_in } => {
                self.lossy = percent;
                self.later(ends_in, Undo::CallsSound);
            }
            Fault::Edit { service, edit } => self.edit(service, edit),
            Fault::Drain {
                machine,
                back_in,
                for_good,
            } => {
                let Some(name) = self.machine(machine) else {
                    return;
                };
                let drain = |instance: &mut super::objects::Instance| instance.draining = true;
                drop(self.api.edit_instance(&name, &"people".into(), drain));
                if !for_good {
                    self.later(back_in, Undo::Active(name));
                }
            }
            Fault::Task { which, end } => self.end_task(which, end),
            Fault::Container { which, harm } => self.harm(which, harm),
        }
    }

    fn machine(&self, index: usize) -> Option<String> {
        let index = index.checked_rem(self.machines.len())?;
        self.machines.keys().nth(index).cloned()
    }

    fn strike(&mut self, name: &str, trouble: MachineTrouble) {
        let now = self.now;
        let (Some(machine), Some(agent)) = (self.machines.get_mut(name), self.agents.get_mut(name))
        else {
            return;
        };
        match trouble {
            MachineTrouble::AgentDies => agent.die(),
            MachineTrouble::PowerOff | MachineTrouble::Gone => {
                machine.power_off(now);
                machine.gone |= trouble == MachineTrouble::Gone;
                agent.die();
            }
            MachineTrouble::Cut => machine.cut = true,
            MachineTrouble::Full => machine.memory = Memory::Taken,
            MachineTrouble::EngineHangs => machine.daemon = Daemon::Hangs,
            MachineTrouble::EngineDies => machine.daemon = Daemon::Dead,
        }
    }

    fn trouble_leader(&mut self, trouble: LeaderTrouble, back_in: SignedDuration) {
        let now = self.now;
        if trouble == LeaderTrouble::Twin {
            for replica in &mut self.replicas {
                if !replica.leading.leads
                    && replica.frozen_until <= now
                    && replica.leading.is_up(now)
                {
                    replica.leading.leads = true;
                    replica.leading.forced = true;
                    replica.view.follow(&self.api, self.api.version());
                }
            }
            return self.later(back_in, Undo::OneLeader);
        }
        let mut leaders = self.replicas.iter_mut().filter(|it| it.leading.leads);
        let Some(leader) = leaders.next() else {
            return;
        };
        match trouble {
            LeaderTrouble::Dies { stale } => {
                leader.die(now);
                self.stale_takeover = stale;
            }
            LeaderTrouble::DiesAfter { writes } => leader.link.dies_after = Some(writes),
            LeaderTrouble::Cut => {
                leader.link.cut = true;
                self.later(back_in, Undo::LeaderJoined);
            }
            LeaderTrouble::LeaseRefused => {
                leader.leading.refused = true;
                self.later(back_in, Undo::LeaseGranted);
            }
            LeaderTrouble::Freezes => {
                leader.freezes = Some(back_in);
            }
            LeaderTrouble::WatchStalls => {
                leader.stalled = true;
                self.later(back_in, Undo::WatchGoesOn);
            }
            LeaderTrouble::Twin => {}
        }
    }

    fn harm(&mut self, which: usize, harm: Harm) {
        let live: Vec<(String, String)> = self
            .machines
            .iter()
            .flat_map(|(machine, it)| it.live.iter().map(|name| (machine.clone(), name.clone())))
            .collect();
        let chosen = live.get(which.checked_rem(live.len()).unwrap_or(0));
        let Some((machine, name)) = chosen else {
            return;
        };
        let Some(machine) = self.machines.get_mut(machine) else {
            return;
        };
        match harm {
            Harm::Ends => machine.engine.end(name, 1, machine.clock(self.now)),
            Harm::Vanishes => machine.engine.vanish(name),
            Harm::Sickens => machine.check(self.now, name, Health::Unhealthy),
        }
    }

    fn mend(&mut self, undo: &Undo) {
        match undo {
            Undo::Machine(name, trouble) => {
                if let (Some(machine), Some(agent)) =
                    (self.machines.get_mut(name), self.agents.get_mut(name))
                {
                    mend_machine(machine, agent, *trouble, self.now);
                }
            }
            Undo::WatchGoesOn => self.replicas.iter_mut().for_each(|it| it.stalled = false),
            Undo::LeaderJoined => self.replicas.iter_mut().for_each(|it| it.link.cut = false),
            Undo::LeaseGranted => {
                let replicas = self.replicas.iter_mut();
                replicas.for_each(|it| it.leading.refused = false);
            }
            Undo::OneLeader => {
                let now = self.now;
                let forced = self.replicas.iter_mut().filter(|it| it.leading.forced);
                forced.for_each(|it| it.die(now));
                self.doubt();
            }
            Undo::Active(instance) => {
                let active = |instance: &mut super::objects::Instance| instance.draining = false;
                // An instance that nobody knows any more needs nothing.
                drop(self.api.edit_instance(instance, &"people".into(), active));
            }
            Undo::ApiUp => self.api.down = false,
            Undo::ApiSound => self.api.lossy = 0,
            Undo::CallsSound => self.lossy = 0,
        }
    }

    pub(super) fn later(&mut self, time: SignedDuration, undo: Undo) {
        self.undo.push((later(self.now, time), undo));
    }
}

fn mend_machine(
    machine: &mut Machine,
    agent: &mut Agent,
    trouble: MachineTrouble,
    now: jiff::Timestamp,
) {
    match trouble {
        MachineTrouble::AgentDies | MachineTrouble::PowerOff | MachineTrouble::Gone => {
            if trouble == MachineTrouble::PowerOff {
                machine.power_on();
            }
            if !agent.up {
                agent.start(machine.clock(now));
            }
        }
        MachineTrouble::Cut => machine.cut = false,
        MachineTrouble::Full => machine.memory = Memory::Free,
        MachineTrouble::EngineHangs if machine.daemon == Daemon::Hangs => {
            machine.daemon = Daemon::Answers;
        }
        MachineTrouble::EngineDies if machine.daemon != Daemon::Answers => {
            machine.restart_daemon(now);
        }
        MachineTrouble::EngineHangs | MachineTrouble::EngineDies => {}
    }
}
