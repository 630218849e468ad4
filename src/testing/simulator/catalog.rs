//! What the services of a simulation run, and how well each version of it does.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::SignedDuration;

use super::objects::TaskObject;
use super::random::Random;
use super::shape::{self, Shape};
use crate::agent::wanted::{Target, Wanted};
use crate::api::cluster::ImagePullBehavior;
use crate::api::task::TaskLoadBalancer;
use crate::domain::definition::tests_support::{container, definition};
use crate::domain::definition::{PortMapping, TaskDefinition};
use crate::domain::events;
use crate::domain::resources::{Demand, Protocol};
use crate::domain::task::{Stop, StopCode};
use crate::runtime::model::{ModelEngine, Program};

/// What a service runs, whatever the version.
#[derive(Debug, Clone)]
pub(super) struct Recipe {
    pub(super) checked: bool,
    /// It is behind a target group.
    balanced: bool,
    shape: Shape,
    ports: Ports,
    memory: u32,
    stops_in: SignedDuration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ports {
    None,
    Dynamic,
    Fixed,
}

/// How tasks of a version fare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quality {
    Good,
    /// The container cannot be started.
    CannotStart,
    /// There is no such image.
    NoImage,
    /// It ends by itself soon.
    EndsSoon,
    /// Its health check never passes.
    Sick,
}

/// Versions per service.
#[derive(Debug, Clone, Default)]
pub(super) struct Catalog {
    recipes: BTreeMap<String, Recipe>,
    /// What each task of a service needs.
    demands: BTreeMap<String, Demand>,
    /// What one needs that nobody knows.
    nothing: Demand,
    qualities: BTreeMap<(String, u32), Quality>,
}

impl Recipe {
    /// A recipe by chance. Fixed ports only where tasks may be stopped first.
    pub(super) fn draw(random: &mut Random, shapes: &mut Random, may_fix_ports: bool) -> Self {
        let ports = match random.below(3) {
            0 => Ports::None,
            1 if may_fix_ports => Ports::Fixed,
            _ => Ports::Dynamic,
        };
        let checked = random.chance(50);
        Self {
            checked,
            shape: Shape::draw(shapes, random.chance(30)),
            ports,
            memory: 64,
            stops_in: random.time(0, 6000),
            balanced: checked && ports != Ports::None,
        }
    }

    /// At most one task of it fits on an instance.
    pub(super) const fn has_fixed_ports(&self) -> bool {
        matches!(self.ports, Ports::Fixed)
    }
}

impl Catalog {
    pub(super) fn add(&mut self, service: &str, recipe: Recipe) {
        self.recipes.insert(service.to_owned(), recipe);
        let demand = self.definition(service, 1).demand();
        self.demands.insert(service.to_owned(), demand);
    }

    /// What each task of a service needs, whatever its version.
    pub(super) fn demand(&self, service: &str) -> &Demand {
        self.demands.get(service).unwrap_or(&self.nothing)
    }

    pub(super) fn recipe(&self, service: &str) -> Option<&Recipe> {
        self.recipes.get(service)
    }

