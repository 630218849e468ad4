//! The agent is killed at every changing call of a task's whole life, in every way; the next agent finishes that life, and
//! nothing happened twice and nothing was left out.

use std::collections::BTreeSet;

use super::*;
use crate::domain::definition::tests_support::container;
use crate::domain::definition::volumes::MountPoint;
use crate::domain::definition::{Dependency, NetworkMode, RestartPolicy};

/// When the agent is killed.
#[derive(Debug, Clone, Copy)]
enum Kill {
    /// Before the call reaches the engine.
    Before,
    /// The engine carries the call out, and nobody hears of it.
    Meanwhile,
    /// The engine carries the call out after the next agent has looked around.
    Late,
    /// When the answer has arrived.
    After,
}

const KILLS: [Kill; 4] = [Kill::Before, Kill::Meanwhile, Kill::Late, Kill::After];

/// An application that waits for its database, mounts a volume and is started again when it ends.
fn shop(network_mode: NetworkMode) -> TaskDefinition {
    let app = Container {
        image: "app".into(),
        port_mappings: vec![withdrawal::port()],
        depends_on: vec![Dependency {
            container: "db".into(),
            condition: Condition::Start,
        }],
        restart_policy: Some(RestartPolicy {
            ignored_exit_codes: BTreeSet::new(),
            attempt_period: Duration::from_mins(1),
        }),
        mount_points: vec![MountPoint {
            volume: "data".into(),
            path: "/data".into(),
            read_only: false,
        }],
        ..container("app")
    };
    let db = Container {
        image: "db".into(),
        ..container("db")
    };
    let mut shop = tests_support::definition("shop", [app, db]);
    shop.network_mode = network_mode;
    shop.with_pause("pause")
}

/// A life, and the crash that interrupts it.
struct Life {
    world: World,
    /// Changing calls so far.
    calls: usize,
    crash: Option<(usize, Kill)>,
    /// Whether what was reported reaches the API before the crash.
    is_told: bool,
}

impl Life {
    /// From the first call to the last.
    fn live(network_mode: NetworkMode, crash: Option<(usize, Kill)>, is_told: bool) -> Self {
        let programs = ["app", "db", "pause"].map(|image| (image, Program::default()));
        let mut life = Self {
            world: World::new(shop(network_mode), &programs).serving("app"),
            calls: 0,
            crash,
            is_told,
        };
        life.goes_on_until("it runs", |world| {
            world.task.report().state == TaskState::Running
        });
        life.world.pass(SignedDuration::from_secs(61));
        let app = life.world.name("app");
        life.world.engine.end(&app, 1, life.world.now);
        life.goes_on_until("the application runs again", |world| {
            world.engine.live().contains(&app) && world.told("app").restart_count == 1
        });
        life.world.register();
        life.world.stop(StopCode::UserInitiated, "enough");
        life.world.withdraw();
        life.goes_on_until("it is stopped", |world| {
            let is_withdrawn = world.passed_since_withdrawal() >= withdrawal::DELAY;
            assert!(
                is_withdrawn || world.engine.live().contains(&app),
                "it was told to end too early"
            );
            world.task.report().state == TaskState::Stopped && world.engine.live().is_empty()
        });
        life.world.save();
        life.world.task.discard();
        life.world.step();
        life.goes_on_until("nothing of it is left", |world| {
            world.engine.list(&Labels::new(), world.now).is_empty() && world.own_volumes() == 0
        });
        life
    }

    fn goes_on_until(&mut self, what: &str, reached: impl Fn(&mut World) -> bool) {
        for _ in 0..60 {
            while !self.world.is_quiet() {
                self.perform();
            }
            self.world.hints();
            self.world.list();
            if reached(&mut self.world) && self.world.is_quiet() {
                return self.world.save();
            }
            if self.is_told {
                self.world.save();
            }
            self.world.pass(SignedDuration::from_secs(1));
        }
        panic!("crash {:?}: not so far that {what}", self.crash);
    }

    /// The next order, or the crash at it.
    fn perform(&mut self) {
        let looks = self.world.orders.first().map(|order| order.call) == Some(Call::Inspect);
        if !looks {
            self.calls += 1;
        }
        match self.crash {
            Some((at, kill)) if !looks && at + 1 == self.calls => self.crash(kill),
            _ => self.world.perform(0, Fate::Answered),
        }
    }

    fn crash(&mut self, kill: Kill) {
        if self.is_told {
            self.world.save();
        }
        let discarded = self.world.task.report().state == TaskState::Stopped;
        match kill {
            Kill::Before => self.world.restart_agent(false),
            Kill::Meanwhile => self.world.restart_agent(true),
            Kill::Late => {
                let late = std::mem::take(&mut self.world.orders);
                let late_volumes = std::mem::take(&mut self.world.volume_orders);
                self.world.restart_agent(false);
                for order in late {
                    self.world.carry_out(&order);
                }
                for order in late_volumes {
                    self.world.carry_out_on_volume(&order);
                }
            }
            Kill::After => {
                self.world.perform(0, Fate::Answered);
                self.world.restart_agent(false);
            }
        }
        // The object of the task says so to the next agent.
        if discarded && self.world.stored.state == TaskState::Stopped {
            self.world.task.discard();
            self.world.step();
        }
    }

    /// How often a container did something.
    fn count(&self, container: &str, wanted: impl Fn(&Deed) -> bool) -> usize {
        let name = self.world.name(container);
        let deeds = self.world.engine.deeds().iter();
        deeds
            .filter(|(who, deed)| *who == name && wanted(deed))
            .count()
    }
}

#[test]
fn an_agent_killed_at_any_changing_call_of_a_tasks_life_does_nothing_twice_and_forgets_nothing() {
    let mut points = 0;
    for network_mode in [NetworkMode::Bridge, NetworkMode::Awsvpc] {
        let whole = Life::live(network_mode, None, true);
        assert!(whole.calls >= 13, "{}", whole.calls);
        for at in 0..whole.calls {
            for kill in KILLS {
                for is_told in [true, false] {
                    points += 1;
                    let life = Life::live(network_mode, Some((at, kill)), is_told);
                    let seen = ["app", "db"].map(|name| {
                        (
                            life.count(name, |deed| *deed == Deed::Created),
                            life.count(name, |deed| *deed == Deed::Started),
                            life.count(name, |deed| matches!(deed, Deed::StartedAgain { .. })),
                            life.count(name, |deed| *deed == Deed::Removed),
                        )
                    });
                    assert_eq!(
                        seen,
                        [(1, 1, 1, 1), (1, 1, 0, 1)],
                        "{network_mode:?}, killed {kill:?} at call {at}, told {is_told}: {:?}",
                        life.world.engine.deeds()
                    );
                    let report = &life.world.stored;
                    assert_eq!(report.stop.as_ref().unwrap().reason, "enough");
                    assert_eq!(report.container("app").unwrap().restart_count, 1);
                }
            }
        }
    }
    #[expect(
        clippy::print_stdout,
        reason = "whoever runs it with --nocapture learns it"
    )]
    {
        println!("{points} crash points");
    }
}
