//! What every process needs and ECS knows nothing of: time, leadership, guarded API calls, telemetry, shutdown.

pub mod client;
pub mod clock;
pub mod http;
pub mod leader;
pub mod lease;
pub mod serving;
pub mod shutdown;
pub mod telemetry;
pub mod upload;
pub mod watching;
