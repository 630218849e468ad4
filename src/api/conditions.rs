//! Conditions: their types and reasons, the status that an object has before anybody has looked at it, and the merge
//! that moves `lastTransitionTime` only when a status flips.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// What is asked for is there.
pub const READY: &str = "Ready";
/// Work towards it goes on.
pub const RECONCILING: &str = "Reconciling";
/// It won't get there by itself: somebody must change something.
pub const STALLED: &str = "Stalled";
/// Lists the fields that are accepted and change nothing here.
pub const WITHOUT_EFFECT: &str = "WithoutEffect";
/// Of a service: its percents of its desired count would let no deployment replace a task.
pub const PERCENTS_CANNOT_MOVE: &str = "PercentsCannotMove";

/// Of a target group: some of its targets cannot be reached on the way that requests take, and get none.
pub const TARGETS_UNAVAILABLE: &str = "TargetsUnavailable";

/// Of a task that is being deleted: its agent has removed its containers, and the object may go.
pub const CONTAINERS_REMOVED: &str = "ContainersRemoved";

/// The reasons that conditions give.
pub mod reason {
    /// Nobody has looked at the object yet.
    pub const PENDING: &str = "Pending";
    /// The task definition is registered as a revision.
    pub const REGISTERED: &str = "Registered";
    /// A service runs what is wanted.
    pub const STEADY_STATE: &str = "SteadyState";
    /// A deployment replaces tasks.
    pub const DEPLOYMENT_IN_PROGRESS: &str = "DeploymentInProgress";
    /// A deployment has failed.
    pub const DEPLOYMENT_FAILED: &str = "DeploymentFailed";
    /// A deployment has failed, and the last completed one runs instead.
    pub const DEPLOYMENT_ROLLED_BACK: &str = "DeploymentRolledBack";
    /// Services that follow this task definition have not all taken it up.
    pub const WAITING_FOR_SERVICES: &str = "WaitingForServices";
    /// No instance has room for a task.
    pub const UNABLE_TO_PLACE: &str = "UnableToPlaceTask";
    /// minimumHealthyPercent and maximumPercent leave no room to replace a task.
    pub const NO_ROOM_TO_DEPLOY: &str = "NoRoomToDeploy";
    /// The percents leave no room to replace a task.
    pub const PERCENTS_LEAVE_NO_ROOM: &str = "PercentsLeaveNoRoom";
    /// The percents leave room to replace a task.
    pub const PERCENTS_LEAVE_ROOM: &str = "PercentsLeaveRoom";
    /// What is asked for contradicts itself.
    pub const INVALID: &str = "Invalid";
    /// A field is set which is not supported.
    pub const REFUSED: &str = "Refused";
    /// The cluster does not exist.
    pub const CLUSTER_NOT_FOUND: &str = "ClusterNotFound";
    /// The cluster does not accept this namespace.
    pub const NAMESPACE_NOT_ALLOWED: &str = "NamespaceNotAllowed";
    /// The task definition, or the revision that is named, does not exist.
    pub const TASK_DEFINITION_NOT_FOUND: &str = "TaskDefinitionNotFound";
    /// The cluster's security profile forbids what the task definition asks for.
    pub const FORBIDDEN: &str = "Forbidden";
    /// A target group that `loadBalancers` names does not exist.
    pub const TARGET_GROUP_NOT_FOUND: &str = "TargetGroupNotFound";
    /// A name under which a service is to be found belongs to somebody else.
    pub const NAME_TAKEN: &str = "NameTaken";
    /// The Service of a target group is there.
    pub const SERVICE_READY: &str = "ServiceReady";
    /// A Service of the target group's name exists that is not the target group's.
    pub const SERVICE_NAME_TAKEN: &str = "ServiceNameTaken";
    /// The API server refuses the Service that a target group asks for.
    pub const SERVICE_REFUSED: &str = "ServiceRefused";
    /// No load balancer has taken the Service up yet.
    pub const WAITING_FOR_LOAD_BALANCER: &str = "WaitingForLoadBalancer";
    /// All targets can be reached.
    pub const ALL_REACHABLE: &str = "AllReachable";
    /// Some targets cannot be reached.
    pub const UNREACHABLE: &str = "Unreachable";
    /// The object is being deleted and its tasks are stopping.
    pub const DRAINING: &str = "Draining";
    /// Some fields change nothing here.
    pub const FIELDS_WITHOUT_EFFECT: &str = "FieldsWithoutEffect";
    /// Every field that is set is carried out.
    pub const ALL_FIELDS_CARRIED_OUT: &str = "AllFieldsCarriedOut";
}

/// Longest message that a condition's schema allows.
pub const MESSAGE_LIMIT: usize = 32_768;

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Nobody knows.
    Unknown,
}

