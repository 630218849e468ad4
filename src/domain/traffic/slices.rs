//! Which endpoint stands in which EndpointSlice. Ports belong to a slice, so there is one for each distinct port, and more
//! where one would be too long; an endpoint stays where it is, so that a change writes as few slices as possible.

use std::collections::{BTreeMap, BTreeSet};

/// Endpoints that one slice has, as Kubernetes' own controller does it; the API server allows 1000.
pub const LARGEST_SLICE: usize = 100;

/// A port of a task that requests are sent to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// UID of the task.
    pub uid: String,
    /// Name of the task.
    pub task: String,
    /// IPv4 address at which it is reached.
    pub address: String,
    /// Port at that address.
    pub port: u16,
    /// Node on which it runs.
    pub node: Option<String>,
    /// Availability zone of its instance.
    pub zone: Option<String>,
}

/// Endpoints that are reached at the same port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// Name of the object.
    pub name: String,
    /// The port.
    pub port: u16,
    /// In the order of their tasks.
    pub endpoints: Vec<Endpoint>,
}

/// A write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A new slice.
    Create(Slice),
    /// Other endpoints in a slice that is there.
    Update(Slice),
    /// A slice that nothing is left of.
    Delete(String),
}

/// The writes that make slices hold exactly the `wanted` endpoints, those that add some first, so that no request finds
/// none meanwhile. `front` begins the names of new slices.
#[must_use]
pub fn arrange(front: &str, existing: &[Slice], wanted: &[Endpoint]) -> Vec<Change> {
    let mut missing: BTreeMap<(u16, String), &Endpoint> = wanted
        .iter()
        .map(|endpoint| ((endpoint.port, endpoint.uid.clone()), endpoint))
        .collect();
    let mut kept: Vec<Slice> = existing
        .iter()
        .map(|slice| {
            let mut stays = |known: &Endpoint| missing.remove(&(slice.port, known.uid.clone()));
            let endpoints = slice.endpoints.iter();
            Slice {
                endpoints: endpoints.filter_map(&mut stays).cloned().collect(),
                ..slice.clone()
            }
        })
        .collect();
    let mut created: Vec<Slice> = Vec::new();
    let mut names: BTreeSet<String> = existing.iter().map(|slice| slice.name.clone()).collect();
    for endpoint in missing.into_values() {
        let fits = |slice: &&mut Slice| {
            slice.port == endpoint.port && slice.endpoints.len() < LARGEST_SLICE
        };
        // A slice that is written anyway, before one that is as it was; one that would go, before a new one.
        let changed = |slice: &Slice| !existing.contains(slice);
        let place = kept
            .iter_mut()
            .filter(fits)
            .min_by_key(|slice| (!changed(slice), slice.endpoints.len()));
        let place = if let Some(slice) = place {
            slice
        } else {
            let room = created.iter().position(|slice| {
                slice.port == endpoint.port && slice.endpoints.len() < LARGEST_SLICE
            });
            let index = room.unwrap_or_else(|| {
                created.push(Slice {
                    name: free_name(front, endpoint.port, &mut names),
                    port: endpoint.port,
                    endpoints: Vec::new(),
                });
                created.len() - 1
            });
            let Some(slice) = created.get_mut(index) else {
                continue;
            };
            slice
        };
        let at = place
            .endpoints
            .partition_point(|known| known.uid < endpoint.uid);
        place.endpoints.insert(at, endpoint.clone());
    }
    let mut changes: Vec<Change> = created.into_iter().map(Change::Create).collect();
    let (mut less, mut gone) = (Vec::new(), Vec::new());
    for (before, after) in existing.iter().zip(kept) {
        if after.endpoints.is_empty() {
            gone.push(Change::Delete(after.name));
        } else if after != *before {
            if adds(before, &after) {
                changes.push(Change::Update(after));
            } else {
                less.push(Change::Update(after));
            }
        }
    }
    changes.extend(less);
    changes.extend(gone);
    changes
}

fn adds(before: &Slice, after: &Slice) -> bool {
    let known: BTreeSet<&str> = before.endpoints.iter().map(|it| it.uid.as_str()).collect();
    let mut endpoints = after.endpoints.iter();
    endpoints.any(|endpoint| !known.contains(endpoint.uid.as_str()))
}

