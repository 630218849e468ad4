//! Which tasks to stop first, where any would do.

use std::collections::BTreeMap;

use super::Task;

/// The first `count` of `candidates` to stop, so that the rest stays spread: from the zone with the most active
/// tasks of the service, there from the instance with the most, there the newest (ECS API Reference, `UpdateService`).
pub(super) fn most_crowded<'a>(
    candidates: &[&'a Task],
    active: &[&Task],
    count: usize,
) -> Vec<&'a Task> {
    let mut zones: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    let mut instances: BTreeMap<&str, usize> = BTreeMap::new();
    for task in active {
        *zones.entry(task.zone.as_deref()).or_default() += 1;
        *instances.entry(&task.instance).or_default() += 1;
    }
    let mut left: Vec<&Task> = candidates.to_vec();
    let mut chosen = Vec::new();
    while chosen.len() < count {
        let crowd = |task: &Task| {
            let of = |count: Option<&usize>| count.copied().unwrap_or(0);
            (
                of(zones.get(&task.zone.as_deref())),
                of(instances.get(task.instance.as_str())),
            )
        };
        let Some((index, task)) = left.iter().copied().enumerate().max_by(|(_, a), (_, b)| {
            (crowd(a), a.created_at, &a.name).cmp(&(crowd(b), b.created_at, &b.name))
        }) else {
            break;
        };
        left.remove(index);
        for crowd in [
            zones.get_mut(&task.zone.as_deref()),
            instances.get_mut(task.instance.as_str()),
        ]
        .into_iter()
        .flatten()
        {
            *crowd = crowd.saturating_sub(1);
        }
        chosen.push(task);
    }
    chosen
}
