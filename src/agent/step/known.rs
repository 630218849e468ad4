//! What the agent knows of one container, and how the outcome of each call changes it.
//!
//! It lives in memory only: after a restart everything is `Unknown` until the engine was asked.

use jiff::{SignedDuration, Timestamp};

use super::call::{Call, Outcome};
use super::health::Undecided;
use super::starting::Unanswered;
use super::supplying;
use crate::agent::wanted::Wanted;
use crate::domain::supply::Supply;
use crate::runtime::{
    Activity, ContainerState, ContainerSummary, ContainerView, Created, Error, Image,
};

const FIRST_RETRY: SignedDuration = SignedDuration::from_secs(1);
const LONGEST_RETRY: SignedDuration = SignedDuration::from_secs(30);

/// The newest look at a container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Seen {
    /// Nobody has looked since something may have changed.
    #[default]
    Unknown,
    /// It was not there, this many successful looks in a row.
    Absent {
        /// At least 1.
        looks: u8,
    },
    /// It was there.
    Present(Box<ContainerView>),
}

/// All that is known of one container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Known {
    /// Name in the engine.
    pub engine_name: String,
    /// The newest look.
    pub seen: Seen,
    /// The call under way.
    pub doing: Option<Call>,
    /// Its image, once that is present.
    pub image: Option<Image>,
    /// Why it cannot be brought up; final.
    pub failure: Option<String>,
    /// What the broker gave for it, until it is created.
    pub supply: Option<Supply>,
    /// Requests to the broker in a row that got no answer.
    pub(super) unsupplied: u32,
    /// What it waits for, such as a pull that takes long.
    pub note: Option<String>,
    /// Stops that were carried out and left it alive.
    pub stops: u32,
    /// Pulls that succeeded.
    pulls: u32,
    /// Pulls that failed in a way that may pass.
    pub(super) failed_pulls: u32,
    /// Something happened to it while a call was under way.
    again: bool,
    /// A start of which nobody knows whether the engine has carried it out, or will.
    pub(super) unanswered: Option<Unanswered>,
    /// Its health check has come to no result yet.
    pub(super) undecided: Option<Undecided>,
    /// Calls in a row that came to nothing.
    tries: u32,
    /// No call before this time.
    pub retry_at: Option<Timestamp>,
    /// Number of the last change, to tell looks that began before it.
    changed: u64,
}

impl Known {
    /// A container of which nobody knows anything yet.
    #[must_use]
    pub fn new(engine_name: String, seen: Seen) -> Self {
        Self {
            engine_name,
            seen,
            ..Self::default()
        }
    }

    /// The engine's view, where there is one.
    #[must_use]
    pub fn view(&self) -> Option<&ContainerView> {
        match &self.seen {
            Seen::Present(view) => Some(view),
            Seen::Unknown | Seen::Absent { .. } => None,
        }
    }

    /// Whether a call may be made now.
    #[must_use]
    pub fn is_free(&self, now: Timestamp) -> bool {
        // A time far ahead means that the clock was set back.
        let jumped = |at: Timestamp| at.duration_since(now) > LONGEST_RETRY + LONGEST_RETRY;
        self.doing.is_none() && self.retry_at.is_none_or(|at| at <= now || jumped(at))
    }

    /// Whether it was seen that nothing of it lives, and nothing is under way that could change this.
    #[must_use]
    pub fn is_down(&self) -> bool {
        if !matches!(self.doing, None | Some(Call::Supply | Call::Pull)) {
            return false;
        }
        match &self.seen {
            Seen::Unknown => false,
            Seen::Absent { .. } => true,
            Seen::Present(view) => match view.state {
                ContainerState::Exited => !self.is_start_unanswered(),
                ContainerState::Dead => true,
                // A start that failed is over; one without an answer may be carried out yet.
                ContainerState::Created => view.error.is_some(),
                ContainerState::Running
                | ContainerState::Paused
                | ContainerState::Restarting
                | ContainerState::Removing
                | ContainerState::Unknown => false,
            },
        }
    }

    /// Takes in one line of a list that began when `began` was the number of the newest change.
    pub fn listed(&mut self, line: Option<&ContainerSummary>, began: u64) {
        let is_busy = |call| !matches!(call, Call::Supply | Call::Pull);
        if self.doing.is_some_and(is_busy) || self.changed > began {
            return;
        }
        self.seen = match (line, std::mem::take(&mut self.seen)) {
            (None, Seen::Absent { looks }) => Seen::Absent {
                looks: looks.saturating_add(1),
            },
            (None, Seen::Unknown | Seen::Present(_)) => Seen::Absent { looks: 1 },
            (Some(line), Seen::Present(view))
                if view.id == line.id && view.state == line.state && view.health == line.health =>
            {
                Seen::Present(view)
            }
            (Some(_), _) => Seen::Unknown,
        };
    }

    /// Something may have happened to it.
    pub fn hinted(&mut self, activity: Activity) {
        let news = match activity {
            Activity::Ended | Activity::Removed | Activity::Health => true,
            // Nobody but us starts our containers.
            Activity::Started => self.view().is_some_and(|view| !view.state.is_live()),
            Activity::Other => false,
        };
        if !news {
            return;
        }
        if self.doing.is_some() {
            self.again = true;
            return;
        }
        self.seen = Seen::Unknown;
        if self.tries == 0 {
            self.retry_at = None;
        }
    }

