//! The images of the engine: pulled once however many tasks wait for one, and told apart by who may pull them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::{BoxFuture, Shared};
use futures::{FutureExt, StreamExt};
use tokio::sync::Semaphore;
use tracing::{info, warn};

use super::leases::Leases;
use crate::agent::images::Removal;
use crate::agent::pause::PauseImage;
use crate::agent::progress::Progress;
use crate::api::cluster::ImagePullBehavior;
use crate::domain::registry::Credentials;
use crate::runtime::{ContainerSpec, Engine, Error, Image, full_reference};

/// Pulls under way at once.
const PULLS: usize = 4;

type Pull = Shared<BoxFuture<'static, Result<Image, Error>>>;
/// An image, and who pulls it: what one task may have says nothing about another.
type Wanted = (String, Option<Credentials>);

/// The engine's images. Clones are the same.
#[derive(Clone)]
pub(super) struct Images {
    engine: Arc<dyn Engine>,
    pause: Arc<PauseImage>,
    lane: Arc<Semaphore>,
    /// Who needs which image.
    pub(super) leases: Leases,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    pulling: BTreeMap<Wanted, Pull>,
    /// How far pulls are, by image.
    progress: BTreeMap<String, Progress>,
    /// Images that this process pulled, for the behaviour `once`.
    pulled: BTreeSet<String>,
}

impl Images {
    pub(super) fn new(engine: Arc<dyn Engine>, pause: PauseImage) -> Self {
        Self {
            engine,
            pause: Arc::new(pause),
            lane: Arc::new(Semaphore::new(PULLS)),
            leases: Leases::default(),
            state: Arc::default(),
        }
    }

    /// Makes the image of a container present, as the pull behaviour of the cluster says.
    pub(super) async fn make_present(
        &self,
        spec: &ContainerSpec,
        behavior: ImagePullBehavior,
        who: Option<&Credentials>,
    ) -> Result<Image, Error> {
        if let Some(pinned) = spec.pinned() {
            self.leases.settled(&pinned).await;
            self.leases.settled(&spec.image).await;
            return match self.present(spec, &pinned).await? {
                Some((_, found)) => Ok(found),
                None => self.shared_pull(&pinned, who).await,
            };
        }
        let image = &spec.image;
        self.leases.settled(image).await;
        if *image == self.pause.name() {
            return match self.engine.image(image).await? {
                Some(found) => Ok(found),
                None => self.shared_pull(image, None).await,
            };
        }
        // A digest names its content: what is there is what would come.
        let pinned = image.contains("@sha256:");
        let cached_will_do = match behavior {
            ImagePullBehavior::Default | ImagePullBehavior::Always => pinned,
            ImagePullBehavior::Once => {
                pinned || self.lock().pulled.contains(&full_reference(image))
            }
            ImagePullBehavior::PreferCached => true,
        };
        if cached_will_do && let Some(found) = self.engine.image(image).await? {
            return Ok(found);
        }
        let error = match self.shared_pull(image, who).await {
            Ok(found) => return Ok(found),
            Err(error) => error,
        };
        let falls_back = matches!(
            behavior,
            ImagePullBehavior::Default | ImagePullBehavior::PreferCached
        );
        match self.engine.image(image).await? {
            Some(found) if falls_back => {
                info!(image, %error, "cannot pull; the image that is there is used");
                Ok(found)
            }
            _ => Err(error),
        }
    }

    /// The image with the digest that the container must run, by the name under which the engine has it.
    pub(super) async fn present(
        &self,
        spec: &ContainerSpec,
        pinned: &str,
    ) -> Result<Option<(String, Image)>, Error> {
        if let Some(found) = self.engine.image(pinned).await? {
            return Ok(Some((pinned.to_owned(), found)));
        }
        let tagged = self.engine.image(&spec.image).await?;
        let same = tagged.filter(|found| found.digest == spec.digest);
        Ok(same.map(|found| (spec.image.clone(), found)))
    }

    /// How far the pull of a container's image is.
    pub(super) fn progress(&self, spec: &ContainerSpec) -> String {
        let state = self.lock();
        let names = [spec.pinned(), Some(spec.image.clone())];
        let found = names
            .into_iter()
            .flatten()
            .find_map(|name| state.progress.get(&name));
        found.cloned().unwrap_or_default().text(&spec.image)
    }

    /// Removes images one after another; one that cannot be removed keeps none of the others.
    pub(super) async fn remove(self, removals: Vec<Removal>) {
        for Removal { id, names } in removals {
            let Some(_removing) = self.leases.remove(&names) else {
                continue;
            };
            for name in names {
                self.lock().pulled.remove(&full_reference(&name));
                match self.engine.remove_image(&name).await {
                    Ok(()) => info!(image = name, id, "unused image removed"),
                    Err(error) => warn!(image = name, id, %error, "cannot remove an unused image"),
                }
            }
        }
    }

    async fn shared_pull(&self, image: &str, who: Option<&Credentials>) -> Result<Image, Error> {
        let wanted = (image.to_owned(), who.cloned());
        let pull = {
            let (images, (own, who)) = (self.clone(), wanted.clone());
            let begin = || {
                async move { images.pull(&own, who.as_ref()).await }
                    .boxed()
                    .shared()
            };
            self.lock()
                .pulling
                .entry(wanted.clone())
                .or_insert_with(begin)
                .clone()
        };
        let result = pull.await;
        let mut state = self.lock();
        state.pulling.remove(&wanted);
        state.progress.remove(image);
        result
    }

    async fn pull(&self, image: &str, who: Option<&Credentials>) -> Result<Image, Error> {
        let _permit = self.lane.acquire().await;
        if image == self.pause.name() {
            self.pause.load(self.engine.as_ref()).await?;
            return self.have(image).await;
        }
        let mut steps = self.engine.pull(image, who);
        while let Some(step) = steps.next().await {
            let step = step?;
            let mut state = self.lock();
            state
                .progress
                .entry(image.to_owned())
                .or_default()
                .heard(&step);
        }
        self.lock().pulled.insert(full_reference(image));
        self.have(image).await
    }

    /// The image that the engine was given just now.
    async fn have(&self, image: &str) -> Result<Image, Error> {
        let found = self.engine.image(image).await?;
        found.ok_or_else(|| Error::NotFound {
            message: format!("the engine pulled {image} and does not have it"),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
