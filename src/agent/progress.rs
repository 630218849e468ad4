//! How far a pull is, and when to tell: rarely enough that it costs no more than three writes, however long it takes.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::runtime::PullProgress;

/// A pull that still runs after these times is told of. Those of a task whose image is small never are.
pub const TOLD_AFTER: [Duration; 3] = [
    Duration::from_secs(10),
    Duration::from_mins(1),
    Duration::from_mins(5),
];

const MIB: u64 = 1024 * 1024;

/// What was heard of a pull.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// Bytes downloaded and in all, by layer.
    layers: BTreeMap<String, (u64, u64)>,
}

impl Progress {
    /// Takes in one sign of life.
    pub fn heard(&mut self, step: &PullProgress) {
        let Some(layer) = &step.layer else {
            return;
        };
        if let Some(bytes) = step.downloaded {
            self.layers.insert(layer.clone(), bytes);
        } else if step.status == "Download complete"
            && let Some((downloaded, all)) = self.layers.get_mut(layer)
        {
            *downloaded = *all;
        }
    }

    /// Example: `pulling image web:1: 34 of 120 MiB in 7 layers`.
    #[must_use]
    pub fn text(&self, image: &str) -> String {
        if self.layers.is_empty() {
            return format!("pulling image {image}: nothing downloaded yet");
        }
        let sum = |of: fn(&(u64, u64)) -> u64| self.layers.values().map(of).sum::<u64>() / MIB;
        let (downloaded, all) = (sum(|layer| layer.0), sum(|layer| layer.1));
        let layers = self.layers.len();
        format!("pulling image {image}: {downloaded} of {all} MiB in {layers} layers")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_add_up_and_a_complete_one_counts_in_full() {
        let step = |layer: &str, status: &str, downloaded| PullProgress {
            status: status.into(),
            layer: Some(layer.into()),
            downloaded,
        };
        let mut progress = Progress::default();
        assert_eq!(
            progress.text("web:1"),
            "pulling image web:1: nothing downloaded yet"
        );
        progress.heard(&step("a", "Downloading", Some((MIB, 10 * MIB))));
        progress.heard(&step("b", "Downloading", Some((2 * MIB, 4 * MIB))));
        progress.heard(&step("b", "Download complete", None));
        progress.heard(&step("c", "Already exists", None));
        assert_eq!(
            progress.text("web:1"),
            "pulling image web:1: 5 of 14 MiB in 2 layers"
        );
    }
}