/// The first name that no slice has; none of another front's can have it.
fn free_name(front: &str, port: u16, names: &mut BTreeSet<String>) -> String {
    let mut name = format!("{front}-p{port}");
    let mut number = 1_u32;
    while !names.insert(name.clone()) {
        number += 1;
        name = format!("{front}-p{port}-{number}");
    }
    name
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn endpoint(task: u16, port: u16) -> Endpoint {
        Endpoint {
            uid: format!("uid-{task:04}"),
            task: format!("web-{task}"),
            address: format!("10.0.{}.{}", task / 250, task % 250 + 1),
            port,
            node: Some(format!("node-{}", task % 10)),
            zone: None,
        }
    }

    fn carried_out(existing: &[Slice], changes: &[Change]) -> Vec<Slice> {
        let mut slices = existing.to_vec();
        for change in changes {
            match change {
                Change::Create(new) => {
                    assert!(slices.iter().all(|slice| slice.name != new.name));
                    slices.push(new.clone());
                }
                Change::Update(new) => {
                    let old = slices.iter_mut().find(|slice| slice.name == new.name);
                    *old.unwrap() = new.clone();
                }
                Change::Delete(name) => slices.retain(|slice| slice.name != *name),
            }
        }
        slices
    }

    fn listed(slices: &[Slice]) -> Vec<Endpoint> {
        let mut all: Vec<Endpoint> = slices
            .iter()
            .flat_map(|slice| slice.endpoints.clone())
            .collect();
        all.sort();
        all
    }

    fn endpoints() -> impl Strategy<Value = Vec<Endpoint>> {
        let some = prop::collection::btree_map(0..300_u16, 61_000..61_003_u16, 0..300);
        some.prop_map(|tasks| tasks.into_iter().map(|(t, p)| endpoint(t, p)).collect())
    }

    proptest! {
        #[test]
        fn slices_hold_exactly_what_is_wanted_and_nothing_is_written_twice(
            before in endpoints(), after in endpoints()
        ) {
            let start = carried_out(&[], &arrange("web", &[], &before));
            prop_assert_eq!(&listed(&start), &{ let mut all = before; all.sort(); all });
            prop_assert!(arrange("web", &start, &listed(&start)).is_empty());
            let changes = arrange("web", &start, &after);
            let end = carried_out(&start, &changes);
            prop_assert_eq!(listed(&end), { let mut all = after; all.sort(); all });
            for slice in &end {
                prop_assert!(!slice.endpoints.is_empty() && slice.endpoints.len() <= LARGEST_SLICE);
                prop_assert!(slice.endpoints.iter().all(|it| it.port == slice.port));
            }
        }
    }

    #[test]
    fn one_task_that_comes_or_goes_is_one_write() {
        let all: Vec<Endpoint> = (0..250).map(|task| endpoint(task, 8080)).collect();
        let slices = carried_out(&[], &arrange("web", &[], &all));
        assert_eq!(slices.len(), 3);
        let fewer: Vec<Endpoint> = all
            .iter()
            .filter(|it| it.task != "web-120")
            .cloned()
            .collect();
        assert_eq!(arrange("web", &slices, &fewer).len(), 1);
        let mut more = all;
        more.push(endpoint(250, 8080));
        assert_eq!(arrange("web", &slices, &more).len(), 1);
        // Another takes the place of the one that goes, in one write.
        let mut replaced = fewer;
        replaced.push(endpoint(250, 8080));
        assert_eq!(arrange("web", &slices, &replaced).len(), 1);
    }

    #[test]
    fn what_is_new_is_written_before_what_goes() {
        let start = carried_out(&[], &arrange("web", &[], &[endpoint(1, 61_000)]));
        let changes = arrange("web", &start, &[endpoint(2, 61_001)]);
        assert!(
            matches!(changes.as_slice(), [Change::Create(new), Change::Delete(old)]
            if new.name == "web-p61001" && old == "web-p61000")
        );
    }

    #[test]
    fn five_hundred_tasks_with_ports_of_their_own_need_a_slice_a_port_and_a_write_a_task() {
        // Fifty tasks on each of ten instances: each instance uses the same fifty ports.
        let all: Vec<Endpoint> = (0..500)
            .map(|task| endpoint(task, 61_000 + task / 10))
            .collect();
        let mut slices = Vec::new();
        let mut writes = 0;
        for upto in 1..=all.len() {
            let changes = arrange("web", &slices, all.get(..upto).unwrap());
            writes += changes.len();
            slices = carried_out(&slices, &changes);
        }
        assert_eq!((slices.len(), writes), (50, 500));
        // All of them at once: a write a slice.
        assert_eq!(arrange("web", &[], &all).len(), 50);
    }
}
