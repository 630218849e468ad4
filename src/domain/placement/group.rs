//! Task groups, and how many tasks of each an instance has.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

/// The tasks that are kept distinct and spread together (ECS Developer Guide, "Group related tasks"). Namespaces share
/// clusters here, so a group is one of its namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group {
    /// Namespace of the tasks.
    pub namespace: String,
    /// `service:NAME`, `family:NAME`, or what `RunTask` named.
    pub name: String,
}

impl Group {
    /// The group of a service's tasks.
    pub fn of_service(namespace: &str, service: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: format!("service:{service}"),
        }
    }

    /// The group of services that are spread together; no task has it as its own.
    pub fn of_spread(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: format!("spread:{name}"),
        }
    }

    /// The group of tasks that were started without one.
    pub fn of_family(namespace: &str, family: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: format!("family:{family}"),
        }
    }
}

/// Tasks of one group. Constraints see all whose containers are not gone; strategies count those that are to stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Count {
    pub(super) staying: u32,
    /// They were told to stop, and their containers are not gone yet.
    pub(super) ending: u32,
}

impl Count {
    pub(super) fn add(&mut self, ending: bool) {
        *self.of(ending) += 1;
    }

    /// Says whether none is left.
    pub(super) fn remove(&mut self, ending: bool) -> bool {
        let count = self.of(ending);
        *count = count.saturating_sub(1);
        *self == Self::default()
    }

    fn of(&mut self, ending: bool) -> &mut u32 {
        if ending {
            &mut self.ending
        } else {
            &mut self.staying
        }
    }
}

/// How many tasks of each group an instance has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Groups {
    counts: BTreeMap<Arc<Group>, Count>,
    staying: u32,
}

impl Groups {
    /// Counts a task that is to stay.
    pub fn add(&mut self, group: impl Into<Arc<Group>>) {
        self.staying += 1;
        self.counts.entry(group.into()).or_default().add(false);
    }

    /// Counts a task that was told to stop and whose containers are not gone yet.
    pub fn add_ending(&mut self, group: impl Into<Arc<Group>>) {
        self.counts.entry(group.into()).or_default().add(true);
    }

    /// Counts a task in a further group: among all tasks it counts once, in its own.
    pub fn add_beside(&mut self, group: impl Into<Arc<Group>>, ending: bool) {
        self.counts.entry(group.into()).or_default().add(ending);
    }

    /// Takes away a task that [`Groups::add`] or, if it is `ending`, [`Groups::add_ending`] counted.
    pub fn remove(&mut self, group: impl Into<Arc<Group>>, ending: bool) {
        if self.remove_beside(group, ending) && !ending {
            self.staying = self.staying.saturating_sub(1);
        }
    }

    /// Takes away a task that [`Groups::add_beside`] counted; says whether the group had any.
    pub fn remove_beside(&mut self, group: impl Into<Arc<Group>>, ending: bool) -> bool {
        let Entry::Occupied(mut count) = self.counts.entry(group.into()) else {
            return false;
        };
        if count.get_mut().remove(ending) {
            count.remove();
        }
        true
    }

    /// Tasks of a group that are to stay.
    pub fn staying(&self, group: &Group) -> u32 {
        self.counts.get(group).map_or(0, |count| count.staying)
    }

    /// Tasks of a group, to stay or not.
    pub fn all(&self, group: &Group) -> u32 {
        let count = self.counts.get(group);
        count.map_or(0, |count| count.staying + count.ending)
    }

    /// Whether there is a task of a group, to stay or not.
    pub fn has(&self, group: &Group) -> bool {
        self.counts.contains_key(group)
    }

    /// Names of the groups of a namespace.
    pub fn names<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = &'a str> {
        let first = Group {
            namespace: namespace.to_owned(),
            name: String::new(),
        };
        self.counts
            .range::<Group, _>(first..)
            .map(|(group, _)| &**group)
            .take_while(move |group| group.namespace == namespace)
            .map(|group| group.name.as_str())
    }

    /// All tasks that are to stay.
    pub const fn total(&self) -> u32 {
        self.staying
    }

    pub(super) fn counts(&self) -> impl Iterator<Item = (&Arc<Group>, Count)> {
        self.counts.iter().map(|(group, count)| (group, *count))
    }
}
