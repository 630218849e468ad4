//! What the containers of a task share, from the shapes.

use crate::api::shapes;
use crate::domain::definition::{IpcMode, NetworkMode, PidMode};

pub(super) fn network_mode(spec: Option<shapes::NetworkMode>) -> NetworkMode {
    match spec {
        Some(shapes::NetworkMode::Bridge) | None => NetworkMode::Bridge,
        Some(shapes::NetworkMode::Host) => NetworkMode::Host,
        Some(shapes::NetworkMode::Awsvpc) => NetworkMode::Awsvpc,
        Some(shapes::NetworkMode::None) => NetworkMode::None,
    }
}

pub(super) fn pid_mode(spec: Option<shapes::PidMode>) -> PidMode {
    match spec {
        Some(shapes::PidMode::Host) => PidMode::Host,
        Some(shapes::PidMode::Task) => PidMode::Task,
        None => PidMode::Container,
    }
}

pub(super) fn ipc_mode(spec: Option<shapes::IpcMode>) -> IpcMode {
    match spec {
        Some(shapes::IpcMode::Host) => IpcMode::Host,
        Some(shapes::IpcMode::Task) => IpcMode::Task,
        Some(shapes::IpcMode::None) => IpcMode::None,
        None => IpcMode::Engine,
    }
}
