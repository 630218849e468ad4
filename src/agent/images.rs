//! Which images of an engine may go: those that nobody has used for a while, the least recently used first.
//!
//! # Guarantees
//! No image goes that a container uses, whosever and in whatever state, or that a task of this instance is to run. An image
//! without a name is never touched: nobody can tell whose it is.
//!
//! # Caveats
//! When an image was last used is known from when this process began: an agent that was restarted counts from then on.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::api::names;
use crate::runtime::{ContainerSummary, LocalImage};

/// When unused images are removed (`EcsCluster.spec.imageCleanup`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Between two looks (`ECS_IMAGE_CLEANUP_INTERVAL`).
    pub interval: SignedDuration,
    /// An image that was used later stays (`ECS_IMAGE_MINIMUM_CLEANUP_AGE`).
    pub minimum_age: SignedDuration,
    /// Most images that one look removes (`ECS_NUM_IMAGES_DELETE_PER_CYCLE`).
    pub per_cycle: usize,
    /// Images that no task has run may go as well (`ECS_ENABLE_UNTRACKED_IMAGE_CLEANUP`).
    pub untracked: bool,
}

impl Default for Rules {
    /// ECS's own.
    fn default() -> Self {
        Self {
            interval: SignedDuration::from_mins(30),
            minimum_age: SignedDuration::from_hours(1),
            per_cycle: 5,
            untracked: false,
        }
    }
}

/// How much room the engine's disk has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Disk {
    /// Enough, as far as is known.
    #[default]
    Roomy,
    /// The engine could not write: whatever is unused goes at once.
    Full,
}

/// An image to remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// Its id.
    pub id: String,
    /// All its names. The image goes with the last of them.
    pub names: Vec<String>,
}

/// When images were last used, by id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Usage(BTreeMap<String, Use>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Use {
    last: Timestamp,
    /// A task of ours ran it.
    tracked: bool,
}

impl Usage {
    /// A task of ours uses the image now.
    pub fn used(&mut self, id: &str, now: Timestamp) {
        let tracked = true;
        self.0.insert(id.to_owned(), Use { last: now, tracked });
    }

    /// Takes in all images and containers of the engine. What is seen for the first time counts as used now.
    pub fn observe(
        &mut self,
        images: &[LocalImage],
        containers: &[ContainerSummary],
        now: Timestamp,
    ) {
        let there: BTreeSet<&str> = images.iter().map(|image| image.id.as_str()).collect();
        self.0.retain(|id, _| there.contains(id.as_str()));
        for id in there {
            let tracked = false;
            let first = Use { last: now, tracked };
            self.0.entry(id.to_owned()).or_insert(first);
        }
        for container in containers {
            if let Some(found) = self.0.get_mut(&container.image_id) {
                found.last = now;
                found.tracked |= container.labels.contains_key(names::INSTANCE_DOCKER_LABEL);
            }
        }
    }

    /// The images that may go now, in the order in which they should. `is_leased` tells of a name whether a task is to
    /// run it.
    #[must_use]
    pub fn plan(
        &self,
        images: &[LocalImage],
        containers: &[ContainerSummary],
        is_leased: impl Fn(&str) -> bool,
        rules: &Rules,
        disk: Disk,
        now: Timestamp,
    ) -> Vec<Removal> {
        let in_use: BTreeSet<&str> = containers
            .iter()
            .map(|container| container.image_id.as_str())
            .collect();
        let (age, most) = match disk {
            Disk::Roomy => (rules.minimum_age, rules.per_cycle),
            Disk::Full => (SignedDuration::ZERO, usize::MAX),
        };
        let mut old: Vec<(Timestamp, Removal)> = images
            .iter()
            .filter(|image| !in_use.contains(image.id.as_str()))
            .filter_map(|image| {
                let known = self.0.get(&image.id)?;
                let may_go =
                    (known.tracked || rules.untracked) && now.duration_since(known.last) >= age;
                let names = names_of(image);
                let is_free = !names.is_empty() && !all_names(image).any(|name| is_leased(name));
                let id = image.id.clone();
                (may_go && is_free).then_some((known.last, Removal { id, names }))
            })
            .collect();
        old.sort_by(|a, b| (a.0, &a.1.id).cmp(&(b.0, &b.1.id)));
        old.into_iter()
            .take(most)
            .map(|(_, removal)| removal)
            .collect()
    }
}

/// The names by which an image is removed: with the last tag of a repository its digests go as well.
fn names_of(image: &LocalImage) -> Vec<String> {
    if image.tags.is_empty() {
        image.digests.clone()
    } else {
        image.tags.clone()
    }
}

fn all_names(image: &LocalImage) -> impl Iterator<Item = &String> {
    image.tags.iter().chain(&image.digests)
}

#[cfg(test)]
mod tests;
