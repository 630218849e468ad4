//! Instances for forecasts: the placer's own, without the API.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Board, Mark, Placed, Site, Start, Task};
use crate::domain::placement::{Group, Holding, Instance, Model, Request};
use crate::domain::resources::{Capacity, Demand};
use crate::domain::service::Place;

/// Instances that each have room for so many tasks.
pub(super) struct Machines {
    slots: usize,
    names: Vec<String>,
    /// By task, its instance.
    pub(super) held: BTreeMap<String, String>,
}

impl Machines {
    /// Three instances with these tasks on them.
    pub(super) fn with(slots: usize, tasks: &[Task]) -> Self {
        Self {
            slots,
            names: (0..3).map(|number| format!("i{number}")).collect(),
            held: tasks
                .iter()
                .filter(|task| task.is_live())
                .map(|task| (task.name.clone(), task.instance.clone()))
                .collect(),
        }
    }

    fn instance(&self, name: &str) -> Instance {
        let mut instance = Instance {
            name: name.to_owned(),
            active: true,
            connected: true,
            capacity: Capacity {
                memory: u32::try_from(self.slots).unwrap(),
                ..Capacity::default()
            },
            ..Instance::default()
        };
        let here = self.held.values().filter(|held| *held == name);
        here.for_each(|_| instance.take(&holding()));
        instance
    }
}

fn holding() -> Holding {
    Holding {
        spread_group: None,
        demand: Arc::new(demand()),
        ports: Vec::new(),
        group: Arc::new(Group::of_service("shop", "web")),
        running: true,
        ending: false,
    }
}

fn demand() -> Demand {
    Demand {
        memory: 1,
        ..Demand::default()
    }
}

impl Board for Machines {
    fn place(&mut self, starts: &[Start], deployment: i64) -> Placed {
        let mut placed = Placed::default();
        for start in starts {
            let may = |name: &&String| match &start.place {
                Place::Instance(only) => *name == only,
                Place::Anywhere | Place::Zone(_) => true,
            };
            let mut model: Model = self
                .names
                .iter()
                .filter(may)
                .map(|name| self.instance(name))
                .collect();
            let (wants, group) = (demand(), Group::of_service("shop", "web"));
            let request = Request::of(&wants, &group);
            match model.place(&request) {
                Ok(found) => {
                    let task = format!("d{deployment}-{}-{}", start.slot, start.attempt);
                    self.held.insert(task.clone(), found.instance.clone());
                    placed.sites.push(Site {
                        start: start.clone(),
                        task,
                        instance: found.instance,
                        zone: None,
                    });
                }
                Err(explanation) => placed.unplaced = placed.unplaced.or(Some(explanation)),
            }
        }
        placed
    }

    /// A task that stops holds what it has.
    fn stop(&mut self, _: &[String]) {}

    fn release(&mut self, tasks: &[&Task]) {
        for task in tasks {
            self.held.remove(&task.name);
        }
    }

    fn marks(&self, task: &Task) -> Vec<Mark> {
        vec![Mark::Bucket(Some(task.instance.clone()))]
    }
}
