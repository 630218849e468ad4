//! How many calls of each kind the engine gets at once.
//!
//! Starting containers is bound by the engine's cores: more than twice as many only wait longer. Stops have a lane of
//! their own, so that no stop ever waits behind starts.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::images::Images;
use crate::agent::broker::{self, Broker};
use crate::agent::pause::PauseImage;
use crate::agent::step::{Call, Outcome};
use crate::api::cluster::ImagePullBehavior;
use crate::api::supply::SupplyRequest;
use crate::domain::supply::Supply;
use crate::runtime::{ContainerSpec, Created, Engine, Error, Image};

const STOPS: usize = 32;
const INSPECTS: usize = 16;
const SUPPLIES: usize = 8;
const STARTS_PER_CPU: usize = 2;

/// The engine with its lanes. Cheap to clone.
#[derive(Clone)]
pub(super) struct Lanes {
    engine: Arc<dyn Engine>,
    starts: Arc<Semaphore>,
    stops: Arc<Semaphore>,
    inspects: Arc<Semaphore>,
    supplies: Arc<Semaphore>,
    pub(super) images: Images,
    broker: Option<Broker>,
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
}

impl Lanes {
    pub(super) fn new(
        engine: Arc<dyn Engine>,
        cpus: u32,
        pause: PauseImage,
        broker: Option<Broker>,
    ) -> Self {
        let cpus = usize::try_from(cpus).unwrap_or(1).max(1);
        let lane = |size| Arc::new(Semaphore::new(size));
        Self {
            images: Images::new(Arc::clone(&engine), pause),
            engine,
            starts: lane(cpus * STARTS_PER_CPU),
            stops: lane(STOPS),
            inspects: lane(INSPECTS),
            supplies: lane(SUPPLIES),
            broker,
        }
    }

    pub(super) fn engine(&self) -> Arc<dyn Engine> {
        Arc::clone(&self.engine)
    }

    /// Carries out one call, once its lane has room.
    pub(super) async fn carry_out(self, work: Work) -> Outcome {
        let name = work.engine_name.as_str();
        let lane = match work.call {
            Call::Inspect => &self.inspects,
            Call::Create | Call::Start => &self.starts,
            Call::Stop { .. } | Call::Kill | Call::Remove => &self.stops,
            Call::Pull => return Outcome::Pulled(self.pull(work).await),
            Call::Supply => return Outcome::Supplied(self.supply(&work.request).await),
        };
        // The lanes are never closed.
        let _permit = lane.acquire().await;
        match work.call {
            Call::Inspect => Outcome::Inspected(self.engine.inspect(name).await.map(Box::new)),
            Call::Create => Outcome::Created(match work.spec {
                Some(mut spec) => {
                    spec.secrets = work.supply.unwrap_or_default().environment;
                    self.create(&spec).await
                }
                None => Err(unknown_definition()),
            }),
            Call::Start => Outcome::Started(self.engine.start(name).await),
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

    /// Makes an image present.
    async fn pull(&self, work: Work) -> Result<Image, Error> {
        let spec = work.spec.ok_or_else(unknown_definition)?;
        let who = work.supply.and_then(|supply| supply.credentials);
        self.images
            .make_present(&spec, work.pull, who.as_ref())
            .await
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
    Error::Refused {
        status: 0,
        message: "the task definition is not known".to_owned(),
    }
}

/// Longest that any call of ours may take, for tests of what waits for it.
pub(super) const LIST_INTERVAL: Duration = Duration::from_secs(15);
