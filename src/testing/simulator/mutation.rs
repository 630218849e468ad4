//! Bugs of other systems, put in on purpose: a simulator that does not find them proves nothing.

/// A mistake in one of the shells around the decisions, or in what goes into a decision or comes out of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Mutation {
    /// No mistake.
    #[default]
    None,
    // Reading, writing and leading.
    /// Decisions do not count the leader's own writes until the watch shows them.
    ForgetOwnWrites,
    /// A stop or create without an answer is taken for one that did not happen.
    ForgetUnanswered,
    /// A new leader acts on a cache that may be older than the last leader's writes.
    TrustStaleCache,
    /// A leader that cannot renew its Lease goes on.
    WriteWithoutLease,
    /// What was decided before a long pause is carried out after it, whoever leads by then.
    ApplyLate,
    /// The age of the Lease is judged by the time of day that is written in it.
    WallClockLease,
    /// Status is written over whatever version there is.
    OverwriteStatus,
    /// Something is written at every look.
    WriteAtEveryLook,
    /// A task is known by its name alone, whoever made it.
    AdoptByName,
    /// A deleted task is let go at once.
    LetGoAtOnce,
    /// A deleted service does not wait for tasks that have not started yet.
    OverlookUnstarted,
    /// What old deployments ran is forgotten though tasks or records refer to it.
    CollectWhatIsUsed,
    // Deciding.
    /// One task more than desired.
    OneTooMany,
    /// The lower bound rounds down.
    LowerBoundRoundsDown,
    /// Tasks that are told to stop do not count for the upper bound.
    StoppingIsStopped,
    /// A task's resources are free when it is told to stop, not when its containers are gone.
    FreeAtStopRequest,
    /// A draining instance loses all its tasks at once.
    DrainAtOnce,
    /// Tasks that never ran are not stopped.
    LeaveUnstarted,
    /// Failed starts are repeated without a pause.
    NoThrottle,
    /// The circuit breaker counts tasks whose instance went away.
    CountLostInstances,
    /// The circuit breaker counts tasks that an instance would not start.
    CountRefusals,
    /// The circuit breaker counts from the beginning when the leader changes.
    ForgetFailures,
    /// What failed is tried again.
    RetryWhatFailed,
    /// A deployment goes back to the one before, whether that completed or not.
    RollBackToWhateverWas,
    /// After a failure, tasks that die are replaced by tasks of what failed.
    ReplaceByWhatFailed,
    /// A scale-in and a deployment stop protected tasks too.
    IgnoreProtection,
    /// A DAEMON service has two tasks on each instance.
    DaemonTwice,
    /// An instance whose agent is silent is taken for lost, whatever its node says.
    SilentIsLost,
    /// Tasks of lost instances are replaced though the cluster says to wait.
    IgnorePolicy,
    // Traffic.
    /// A task is deregistered while requests are still sent to it.
    DeregisterWhatIsListed,
    /// Tasks that are to end are sent requests.
    ListTheEnding,
    /// The agent takes every task that is to end for one that gets no requests.
    SignalAtOnce,
    // On the instance.
    /// A container that cannot be looked at is taken for one that is not there.
    UnknownIsGone,
    /// A task that was refused is started all the same.
    StartRefused,
    /// A refusal is not told.
    KeepRefusalQuiet,
    /// Containers get new names in each life of the agent.
    NewNamesAfterRestart,
    /// What was declared STOPPED meanwhile runs on when the agent is back.
    RunOnAfterRejoin,
    /// A report that had to wait is sent after a newer one.
    ReportOutOfOrder,
    /// After the first list, the engine's events are believed to tell everything.
    NeverListAgain,
    // Within a task.
    /// The containers of a task start without waiting for each other.
    StartInNoOrder,
    /// A task that is to end is ended all at once.
    StopInNoOrder,
    /// What ends is started again, whatever its restart policy says.
    AlwaysStartAgain,
    /// Only the end of the application ends its task.
    EssentialIsNot,
}

impl Mutation {
    /// All mistakes.
    pub const ALL: [Self; 43] = [
        Self::ForgetOwnWrites,
        Self::ForgetUnanswered,
        Self::TrustStaleCache,
        Self::WriteWithoutLease,
        Self::ApplyLate,
        Self::WallClockLease,
        Self::OverwriteStatus,
        Self::WriteAtEveryLook,
        Self::AdoptByName,
        Self::LetGoAtOnce,
        Self::OverlookUnstarted,
        Self::CollectWhatIsUsed,
        Self::OneTooMany,
        Self::LowerBoundRoundsDown,
        Self::StoppingIsStopped,
        Self::FreeAtStopRequest,
        Self::DrainAtOnce,
        Self::LeaveUnstarted,
        Self::NoThrottle,
        Self::CountLostInstances,
        Self::ForgetFailures,
        Self::RetryWhatFailed,
        Self::RollBackToWhateverWas,
        Self::ReplaceByWhatFailed,
        Self::SilentIsLost,
        Self::IgnorePolicy,
        Self::UnknownIsGone,
        Self::StartRefused,
        Self::KeepRefusalQuiet,
        Self::NewNamesAfterRestart,
        Self::RunOnAfterRejoin,
        Self::ReportOutOfOrder,
        Self::NeverListAgain,
        Self::CountRefusals,
        Self::IgnoreProtection,
        Self::DaemonTwice,
        Self::DeregisterWhatIsListed,
        Self::ListTheEnding,
        Self::SignalAtOnce,
        Self::StartInNoOrder,
        Self::StopInNoOrder,
        Self::AlwaysStartAgain,
        Self::EssentialIsNot,
    ];
}
