//! The answer to why a service is as it is, for people and programs.

use jiff::Timestamp;
use serde::Serialize;

use crate::api::service::DeploymentStatus;
use crate::controllers::ended::Ended;
use crate::domain::placement::Summary;

/// Why a service is as it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAnswer {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub service: String,
    /// Its cluster.
    pub cluster: String,
    /// What its condition `Ready` says after the next pass: a word.
    pub reason: String,
    /// The same in a sentence.
    pub message: String,
    /// What the next pass goes by; none where something keeps it from planning at all.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub pass: Option<Box<PassAnswer>>,
    /// Tasks that ended lately, the newest first: at most 20.
    pub stopped: Vec<Ended>,
}

/// What the next pass of a service goes by, and what it does.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PassAnswer {
    /// Tasks wanted.
    pub desired: u32,
    /// Tasks RUNNING.
    pub running: i32,
    /// Tasks that are starting.
    pub pending: i32,
    /// Tasks that count as healthy.
    pub healthy: usize,
    /// How far a deployment may go.
    pub bounds: Bounds,
    /// The PRIMARY deployment and those that still have tasks, with what each waits for.
    pub deployments: Vec<DeploymentStatus>,
    /// When the deployment is given up.
    pub breaker: BreakerAnswer,
    /// Nothing is started before this time, because tasks failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttled_until: Option<Timestamp>,
    /// What the pass stops.
    pub stops: Vec<StopAnswer>,
    /// What it starts.
    pub starts: Vec<StartAnswer>,
    /// Why tasks find no instance.
    pub unplaced: Vec<Unplaced>,
    /// When the service is looked at again, if nothing changes before.
    pub looks_again_at: Timestamp,
    /// Tasks that neither a scale-in nor a deployment stops now.
    pub protected: Vec<Protected>,
    /// Tasks on instances that drain.
    pub draining: Vec<Draining>,
}

/// The percents of a service and what they come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bounds {
    /// `minimumHealthyPercent`.
    pub minimum_healthy_percent: u32,
    /// `maximumPercent`.
    pub maximum_percent: u32,
    /// Healthy tasks that a voluntary stop leaves.
    pub keeps: usize,
    /// Tasks that a start does not exceed.
    pub allows: usize,
    /// Why no task could be replaced, where none could.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cannot_move: Option<String>,
}

/// Where the circuit breaker stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BreakerAnswer {
    /// Failures of the newest deployment that count.
    pub failed_tasks: u32,
    /// Failures that are too many.
    pub threshold: u32,
    /// What would trip it, and what follows.
    pub message: String,
}

/// A task that is told to stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StopAnswer {
    /// Its name.
    pub task: String,
    /// Its instance.
    pub instance: String,
    /// Why, in a word of ours.
    pub cause: &'static str,
    /// Why, as it will be its `stoppedReason`.
    pub reason: String,
}

/// A task that is started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StartAnswer {
    /// Its name.
    pub task: String,
    /// What it runs.
    pub task_definition: String,
    /// Its instance.
    pub instance: String,
}

/// Tasks that find no instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unplaced {
    /// Name of the first of them.
    pub task: String,
    /// How many there are: those after the first ask for the same.
    pub tasks: usize,
    /// Why, instance by instance.
    #[serde(flatten)]
    pub why: Summary,
}

/// A task under scale-in protection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Protected {
    /// Its name.
    pub task: String,
    /// When the protection ends.
    pub until: Timestamp,
}

/// A task whose instance drains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Draining {
    /// Its name.
    pub task: String,
    /// Its instance.
    pub instance: String,
}
