//! An engine for tests: a [`ModelEngine`] behind the [`Engine`] trait, with faults on order.

mod faults;
mod streams;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt, future, stream};
use tokio::sync::{broadcast, watch};

use super::model::ModelEngine;
use super::streams::Source;
use super::{
    Answer, Archive, ContainerSpec, ContainerSummary, ContainerView, Created, Engine, EngineInfo,
    Error, Hint, Image, Labels, LocalImage, NetworkSpec, PullProgress, VolumeSpec, VolumeView,
};
use crate::domain::registry::Credentials;
pub use faults::{Call, Fault};
use streams::Flows;

/// Hints that wait for a slow listener; more are lost, as Docker loses them.
const HINTS: usize = 256;

/// Tells the time to the model.
type Now = Arc<dyn Fn() -> jiff::Timestamp + Send + Sync>;

/// A scriptable engine in memory. Clones are the same engine.
#[derive(Clone)]
pub struct Fake {
    now: Now,
    state: Arc<Mutex<State>>,
    hints: broadcast::Sender<Hint>,
    /// Moves whenever a reader of logs should look again.
    changed: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    model: ModelEngine,
    info: EngineInfo,
    reachable: bool,
    deaf: bool,
    faults: Vec<(Call, Fault)>,
    calls: Vec<Call>,
    flows: Flows,
}

impl Fake {
    /// An engine of two cores and 4 GiB.
    #[must_use]
    pub fn new(
        model: ModelEngine,
        now: impl Fn() -> jiff::Timestamp + Send + Sync + 'static,
    ) -> Self {
        let info = EngineInfo {
            id: "FAKE".to_owned(),
            boot_id: Some("boot-1".to_owned()),
            version: "20.10.24".to_owned(),
            api_version: "1.41".to_owned(),
            cpus: 2,
            memory: 4 << 30,
            os_type: "linux".to_owned(),
            operating_system: "Fake".to_owned(),
            architecture: "x86_64".to_owned(),
            pids: Some(32_768),
            cgroup_version: Some("2".to_owned()),
            volume_drivers: vec!["local".to_owned()],
            log_drivers: vec!["json-file".to_owned()],
            log_driver: "json-file".to_owned(),
            ..EngineInfo::default()
        };
        let state = State {
            model,
            info,
            reachable: true,
            deaf: false,
            faults: Vec::new(),
            calls: Vec::new(),
            flows: Flows::default(),
        };
        Self {
            now: Arc::new(now),
            state: Arc::new(Mutex::new(state)),
            hints: broadcast::channel(HINTS).0,
            changed: watch::channel(0).0,
        }
    }

    /// Changes the model, and sends the hints that come of it.
    pub fn with<T>(&self, change: impl FnOnce(&mut ModelEngine, jiff::Timestamp) -> T) -> T {
        let now = (self.now)();
        let mut state = self.lock();
        let result = change(&mut state.model, now);
        self.announce(&mut state);
        drop(state);
        self.changed.send_modify(|count| *count += 1);
        result
    }

    /// The next call of this kind meets this fault. Several orders are served in turn.
    pub fn order(&self, call: Call, fault: Fault) {
        self.lock().faults.push((call, fault));
    }

    /// The GPUs that it has from now on.
    pub fn set_gpus(&self, ids: &[&str]) {
        self.lock().info.gpus = ids.iter().map(|id| (*id).to_owned()).collect();
    }

    /// Whether anybody answers at the socket.
    pub fn set_reachable(&self, reachable: bool) {
        self.lock().reachable = reachable;
    }

    /// Whether events get lost.
    pub fn set_deaf(&self, deaf: bool) {
        self.lock().deaf = deaf;
    }

    /// Calls that arrived, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn announce(&self, state: &mut State) {
        for hint in state.model.take_hints() {
            // Without listeners there is nobody to tell.
            if !state.deaf && self.hints.send(hint).is_err() {
                return;
            }
        }
    }

    /// A main process that is the workload's `echo` without input says `ready` and ends.
    fn echo(&self, name: &str) {
        let command = self.with(|model, _| model.command(name));
        if command.first().is_some_and(|first| first == "echo") {
            self.write(name, Source::Stderr, "ready\n");
            let code = streams::ends_with(&command);
            self.with(|model, now| model.end(name, code, now));
        }
    }

    fn check(&self) -> Result<(), Error> {
        if self.lock().reachable {
            Ok(())
        } else {
            Err(gone())
        }
    }

    async fn call<T>(
        &self,
        kind: Call,
        act: impl FnOnce(&mut ModelEngine, jiff::Timestamp) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.check()?;
        let fault = {
            let mut state = self.lock();
            state.calls.push(kind);
            let at = state.faults.iter().position(|(call, _)| *call == kind);
            at.map(|at| state.faults.remove(at).1)
        };
        match fault {
            None => self.with(act),
            Some(Fault::LostAnswer) => self.with(act).and_then(|_| Err(gone())),
            Some(Fault::LostRequest) => Err(gone()),
            Some(Fault::Hang) => future::pending().await,
            Some(Fault::Refusal(error)) => Err(error),
        }
    }
}

fn gone() -> Error {
    Error::Unreachable {
        message: "connection reset by peer".to_owned(),
        no_socket: false,
    }
}

