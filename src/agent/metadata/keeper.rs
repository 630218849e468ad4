//! Sees to it that tasks can reach their metadata: the address on the instance, and the relay that listens there.
//!
//! The address comes with a network of the engine whose gateway it is: so the instance has it without anybody having to
//! change its network, and no container is ever in that network. The relay is a container on the instance's network, of the
//! image that the agent makes of its own program.

use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, info, warn};

use super::{ADDRESS, Place, SOCKET};
use crate::agent::limits;
use crate::agent::pause::PauseImage;
use crate::api::names;
use crate::runtime::{
    ContainerSpec, ContainerState, ContainerView, Created, Engine, Error, Labels, Mount, Network,
    NetworkSpec,
};

/// Network and relay have the same name, one of each on an engine.
pub const NAME: &str = "ecs-operator-metadata";
/// The smallest network with an address of the instance's own that is [`ADDRESS`].
const SUBNET: &str = "169.254.170.0/30";
/// Where the relay finds the agent's folder.
const FOLDER: &str = "/run/ecs-operator";
/// Where it finds the instance's cgroups, and systemd's unit files.
const CGROUPS: &str = "/run/cgroups";
const UNITS: &str = "/run/units";
/// MiB. It takes three.
const MEMORY: u32 = 32;
const PIDS: u32 = 16;
/// Between two looks at the relay.
const LOOK: Duration = Duration::from_secs(15);

/// What relays are made from.
#[derive(Debug, Clone)]
pub struct Relay {
    /// Its image.
    pub image: PauseImage,
    /// Name of the instance.
    pub instance: String,
}

/// Keeps address and relay there for ever. What goes wrong is said once.
pub async fn keep(engine: Arc<dyn Engine>, Relay { image, instance }: Relay, place: &Place) {
    let mut made_from = None;
    let mut trouble: Option<String> = None;
    loop {
        let kept = async {
            let relay = if let Some(relay) = &made_from {
                relay
            } else {
                let systemd = engine.info().await?.systemd_cgroups;
                made_from.insert(relay(&image, &instance, place, systemd))
            };
            provide(engine.as_ref(), relay, &image).await
        };
        let news = kept.await.err().map(|error| error.to_string());
        match &news {
            None if trouble.is_some() => info!("tasks can ask for their metadata again"),
            Some(error) if news != trouble => {
                warn!(error, "tasks cannot ask for their metadata");
            }
            None | Some(_) => {}
        }
        trouble = news;
        tokio::time::sleep(LOOK).await;
    }
}

fn labels(instance: &str, image: &str) -> Labels {
    let labels = [
        (names::RELAY_DOCKER_LABEL, instance),
        (names::RELAY_IMAGE_DOCKER_LABEL, image),
    ];
    labels
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// The relay as it should be, on an engine whose cgroups are or are not systemd's.
fn relay(image: &PauseImage, instance: &str, place: &Place, systemd: bool) -> ContainerSpec {
    let mut words = vec![
        "relay".to_owned(),
        format!("--address={ADDRESS}"),
        format!("--socket={FOLDER}/{SOCKET}"),
        format!("--limits-socket={FOLDER}/{}", limits::SOCKET),
        format!("--cgroups={CGROUPS}"),
    ];
    let mount = |source: &str, path: &str| Mount {
        source: source.to_owned(),
        path: path.to_owned(),
        read_only: false,
    };
    let mut mounts = vec![
        mount(&place.on_the_instance, FOLDER),
        mount("/sys/fs/cgroup", CGROUPS),
    ];
    if systemd {
        words.push(format!("--units={UNITS}"));
        mounts.push(mount("/run/systemd/system", UNITS));
    }
    ContainerSpec {
        name: NAME.to_owned(),
        image: image.name(),
        labels: labels(instance, &image.name()),
        entry_point: Some(vec![PauseImage::program()]),
        command: Some(words),
        memory: Some(MEMORY),
        pids: crate::runtime::Pids(PIDS),
        network: Network::Host,
        mounts,
        host_cgroups: true,
        ..ContainerSpec::default()
    }
}

/// Makes what is missing.
async fn provide(
    engine: &dyn Engine,
    relay: &ContainerSpec,
    image: &PauseImage,
) -> Result<(), Error> {
    let found = match engine.inspect(NAME).await {
        Ok(found) => Some(found),
        Err(Error::NotFound { .. }) => None,
        Err(other) => return Err(other),
    };
    if let Some(found) = &found {
        if !is_ours(found, relay) {
            let message = format!("container {NAME} on this engine belongs to somebody else");
            return Err(Error::Conflict { message });
        }
        if found.state == ContainerState::Running && is_current(found, relay) {
            return Ok(());
        }
        debug!(state = ?found.state, "another relay is made");
        if found.state.is_live() {
            engine.kill(NAME).await?;
        }
        engine.remove(NAME).await?;
    }
    let network = NetworkSpec {
        name: NAME.to_owned(),
        subnet: SUBNET.to_owned(),
        gateway: ADDRESS.to_owned(),
        labels: relay.labels.clone(),
    };
    // Without its address the relay waits for it, and does the rest of its work.
    let address = engine.provide_network(&network).await;
    if engine.image(&relay.image).await?.is_none() {
        image.load(engine).await?;
    }
    match engine.create(relay).await? {
        Created::New { .. } => engine.start(NAME).await?,
        Created::AlreadyExists(_) => {}
    }
    address
}

/// Made by an agent of this very instance.
fn is_ours(found: &ContainerView, relay: &ContainerSpec) -> bool {
    let label = names::RELAY_DOCKER_LABEL;
    found.labels.get(label) == relay.labels.get(label)
}

/// Of the image that this agent's program makes.
fn is_current(found: &ContainerView, relay: &ContainerSpec) -> bool {
    let label = names::RELAY_IMAGE_DOCKER_LABEL;
    found.labels.get(label) == relay.labels.get(label)
}
