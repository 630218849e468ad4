//! What must hold of the containers of one task among themselves: they come up in order, go down in the reverse, and are
//! started again as their policies say and not else.

use std::time::Duration;

use super::book::Signal;
use super::catalog::Catalog;
use super::invariants::{Invariants, Verdict, task_of};
use super::machine::Machine;
use super::objects::TaskObject;
use crate::domain::definition::{Condition, TaskDefinition};
use crate::runtime::model::Deed;

/// A container's name in the definition, out of its name in an engine.
pub(super) fn part_of(container: &str) -> &str {
    container.rsplit('-').nth(1).unwrap_or(container)
}

/// The name in an engine of another container of the same task.
fn beside(container: &str, other: &str) -> String {
    let task = task_of(container);
    let front = container
        .strip_suffix(task)
        .and_then(|front| front.strip_suffix('-'))
        .and_then(|front| front.strip_suffix(part_of(container)));
    format!("{}{other}-{task}", front.unwrap_or_default())
}

impl Invariants {
    /// D1: a container is made when all that it waits for has come so far. S3: its processes start once, and again as its
    /// policy says.
    pub(super) fn in_order(
        &self,
        (name, deed): (&str, Deed),
        machine: &Machine,
        catalog: &Catalog,
    ) -> Verdict {
        let Some(task) = self.born.get(task_of(name)).map(|birth| &birth.task) else {
            return Ok(());
        };
        match deed {
            Deed::Created => came_in_turn(name, task, machine, catalog),
            Deed::StartedAgain { code, ran } => {
                let definition = catalog.definition(&task.service, task.version);
                let ran = Duration::try_from(ran).unwrap_or_default();
                let mut containers = definition.containers.iter();
                let found = containers.find(|container| container.name == part_of(name));
                let policy = found.and_then(|container| container.restart_policy.as_ref());
                if policy.is_some_and(|policy| policy.restarts(code, ran)) {
                    return Ok(());
                }
                Err(format!(
                    "S3: {name} was started again after exit code {code} and {ran:?}"
                ))
            }
            Deed::Started if machine.starts.get(name).is_some_and(|starts| *starts > 1) => {
                Err(format!("S3: {name} was started twice"))
            }
            Deed::Started | Deed::Ended | Deed::Removed => Ok(()),
        }
    }

    /// D2: nothing is told to end before what waited for it has ended.
    pub(super) fn told_in_order(signal: &Signal) -> Verdict {
        signal.outlived_by.as_ref().map_or(Ok(()), |other| {
            let (task, container) = (&signal.task, &signal.container);
            Err(format!(
                "D2: {container} of {task} is told to end before {other}"
            ))
        })
    }
}

fn came_in_turn(name: &str, task: &TaskObject, machine: &Machine, catalog: &Catalog) -> Verdict {
    if !catalog.has_order(&task.service) {
        return Ok(());
    }
    let definition = catalog.definition(&task.service, task.version);
    let mut containers = definition.containers.iter();
    let found = containers.find(|container| container.name == part_of(name));
    for (other, condition) in found.iter().flat_map(|container| container.dependencies()) {
        let other = beside(name, other);
        let reached = match condition {
            Condition::Start => machine.starts.get(&other).is_some_and(|starts| *starts > 0),
            Condition::Complete => machine.ended.contains_key(&other),
            Condition::Success => machine.ended.get(&other) == Some(&0),
            Condition::Healthy => machine.healthy.contains(&other),
        };
        if !reached {
            let condition = condition.as_str();
            return Err(format!("D1: {name} comes before {condition} of {other}"));
        }
    }
    Ok(())
}

/// Which container that waited for this one still lives on the machine.
pub(super) fn outlives(
    container: &str,
    definition: &TaskDefinition,
    engine_name: impl Fn(&str) -> Option<String>,
    machine: &Machine,
) -> Option<String> {
    let mut waited = definition
        .containers
        .iter()
        .filter(|other| other.depends_on(container));
    let lives = |other: &str| engine_name(other).is_some_and(|other| machine.live.contains(&other));
    waited
        .find(|other| lives(&other.name))
        .map(|other| other.name.clone())
}
