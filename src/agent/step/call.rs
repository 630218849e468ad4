//! The calls that a step orders for containers, and what they come to.

use std::time::Duration;

use crate::agent::broker;
use crate::domain::supply::Supply;
use crate::runtime::{ContainerView, Created, Error, Image};

/// A call to the engine, or more than one that make sense only together (a pull and its fallback).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Look at it.
    Inspect,
    /// Ask the broker for what it needs.
    Supply,
    /// Make its image present.
    Pull,
    /// Create it.
    Create,
    /// Start it.
    Start,
    /// Send the stop signal, then SIGKILL.
    Stop {
        /// Between the two.
        grace: Duration,
    },
    /// Send SIGKILL, after a stop that did not end it.
    Kill,
    /// Remove it.
    Remove,
}

impl Call {
    /// One word, for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inspect => "inspect",
            Self::Supply => "supply",
            Self::Pull => "pull",
            Self::Create => "create",
            Self::Start => "start",
            Self::Stop { .. } => "stop",
            Self::Kill => "kill",
            Self::Remove => "remove",
        }
    }
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Of [`Call::Inspect`].
    Inspected(Result<Box<ContainerView>, Error>),
    /// Of [`Call::Supply`].
    Supplied(Result<Supply, broker::Error>),
    /// Of [`Call::Pull`].
    Pulled(Result<Image, Error>),
    /// Of [`Call::Create`].
    Created(Result<Created, Error>),
    /// Of [`Call::Start`].
    Started(Result<(), Error>),
    /// Of [`Call::Stop`] and [`Call::Kill`].
    Stopped(Result<(), Error>),
    /// Of [`Call::Remove`].
    Removed(Result<(), Error>),
}