    /// Says how the tasks of a version fare, on every engine.
    pub(super) fn publish<'a>(
        &mut self,
        service: &str,
        version: u32,
        quality: Quality,
        engines: impl Iterator<Item = &'a mut ModelEngine>,
    ) {
        self.qualities
            .insert((service.to_owned(), version), quality);
        for engine in engines {
            if let Some(recipe) = self.recipes.get(service) {
                offer(engine, service, version, quality, recipe);
            }
        }
    }

    /// Whether the tasks of a service have a health check.
    pub(super) fn is_checked(&self, service: &str) -> bool {
        self.recipe(service).is_some_and(|recipe| recipe.checked)
    }

    /// The containers of a service's tasks without which they are not whole.
    pub(super) fn essential(&self, service: &str) -> impl Iterator<Item = &'static str> {
        let shape = self.recipe(service).map(|recipe| recipe.shape);
        shape.unwrap_or_default().essential()
    }

    /// Whether the containers of a service's tasks wait for each other.
    pub(super) fn has_order(&self, service: &str) -> bool {
        self.recipe(service)
            .is_some_and(|recipe| recipe.shape.has_order())
    }

    /// Whether the tasks of a service are behind a target group.
    pub(super) fn is_balanced(&self, service: &str) -> bool {
        self.recipe(service).is_some_and(|recipe| recipe.balanced)
    }

    /// Whether nobody said how the tasks of a version fare.
    pub(super) fn is_unknown(&self, service: &str, version: u32) -> bool {
        let key = (service.to_owned(), version);
        !self.qualities.contains_key(&key)
    }

    /// The newest version of a service.
    pub(super) fn newest(&self, service: &str) -> u32 {
        let versions = self.qualities.keys().filter(|(name, _)| name == service);
        versions.map(|(_, version)| *version).max().unwrap_or(0)
    }

    /// The newest version of a service that does well.
    pub(super) fn good(&self, service: &str) -> u32 {
        let good = self
            .qualities
            .iter()
            .filter(|((name, _), quality)| name == service && **quality == Quality::Good);
        good.map(|((_, version), _)| *version).max().unwrap_or(1)
    }

    pub(super) fn quality(&self, service: &str, version: u32) -> Quality {
        self.qualities
            .get(&(service.to_owned(), version))
            .copied()
            .unwrap_or(Quality::Good)
    }

    /// The definition that a version of a service runs.
    pub(super) fn definition(&self, service: &str, version: u32) -> TaskDefinition {
        let mut app = container("app");
        app.image = image(service, version);
        if let Some(recipe) = self.recipes.get(service) {
            app.memory = Some(recipe.memory);
            app.stop_timeout = Some(Duration::from_secs(5));
            let port = |host_port| PortMapping {
                container_port: 80,
                host_port,
                protocol: Protocol::Tcp,
                follows: false,
            };
            match recipe.ports {
                Ports::None => {}
                Ports::Dynamic => app.port_mappings = vec![port(None)],
                Ports::Fixed => app.port_mappings = vec![port(Some(8080))],
            }
            app.health_check = recipe.checked.then(shape::check);
        }
        let shape = self.recipe(service).map(|recipe| recipe.shape);
        definition(service, shape.unwrap_or_default().around(app))
    }

    fn targets(&self, task: &TaskObject) -> Vec<Target> {
        let target = Target {
            spec: TaskLoadBalancer {
                target_group: "web".into(),
                container_name: "app".into(),
                container_port: 80,
                protocol: Protocol::Tcp.into(),
            },
            container_port: 80,
            protocol: Protocol::Tcp,
        };
        let is_balanced = self.is_balanced(&task.service);
        is_balanced.then_some(target).into_iter().collect()
    }

    /// Why a task is to end, if it is.
    pub(super) fn end(task: &TaskObject) -> Option<Stop> {
        let deleted = || Stop {
            code: StopCode::UserInitiated,
            reason: events::STOPPED_BY_USER.to_owned(),
        };
        task.stop.clone().or_else(|| task.deleting.then(deleted))
    }

    /// What an agent is told of a task.
    pub(super) fn wanted(&self, task: &TaskObject) -> Wanted {
        let definition = self.definition(&task.service, task.version);
        let mut chosen = task.dynamic_ports.iter();
        let mut host_ports = BTreeMap::new();
        for container in &definition.containers {
            for mapping in &container.port_mappings {
                let fixed = definition.fixed_port(mapping);
                if let Some(port) = fixed.or_else(|| chosen.next().map(|port| port.port)) {
                    host_ports.insert(
                        (
                            container.name.clone(),
                            mapping.container_port,
                            mapping.protocol,
                        ),
                        port,
                    );
                }
            }
        }
        Wanted {
            uid: task.uid.clone(),
            namespace: "shop".into(),
            cluster: "main".into(),
            revision: i64::from(task.version),
            definition,
            host_ports,
            digests: BTreeMap::new(),
            targets: self.targets(task),
            end: Self::end(task),
            refusal: None,
            pull: ImagePullBehavior::Default,
            registry_access: BTreeSet::new(),
        }
    }
}

fn image(service: &str, version: u32) -> String {
    format!("{service}:{version}")
}

fn offer(engine: &mut ModelEngine, service: &str, version: u32, quality: Quality, recipe: &Recipe) {
    let mut program = Program {
        stops_in: Some(recipe.stops_in),
        ..Program::default()
    };
    match quality {
        Quality::Good | Quality::Sick => {}
        Quality::NoImage => return,
        Quality::CannotStart => program.start_error = Some("exec format error".into()),
        Quality::EndsSoon => {
            program.runs_for = Some(SignedDuration::from_secs(3));
            program.exit_code = 1;
        }
    }
    *engine = std::mem::take(engine).with_registry(&image(service, version), program);
}
