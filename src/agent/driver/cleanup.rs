//! Removes images that nobody needs: looks when it is time or the disk is full, asks [`crate::agent::images`], removes.

use std::time::Duration;

use tracing::debug;

use super::{Done, Driver};
use crate::agent::images::{Disk, Rules, Usage};
use crate::agent::step::Outcome;
use crate::domain::pulls::Problem;
use crate::runtime::{ContainerSummary, Error, Labels, LocalImage};

/// Before images are listed again after a failure.
const RETRY: Duration = Duration::from_mins(1);

/// What the driver knows of the engine's images.
#[derive(Debug, Default)]
pub(super) struct Cleanup {
    /// `None` where nothing is to be removed.
    rules: Option<Rules>,
    usage: Usage,
    disk: Disk,
    /// The disk was found full: what stopped tasks left goes first, because it keeps their images.
    pub(super) sheds: bool,
    /// A look or a removal is under way.
    busy: bool,
    /// When the next look is due.
    pub(super) at: Duration,
}

/// What is on an engine: its images, and all its containers, whosever.
pub(super) type Look = Result<(Vec<LocalImage>, Vec<ContainerSummary>), Error>;

impl Cleanup {
    /// The first look is due at once, so that ages count from the start of the process.
    pub(super) fn new(rules: Option<Rules>) -> Self {
        Self {
            rules,
            ..Self::default()
        }
    }

    /// When a look will be due.
    pub(super) fn wake(&self) -> Option<Duration> {
        (self.rules.is_some() && !self.busy).then_some(self.at)
    }
}

impl Driver {
    /// Begins a look if one is due.
    pub(super) fn clean(&mut self) {
        let now = self.clock.monotonic();
        if self.cleanup.wake().is_none_or(|at| at > now) {
            return;
        }
        self.cleanup.busy = true;
        let engine = self.lanes.engine();
        self.jobs.spawn(async move {
            // Containers last: one that is created after its image was listed keeps it.
            let images = engine.images().await;
            let containers = engine.list(&Labels::new()).await;
            Done::ImagesListed(images.and_then(|images| Ok((images, containers?))))
        });
    }

    /// Takes a look in, and begins to remove what may go.
    pub(super) fn images_listed(&mut self, look: Look) {
        let (Some(rules), now) = (self.cleanup.rules, self.clock.now()) else {
            return;
        };
        let monotonic = self.clock.monotonic();
        let (images, containers) = match look {
            Ok(look) => look,
            Err(error) => {
                debug!(%error, "cannot list images");
                self.cleanup.busy = false;
                self.cleanup.at = monotonic + RETRY;
                return;
            }
        };
        self.cleanup.usage.observe(&images, &containers, now);
        let leases = self.lanes.images.leases.clone();
        let disk = std::mem::take(&mut self.cleanup.disk);
        let is_leased = |name: &str| leases.is_held(name);
        let plan = self
            .cleanup
            .usage
            .plan(&images, &containers, is_leased, &rules, disk, now);
        self.cleanup.at = monotonic + Duration::try_from(rules.interval).unwrap_or(RETRY);
        let images = self.lanes.images.clone();
        self.jobs.spawn(async move {
            images.remove(plan).await;
            Done::ImagesRemoved
        });
    }

    /// A look and its removals are over.
    pub(super) const fn images_removed(&mut self) {
        self.cleanup.busy = false;
    }

    /// Learns from the outcome of a call which image is in use, and whether the disk is full.
    pub(super) fn note_image(&mut self, uid: &str, outcome: &Outcome) {
        let error = match outcome {
            Outcome::Pulled(Ok(image)) => {
                let task = self.book.get(uid).and_then(|entry| entry.task.as_ref());
                let names = task.into_iter().flat_map(|task| task.wanted().images());
                let usage = &mut self.cleanup.usage;
                usage.used(&image.id, names, self.clock.now());
                return;
            }
            Outcome::Pulled(Err(error)) | Outcome::Created(Err(error)) => error,
            Outcome::Inspected(_)
            | Outcome::Supplied(_)
            | Outcome::Created(Ok(_))
            | Outcome::Started(_)
            | Outcome::Stopped(_)
            | Outcome::Removed(_) => return,
        };
        if Problem::of(&error.to_string()) == Problem::DiskFull {
            self.cleanup.disk = Disk::Full;
            self.cleanup.sheds = true;
            self.cleanup.at = Duration::ZERO;
        }
    }

    /// Images of containers that were listed are in use.
    pub(super) fn note_containers(&mut self) {
        let now = self.clock.now();
        for line in &self.lines {
            let usage = &mut self.cleanup.usage;
            usage.used(&line.image_id, [&line.image], now);
        }
    }
}
