//! How our servers prove who they are: TLS that needs nothing but Kubernetes.
//!
//! # Expected flow
//! The replicas of one server share one [`Identity`], kept in one Secret by [`shared`]: whichever replica comes first
//! makes it, whichever sees it age renews it. Clients trust the certificate authority in a ConfigMap beside it. A
//! [`listener`] serves with whatever the identity is at the time of each connection.
//!
//! # Guarantees
//! Every replica serves with certificates of the same authority. A renewal changes nothing for clients, and ends no
//! connection. An authority that replaces another is published together with the one before.
//!
//! # Assumptions
//! Only the server's ServiceAccount may read the Secret, and only it may write the ConfigMap.
//!
//! # Caveats
//! Somebody who deletes the Secret replaces the authority: clients refuse the server until they read the ConfigMap
//! again.

mod accepting;
pub mod identity;
pub mod listener;
pub mod local;
pub mod relay;
pub mod shared;
pub mod websocket;

pub(crate) use accepting::accept;
pub use identity::Identity;
pub use listener::{Peer, serve};

#[cfg(test)]
mod tests;