impl Truth {
    /// As Kubernetes writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// A condition that would have flipped `now`; [`set`] keeps the old time where it did not flip.
#[must_use]
pub fn condition(
    kind: &str,
    status: impl Into<Truth>,
    reason: &str,
    message: &str,
    generation: Option<i64>,
    now: Timestamp,
) -> Condition {
    Condition {
        type_: kind.to_owned(),
        status: status.into().as_str().to_owned(),
        reason: reason.to_owned(),
        message: message.chars().take(MESSAGE_LIMIT).collect(),
        observed_generation: generation,
        last_transition_time: Time(now),
    }
}

/// Puts `new` among the conditions, in order of their types. A condition whose status stays the same keeps its
/// `lastTransitionTime`.
pub fn set(conditions: &mut Vec<Condition>, mut new: Condition) {
    if let Some(old) = conditions
        .iter()
        .find(|c| c.type_ == new.type_ && c.status == new.status)
    {
        new.last_transition_time = old.last_transition_time.clone();
    }
    conditions.retain(|c| c.type_ != new.type_);
    let place = conditions.partition_point(|c| c.type_ < new.type_);
    conditions.insert(place, new);
}

/// How far an object is on its way to what is asked of it.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// What is asked for is there.
    pub ready: bool,
    /// It is not there, and won't come by itself.
    pub stalled: bool,
    /// Why, in one word.
    pub reason: &'a str,
    /// Why, in a sentence.
    pub message: &'a str,
}

/// Sets Ready, Reconciling and Stalled, of which exactly one holds.
pub fn set_progress(
    conditions: &mut Vec<Condition>,
    progress: Progress<'_>,
    generation: Option<i64>,
    now: Timestamp,
) {
    let Progress {
        ready,
        stalled,
        reason,
        message,
    } = progress;
    for (kind, holds) in [
        (READY, ready),
        (RECONCILING, !ready && !stalled),
        (STALLED, stalled),
    ] {
        set(
            conditions,
            condition(kind, holds, reason, message, generation, now),
        );
    }
}

/// Sets `WithoutEffect` from the texts of [`super::parse::without_effect`].
pub fn set_without_effect(
    conditions: &mut Vec<Condition>,
    texts: &[String],
    generation: Option<i64>,
    now: Timestamp,
) {
    let reason = if texts.is_empty() {
        reason::ALL_FIELDS_CARRIED_OUT
    } else {
        reason::FIELDS_WITHOUT_EFFECT
    };
    let message = texts.join("; ");
    set(
        conditions,
        condition(
            WITHOUT_EFFECT,
            !texts.is_empty(),
            reason,
            &message,
            generation,
            now,
        ),
    );
}

/// The condition of this type, if there is one.
#[must_use]
pub fn get<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|c| c.type_ == kind)
}

/// Whether the condition of this type is there and True.
#[must_use]
pub fn holds(conditions: &[Condition], kind: &str) -> bool {
    get(conditions, kind).is_some_and(|c| c.status == Truth::True.as_str())
}

/// The status that the schema gives to an object that nobody has looked at.
///
/// Without it an object has no status at first, and Helm and kstatus take that for ready.
#[must_use]
pub fn pending_status() -> Value {
    json!({
        "observedGeneration": 0,
        "conditions": [{
            "type": READY,
            "status": Truth::Unknown.as_str(),
            "reason": reason::PENDING,
            "message": "not observed yet",
            "lastTransitionTime": "1970-01-01T00:00:00Z",
        }],
    })
}

/// Schema of a `conditions` field: Kubernetes' own shape, a list map keyed by `type`, bounded.
///
/// Use as `#[schemars(schema_with = "conditions::schema")]`.
pub fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "description": "What holds for the object now, one entry a type.",
        "maxItems": 16,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "reason", "message", "lastTransitionTime"],
            "properties": {
                "type": {
                    "type": "string", "maxLength": 316,
                    "description": "What the condition says, such as Ready.",
                },
                "status": {
                    "type": "string", "enum": ["True", "False", "Unknown"],
                    "description": "Whether it holds.",
                },
                "observedGeneration": {
                    "type": "integer", "format": "int64", "minimum": 0,
                    "description": "Generation of the spec that the condition was computed from.",
                },
                "lastTransitionTime": {
                    "type": "string", "format": "date-time", "maxLength": 64,
                    "description": "When the status flipped last.",
                },
                "reason": {
                    "type": "string", "minLength": 1, "maxLength": 1024,
                    "description": "Why, in one word.",
                },
                "message": {
                    "type": "string", "maxLength": MESSAGE_LIMIT,
                    "description": "Why, in a sentence.",
                },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a valid second")
    }

    #[test]
    fn the_time_moves_only_when_the_status_flips() {
        let mut all = Vec::new();
        set(
            &mut all,
            condition(READY, false, reason::PENDING, "a", Some(1), at(1)),
        );
        set(
            &mut all,
            condition(READY, false, reason::INVALID, "b", Some(2), at(2)),
        );
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].reason, reason::INVALID);
        assert_eq!(all[0].last_transition_time, Time(at(1)));
        set(
            &mut all,
            condition(READY, true, reason::STEADY_STATE, "c", Some(2), at(3)),
        );
        assert_eq!(all[0].last_transition_time, Time(at(3)));
        assert!(holds(&all, READY));
    }

    #[test]
    fn conditions_stay_in_order_whatever_order_they_are_set_in() {
        let mut all = Vec::new();
        for kind in [STALLED, READY, WITHOUT_EFFECT, RECONCILING, READY] {
            set(
                &mut all,
                condition(kind, Truth::Unknown, reason::PENDING, "", None, at(0)),
            );
        }
        let kinds: Vec<_> = all.iter().map(|c| c.type_.as_str()).collect();
        assert_eq!(kinds, [READY, RECONCILING, STALLED, WITHOUT_EFFECT]);
    }
}