    /// Takes in the outcome of the call that was under way; `change` numbers it.
    pub fn done(
        &mut self,
        container: &str,
        outcome: Outcome,
        wanted: &Wanted,
        change: u64,
        now: Timestamp,
    ) {
        let call = self.doing.take();
        self.changed = change;
        let problem = match outcome {
            Outcome::Inspected(answer) => self.inspected(container, answer, wanted, now),
            Outcome::Supplied(answer) => {
                if self.supplied(answer) {
                    let pause = FIRST_RETRY * (1 << (self.unsupplied - 1).min(5));
                    self.wait(pause.min(supplying::LONGEST_PAUSE), now);
                }
                None
            }
            Outcome::Pulled(Ok(image)) => {
                self.image = Some(image);
                self.pulls += 1;
                self.note = None;
                None
            }
            Outcome::Pulled(Err(error)) => self.not_pulled(container, error, wanted),
            Outcome::Created(answer) => self.created(container, answer, wanted),
            Outcome::Started(answer) => self.started(answer),
            Outcome::Stopped(answer) => {
                self.seen = Seen::Unknown;
                // A stop that hung for longer than its grace has not helped either.
                self.stops += u32::from(matches!(answer, Ok(()) | Err(Error::Timeout { .. })));
                if call == Some(Call::Kill) {
                    self.wait(FIRST_RETRY, now);
                }
                answer
                    .err()
                    .filter(|error| !matches!(error, Error::NotFound { .. }))
            }
            Outcome::Removed(Ok(())) => {
                self.unanswered = None;
                self.seen = Seen::Absent { looks: 2 };
                None
            }
            Outcome::Removed(Err(error)) => {
                self.seen = Seen::Unknown;
                Some(error)
            }
        };
        if std::mem::take(&mut self.again) && self.view().is_some() {
            self.seen = Seen::Unknown;
        }
        match problem {
            None => self.tries = 0,
            Some(_) => self.tries += 1,
        }
        if self.tries > 0 {
            let factor = 1 << (self.tries - 1).min(5);
            let pause = (FIRST_RETRY * factor).min(LONGEST_RETRY);
            let of_registry = call == Some(Call::Pull);
            self.wait(
                if of_registry {
                    self.spread(pause)
                } else {
                    pause
                },
                now,
            );
        }
    }

    fn wait(&mut self, time: SignedDuration, now: Timestamp) {
        self.retry_at = now.checked_add(time).ok();
    }

    fn inspected(
        &mut self,
        container: &str,
        answer: Result<Box<ContainerView>, Error>,
        wanted: &Wanted,
        now: Timestamp,
    ) -> Option<Error> {
        self.retry_at = None;
        match answer {
            Ok(view) => {
                self.look_for_start(&view);
                self.adopt(container, view, wanted);
                self.look_for_result(now);
                if self.unanswered.is_some_and(|start| start.is_late) {
                    self.failure.get_or_insert_with(|| {
                        "DockerTimeoutError: Could not transition to started; timed out after waiting 3m0s".to_owned()
                    });
                }
                let state = self.view().map(|view| view.state);
                if matches!(
                    state,
                    Some(ContainerState::Removing | ContainerState::Unknown)
                ) {
                    self.wait(FIRST_RETRY, now);
                }
                None
            }
            Err(Error::NotFound { .. }) => {
                let looks = match self.seen {
                    Seen::Absent { looks } => looks.saturating_add(1),
                    Seen::Unknown | Seen::Present(_) => 1,
                };
                self.seen = Seen::Absent { looks };
                if looks < 2 {
                    self.wait(FIRST_RETRY, now);
                }
                None
            }
            Err(error) => {
                self.seen = Seen::Unknown;
                Some(error)
            }
        }
    }

    /// Takes a container for the task's own if its labels say so; a foreign one is never touched.
    fn adopt(&mut self, container: &str, view: Box<ContainerView>, wanted: &Wanted) {
        if wanted.owns(&view, container) {
            self.seen = Seen::Present(view);
        } else {
            self.failure = Some(format!(
                "CannotCreateContainerError: the name {} belongs to a container that is not of this task",
                view.name
            ));
            self.seen = Seen::Absent { looks: 1 };
        }
    }

    fn created(
        &mut self,
        container: &str,
        answer: Result<Created, Error>,
        wanted: &Wanted,
    ) -> Option<Error> {
        match answer {
            Ok(Created::New { id }) => {
                self.supply = None;
                self.seen = Seen::Present(Box::new(ContainerView::created(
                    id,
                    self.engine_name.clone(),
                )));
                None
            }
            Ok(Created::AlreadyExists(view)) => {
                self.adopt(container, view, wanted);
                None
            }
            // The image was removed since the pull: pull once more.
            Err(error @ Error::NotFound { .. }) if self.pulls < 2 => {
                self.image = None;
                Some(error)
            }
            Err(error) if error.is_unknown() => {
                self.seen = Seen::Unknown;
                Some(error)
            }
            Err(error) => self.fail("CannotCreateContainerError", &error),
        }
    }

    pub(super) fn fail(&mut self, name: &str, error: &Error) -> Option<Error> {
        self.failure = Some(format!("{name}: {error}"));
        None
    }
}
