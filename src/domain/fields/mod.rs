//! What becomes of every field of ECS's API: carried out, without effect, or refused.
//!
//! One table for each body; the test of the resources' schemas holds them complete, so that no field is accepted and
//! ignored in silence. The schemas take their refusals from here, and the controller its condition `WithoutEffect`.
//! A field may be without effect only if what runs is the same with it and without it.

mod examine;
mod service;
mod task;
mod task_definition;

pub use examine::{Finding, Findings, examine, is_absent};

/// A body of ECS's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// The spec of a TaskDefinition.
    RegisterTaskDefinition,
    /// The spec of an EcsService.
    CreateService,
    /// The spec of an EcsTask.
    RunTask,
}

impl Body {
    /// The entries for this body's fields. Each leaf of the body is covered by exactly one.
    pub fn table(self) -> &'static [Entry] {
        match self {
            Self::RegisterTaskDefinition => task_definition::TABLE,
            Self::CreateService => service::TABLE,
            Self::RunTask => task::TABLE,
        }
    }
}

/// What becomes of one field and of everything in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Path in the body, with `[]` for each list of objects: `containerDefinitions[].healthCheck.command`.
    pub path: &'static str,
    /// What becomes of it.
    pub outcome: Outcome,
}

impl Entry {
    /// Whether the field at `path` is the entry's own or lies in it.
    #[must_use]
    pub fn covers(&self, path: &str) -> bool {
        path.strip_prefix(self.path)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || rest.starts_with("[]"))
    }

    /// Path of the object that has the field, and the field's name.
    #[must_use]
    pub fn split(&self) -> (&'static str, &'static str) {
        self.path.rsplit_once('.').unwrap_or(("", self.path))
    }

    /// What a refusal says where the value cannot be named, as in a schema; `None` if nothing is refused.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let field = self.split().1;
        match self.outcome {
            Outcome::CarriedOut
            | Outcome::WithoutEffect(_)
            | Outcome::ByValue { refused: "", .. } => None,
            Outcome::Refused(alternative) => {
                Some(format!("{field} is not supported yet: {alternative}"))
            }
            Outcome::ByValue { refused, .. } => Some(format!(
                "{field} can only be {} for now: {refused}",
                self.accepted().join(" or ")
            )),
        }
    }

    /// The values that are not refused, where that depends on the value.
    #[must_use]
    pub fn accepted(&self) -> Vec<&'static str> {
        match self.outcome {
            Outcome::ByValue {
                carried_out,
                without_effect,
                ..
            } => carried_out
                .iter()
                .copied()
                .chain(without_effect.iter().map(|(value, _)| *value))
                .collect(),
            Outcome::CarriedOut | Outcome::WithoutEffect(_) | Outcome::Refused(_) => Vec::new(),
        }
    }
}

/// What becomes of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It does what it does in ECS.
    CarriedOut,
    /// It is accepted and listed, because of this reason.
    WithoutEffect(&'static str),
    /// It is not accepted; this is what to do instead.
    Refused(&'static str),
    /// It depends on the value, of which a list has several.
    ByValue {
        /// Values that do what they do in ECS.
        carried_out: &'static [&'static str],
        /// Values that are accepted and listed, each with the reason.
        without_effect: &'static [(&'static str, &'static str)],
        /// What to do instead of using any other value; empty where there is no other.
        refused: &'static str,
    },
}

const fn carried_out(path: &'static str) -> Entry {
    Entry {
        path,
        outcome: Outcome::CarriedOut,
    }
}

const fn without_effect(path: &'static str, reason: &'static str) -> Entry {
    Entry {
        path,
        outcome: Outcome::WithoutEffect(reason),
    }
}

const fn refused(path: &'static str, alternative: &'static str) -> Entry {
    Entry {
        path,
        outcome: Outcome::Refused(alternative),
    }
}

const fn by_value(
    path: &'static str,
    carried_out: &'static [&'static str],
    without_effect: &'static [(&'static str, &'static str)],
    refused: &'static str,
) -> Entry {
    Entry {
        path,
        outcome: Outcome::ByValue {
            carried_out,
            without_effect,
            refused,
        },
    }
}

/// Why launch types of AWS change nothing here.
const LAUNCH_TYPE: &str = "tasks run on the cluster's container instances";

/// What becomes of launch types; used by three bodies.
const LAUNCH_TYPES: &[(&str, &str)] = &[
    ("FARGATE", LAUNCH_TYPE),
    ("EXTERNAL", LAUNCH_TYPE),
    ("MANAGED_INSTANCES", LAUNCH_TYPE),
];

/// Why what AWS adds to its answers changes nothing here; used by two bodies.
const DESCRIBED: &str = "AWS fills it in when it describes what it has";

/// Why accelerators other than GPUs are refused; used by two bodies.
const NO_OTHER_ACCELERATOR: &str = "instances register GPUs alone: AWS has closed the service of inference accelerators; Neuron devices can be named in linuxParameters.devices, in a cluster with securityProfile: privileged";

/// Why a part of a GPU is refused; used by two bodies.
const GPUS_ARE_WHOLE: &str = "a GPU is given to one container as a whole: leave it out";

/// Why subnets and security groups change nothing here.
const AWS_NETWORK: &str = "subnets and security groups exist only in AWS";

#[cfg(test)]
mod tests;
