//! How many calls of each kind the engine gets at once.
//!
//! Starting containers is bound by the engine's cores: more than twice as many only wait longer. Stops have a lane of
//! their own, so that no stop ever waits behind starts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, Shared};
use futures::{FutureExt, StreamExt};
use tokio::sync::Semaphore;
use tracing::{debug, info};

use crate::agent::limits::client::Client as Limiter;
use crate::agent::pause::PauseImage;
use crate::agent::step::{Call, Outcome};
use crate::api::cluster::ImagePullBehavior;
use crate::domain::definition::limits::TaskLimits;
use crate::runtime::{ContainerSpec, Created, Engine, Error, Image};

const STOPS: usize = 32;
const PULLS: usize = 4;
const INSPECTS: usize = 16;
const STARTS_PER_CPU: usize = 2;

type Pull = Shared<BoxFuture<'static, Result<Image, Error>>>;

/// The engine with its lanes. Cheap to clone.
#[derive(Clone)]
pub(super) struct Lanes {
    engine: Arc<dyn Engine>,
    pause: Arc<PauseImage>,
    starts: Arc<Semaphore>,
    stops: Arc<Semaphore>,
    pulls: Arc<Semaphore>,
    inspects: Arc<Semaphore>,
    /// One pull for each image, however many tasks wait for it.
    pulling: Arc<Mutex<BTreeMap<String, Pull>>>,
    /// Images that this process pulled, for the behaviour `once`.
    pulled: Arc<Mutex<BTreeSet<String>>>,
    /// Who bounds whole tasks, where somebody does.
    limiter: Option<Limiter>,
}

/// One call for one container, with all that it needs.
pub(super) struct Work {
    pub(super) engine_name: String,
    pub(super) call: Call,
    /// What to create or pull; absent where the definition is not known, and then not needed.
    pub(super) spec: Option<ContainerSpec>,
    pub(super) pull: ImagePullBehavior,
    /// UID and bounds of its task, where that has any.
    pub(super) limits: Option<(String, TaskLimits)>,
}

impl Lanes {
    pub(super) fn new(
        engine: Arc<dyn Engine>,
        cpus: u32,
        pause: PauseImage,
        limiter: Option<Limiter>,
    ) -> Self {
        let cpus = usize::try_from(cpus).unwrap_or(1).max(1);
        let lane = |size| Arc::new(Semaphore::new(size));
        Self {
            engine,
            pause: Arc::new(pause),
            starts: lane(cpus * STARTS_PER_CPU),
            stops: lane(STOPS),
            pulls: lane(PULLS),
            inspects: lane(INSPECTS),
            pulling: Arc::default(),
            pulled: Arc::default(),
            limiter,
        }
    }

    pub(super) fn engine(&self) -> Arc<dyn Engine> {
        Arc::clone(&self.engine)
    }

    pub(super) const fn limiter(&self) -> Option<&Limiter> {
        self.limiter.as_ref()
    }

    /// Carries out one call, once its lane has room.
    pub(super) async fn carry_out(self, work: Work) -> Outcome {
        let name = work.engine_name.as_str();
        let lane = match work.call {
            Call::Inspect => &self.inspects,
            Call::Create | Call::Start => &self.starts,
            Call::Stop { .. } | Call::Kill | Call::Remove => &self.stops,
            Call::Pull => return Outcome::Pulled(self.image(work.spec, work.pull).await),
        };
        // Before the lane: whoever waits for the cgroup of one task holds up no other.
        let parent = match work.call {
            Call::Create | Call::Start => self.bounds(work.limits).await,
            Call::Inspect | Call::Stop { .. } | Call::Kill | Call::Remove | Call::Pull => Ok(None),
        };
        // The lanes are never closed.
        let _permit = lane.acquire().await;
        match work.call {
            Call::Inspect => Outcome::Inspected(self.engine.inspect(name).await.map(Box::new)),
            Call::Create => Outcome::Created(match (work.spec, parent) {
                (Some(spec), Ok(cgroup_parent)) => {
                    self.create(&ContainerSpec {
                        cgroup_parent,
                        ..spec
                    })
                    .await
                }
                (None, _) => Err(unknown_definition()),
                (Some(_), Err(error)) => Err(error),
            }),
            Call::Start => Outcome::Started(match parent {
                Ok(_) => self.start(name, work.spec.as_ref()).await,
                Err(error) => Err(error),
            }),
            Call::Stop { grace } => Outcome::Stopped(self.engine.stop(name, grace).await),
            Call::Kill => Outcome::Stopped(self.engine.kill(name).await),
            Call::Remove => Outcome::Removed(self.engine.remove(name).await),
            Call::Pull => Outcome::Pulled(Err(unknown_definition())),
        }
    }

