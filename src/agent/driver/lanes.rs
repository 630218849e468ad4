//! How many calls of each kind the engine gets at once.
//!
//! Making and starting containers is bound by the engine's cores: it gets twice as many of these calls at once, because each
//! waits a part of its time for the kernel; more would only wait longer, and hold each other up inside the engine. Making is at
//! most half of them, so that what is made starts while others are still being made, and half of many tasks run after half of
//! the time; when all are made, all places are for starts. Fifty containers on an engine of two cores took 1.09 to 1.11 times as
//! long as the bare loop in this way, and 1.19 to 1.24 times with a fixed half for each. Stops have a lane of their own, and
//! never wait behind starts.

use std::sync::Arc;
use std::time::Duration;

use futures::future::OptionFuture;
use tokio::sync::Semaphore;

use super::images::Images;
use crate::agent::broker::{self, Broker};
use crate::agent::files::Files;
use crate::agent::limits::client::Client as Limiter;
use crate::agent::pause::PauseImage;
use crate::agent::step::{Call, Outcome};
use crate::api::cluster::ImagePullBehavior;
use crate::api::supply::{RoleTokenRequest, SupplyRequest};
use crate::domain::definition::limits::TaskLimits;
use crate::domain::secret::Secret;
use crate::domain::supply::{File, Supply};
use crate::runtime::{ContainerSpec, Created, Engine, Error, Image};

const STOPS: usize = 32;
const INSPECTS: usize = 16;
const SUPPLIES: usize = 8;

/// The engine with its lanes. Cheap to clone.
#[derive(Clone)]
pub(super) struct Lanes {
    engine: Arc<dyn Engine>,
    /// Creates and starts together.
    launches: Arc<Semaphore>,
    /// Creates among them.
    creates: Arc<Semaphore>,
    launches_at_once: usize,
    stops: Arc<Semaphore>,
    inspects: Arc<Semaphore>,
    supplies: Arc<Semaphore>,
    pub(super) images: Images,
    broker: Option<Broker>,
    files: Option<Files>,
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
    /// What the broker is asked for the container.
    pub(super) request: SupplyRequest,
    /// What it gave.
    pub(super) supply: Option<Supply>,
    /// The files that the container finds.
    pub(super) files: Vec<File>,
    /// It finds the token of its task's role as well.
    pub(super) has_role: bool,
    /// UID and bounds of its task, where that has any.
    pub(super) limits: Option<(String, TaskLimits)>,
}

impl Lanes {
    pub(super) fn new(
        engine: Arc<dyn Engine>,
        cpus: u32,
        pause: PauseImage,
        broker: Option<Broker>,
        files: Option<Files>,
        limiter: Option<Limiter>,
    ) -> Self {
        let cpus = usize::try_from(cpus).unwrap_or(1).max(1);
        let lane = |size| Arc::new(Semaphore::new(size));
        Self {
            images: Images::new(Arc::clone(&engine), pause),
            engine,
            launches: lane(cpus * 2),
            creates: lane(cpus),
            launches_at_once: cpus * 2,
            stops: lane(STOPS),
            inspects: lane(INSPECTS),
            supplies: lane(SUPPLIES),
            broker,
            files,
            limiter,
        }
    }

    pub(super) fn engine(&self) -> Arc<dyn Engine> {
        Arc::clone(&self.engine)
    }

    /// Containers that are made or started at once; at least 2.
    pub(super) const fn launches_at_once(&self) -> usize {
        self.launches_at_once
    }

    pub(super) const fn limiter(&self) -> Option<&Limiter> {
        self.limiter.as_ref()
    }

    /// Carries out one call, once its lane has room.
    pub(super) async fn carry_out(self, work: Work) -> Outcome {
        let name = work.engine_name.as_str();
        let lane = match work.call {
            Call::Inspect => &self.inspects,
            Call::Create | Call::Start => &self.launches,
            Call::Stop { .. } | Call::Kill | Call::Remove => &self.stops,
            Call::Pull => return Outcome::Pulled(self.pull(work).await),
            Call::Supply => return Outcome::Supplied(self.supply(&work.request).await),
        };
        // Before the lane: whoever waits for the cgroup of one task holds up no other.
        let parent = match work.call {
            Call::Create | Call::Start => self.bounds(work.limits.as_ref()).await,
            Call::Inspect
            | Call::Stop { .. }
            | Call::Kill
            | Call::Remove
            | Call::Supply
            | Call::Pull => Ok(None),
        };
        // The lanes are never closed.
        let is_create = matches!(work.call, Call::Create);
        let _half = OptionFuture::from(is_create.then(|| self.creates.acquire())).await;
        let _permit = lane.acquire().await;
        match work.call {
            Call::Inspect => Outcome::Inspected(self.engine.inspect(name).await.map(Box::new)),
            Call::Create => Outcome::Created(match parent {
                Ok(cgroup_parent) => self.equip_and_create(work, cgroup_parent).await,
                Err(error) => Err(error),
            }),
            Call::Start => {
                Outcome::Started(match parent.and_then(|_| self.still_has_files(&work)) {
                    Ok(()) => self.start(name, work.spec.as_ref()).await,
                    Err(error) => Err(error),
                })
            }
            Call::Stop { grace } => Outcome::Stopped(self.engine.stop(name, grace).await),
            Call::Kill => Outcome::Stopped(self.engine.kill(name).await),
            Call::Remove => Outcome::Removed(self.engine.remove(name).await),
            Call::Supply | Call::Pull => Outcome::Pulled(Err(unknown_definition())),
        }
    }

