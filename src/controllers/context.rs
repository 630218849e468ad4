//! What every controller needs: the world, the client, the clock, and what the chart configured.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::Client;
use kube::runtime::controller::Action;
use kube::runtime::events::{Event, EventType, Recorder};
use kube::{Resource, ResourceExt};
use tokio::sync::watch;
use tracing::warn;

use super::definitions::Definitions;
use super::metrics::Metrics;
use super::traffic::Offers;
use super::world::{Queues, World};
use crate::domain::liveness::Presence;
use crate::platform::clock::Clock;

/// Time after which everything is looked at again, whatever the watches say.
pub const RESYNC: Duration = Duration::from_mins(10);

/// No period of [`Context::pace`] is longer.
const LONGEST_PACE: Duration = Duration::from_mins(1);

/// What the chart decides.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Namespace of agents, instance pods and instance Leases.
    pub agent_namespace: String,
    /// Image of the agents.
    pub agent_image: String,
    /// When the agents' image is pulled.
    pub agent_image_pull_policy: String,
    /// ServiceAccount of agents on nodes.
    pub agent_node_service_account: String,
    /// ServiceAccount of agents in instance pods.
    pub agent_pod_service_account: String,
    /// User name of the gateway's ServiceAccount, which agents serve.
    pub gateway: String,
    /// Where agents find the broker; without one they publish that they have none.
    pub broker_url: Option<String>,
    /// How long stopped tasks stay readable; ECS promises an hour.
    pub stopped_tasks_kept: Duration,
}

/// See the module.
pub struct Context {
    /// Client whose writes are sent only while this process leads.
    pub client: Client,
    /// Time.
    pub clock: Clock,
    /// What the chart decides.
    pub settings: Settings,
    /// What is known.
    pub world: Arc<World>,
    /// Who is to look.
    pub queues: Queues,
    /// Parsed task definitions.
    pub definitions: Arc<Definitions>,
    /// Counters.
    pub metrics: Metrics,
    /// Whoever places holds this, from looking at the room to having reserved it.
    pub placing: tokio::sync::Mutex<()>,
    /// Endpoints that are being written.
    pub offers: Offers,
    recorder: Recorder,
    presence: watch::Sender<Option<Arc<BTreeMap<String, Presence>>>>,
    backoff: Mutex<BTreeMap<String, u32>>,
    unreported: Mutex<BTreeMap<String, Unreported>>,
    daemon_sets: Mutex<BTreeMap<String, i64>>,
    paced: Mutex<BTreeMap<String, Duration>>,
}

/// What happened to a service and is not in its status yet.
#[derive(Debug, Clone, Default)]
pub struct Unreported {
    /// Messages, oldest first.
    pub events: Vec<String>,
    /// By slot, attempts whose names belong to somebody else.
    pub burned: BTreeMap<i64, i64>,
    /// By target group, how many tasks were registered and how many deregistered.
    pub targets: BTreeMap<String, (usize, usize)>,
}

impl Context {
    /// A context that knows of no instance's presence yet.
    pub fn new(
        client: Client,
        clock: Clock,
        settings: Settings,
        world: Arc<World>,
        queues: Queues,
        recorder: Recorder,
    ) -> Self {
        Self {
            client,
            clock,
            settings,
            definitions: Arc::clone(&world.parsed),
            metrics: Metrics::default(),
            world,
            queues,
            placing: tokio::sync::Mutex::default(),
            offers: Offers::default(),
            recorder,
            presence: watch::Sender::new(None),
            backoff: Mutex::default(),
            unreported: Mutex::default(),
            daemon_sets: Mutex::default(),
            paced: Mutex::default(),
        }
    }

    /// What was concluded about each instance when they were last looked at; an instance that is not in it is gone.
    /// Waits for the first look of this leader.
    pub async fn presence(&self) -> Arc<BTreeMap<String, Presence>> {
        let mut changes = self.presence.subscribe();
        // The sender lives as long as self does.
        match changes.wait_for(Option::is_some).await {
            Ok(known) => known.clone().unwrap_or_default(),
            Err(_) => Arc::default(),
        }
    }

