//! What the containers of a task share, and the pause container that holds it for them.
//!
//! A namespace ends with the container that owns it. So where containers share one, a container of the agent's owns it,
//! which does nothing but wait. It starts before all others and is stopped after them.

use std::time::Duration;

use super::{Condition, Container, Dependency, NetworkMode, TaskDefinition};

/// Name of the pause container, which is ECS's. It breaks the rule for names, so that no container of a user has it.
pub const PAUSE: &str = "~internal~ecs~pause";

/// Hard limit of the pause container, in MiB.
const PAUSE_MEMORY: u32 = 16;

/// Between the stop signal and SIGKILL. It ends at once, unless its machine is very busy.
const PAUSE_STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Whose processes a container sees (`pidMode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PidMode {
    /// Its own.
    #[default]
    Container,
    /// Those of all containers of the task.
    Task,
    /// Those of the instance.
    Host,
}

/// Whose shared memory, semaphores and message queues a container uses (`ipcMode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IpcMode {
    /// As the engine is set up.
    #[default]
    Engine,
    /// Its own, without a `/dev/shm`.
    None,
    /// Those of the task.
    Task,
    /// Those of the instance.
    Host,
}

impl TaskDefinition {
    /// Whether its containers share a namespace that is not the instance's.
    pub fn needs_pause(&self) -> bool {
        self.network_mode == NetworkMode::Awsvpc
            || self.pid_mode == PidMode::Task
            || self.ipc_mode == IpcMode::Task
    }

    /// The definition as an agent runs it: with a pause container of `image` that all others wait for, where it needs one.
    #[must_use]
    pub fn with_pause(mut self, image: &str) -> Self {
        if self.needs_pause() {
            for container in &mut self.containers {
                container.depends_on.push(Dependency {
                    container: PAUSE.to_owned(),
                    condition: Condition::Start,
                });
            }
            let pause = Container {
                name: PAUSE.to_owned(),
                image: image.to_owned(),
                essential: true,
                memory: Some(PAUSE_MEMORY),
                stop_timeout: Some(PAUSE_STOP_TIMEOUT),
                ..Container::default()
            };
            self.containers.insert(0, pause);
        }
        self
    }

    /// The containers that people know of.
    pub fn own_containers(&self) -> impl Iterator<Item = &Container> + Clone {
        self.containers
            .iter()
            .filter(|container| !container.is_pause())
    }
}

impl Container {
    /// Whether it is the agent's own, which users do not see.
    pub fn is_pause(&self) -> bool {
        self.name == PAUSE
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{container, definition};
    use super::*;

    #[test]
    fn containers_that_share_a_namespace_wait_for_the_pause_container_which_costs_the_task_nothing()
    {
        let plain = definition("web", [container("app"), container("log")]);
        assert_eq!(plain.clone().with_pause("pause:1"), plain);
        let shared = TaskDefinition {
            pid_mode: PidMode::Task,
            ..plain.clone()
        };
        let run = shared.clone().with_pause("pause:1");
        let names: Vec<&str> = run.containers.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, [PAUSE, "app", "log"]);
        assert!(run.own_containers().all(|it| it.depends_on(PAUSE)));
        assert_eq!(run.demand(), shared.demand());
    }
}
