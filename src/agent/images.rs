//! Which images of an engine may go: those that nobody has used for a while, the least recently used first.
//!
//! # Guarantees
//! No image goes that a container uses, whosever and in whatever state, or that a task of this instance is to run. An image
//! without a name is never touched: nobody can tell whose it is. An image goes by the names that tasks called it by; one that
//! somebody has given another name keeps that, and so stays.
//!
//! # Caveats
//! When an image was last used is known from when this process began: an agent that was restarted counts from then on.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::api::names;
use crate::runtime::{ContainerSummary, LocalImage, full_reference};

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
    /// Its names that go. The image goes with its last one.
    pub names: Vec<String>,
}

/// When images were last used, and what tasks called them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Usage {
    /// By id.
    images: BTreeMap<String, Use>,
    names: BTreeSet<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Use {
    last: Timestamp,
    /// A task of ours ran it.
    tracked: bool,
}

impl Usage {
    /// A task of ours uses the image now, and calls it by these names.
    pub fn used(
        &mut self,
        id: &str,
        names: impl IntoIterator<Item = impl AsRef<str>>,
        now: Timestamp,
    ) {
        let tracked = true;
        self.images
            .insert(id.to_owned(), Use { last: now, tracked });
        let names = names.into_iter();
        self.names
            .extend(names.map(|name| full_reference(name.as_ref())));
    }

    /// Takes in all images and containers of the engine. What is seen for the first time counts as used now.
    pub fn observe(
        &mut self,
        images: &[LocalImage],
        containers: &[ContainerSummary],
        now: Timestamp,
    ) {
        let there: BTreeSet<&str> = images.iter().map(|image| image.id.as_str()).collect();
        let names = images.iter().flat_map(all_names);
        let names: BTreeSet<String> = names.map(|name| full_reference(name)).collect();
        self.images.retain(|id, _| there.contains(id.as_str()));
        self.names.retain(|name| names.contains(name));
        for id in there {
            let tracked = false;
            let first = Use { last: now, tracked };
            self.images.entry(id.to_owned()).or_insert(first);
        }
        for container in containers {
            if let Some(found) = self.images.get_mut(&container.image_id) {
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
                let known = self.images.get(&image.id)?;
                let may_go =
                    (known.tracked || rules.untracked) && now.duration_since(known.last) >= age;
                let names = self.names_to_go(image, rules);
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

    /// The names by which an image is removed: with the last tag of a repository its digests go as well.
    fn names_to_go(&self, image: &LocalImage, rules: &Rules) -> Vec<String> {
        let may_go = |name: &&String| rules.untracked || self.names.contains(&full_reference(name));
        let tags: Vec<String> = image.tags.iter().filter(may_go).cloned().collect();
        if tags.is_empty() {
            image.digests.iter().filter(may_go).cloned().collect()
        } else {
            tags
        }
    }
}

fn all_names(image: &LocalImage) -> impl Iterator<Item = &String> {
    image.tags.iter().chain(&image.digests)
}

#[cfg(test)]
mod tests;
