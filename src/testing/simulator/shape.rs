//! What a service's tasks consist of beside the application: containers that wait for each other, are essential or not, and
//! are started again or not.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;

use super::random::Random;
use crate::domain::definition::tests_support::{container, waiting};
use crate::domain::definition::{Condition, Container, Dependency, HealthCheck, RestartPolicy};
use crate::runtime::model::{ModelEngine, Program};

/// ECS's shortest `restartAttemptPeriod`.
const PERIOD: Duration = Duration::from_mins(1);

/// Containers beside the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a part that a task has or has not"
)]
pub(super) struct Shape {
    /// Runs along, and nothing follows from its end.
    log: bool,
    /// Does its work and ends, before the application.
    job: Option<Job>,
    /// Essential, and healthy before the application starts.
    store: bool,
    /// Essential, and the last to start.
    proxy: bool,
    /// The application and the log are started again where they end by themselves.
    pub(super) restarts: bool,
}

/// What is asked of the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Job {
    /// That it succeeds, and it does.
    Succeeds,
    /// That it ends; it fails.
    Fails,
}

impl Shape {
    /// A shape by chance.
    pub(super) fn draw(random: &mut Random, log: bool) -> Self {
        let alone = Self {
            log,
            ..Self::default()
        };
        if random.chance(60) {
            return alone;
        }
        Self {
            job: random
                .pick(&[None, Some(Job::Succeeds), Some(Job::Fails)])
                .flatten(),
            store: random.chance(50),
            proxy: random.chance(50),
            restarts: random.chance(50),
            ..alone
        }
    }

    /// All containers of a task with this application, whoever waits before whom it waits for.
    pub(super) fn around(self, mut app: Container) -> Vec<Container> {
        let mut after = Vec::new();
        let mut others = Vec::new();
        if self.log {
            others.push(optional("log", 10));
            after.push(("log", Condition::Start));
        }
        if let Some(job) = self.job {
            others.push(optional(job.image(), 2));
            after.push((job.image(), job.condition()));
        }
        if self.store {
            let store = Container {
                health_check: Some(check()),
                ..sized(container("store"), 2)
            };
            others.push(store);
            after.push(("store", Condition::Healthy));
        }
        let policy = self.restarts.then_some(RestartPolicy {
            ignored_exit_codes: BTreeSet::new(),
            attempt_period: PERIOD,
        });
        if self.restarts {
            let mut log = others.iter_mut().filter(|other| other.name == "log");
            log.by_ref()
                .for_each(|log| log.restart_policy.clone_from(&policy));
            app.restart_policy = policy;
        }
        app.depends_on = after
            .into_iter()
            .map(|(container, condition)| Dependency {
                container: container.to_owned(),
                condition,
            })
            .collect();
        let came_so_far = if app.health_check.is_some() {
            Condition::Healthy
        } else {
            Condition::Start
        };
        let proxy = self
            .proxy
            .then(|| sized(waiting("proxy", &[("app", came_so_far)]), 2));
        proxy.into_iter().chain([app]).chain(others).collect()
    }

    /// The containers without which a task is not whole.
    pub(super) fn essential(self) -> impl Iterator<Item = &'static str> {
        let all = [("app", true), ("store", self.store), ("proxy", self.proxy)];
        all.into_iter()
            .filter_map(|(name, there)| there.then_some(name))
    }

    /// Whether anything waits for anything.
    pub(super) const fn has_order(self) -> bool {
        self.log || self.job.is_some() || self.store || self.proxy
    }
}

impl Job {
    const fn image(self) -> &'static str {
        match self {
            Self::Succeeds => "job",
            Self::Fails => "try",
        }
    }

    const fn condition(self) -> Condition {
        match self {
            Self::Succeeds => Condition::Success,
            Self::Fails => Condition::Complete,
        }
    }
}

/// The results of the health checks are the simulator's.
pub(super) fn check() -> HealthCheck {
    HealthCheck {
        command: vec!["CMD".into(), "true".into()],
        interval: Duration::from_secs(5),
        timeout: Duration::from_secs(1),
        retries: 3,
        start_period: Duration::ZERO,
    }
}

/// Gives the images of all that is not the application to an engine.
pub(super) fn offer(engine: ModelEngine) -> ModelEngine {
    let runs = |seconds, exit_code| Program {
        runs_for: Some(SignedDuration::from_secs(seconds)),
        exit_code,
        ..Program::default()
    };
    let slow = Program {
        stops_in: Some(SignedDuration::from_secs(2)),
        ..Program::default()
    };
    engine
        .with_registry("log", Program::default())
        .with_registry("job", runs(2, 0))
        .with_registry("try", runs(1, 3))
        .with_registry("store", slow.clone())
        .with_registry("proxy", slow)
}

fn sized(container: Container, memory: u32) -> Container {
    Container {
        image: container.name.clone(),
        memory: Some(memory),
        ..container
    }
}

fn optional(name: &str, memory: u32) -> Container {
    Container {
        essential: false,
        ..sized(container(name), memory)
    }
}
