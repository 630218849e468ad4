//! The driver's part with the bounds of whole tasks: those of tasks of which nothing lives are removed.

use tracing::debug;

use super::{Done, Driver};
use crate::agent::task::Task;
use crate::domain::ids;
use crate::runtime::Error;

impl Driver {
    /// Looks which tasks have cgroups. One question, however many there are.
    pub(super) fn list_bounded(&mut self) {
        let Some(limiter) = self.lanes.limiter().cloned() else {
            return;
        };
        self.jobs
            .spawn(async move { Done::Bounded(limiter.tasks().await) });
    }

    /// Removes those that nobody needs any more. What still holds a container is not removed by the kernel either, and a
    /// container of the task that starts after all gets its cgroup anew.
    pub(super) fn bounded(&mut self, tasks: Result<Vec<String>, Error>) {
        let tasks = match tasks {
            Ok(tasks) => tasks,
            Err(error) => return debug!(%error, "cannot list the cgroups of tasks"),
        };
        if !self.synced || !self.listed {
            return;
        }
        let Some(limiter) = self.lanes.limiter().cloned() else {
            return;
        };
        let needed = self.book.iter().filter(|(_, entry)| {
            let is_over = |task: &Task| task.is_down() || task.is_discarded();
            !entry.task.as_ref().is_some_and(is_over)
        });
        let needed = needed.map(|(uid, _)| uid).chain(&self.unreadable);
        let needed: Vec<String> = needed.map(|uid| ids::task_id(uid)).collect();
        for task in tasks.into_iter().filter(|task| !needed.contains(task)) {
            let limiter = limiter.clone();
            self.jobs.spawn(async move {
                if let Err(error) = limiter.remove(task.clone()).await {
                    debug!(%error, task, "the cgroup of a task stays for now");
                }
                Done::Unbounded
            });
        }
    }
}