impl Engine for Fake {
    fn info(&self) -> Answer<'_, EngineInfo> {
        async { self.check().map(|()| self.lock().info.clone()) }.boxed()
    }

    fn ping(&self) -> Answer<'_, ()> {
        async { self.check() }.boxed()
    }

    fn list<'a>(&'a self, labels: &'a Labels) -> Answer<'a, Vec<ContainerSummary>> {
        self.call(Call::List, |model, now| Ok(model.list(labels, now)))
            .boxed()
    }

    fn inspect<'a>(&'a self, name: &'a str) -> Answer<'a, ContainerView> {
        self.call(Call::Inspect, |model, now| model.inspect(name, now))
            .boxed()
    }

    fn create<'a>(&'a self, spec: &'a ContainerSpec) -> Answer<'a, Created> {
        self.call(Call::Create, |model, now| model.create(spec, now))
            .boxed()
    }

    fn start<'a>(&'a self, name: &'a str) -> Answer<'a, ()> {
        async move {
            self.call(Call::Start, |model, now| model.start(name, now))
                .await?;
            self.echo(name);
            Ok(())
        }
        .boxed()
    }

    fn stop<'a>(&'a self, name: &'a str, grace: Duration) -> Answer<'a, ()> {
        async move {
            let ends = self
                .call(Call::Stop, |model, now| model.stop(name, grace, now))
                .await?;
            let wait = Duration::try_from(ends.duration_since((self.now)())).unwrap_or_default();
            tokio::time::sleep(wait).await;
            self.check()?;
            self.with(ModelEngine::tick);
            Ok(())
        }
        .boxed()
    }

    fn write_file<'a>(&'a self, name: &'a str, path: &'a str, content: &'a str) -> Answer<'a, ()> {
        self.call(Call::WriteFile, |model, _| {
            model.write_file(name, path, content)
        })
        .boxed()
    }

    fn kill<'a>(&'a self, name: &'a str) -> Answer<'a, ()> {
        self.call(Call::Stop, |model, now| model.kill(name, now))
            .boxed()
    }

    fn remove<'a>(&'a self, name: &'a str) -> Answer<'a, ()> {
        self.call(Call::Remove, |model, now| model.remove(name, now))
            .boxed()
    }

    fn pull<'a>(
        &'a self,
        image: &'a str,
        credentials: Option<&'a Credentials>,
    ) -> BoxStream<'a, Result<PullProgress, Error>> {
        let pull = self.call(Call::Pull, move |model, _| {
            model.pull_as(image, credentials)
        });
        pull.map(|end| {
            end.map(|()| PullProgress {
                status: "Pull complete".to_owned(),
                ..PullProgress::default()
            })
        })
        .into_stream()
        .boxed()
    }

    fn load<'a>(&'a self, image: &'a str, archive: Archive) -> Answer<'a, ()> {
        async move {
            archive
                .try_for_each(|_| future::ready(Ok(())))
                .await
                .map_err(|error| Error::Unreachable {
                    message: error.to_string(),
                    no_socket: false,
                })?;
            self.with(|model, _| model.load(image));
            Ok(())
        }
        .boxed()
    }

    fn image<'a>(&'a self, image: &'a str) -> Answer<'a, Option<Image>> {
        async move { self.check().map(|()| self.lock().model.image(image)) }.boxed()
    }

    fn provide_network<'a>(&'a self, spec: &'a NetworkSpec) -> Answer<'a, ()> {
        self.call(Call::ProvideNetwork, |model, _| {
            model.provide_network(spec);
            Ok(())
        })
        .boxed()
    }

    fn create_volume<'a>(&'a self, spec: &'a VolumeSpec) -> Answer<'a, VolumeView> {
        self.call(Call::CreateVolume, |model, _| Ok(model.create_volume(spec)))
            .boxed()
    }

    fn volume<'a>(&'a self, name: &'a str) -> Answer<'a, Option<VolumeView>> {
        async move { self.check().map(|()| self.lock().model.volume(name)) }.boxed()
    }

    fn list_volumes<'a>(&'a self, labels: &'a Labels) -> Answer<'a, Vec<VolumeView>> {
        async move {
            self.check()
                .map(|()| self.lock().model.list_volumes(labels))
        }
        .boxed()
    }

    fn remove_volume<'a>(&'a self, name: &'a str) -> Answer<'a, ()> {
        self.call(Call::RemoveVolume, |model, _| model.remove_volume(name))
            .boxed()
    }

    fn images(&self) -> Answer<'_, Vec<LocalImage>> {
        async move { self.check().map(|()| self.lock().model.images()) }.boxed()
    }

    fn remove_image<'a>(&'a self, reference: &'a str) -> Answer<'a, ()> {
        self.call(Call::RemoveImage, |model, _| model.remove_image(reference))
            .boxed()
    }

    fn events<'a>(&'a self, _labels: &'a Labels) -> BoxStream<'a, Result<Hint, Error>> {
        stream::unfold(self.hints.subscribe(), |mut hints| async {
            loop {
                match hints.recv().await {
                    Ok(hint) => return Some((Ok(hint), hints)),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        })
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::contract;
    use crate::runtime::model::Program;

    #[tokio::test(start_paused = true)]
    async fn the_fake_keeps_the_contract_of_engines() {
        let began = tokio::time::Instant::now();
        let fake = Fake::new(
            ModelEngine::default().with_image("workload", Program::default()),
            move || {
                let passed = jiff::SignedDuration::try_from(began.elapsed()).unwrap();
                jiff::Timestamp::from_second(1_790_000_000).unwrap() + passed
            },
        );
        contract::suite(&fake, "workload").await.unwrap();
        contract::streams::suite(&fake, &fake, "workload")
            .await
            .unwrap();
    }
}
