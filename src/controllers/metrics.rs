//! What the controller counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Labels of reconciles.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Reconcile {
    /// Kind of the object.
    pub kind: &'static str,
    /// `ok` or the category of the error.
    pub outcome: &'static str,
}

/// Counters of the controller.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// Reconciles by kind and outcome.
    pub reconciles: Family<Reconcile, Counter>,
    /// Tasks that were created for services.
    pub tasks_started: Counter,
    /// Tasks that were told to stop.
    pub tasks_stopped: Counter,
    /// Tasks that found no instance.
    pub placement_failures: Counter,
}

impl Metrics {
    /// Makes the counters readable in `registry`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "reconciles",
            "Reconciles by kind and outcome",
            self.reconciles.clone(),
        );
        registry.register(
            "tasks_started",
            "Tasks created for services",
            self.tasks_started.clone(),
        );
        registry.register(
            "tasks_stopped",
            "Tasks told to stop",
            self.tasks_stopped.clone(),
        );
        registry.register(
            "placement_failures",
            "Tasks that found no instance",
            self.placement_failures.clone(),
        );
    }
}
