//! What was asked, as tests assert on it.

use std::fmt;

use crate::testing::rights::Right;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Name of the client that asked.
    pub actor: String,
    /// What it asked for.
    pub verb: Verb,
    /// API group, empty for the core group.
    pub group: String,
    /// Plural name of the kind.
    pub resource: String,
    /// Empty without one.
    pub namespace: String,
    /// Empty for a collection; for a create the name in the body.
    pub name: String,
    /// Empty without one.
    pub subresource: String,
    /// Field manager, empty without one.
    pub manager: String,
    /// HTTP status of the answer, whether or not it arrived; 0 where there was none.
    pub code: u16,
}

/// What a request asks for, in RBAC's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Read one object.
    Get,
    /// Read a collection.
    List,
    /// Follow a collection.
    Watch,
    /// POST.
    Create,
    /// PUT.
    Update,
    /// PATCH, server-side apply included.
    Patch,
    /// DELETE of one object.
    Delete,
    /// DELETE of a collection.
    DeleteCollection,
}

impl Verb {
    /// Whether it changes anything.
    #[must_use]
    pub const fn is_write(self) -> bool {
        match self {
            Self::Get | Self::List | Self::Watch => false,
            Self::Create | Self::Update | Self::Patch | Self::Delete | Self::DeleteCollection => {
                true
            }
        }
    }

    /// RBAC's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        }
    }
}

impl Request {
    /// What a role must allow for it.
    #[must_use]
    pub fn right(&self) -> Right {
        let resource = match self.subresource.as_str() {
            "" => self.resource.clone(),
            part => format!("{}/{part}", self.resource),
        };
        Right {
            group: self.group.clone(),
            resource,
            verb: self.verb.as_str().to_owned(),
        }
    }
}

/// For example `patch ecstasks/status shop/web-1 by agent-a -> 200`.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb.as_str(), self.resource)?;
        if !self.subresource.is_empty() {
            write!(f, "/{}", self.subresource)?;
        }
        if !self.namespace.is_empty() || !self.name.is_empty() {
            write!(f, " {}/{}", self.namespace, self.name)?;
        }
        if !self.manager.is_empty() {
            write!(f, " by {}", self.manager)?;
        }
        write!(f, " -> {}", self.code)
    }
}
