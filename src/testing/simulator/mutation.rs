//! Bugs of other systems, put in on purpose: a simulator that does not find them proves nothing.

/// A mistake in one of the shells around the decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Mutation {
    /// No mistake.
    #[default]
    None,
    /// Decisions do not count the leader's own writes until the watch shows them.
    ForgetOwnWrites,
    /// A stop or create without an answer is taken for one that did not happen.
    ForgetUnanswered,
    /// A new leader acts on a cache that may be older than the last leader's writes.
    TrustStaleCache,
    /// Two leaders act as if each were alone.
    TrustTwoLeaders,
    /// A task's resources are free when it is told to stop, not when its containers are gone.
    FreeAtStopRequest,
    /// A deleted task is let go at once.
    LetGoAtOnce,
    /// A container that cannot be looked at is taken for one that is not there.
    UnknownIsGone,
    /// An instance whose agent is silent is taken for lost, whatever its node says.
    SilentIsLost,
    /// Status is written over whatever version there is.
    OverwriteStatus,
}

impl Mutation {
    /// All mistakes.
    pub const ALL: [Self; 9] = [
        Self::ForgetOwnWrites,
        Self::ForgetUnanswered,
        Self::TrustStaleCache,
        Self::TrustTwoLeaders,
        Self::FreeAtStopRequest,
        Self::LetGoAtOnce,
        Self::UnknownIsGone,
        Self::SilentIsLost,
        Self::OverwriteStatus,
    ];
}
