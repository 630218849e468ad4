//! The promises of ecs-operator on a real Kubernetes with a real Docker Engine on each of three nodes.
//!
//! `hack/cluster/cluster up 3` brings the machine up, `hack/images` and `hack/engine-image` the images. Whether a test
//! passes is decided by what the engines show, as the recorder wrote it down, and never by our own status alone. Tests
//! take turns (`harness::turns`), each in a namespace of its own, after what an earlier one may have left broken is mended.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what cannot be read or is not there fails the test"
)]
#![expect(clippy::print_stderr, reason = "a failed test shows what it saw")]

mod answers;
mod broken_engine;
mod contract;
mod control_plane;
mod deployments;
mod discovery;
mod failures;
mod fields;
mod firelens;
mod gateway;
mod given;
mod harness;
mod idle;
mod images;
mod input;
mod instance_pods;
mod lifecycle;
mod limits;
mod maximal;
mod metadata;
mod network;
mod nodes;
mod ordering;
mod placement;
mod readiness;
mod registry;
mod rollouts;
mod secrets;
mod stolen;
mod syslog;
mod tampering;
mod targets;
mod traffic;
mod uninstall;