    /// The cgroup of a task with bounds, which is there from now on.
    async fn bounds(&self, limits: Option<(String, TaskLimits)>) -> Result<Option<String>, Error> {
        let Some((uid, limits)) = limits else {
            return Ok(None);
        };
        let limiter = self.limiter.as_ref().ok_or_else(|| Error::Refused {
            status: 0,
            message: "this instance cannot bound cpu and memory of a whole task".to_owned(),
        })?;
        limiter.provide(&uid, limits).await.map(Some)
    }

    /// Starts a container, with its files in it: an agent that was killed may have created it without.
    async fn start(&self, name: &str, spec: Option<&ContainerSpec>) -> Result<(), Error> {
        for (path, content) in spec.iter().flat_map(|spec| &spec.files) {
            self.engine.write_file(name, path, content).await?;
        }
        self.engine.start(name).await
    }

    /// Creates a container, from the very content that was asked for.
    async fn create(&self, spec: &ContainerSpec) -> Result<Created, Error> {
        let Some(pinned) = spec.pinned() else {
            return self.engine.create(spec).await;
        };
        let (image, _) = self.present(spec, &pinned).await?.ok_or_else(|| {
            let message = format!("the engine does not have {pinned} any more");
            Error::NotFound { message }
        })?;
        let exact = ContainerSpec {
            image,
            ..spec.clone()
        };
        self.engine.create(&exact).await
    }

    /// The image with the digest that the container must run, by the name under which the engine has it.
    async fn present(
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

    /// Makes an image present, as the pull behaviour of the cluster says.
    async fn image(
        &self,
        spec: Option<ContainerSpec>,
        behavior: ImagePullBehavior,
    ) -> Result<Image, Error> {
        let spec = spec.ok_or_else(unknown_definition)?;
        if let Some(pinned) = spec.pinned() {
            return match self.present(&spec, &pinned).await? {
                Some((_, found)) => Ok(found),
                None => self.shared_pull(&pinned).await,
            };
        }
        let image = spec.image;
        if image == self.pause.name() {
            return match self.engine.image(&image).await? {
                Some(found) => Ok(found),
                None => self.shared_pull(&image).await,
            };
        }
        // A digest names its content: what is there is what would come.
        let pinned = image.contains("@sha256:");
        let was_pulled = self
            .pulled
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&image);
        let cached_will_do = match behavior {
            ImagePullBehavior::Default | ImagePullBehavior::Always => pinned,
            ImagePullBehavior::Once => pinned || was_pulled,
            ImagePullBehavior::PreferCached => true,
        };
        if cached_will_do && let Some(found) = self.engine.image(&image).await? {
            return Ok(found);
        }
        let error = match self.shared_pull(&image).await {
            Ok(found) => return Ok(found),
            Err(error) => error,
        };
        let falls_back = matches!(
            behavior,
            ImagePullBehavior::Default | ImagePullBehavior::PreferCached
        );
        match self.engine.image(&image).await? {
            Some(found) if falls_back => {
                info!(image, %error, "cannot pull; the image that is there is used");
                Ok(found)
            }
            _ => Err(error),
        }
    }

    async fn shared_pull(&self, image: &str) -> Result<Image, Error> {
        let pull = {
            let mut pulling = self.pulling.lock().unwrap_or_else(PoisonError::into_inner);
            let lanes = self.clone();
            let own = image.to_owned();
            pulling
                .entry(image.to_owned())
                .or_insert_with(|| async move { lanes.pull(&own).await }.boxed().shared())
                .clone()
        };
        let result = pull.await;
        self.pulling
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(image);
        result
    }

    async fn pull(&self, image: &str) -> Result<Image, Error> {
        let _permit = self.pulls.acquire().await;
        if image == self.pause.name() {
            self.pause.load(self.engine.as_ref()).await?;
            return self.have(image).await;
        }
        let mut steps = self.engine.pull(image);
        while let Some(step) = steps.next().await {
            let step = step?;
            debug!(image, status = step.status, "pulling");
        }
        self.pulled
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(image.to_owned());
        self.have(image).await
    }

    /// The image that the engine was given just now.
    async fn have(&self, image: &str) -> Result<Image, Error> {
        let found = self.engine.image(image).await?;
        found.ok_or_else(|| Error::NotFound {
            message: format!("the engine pulled {image} and does not have it"),
        })
    }
}

fn unknown_definition() -> Error {
    Error::Refused {
        status: 0,
        message: "the task definition is not known".to_owned(),
    }
}

/// Longest that any call of ours may take, for tests of what waits for it.
pub(super) const LIST_INTERVAL: Duration = Duration::from_secs(15);
