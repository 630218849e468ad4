//! Task groups, and how many tasks of each an instance has.

use std::collections::BTreeMap;

/// The tasks that are kept distinct and spread together (ECS Developer Guide, "Group related tasks"). Namespaces share
/// clusters here, so a group is one of its namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
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

    /// The group of tasks that were started without one.
    pub fn of_family(namespace: &str, family: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: format!("family:{family}"),
        }
    }
}

/// How many tasks of each group an instance has. Constraints see all whose containers are not gone; strategies count
/// those that are to stay.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Groups(BTreeMap<String, BTreeMap<String, Count>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Count {
    staying: u32,
    ending: u32,
}

impl Groups {
    /// Counts a task that is to stay.
    pub fn add(&mut self, group: &Group) {
        self.count(group).staying += 1;
    }

    /// Counts a task that was told to stop and whose containers are not gone yet.
    pub fn add_ending(&mut self, group: &Group) {
        self.count(group).ending += 1;
    }

    fn count(&mut self, group: &Group) -> &mut Count {
        let groups = self.0.entry(group.namespace.clone()).or_default();
        groups.entry(group.name.clone()).or_default()
    }

    /// Tasks of a group that are to stay.
    pub fn staying(&self, group: &Group) -> u32 {
        self.find(group).map_or(0, |count| count.staying)
    }

    /// Whether there is a task of a group, to stay or not.
    pub fn has(&self, group: &Group) -> bool {
        self.find(group).is_some()
    }

    fn find(&self, group: &Group) -> Option<&Count> {
        self.0.get(&group.namespace)?.get(&group.name)
    }

    /// Names of the groups of a namespace.
    pub fn names<'a>(&'a self, namespace: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let groups = self.0.get(namespace);
        groups
            .into_iter()
            .flat_map(|groups| groups.keys().map(String::as_str))
    }

    /// All tasks that are to stay.
    pub fn total(&self) -> u32 {
        let groups = self.0.values().flat_map(BTreeMap::values);
        groups.map(|count| count.staying).sum()
    }
}
