//! Names and identifiers that are derived, never drawn: the same input always gives the same name, so that a
//! create that lost its answer meets itself instead of making a twin.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// Longest name of any object of ours: a DNS label.
pub const MAXIMUM_NAME: usize = 63;

/// A reference to a task definition: a family, or one revision of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisionReference {
    /// Name of the family.
    pub family: String,
    /// The revision, or `None` for the newest ACTIVE one.
    pub revision: Option<i64>,
}

impl RevisionReference {
    /// Reads `family`, `family:revision` or a full ARN.
    ///
    /// # Errors
    /// Says what a reference looks like when `text` is none.
    pub fn parse(text: &str) -> Result<Self, InvalidReference> {
        let invalid = || InvalidReference(text.chars().take(255).collect());
        let name = text
            .rsplit_once("task-definition/")
            .map_or(text, |(_, name)| name);
        let (family, revision) = match name.split_once(':') {
            None => (name, None),
            Some((family, revision)) => {
                let number: i64 = revision.parse().map_err(|_| invalid())?;
                (family, Some(number).filter(|number| *number > 0))
            }
        };
        let valid = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if family.is_empty()
            || !family.chars().all(valid)
            || (name.contains(':') && revision.is_none())
        {
            return Err(invalid());
        }
        Ok(Self {
            family: family.to_owned(),
            revision,
        })
    }
}

/// A text that names no task definition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "taskDefinition: '{0}' names no task definition: give a family, family:revision or a full ARN"
)]
pub struct InvalidReference(pub String);

/// ECS's name of a revision, `family:n`.
pub fn revision_name(family: &str, revision: i64) -> String {
    format!("{family}:{revision}")
}

/// Name of the object that stores a revision, `family.n`, cut to fit.
pub fn revision_object(family: &str, revision: i64) -> String {
    numbered(family, revision)
}

/// Name of the object that stores a service revision, `service.n`, cut to fit.
pub fn service_revision_object(service: &str, number: i64) -> String {
    numbered(service, number)
}

fn numbered(name: &str, number: i64) -> String {
    let suffix = format!(".{number}");
    format!("{}{suffix}", fit(name, MAXIMUM_NAME - suffix.len()))
}

/// Name of a service's task. `attempt` counts the tasks that were tried in this slot of this deployment.
///
/// Example: `web-1f3a9c2e-0-1`.
pub fn service_task_name(
    service: &str,
    service_uid: &str,
    deployment: i64,
    slot: i64,
    attempt: i64,
) -> String {
    let suffix = format!(
        "-{}-{slot}-{attempt}",
        hash(&[service_uid, &deployment.to_string()], 8)
    );
    format!("{}{suffix}", fit(service, MAXIMUM_NAME - suffix.len()))
}

/// A number drawn from a name: always the same.
pub fn draw(name: &str) -> u64 {
    u64::from_str_radix(&hash(&[name], 16), 16).unwrap_or(0)
}

/// Slot of a daemon task: it follows from the UID of its instance, so that an instance keeps its own.
pub fn daemon_slot(instance_uid: &str) -> i64 {
    i64::from_str_radix(&hash(&[instance_uid], 12), 16).unwrap_or(0)
}

/// ECS's id of a deployment: `ecs-svc/` and 19 digits.
pub fn deployment_id(service_uid: &str, number: i64) -> String {
    let digest = Sha256::digest(format!("{service_uid}/{number}"));
    let value = digest
        .iter()
        .take(8)
        .fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    format!("ecs-svc/{:019}", value % 10_000_000_000_000_000_000)
}

/// ECS's id of a task: 32 hexadecimal digits, here those of the object's UID.
pub fn task_id(uid: &str) -> String {
    uid.chars().filter(char::is_ascii_hexdigit).collect()
}

/// `name` where it fits into `room` characters, otherwise its beginning and a hash of all of it.
pub fn fit(name: &str, room: usize) -> String {
    const DIGITS: usize = 8;
    if name.len() <= room {
        return name.to_owned();
    }
    let kept: String = name.chars().take(room.saturating_sub(DIGITS + 1)).collect();
    format!(
        "{}-{}",
        kept.trim_end_matches(['-', '.']),
        hash(&[name], DIGITS)
    )
}

/// The first `digits` hexadecimal digits of a hash over `parts`.
pub fn hash(parts: &[&str], digits: usize) -> String {
    let mut text = hexadecimal(&Sha256::digest(parts.join("\u{0}")));
    text.truncate(digits);
    text
}

/// The bytes as hexadecimal digits, two each.
pub fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a String cannot fail.
        write!(text, "{byte:02x}").unwrap_or_default();
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_reference_is_a_family_a_revision_or_an_arn() {
        let parsed = |text| RevisionReference::parse(text).map(|r| (r.family, r.revision));
        assert_eq!(parsed("web"), Ok(("web".into(), None)));
        assert_eq!(parsed("web:3"), Ok(("web".into(), Some(3))));
        assert_eq!(
            parsed("arn:aws:ecs:us-east-1:000000000000:task-definition/web:3"),
            Ok(("web".into(), Some(3)))
        );
        for wrong in ["", "web:", "web:x", "web:0", "web:-1", ":3", "we b"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_deployment_id_has_nineteen_digits() {
        let id = deployment_id("2f1c", 1);
        assert_eq!(id.len(), "ecs-svc/".len() + 19);
        assert_ne!(id, deployment_id("2f1c", 2));
    }

    proptest! {
        #[test]
        fn every_task_name_is_a_dns_label_and_differs_by_slot_and_attempt(
            service in "[a-z][a-z0-9-]{0,61}[a-z0-9]", uid in "[0-9a-f]{8}", slot in 0_i64..5000, attempt in 1_i64..100_000,
        ) {
            let name = service_task_name(&service, &uid, 7, slot, attempt);
            prop_assert!(name.len() <= MAXIMUM_NAME);
            prop_assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
            prop_assert_ne!(&name, &service_task_name(&service, &uid, 7, slot + 1, attempt));
            prop_assert_ne!(&name, &service_task_name(&service, &uid, 7, slot, attempt + 1));
            prop_assert_ne!(&name, &service_task_name(&service, &uid, 8, slot, attempt));
        }
    }
}
