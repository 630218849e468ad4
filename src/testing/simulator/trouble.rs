//! Carries out the script: what goes wrong, and how it is put right again.

use std::rc::Rc;

use jiff::SignedDuration;

use super::agent::{Agent, later};
use super::api::start_of_time;
use super::catalog::Quality;
use super::controller::Replica;
use super::machine::{Daemon, Machine};
use super::objects::{Object, TaskObject};
use super::script::{Edit, End, Fault, Harm, LeaderTrouble, MachineTrouble};
use super::world::World;
use crate::domain::events;
use crate::domain::task::{Health, Stop, StopCode};

/// The end of a trouble.
#[derive(Debug, Clone)]
pub(super) enum Undo {
    Machine(String, MachineTrouble),
    LeaderJoined,
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
        for (_, undo) in std::mem::take(&mut self.undo) {
            self.mend(&undo);
        }
        for service in self.services() {
            if self.catalog.quality(&service.name, service.version) != Quality::Good {
                self.deploy(&service.name, Quality::Good);
            }
        }
    }

    fn befall(&mut self, fault: Fault) {
        match fault {
            Fault::Machine {
                machine,
                trouble,
                back_in,
            } => {
                let index = machine.checked_rem(self.machines.len()).unwrap_or(0);
                let Some(name) = self.machines.keys().nth(index).cloned() else {
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
            Fault::Task { which, end } => self.end_task(which, end),
            Fault::Container { which, harm } => self.harm(which, harm),
        }
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
            MachineTrouble::EngineHangs => machine.daemon = Daemon::Hangs,
            MachineTrouble::EngineDies => machine.daemon = Daemon::Dead,
        }
    }

    fn trouble_leader(&mut self, trouble: LeaderTrouble, back_in: SignedDuration) {
        if trouble == LeaderTrouble::Twin {
            for replica in self.replicas.iter_mut().filter(|replica| !replica.leads) {
                replica.lead(&self.api, false);
            }
            return self.later(back_in, Undo::OneLeader);
        }
        let leader = self.replicas.iter_mut().find(|replica| replica.leads);
        let Some(leader) = leader else { return };
        match trouble {
            LeaderTrouble::Dies { stale } => {
                leader.die();
                self.stale_takeover = stale;
            }
            LeaderTrouble::DiesAfter { writes } => leader.link.dies_after = Some(writes),
            LeaderTrouble::Cut => {
                leader.link.cut = true;
                self.later(back_in, Undo::LeaderJoined);
            }
            LeaderTrouble::WatchStalls => {
                leader.stalled = true;
                self.later(back_in, Undo::WatchGoesOn);
            }
            LeaderTrouble::Twin => {}
        }
    }

    fn edit(&mut self, service: usize, edit: Edit) {
        let services = self.services();
        let index = service.checked_rem(services.len()).unwrap_or(0);
        let Some(service) = services.get(index) else {
            return;
        };
        match edit {
            Edit::Scale { desired } => {
                let desired = desired.min(self.most_of(&service.name));
                self.api
                    .edit_service(&service.name, |service| service.desired = desired);
            }
            Edit::Deploy { quality } => self.deploy(&service.name, quality),
        }
    }

    fn end_task(&mut self, which: usize, end: End) {
        let Some((version, task)) = self.task(which) else {
            return;
        };
        let seen = (&*task, version);
        let ended = match end {
            End::Stop => {
                let reason = events::STOPPED_BY_USER.to_owned();
                let stop = Stop {
                    code: StopCode::UserInitiated,
                    reason,
                };
                self.api.stop(seen, stop, None, "people")
            }
            End::Delete => self.api.delete(seen, "people"),
        };
        if ended.is_err() {
            self.history.say(self.now, || {
                format!("{} was told to end already", task.name)
            });
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
            Harm::Ends => machine.engine.end(name, 1, self.now),
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
            Undo::OneLeader => {
                self.replicas
                    .iter_mut()
                    .filter(|it| it.leads)
                    .skip(1)
                    .for_each(Replica::die);
                self.doubt();
            }
            Undo::ApiUp => self.api.down = false,
            Undo::ApiSound => self.api.lossy = 0,
            Undo::CallsSound => self.lossy = 0,
        }
    }

    fn deploy(&mut self, service: &str, quality: Quality) {
        let checked = self
            .catalog
            .recipe(service)
            .is_some_and(|recipe| recipe.checked);
        // Without a health check nobody would see that it is sick.
        let quality = if quality == Quality::Sick && !checked {
            Quality::EndsSoon
        } else {
            quality
        };
        let services = self.services();
        let version = services
            .iter()
            .find(|it| it.name == service)
            .map_or(1, |it| it.version + 1);
        self.publish(service, version, quality);
        self.api
            .edit_service(service, |service| service.version = version);
    }

    fn later(&mut self, time: SignedDuration, undo: Undo) {
        self.undo.push((later(self.now, time), undo));
    }

    /// One of the tasks that have not ended.
    fn task(&self, which: usize) -> Option<(u64, Rc<TaskObject>)> {
        let tasks = self.api.all().filter_map(|object| match object {
            Object::Task(task) if !task.is_stopped() => Some(task.name.clone()),
            Object::Task(_) | Object::Instance(_) | Object::Revision(_) | Object::Service(_) => {
                None
            }
        });
        let names: Vec<String> = tasks.collect();
        self.api.task(names.get(which.checked_rem(names.len())?)?)
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
                agent.start(now);
            }
        }
        MachineTrouble::Cut => machine.cut = false,
        MachineTrouble::EngineHangs if machine.daemon == Daemon::Hangs => {
            machine.daemon = Daemon::Answers;
        }
        MachineTrouble::EngineDies if machine.daemon != Daemon::Answers => {
            machine.restart_daemon(now);
        }
        MachineTrouble::EngineHangs | MachineTrouble::EngineDies => {}
    }
}
