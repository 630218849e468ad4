//! Which container has which GPU of the instance. A container's label says it, so that the next agent knows.

use std::collections::BTreeMap;

use super::Wanted;
use crate::api::names;
use crate::runtime::ContainerSummary;

/// UID of a task, and name of its container.
type Holder = (String, String);

/// The GPUs of an instance, by their ids, with who holds them.
#[derive(Debug, Clone, Default)]
pub struct Gpus {
    holders: BTreeMap<String, Holder>,
}

impl Gpus {
    /// Enters what a container of a task holds already.
    pub fn adopt<'a>(
        &mut self,
        uid: &str,
        containers: impl IntoIterator<Item = &'a ContainerSummary>,
    ) {
        for container in containers {
            let label = |name: &str| container.labels.get(name);
            let (Some(gpus), Some(name)) = (
                label(names::GPUS_DOCKER_LABEL),
                label(names::CONTAINER_DOCKER_LABEL),
            ) else {
                continue;
            };
            for id in gpus.split(',').filter(|id| !id.is_empty()) {
                self.holders
                    .insert(id.to_owned(), (uid.to_owned(), name.clone()));
            }
        }
    }

    /// Gives each container of a task the GPUs that it needs and does not have, out of `all`: the first free ones. Where there
    /// are not enough it says so.
    #[must_use]
    pub fn give(&mut self, wanted: &Wanted, all: &[String]) -> bool {
        let mut are_enough = true;
        for container in &wanted.definition.containers {
            let holder = (wanted.uid.clone(), container.name.clone());
            let has = self.holders.values().filter(|it| **it == holder).count();
            let needs = usize::try_from(container.gpus).unwrap_or(usize::MAX);
            let free = all.iter().filter(|id| !self.holders.contains_key(*id));
            let lacks = needs.saturating_sub(has);
            let given: Vec<String> = free.take(lacks).cloned().collect();
            are_enough &= given.len() == lacks;
            self.holders
                .extend(given.into_iter().map(|id| (id, holder.clone())));
        }
        are_enough
    }

    /// Ids of the GPUs of a container.
    #[must_use]
    pub fn of(&self, uid: &str, container: &str) -> Vec<String> {
        let held = self.holders.iter();
        held.filter(|(_, (task, name))| task == uid && name == container)
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// A task holds none any more.
    pub fn release(&mut self, uid: &str) {
        self.holders.retain(|_, (task, _)| task != uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::wanted::Rules;
    use crate::api::task::{EcsTask, EcsTaskSpec};
    use crate::domain::definition::tests_support::{container, definition};

    fn wanted(uid: &str, gpus: &[u32]) -> Wanted {
        let mut task = EcsTask::new("one", EcsTaskSpec::default());
        task.metadata.uid = Some(uid.to_owned());
        let containers = gpus.iter().enumerate().map(|(index, gpus)| {
            let mut container = container(&format!("c{index}"));
            container.gpus = *gpus;
            container
        });
        Wanted {
            definition: definition("train", containers),
            ..Wanted::without_definition(&task, 1, "train", &Rules::default())
        }
    }

    #[test]
    fn no_gpu_is_given_twice_and_what_a_label_says_counts_after_a_restart() {
        let all: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).into();
        let mut gpus = Gpus::default();
        let line = ContainerSummary {
            image_id: String::new(),
            image: String::new(),
            id: "1".into(),
            name: "ecs-train".into(),
            labels: [
                (names::GPUS_DOCKER_LABEL.to_owned(), "b".to_owned()),
                (names::CONTAINER_DOCKER_LABEL.to_owned(), "c0".to_owned()),
            ]
            .into(),
            state: crate::runtime::ContainerState::Running,
            health: crate::domain::task::Health::Unknown,
            created_at: jiff::Timestamp::UNIX_EPOCH,
        };
        gpus.adopt("old", [&line]);
        assert!(gpus.give(&wanted("old", &[1]), &all));
        assert_eq!(gpus.of("old", "c0"), ["b"], "it has what it needs");
        for _ in 0..2 {
            assert!(gpus.give(&wanted("new", &[2, 0, 1]), &all));
        }
        assert_eq!(gpus.of("new", "c0"), ["a", "c"]);
        assert_eq!(gpus.of("new", "c1"), [""; 0]);
        assert_eq!(gpus.of("new", "c2"), ["d"]);
        assert!(!gpus.give(&wanted("late", &[1]), &all));
        gpus.release("old");
        assert!(gpus.give(&wanted("next", &[1]), &all));
        assert_eq!(gpus.of("next", "c0"), ["b"]);
    }
}