    /// Asks the broker.
    async fn supply(&self, request: &SupplyRequest) -> Result<Supply, broker::Error> {
        let Some(broker) = &self.broker else {
            let message = "this agent knows no broker: set broker.enabled in the chart's values";
            return Err(broker::Error::Refused(message.to_owned()));
        };
        let _permit = self.supplies.acquire().await;
        broker.supply(request).await
    }

    /// Asks for another token of a task's role, and puts it where the task finds it.
    pub(super) async fn renew_token(
        self,
        request: &RoleTokenRequest,
    ) -> Result<Secret<String>, broker::Error> {
        let nobody = || broker::Error::Refused("this agent knows no broker".to_owned());
        let broker = self.broker.as_ref().ok_or_else(nobody)?;
        let permit = self.supplies.acquire().await;
        let token = broker.role_token(request).await?;
        drop(permit);
        if let Some(files) = &self.files {
            let kept = files.keep_token(&request.uid, &token);
            kept.map_err(|error| broker::Error::Unavailable(error.to_string()))?;
        }
        Ok(token)
    }

    /// Creates a container with all that it was given.
    async fn equip_and_create(
        &self,
        work: Work,
        cgroup_parent: Option<String>,
    ) -> Result<Created, Error> {
        let mut spec = work.spec.ok_or_else(unknown_definition)?;
        spec.cgroup_parent = cgroup_parent;
        let supply = work.supply.unwrap_or_default();
        spec.secrets = supply.variables(&spec.environment);
        spec.log_secrets = supply.log_options.clone();
        if !work.files.is_empty() || work.has_role {
            let SupplyRequest { uid, container, .. } = &work.request;
            let files = self.files.as_ref().ok_or_else(|| {
                refused("this agent has no folder that its engine sees, and so gives no files")
            })?;
            let provided = files.provide(uid, container, &work.files, &supply);
            provided.map_err(|error| refused(&format!("cannot write its files: {error}")))?;
        }
        self.create(&spec).await
    }

    /// A container whose files are gone would find empty folders in their places.
    fn still_has_files(&self, work: &Work) -> Result<(), Error> {
        let SupplyRequest { uid, container, .. } = &work.request;
        let count = work.files.len();
        let are_there = |files: &Files| files.are_there(uid, container, count, work.has_role);
        if (count == 0 && !work.has_role) || self.files.as_ref().is_some_and(are_there) {
            return Ok(());
        }
        Err(refused(
            "the files that it was given went with a restart of the instance",
        ))
    }

    /// Makes an image present.
    async fn pull(&self, work: Work) -> Result<Image, Error> {
        let spec = work.spec.ok_or_else(unknown_definition)?;
        let who = work.supply.and_then(|supply| supply.credentials);
        self.images
            .make_present(&spec, work.pull, who.as_ref())
            .await
    }

    /// The cgroup of a task with bounds, which is there from now on.
    async fn bounds(&self, limits: Option<&(String, TaskLimits)>) -> Result<Option<String>, Error> {
        let Some((uid, limits)) = limits else {
            return Ok(None);
        };
        let limiter = self.limiter.as_ref().ok_or_else(|| Error::Refused {
            status: 0,
            message: "this instance cannot bound cpu and memory of a whole task".to_owned(),
        })?;
        limiter.provide(uid, *limits).await.map(Some)
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
        let (image, _) = self.images.present(spec, &pinned).await?.ok_or_else(|| {
            let message = format!("the engine does not have {pinned} any more");
            Error::NotFound { message }
        })?;
        let exact = ContainerSpec {
            image,
            ..spec.clone()
        };
        self.engine.create(&exact).await
    }
}

fn unknown_definition() -> Error {
    refused("the task definition is not known")
}

fn refused(message: &str) -> Error {
    Error::Refused {
        status: 0,
        message: message.to_owned(),
    }
}

/// Longest that any call of ours may take, for tests of what waits for it.
pub(super) const LIST_INTERVAL: Duration = Duration::from_secs(15);
