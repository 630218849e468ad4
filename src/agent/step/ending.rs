//! How containers go down: in the reverse of the order in which they came up, by a signal, then by force.

use std::time::Duration;

use jiff::Timestamp;

use super::{Call, Containers, Keep, Known, Order, Seen, order};
use crate::agent::wanted::Wanted;
use crate::domain::definition::{Container, DEFAULT_STOP_TIMEOUT};
use crate::runtime::ContainerState;

/// Calls that end whatever lives, and remove what may not stay.
pub(super) fn put_down(
    wanted: &Wanted,
    containers: &Containers,
    keep: Keep,
    now: Timestamp,
) -> Vec<Order> {
    let mut orders = Vec::new();
    for (name, known) in containers.iter().filter(|(_, known)| known.is_free(now)) {
        let grace = wanted
            .container(name)
            .map_or(DEFAULT_STOP_TIMEOUT, Container::stop_timeout);
        let call = match end(known, grace) {
            Some(Call::Stop { .. } | Call::Kill) if !order::may_end(name, wanted, containers) => {
                continue;
            }
            None if keep == Keep::Nothing && known.view().is_some() => Call::Remove,
            None => continue,
            Some(call) => call,
        };
        orders.push(Order {
            container: name.clone(),
            call,
        });
    }
    orders
}

/// The call after which a container does not live and cannot come to live; `None` where that is so.
pub(super) fn end(known: &Known, grace: Duration) -> Option<Call> {
    match &known.seen {
        Seen::Unknown => Some(Call::Inspect),
        Seen::Absent { .. } => None,
        Seen::Present(view) => match view.state {
            ContainerState::Removing => Some(Call::Inspect),
            // A start may still be under way in the engine: a container that is removed can't be started.
            ContainerState::Created if view.error.is_none() => Some(Call::Remove),
            ContainerState::Exited if known.is_start_unanswered() => Some(Call::Remove),
            ContainerState::Created | ContainerState::Exited | ContainerState::Dead => None,
            ContainerState::Running
            | ContainerState::Paused
            | ContainerState::Restarting
            | ContainerState::Unknown
                if known.stops == 0 =>
            {
                Some(Call::Stop { grace })
            }
            ContainerState::Running
            | ContainerState::Paused
            | ContainerState::Restarting
            | ContainerState::Unknown => Some(Call::Kill),
        },
    }
}
