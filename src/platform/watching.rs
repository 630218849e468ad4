//! How a watch comes back when the API server was away: soon, however long it was away, and not all watches at once.

use std::time::Duration;

use kube::runtime::utils::{Backoff, ResetTimerBackoff};
use kube::runtime::watcher::ExponentialBackoff;

const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// With the jitter at most twice as long. The usual half minute would be most of the time after which silent instances
/// count as lost; a server that is asked by every agent every few seconds protects itself with 429.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// A watch that held for so long has earned a first pause again.
const FORGIVEN_AFTER: Duration = Duration::from_secs(30);

/// The pauses between the tries of one watch.
pub fn backoff() -> impl Backoff {
    let pauses = backon::ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .with_jitter()
        .without_max_times();
    ResetTimerBackoff::new(ExponentialBackoff::from(pauses), FORGIVEN_AFTER)
}
