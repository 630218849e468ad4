//! What the agent counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Counters and gauges of the agent.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// Tasks in the book.
    pub tasks: Gauge,
    /// Status writes that were accepted.
    pub writes: Counter,
    /// Status writes that were not.
    pub write_failures: Counter,
    calls: Family<CallLabels, Counter>,
    checks: Family<CheckLabels, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    call: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CheckLabels {
    result: &'static str,
}

impl Metrics {
    /// Makes the metrics known to `registry`.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "ecs_agent_tasks",
            "Tasks of this instance",
            metrics.tasks.clone(),
        );
        registry.register(
            "ecs_agent_status_writes",
            "Task statuses written",
            metrics.writes.clone(),
        );
        registry.register(
            "ecs_agent_status_write_failures",
            "Task statuses that could not be written",
            metrics.write_failures.clone(),
        );
        registry.register(
            "ecs_agent_engine_calls",
            "Calls for containers",
            metrics.calls.clone(),
        );
        registry.register(
            "ecs_agent_target_checks",
            "Health checks of targets",
            metrics.checks.clone(),
        );
        metrics
    }

    /// A target's health check has come to something.
    pub fn checked(&self, passed: bool) {
        let result = if passed { "passed" } else { "failed" };
        self.checks.get_or_create(&CheckLabels { result }).inc();
    }

    /// A call to the engine begins.
    pub fn call(&self, call: &'static str) {
        self.calls.get_or_create(&CallLabels { call }).inc();
    }
}
