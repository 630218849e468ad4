//! When the images of a cluster's instances are pulled, and when they are removed.

#![expect(
    unreachable_pub,
    reason = "KubeSchema writes a pub struct inside a function"
)]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When images are pulled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ImagePullBehavior {
    /// Pull; if that fails, use the image that the engine has.
    #[default]
    Default,
    /// Pull; if that fails, the task fails.
    Always,
    /// Pull unless the engine has the image because an earlier task pulled it.
    Once,
    /// Pull only if the engine does not have the image.
    PreferCached,
}

/// When images that no container uses are removed from instances. Never with `imagePullBehavior: prefer-cached`.
#[derive(KubeSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageCleanup {
    /// Images are removed at all (`ECS_DISABLE_IMAGE_CLEANUP`). Default true.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Minutes between two looks (`ECS_IMAGE_CLEANUP_INTERVAL`). Default 30.
    #[serde(default = "interval")]
    #[schemars(range(min = 10, max = 10080))]
    pub interval_minutes: u32,
    /// Minutes that an image stays after its last use (`ECS_IMAGE_MINIMUM_CLEANUP_AGE`). Default 60.
    #[serde(default = "age")]
    #[schemars(range(min = 1, max = 525_600))]
    pub minimum_age_minutes: u32,
    /// Most images that one look removes (`ECS_NUM_IMAGES_DELETE_PER_CYCLE`). Default 5.
    #[serde(default = "per_cycle")]
    #[schemars(range(min = 1, max = 1000))]
    pub images_per_cycle: u32,
    /// Images that no task has run are removed as well (`ECS_ENABLE_UNTRACKED_IMAGE_CLEANUP`); those without a name never
    /// are. Default false.
    #[serde(default)]
    pub untracked: bool,
}

impl Default for ImageCleanup {
    fn default() -> Self {
        Self {
            enabled: yes(),
            interval_minutes: interval(),
            minimum_age_minutes: age(),
            images_per_cycle: per_cycle(),
            untracked: false,
        }
    }
}

const fn yes() -> bool {
    true
}

const fn interval() -> u32 {
    30
}

const fn age() -> u32 {
    60
}

const fn per_cycle() -> u32 {
    5
}
