//! The input shapes of ECS's API: what `RegisterTaskDefinition`, `CreateService` and `RunTask` accept, field for field.
//!
//! Names, types, limits and spelling are ECS's, so that an existing JSON body pastes under `spec:`. Every field is
//! here, whether this release carries it out or not: `domain::fields` says which. Bounds are in the types, because the
//! API server estimates the cost of rules from them; the descriptions become those of the resources.

mod breaker;
mod container;
mod container_parts;
mod deployment;
mod described;
mod hook_details;
mod launch_volumes;
mod linux;
mod logging;
mod network;
mod overrides;
mod placement;
mod platform;
mod service_connect;
mod volumes;

pub use breaker::*;
pub use container::*;
pub use container_parts::*;
pub use deployment::*;
pub use described::*;
pub use hook_details::*;
pub use launch_volumes::*;
pub use linux::*;
pub use logging::*;
pub use network::*;
pub use overrides::*;
pub use placement::*;
pub use platform::*;
pub use service_connect::*;
pub use volumes::*;
