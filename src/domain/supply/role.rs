//! Whom a task is: the ServiceAccount behind `taskRoleArn`, and how long its tokens are good.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;

use super::location;
use crate::domain::secret::Secret;

/// How people name a ServiceAccount of the task's namespace: `serviceaccount:<name>`.
const SCHEME: &str = "serviceaccount:";

/// Whom AWS expects to be meant by a token that a role is assumed with.
pub const AWS_AUDIENCE: &str = "sts.amazonaws.com";

/// The role of a task, as its definition has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRole {
    /// `taskRoleArn` as written.
    pub name: String,
    /// For whom its tokens are, where the definition says so (`extensions.taskRoleAudience`).
    pub audience: Option<String>,
}

impl TaskRole {
    /// The ARN, if it is a role of AWS: then programs can assume it with the token.
    #[must_use]
    pub fn arn(&self) -> Option<&str> {
        self.name.starts_with("arn:").then_some(self.name.as_str())
    }
}

/// The ServiceAccount that a task is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its name, in the task's namespace.
    pub service_account: String,
    /// For whom its tokens are; for the API server of Kubernetes where there is none.
    pub audience: Option<String>,
}

/// One line of a cluster's table (`EcsCluster.spec.taskRoleMappings`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleMapping {
    /// A `taskRoleArn`, or how some begin, with `*` at its end.
    pub task_role_arn: String,
    /// Name of the ServiceAccount; without one, the last part of the role's name.
    pub service_account: Option<String>,
    /// For whom the tokens are; [`AWS_AUDIENCE`] where it is not told.
    pub audience: Option<String>,
}

/// Finds the ServiceAccount behind a role: `serviceaccount:<name>` itself, anything of AWS by the first of `mappings` that
/// fits.
///
/// # Errors
/// A sentence that says what to do.
pub fn resolve(role: &TaskRole, mappings: &[RoleMapping]) -> Result<Role, String> {
    let name = role.name.as_str();
    if let Some(service_account) = name.strip_prefix(SCHEME) {
        return if is_name(service_account) {
            Ok(Role {
                service_account: service_account.to_owned(),
                audience: role.audience.clone(),
            })
        } else {
            Err(format!(
                "taskRoleArn {name} names no ServiceAccount: write {SCHEME}<name>"
            ))
        };
    }
    let mut fitting = mappings
        .iter()
        .filter(|mapping| location::rest(&mapping.task_role_arn, name).is_some());
    let Some(mapping) = fitting.next() else {
        return Err(format!(
            "taskRoleArn {name} is no ServiceAccount of this Kubernetes cluster: write {SCHEME}<name>, or have the platform team map it with spec.taskRoleMappings of the EcsCluster"
        ));
    };
    let last = || name.rsplit(['/', ':']).next().unwrap_or(name);
    let service_account = mapping.service_account.as_deref().unwrap_or_else(last);
    let service_account = service_account.to_ascii_lowercase();
    if !is_name(&service_account) {
        return Err(format!(
            "taskRoleArn {name} gives no name of a ServiceAccount: name it in spec.taskRoleMappings of the EcsCluster"
        ));
    }
    let audience = role.audience.clone().or_else(|| mapping.audience.clone());
    Ok(Role {
        service_account,
        audience: Some(audience.unwrap_or_else(|| AWS_AUDIENCE.to_owned())),
    })
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    !name.is_empty() && name.len() <= 253 && name.chars().all(plain)
}

/// From when until when a token is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// When it was made.
    pub from: Timestamp,
    /// Nobody takes it any more.
    pub until: Timestamp,
}

#[derive(Deserialize)]
struct Claims {
    iat: i64,
    exp: i64,
}

impl Validity {
    /// As the token itself says (RFC 7519, `iat` and `exp`); `None` of what is no such token. Nothing is verified: it
    /// comes from whom we trust, and those who take it do verify.
    #[must_use]
    pub fn of(token: &Secret<String>) -> Option<Self> {
        let claims = token.expose().split('.').nth(1)?;
        let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
        let Claims { iat, exp } = serde_json::from_slice(&claims).ok()?;
        Some(Self {
            from: Timestamp::from_second(iat).ok()?,
            until: Timestamp::from_second(exp).ok()?,
        })
    }

    /// When to get another: after four fifths of its life, as the kubelet does.
    #[must_use]
    pub fn renewal(self) -> Timestamp {
        let life = self.until.duration_since(self.from);
        self.from.checked_add(life * 4 / 5).unwrap_or(self.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLES: &str = "arn:aws:iam::123456789012:role/";

    fn role(name: &str) -> TaskRole {
        TaskRole {
            name: name.into(),
            audience: None,
        }
    }

    fn mapping(task_role_arn: &str, service_account: Option<&str>) -> RoleMapping {
        RoleMapping {
            task_role_arn: task_role_arn.into(),
            service_account: service_account.map(str::to_owned),
            audience: None,
        }
    }

    #[test]
    fn a_service_account_is_named_as_such_and_its_tokens_are_for_the_api_server() {
        let found = resolve(&role("serviceaccount:shop"), &[]).unwrap();
        assert_eq!(
            (found.service_account.as_str(), found.audience),
            ("shop", None)
        );
        for wrong in ["serviceaccount:", "serviceaccount:a/b", "serviceaccount:A"] {
            assert!(resolve(&role(wrong), &[]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_role_of_aws_is_found_by_the_clusters_table_and_its_tokens_are_for_aws() {
        let table = [
            mapping(&format!("{ROLES}web"), Some("shop")),
            mapping(&format!("{ROLES}team/*"), None),
            mapping("plain", Some("plain")),
        ];
        let find = |name: &str| {
            let found = resolve(&role(name), &table).unwrap();
            assert_eq!(found.audience.as_deref(), Some(AWS_AUDIENCE));
            found.service_account
        };
        assert_eq!(find(&format!("{ROLES}web")), "shop");
        assert_eq!(find(&format!("{ROLES}team/Billing")), "billing");
        assert_eq!(find("plain"), "plain");
        let message = resolve(&role(&format!("{ROLES}other")), &table).unwrap_err();
        assert!(message.contains("spec.taskRoleMappings"), "{message}");
    }

    #[test]
    fn the_definition_says_last_for_whom_the_tokens_are() {
        let mut table = [mapping("*", Some("shop"))];
        table[0].audience = Some("vault".into());
        let mut role = role("web");
        let audience = |role: &TaskRole| resolve(role, &table).unwrap().audience;
        assert_eq!(audience(&role).as_deref(), Some("vault"));
        role.audience = Some("store".into());
        assert_eq!(audience(&role).as_deref(), Some("store"));
    }

    #[test]
    fn a_token_says_itself_how_long_it_is_good_and_is_renewed_before() {
        let claims = URL_SAFE_NO_PAD.encode(r#"{"iat": 1000, "exp": 4600, "sub": "x"}"#);
        let token = Secret::new(format!("e30.{claims}.signature"));
        let validity = Validity::of(&token).unwrap();
        assert_eq!(validity.until, Timestamp::from_second(4600).unwrap());
        assert_eq!(validity.renewal(), Timestamp::from_second(3880).unwrap());
        for wrong in ["", "a.b.c", "e30.e30.x"] {
            assert_eq!(Validity::of(&Secret::new(wrong.to_owned())), None);
        }
    }
}
