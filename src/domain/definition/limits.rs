//! What a task may use as a whole, however many containers share it (`cpu` and `memory` of the task itself).

use serde::{Deserialize, Serialize};

use super::TaskDefinition;

/// Attribute of instances that bound a task as a whole; the name is ECS's.
pub const TASK_LIMITS: &str = "ecs.capability.task-cpu-mem-limit";

/// Attribute of instances whose engine bounds the disk of a container. ECS has none for it: there Fargate alone does.
pub const DISK_LIMIT: &str = "ecs-operator.capability.disk-limit";

/// Bounds of a whole task. Each container's own hold within them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskLimits {
    /// CPU units that its containers get together at most; 1024 are one virtual CPU.
    pub cpu: Option<u32>,
    /// MiB that its containers get together at most.
    pub memory: Option<u32>,
    /// Its weight against other tasks where the CPU is short: what it reserves.
    pub shares: u32,
}

impl TaskDefinition {
    /// The bounds of a task of this definition, where it has any.
    pub fn limits(&self) -> Option<TaskLimits> {
        let is_bounded = self.cpu.is_some() || self.memory.is_some();
        is_bounded.then(|| TaskLimits {
            cpu: self.cpu,
            memory: self.memory,
            shares: self.demand().cpu,
        })
    }
}
