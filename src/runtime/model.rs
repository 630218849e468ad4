//! A model of a Docker Engine: what containers do, as a pure structure whose clock is an argument.
//!
//! The simulator and the property tests drive it directly; [`super::fake::Fake`] puts the [`super::Engine`] trait
//! around it. It remembers every deed, so that tests can ask what really happened rather than what was reported.

mod images;
mod look;
mod networks;
mod program;
mod starting;
mod volumes;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::view::{METADATA_VARIABLE, metadata_id};
use super::{
    Activity, ContainerSpec, ContainerState, ContainerSummary, ContainerView, Created, Error, Hint,
    Image, Labels, NetworkSpec, VolumeView,
};
pub use program::{Deed, Program};

use crate::domain::registry::Credentials;
use crate::domain::resources::HostPort;
use crate::domain::task::Health;

/// A Docker Engine that exists only as data.
#[derive(Debug, Clone, Default)]
pub struct ModelEngine {
    local: BTreeMap<String, Image>,
    registry: BTreeMap<String, Image>,
    /// Whom the registry gives its images; everybody where nobody is named.
    readers: Option<Credentials>,
    /// Bytes that are left on its disk, where that matters.
    disk_is_full: bool,
    programs: BTreeMap<String, Program>,
    containers: BTreeMap<String, Container>,
    volumes: BTreeMap<String, VolumeView>,
    networks: BTreeMap<String, NetworkSpec>,
    hints: Vec<Hint>,
    deeds: Vec<(String, Deed)>,
    ids: u64,
}

#[derive(Debug, Clone)]
struct Container {
    spec: ContainerSpec,
    view: ContainerView,
    created_at: Timestamp,
    /// Which container of the engine it is.
    number: u64,
    /// When it ends, and with which code.
    ends: Option<(Timestamp, i64)>,
    files: BTreeMap<String, String>,
}

impl ModelEngine {
    /// Lets happen what is due at `now`. Every call does it first.
    pub fn tick(&mut self, now: Timestamp) {
        let due: Vec<(String, Timestamp, i64)> = self
            .containers
            .iter()
            .filter_map(|(name, container)| {
                container.ends.map(|(at, code)| (name.clone(), at, code))
            })
            .filter(|(_, at, _)| *at <= now)
            .collect();
        for (name, at, code) in due {
            self.end(&name, code, at);
        }
    }

    /// Ends a container, as if its process had exited.
    pub fn end(&mut self, name: &str, code: i64, now: Timestamp) {
        if let Some(container) = self
            .containers
            .get_mut(name)
            .filter(|container| container.view.state.is_live())
        {
            container.view.state = ContainerState::Exited;
            container.view.exit_code = Some(code);
            container.view.finished_at = Some(now);
            container.view.ports.clear();
            container.view.address = None;
            container.ends = None;
            self.happened(name, Deed::Ended, Activity::Ended);
        }
    }

    /// Sets the result of a health check.
    pub fn set_health(&mut self, name: &str, health: Health) {
        if let Some(container) = self.containers.get_mut(name) {
            container.view.health = health;
            self.hints.push(Hint {
                container: name.to_owned(),
                activity: Activity::Health,
            });
        }
    }

    /// Removes a container behind everyone's back, running or not.
    pub fn vanish(&mut self, name: &str) {
        if self.containers.remove(name).is_some() {
            self.happened(name, Deed::Removed, Activity::Removed);
        }
    }

    /// The engine crashes and comes back: everything that ran has ended, and nobody is told.
    pub fn restart(&mut self, now: Timestamp) {
        let names: Vec<String> = self.containers.keys().cloned().collect();
        for name in names {
            self.end(&name, 137, now);
        }
        self.hints.clear();
    }

    /// Takes the hints that have come up.
    pub fn take_hints(&mut self) -> Vec<Hint> {
        std::mem::take(&mut self.hints)
    }

    /// See [`super::Engine::write_file`].
    pub fn write_file(&mut self, name: &str, path: &str, content: &str) -> Result<(), Error> {
        let container = self.containers.get_mut(name).ok_or_else(|| missing(name))?;
        container.files.insert(path.to_owned(), content.to_owned());
        Ok(())
    }