    /// The presence of one instance: one that nobody has looked at yet is not gone while its object is there.
    pub fn presence_in(&self, known: &BTreeMap<String, Presence>, instance: &str) -> Presence {
        known.get(instance).copied().unwrap_or_else(|| {
            let exists = self.world.instance(instance).is_some();
            if exists {
                Presence::Disconnected
            } else {
                Presence::Fenced
            }
        })
    }

    /// Whether the instances were looked at since this process leads.
    pub fn knows_presence(&self) -> bool {
        self.presence.borrow().is_some()
    }

    /// Takes in a look at all instances; true when it changed something.
    pub fn set_presence(&self, presence: BTreeMap<String, Presence>) -> bool {
        self.presence.send_if_modified(|known| {
            let changed = known.as_deref() != Some(&presence);
            if changed {
                *known = Some(Arc::new(presence));
            }
            changed
        })
    }

    /// Tells a coarse copy of what happened as a Kubernetes Event. A failure is logged: status holds the truth.
    pub async fn tell(
        &self,
        object: &impl Resource<DynamicType = ()>,
        warning: bool,
        reason: &str,
        note: &str,
    ) {
        let event = Event {
            type_: if warning {
                EventType::Warning
            } else {
                EventType::Normal
            },
            reason: reason.to_owned(),
            note: Some(note.chars().take(1000).collect()),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        if let Err(error) = self.recorder.publish(&event, &object.object_ref(&())).await {
            warn!(%error, reason, "cannot publish event");
        }
    }

    /// After a success: the next failure of this object waits shortly again.
    pub fn succeeded(&self, object: &impl ResourceExt) {
        lock(&self.backoff).remove(&object.uid().unwrap_or_default());
    }

    /// What to do after a failure: try again, ever more slowly, up to two minutes.
    pub fn failed(&self, object: &impl ResourceExt, error: &impl Display) -> Action {
        let mut backoff = lock(&self.backoff);
        let failures = backoff.entry(object.uid().unwrap_or_default()).or_default();
        *failures = failures.saturating_add(1);
        let pause = Duration::from_millis(100)
            .saturating_mul(1 << (*failures).min(11))
            .min(Duration::from_mins(2));
        warn!(name = object.name_any(), namespace = object.namespace(), %error, ?pause, "reconcile failed");
        Action::requeue(pause)
    }

    /// What happened to the service with this UID and is not in its status yet.
    pub fn unreported<T>(&self, service_uid: &str, change: impl FnOnce(&mut Unreported) -> T) -> T {
        change(
            lock(&self.unreported)
                .entry(service_uid.to_owned())
                .or_default(),
        )
    }

    /// How long a write about this object should be put off, because another one was less than `period` ago; `None`
    /// when it may be sent now, which is then remembered. The period is a minute at most.
    pub fn pace(&self, object: &impl ResourceExt, period: Duration) -> Option<Duration> {
        self.pace_of(&object.uid().unwrap_or_default(), period)
    }

    /// As [`Self::pace`], for what else is written of an object under a name of its own.
    pub fn pace_of(&self, what: &str, period: Duration) -> Option<Duration> {
        let now = self.clock.monotonic();
        let mut paced = lock(&self.paced);
        let last = paced.entry(what.to_owned());
        match last {
            Entry::Occupied(mut last) => {
                let passed = now.saturating_sub(*last.get());
                if passed < period {
                    return Some(period.saturating_sub(passed));
                }
                last.insert(now);
            }
            Entry::Vacant(first) => {
                first.insert(now);
                // What has been quiet for longer than any period says nothing any more.
                paced.retain(|_, last| now.saturating_sub(*last) < LONGEST_PACE);
            }
        }
        None
    }

    /// Generation of a daemon set as we wrote it last: a higher one is somebody else's edit.
    pub fn daemon_set_generation(&self, name: &str) -> Option<i64> {
        lock(&self.daemon_sets).get(name).copied()
    }

    /// Remembers the generation that a write of ours made.
    pub fn wrote_daemon_set(&self, name: &str, generation: Option<i64>) {
        lock(&self.daemon_sets).insert(name.to_owned(), generation.unwrap_or(0));
    }

    /// Forgets a service that is gone.
    pub fn forget(&self, service_uid: &str) {
        lock(&self.unreported).remove(service_uid);
        lock(&self.backoff).remove(service_uid);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
