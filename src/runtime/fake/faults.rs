//! What can be ordered to go wrong.

use crate::runtime::Error;

/// Kinds of calls, to order a fault for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// `list`
    List,
    /// `inspect`
    Inspect,
    /// `create`
    Create,
    /// `start`
    Start,
    /// `write_file`
    WriteFile,
    /// `stop`
    Stop,
    /// `remove`
    Remove,
    /// `pull`
    Pull,
    /// `create_volume`
    CreateVolume,
    /// `remove_volume`
    RemoveVolume,
    /// `provide_network`
    ProvideNetwork,
    /// `remove_image`
    RemoveImage,
}

/// What goes wrong with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It takes effect, and the answer is lost.
    LostAnswer,
    /// It never arrives.
    LostRequest,
    /// It never answers and has no effect.
    Hang,
    /// The engine refuses it.
    Refusal(Error),
}
