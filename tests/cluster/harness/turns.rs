//! Who has the cluster when: tests that need all of it first, one at a time, and then the others side by side.
//!
//! All tests of a run ask at once (`--test-threads=64`), so that the order is decided here. What a test may have left broken
//! is mended before the next one: before each that is alone, and once before those that are not.

use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::{Notify, RwLock, RwLockReadGuard, RwLockWriteGuard, Semaphore, SemaphorePermit};

use super::machine::Machine;
use super::scene::Scene;
use super::{foreign, restore};

/// With whom a test shares the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Company {
    /// With nobody.
    Alone,
    /// With tests that mind their own namespaces as well.
    Others,
}

/// Tests side by side: more would only wait longer for two cores.
const SIDE_BY_SIDE: usize = 6;

/// Holds the lock on a file that lets two runs take turns as well.
static CLUSTER: RwLock<Option<File>> = RwLock::const_new(None);
/// Tests that are alone, or wait to be.
static ALONE: AtomicUsize = AtomicUsize::new(0);
static NOBODY_ALONE: Notify = Notify::const_new();
static PLACES: Semaphore = Semaphore::const_new(SIDE_BY_SIDE);
/// Nothing has been broken since the cluster was mended.
static WHOLE: AtomicBool = AtomicBool::new(false);

/// The whole cluster, until it is dropped.
pub(super) struct Alone {
    _cluster: RwLockWriteGuard<'static, Option<File>>,
    _waiting: Waiting,
}

/// A place among others, until it is dropped.
pub(super) struct Beside {
    _cluster: RwLockReadGuard<'static, Option<File>>,
    _place: Option<SemaphorePermit<'static>>,
}

/// Counts one that is alone or wants to be, also when it panics.
struct Waiting;

impl Waiting {
    fn new() -> Self {
        ALONE.fetch_add(1, Ordering::SeqCst);
        Self
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if ALONE.fetch_sub(1, Ordering::SeqCst) == 1 {
            NOBODY_ALONE.notify_waiters();
        }
    }
}

/// Waits for the cluster, and mends it.
pub(super) async fn alone() -> Alone {
    let waiting = Waiting::new();
    let mut cluster = CLUSTER.write().await;
    mend(&mut cluster).await;
    spoilt();
    Alone {
        _cluster: cluster,
        _waiting: waiting,
    }
}

/// How much of the machine a test that is not alone keeps busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Load {
    /// It works.
    Working,
    /// It takes minutes, in which it mostly waits: the others need not wait for it, nor it for them.
    Waiting,
}

/// Waits until nobody wants to be alone any more, and for a place.
pub(super) async fn beside(load: Load) -> Beside {
    loop {
        let changed = NOBODY_ALONE.notified();
        if ALONE.load(Ordering::SeqCst) == 0 {
            break;
        }
        changed.await;
    }
    let place = match load {
        Load::Working => Some(PLACES.acquire().await.expect("nobody closes the places")),
        Load::Waiting => None,
    };
    let cluster = CLUSTER.read().await;
    let cluster = if WHOLE.load(Ordering::SeqCst) {
        cluster
    } else {
        drop(cluster);
        let mut cluster = CLUSTER.write().await;
        if !WHOLE.load(Ordering::SeqCst) {
            mend(&mut cluster).await;
            WHOLE.store(true, Ordering::SeqCst);
        }
        cluster.downgrade()
    };
    Beside {
        _cluster: cluster,
        _place: place,
    }
}

/// Whoever comes next mends the cluster first.
pub(super) fn spoilt() {
    WHOLE.store(false, Ordering::SeqCst);
}

async fn mend(lock: &mut Option<File>) {
    if lock.is_none() {
        *lock = Some(Machine::find().lock().await);
    }
    let scene = Scene::new("restore", Company::Alone).await;
    restore::restore(&scene).await;
    foreign::place(&scene.machine).await;
}