    /// See [`super::Engine::list`].
    pub fn list(&mut self, labels: &Labels, now: Timestamp) -> Vec<ContainerSummary> {
        self.tick(now);
        self.containers
            .values()
            .filter(|container| {
                labels
                    .iter()
                    .all(|(name, value)| container.view.labels.get(name) == Some(value))
            })
            .map(|container| ContainerSummary {
                id: container.view.id.clone(),
                name: container.view.name.clone(),
                labels: container.view.labels.clone(),
                state: container.view.state,
                health: container.view.health,
                created_at: container.created_at,
                image_id: container.view.image_id.clone().unwrap_or_default(),
                image: container.spec.image.clone(),
            })
            .collect()
    }

    /// See [`super::Engine::inspect`].
    pub fn inspect(&mut self, name: &str, now: Timestamp) -> Result<ContainerView, Error> {
        self.tick(now);
        self.containers
            .get(name)
            .map(|container| container.view.clone())
            .ok_or_else(|| missing(name))
    }

    /// See [`super::Engine::create`].
    pub fn create(&mut self, spec: &ContainerSpec, now: Timestamp) -> Result<Created, Error> {
        self.tick(now);
        if let Some(container) = self.containers.get(&spec.name) {
            return Ok(Created::AlreadyExists(Box::new(container.view.clone())));
        }
        let Some(image) = self.local.get(&spec.image) else {
            return Err(Error::NotFound {
                message: format!("No such image: {}", spec.image),
            });
        };
        if let Some(error) = self.missing_volume(spec) {
            return Err(error);
        }
        self.ids += 1;
        let id = format!("{:064x}", self.ids);
        let view = ContainerView {
            labels: spec.labels.clone(),
            image_id: Some(image.id.clone()),
            created_at: Some(now),
            metadata_id: spec
                .environment
                .get(METADATA_VARIABLE)
                .and_then(|uri| metadata_id(uri)),
            ..ContainerView::created(id.clone(), spec.name.clone())
        };
        self.containers.insert(
            spec.name.clone(),
            Container {
                spec: spec.clone(),
                view,
                created_at: now,
                number: self.ids,
                ends: None,
                files: BTreeMap::new(),
            },
        );
        self.happened(&spec.name, Deed::Created, Activity::Other);
        Ok(Created::New { id })
    }

    /// See [`super::Engine::stop`]. Returns when the container will have ended.
    pub fn stop(
        &mut self,
        name: &str,
        grace: Duration,
        now: Timestamp,
    ) -> Result<Timestamp, Error> {
        self.tick(now);
        let container = self.containers.get_mut(name).ok_or_else(|| missing(name))?;
        if !container.view.state.is_live() {
            return Ok(now);
        }
        let grace = SignedDuration::try_from(grace).unwrap_or(SignedDuration::MAX);
        let obeys = self
            .programs
            .get(&container.spec.image)
            .and_then(|program| program.stops_in);
        let (after, code) = match obeys {
            Some(time) if time <= grace => (time, 143),
            _ => (grace, 137),
        };
        let at = now.checked_add(after).unwrap_or(now);
        if container.ends.is_none_or(|(ends, _)| at < ends) {
            container.ends = Some((at, code));
        }
        let ends = container.ends.map_or(at, |(ends, _)| ends);
        self.tick(now);
        Ok(ends)
    }

    /// See [`super::Engine::kill`].
    pub fn kill(&mut self, name: &str, now: Timestamp) -> Result<(), Error> {
        self.tick(now);
        self.containers
            .get(name)
            .map(drop)
            .ok_or_else(|| missing(name))?;
        self.end(name, 137, now);
        Ok(())
    }

    /// See [`super::Engine::remove`].
    pub fn remove(&mut self, name: &str, now: Timestamp) -> Result<(), Error> {
        self.tick(now);
        match self.containers.get(name) {
            None => Ok(()),
            Some(container) if container.view.state.is_live() => Err(Error::Conflict {
                message: format!(
                    "You cannot remove a running container {name}. Stop the container before attempting removal or force remove"
                ),
            }),
            Some(_) => {
                self.containers.remove(name);
                self.happened(name, Deed::Removed, Activity::Removed);
                Ok(())
            }
        }
    }

    fn ports(&self) -> BTreeSet<HostPort> {
        let live = self
            .containers
            .values()
            .filter(|container| container.view.state.is_live());
        live.flat_map(|container| &container.view.ports)
            .map(|port| HostPort {
                protocol: port.protocol,
                port: port.host_port,
            })
            .collect()
    }

    fn happened(&mut self, name: &str, deed: Deed, activity: Activity) {
        self.deeds.push((name.to_owned(), deed));
        self.hints.push(Hint {
            container: name.to_owned(),
            activity,
        });
    }
}

fn missing(name: &str) -> Error {
    Error::NotFound {
        message: format!("No such container: {name}"),
    }
}
