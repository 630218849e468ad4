//! What a request asks: ECS's paths, read strictly, because whoever reaches this port is a stranger.

use http::{HeaderMap, Method, StatusCode, Uri, header};

use super::ADDRESS;

/// A request that makes sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Which container is meant.
    pub container: ContainerKey,
    /// What is asked.
    pub question: Question,
}

/// How a request names its container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContainerKey {
    /// By the id that only the container was told (versions 3 and 4, and the agent's own interface).
    Id(String),
    /// By Docker's id, of whichever task has the caller's address (version 2).
    RuntimeId(String),
    /// None: the task that has the caller's address is meant (version 2).
    Caller,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// The container's description.
    Container(Version),
    /// The task's description.
    Task(Version),
    /// The task's description, with its tags and its instance's.
    TaskWithTags(Version),
    /// The container's use of resources.
    Statistics,
    /// The use of resources of all containers of the task.
    TaskStatistics,
    /// Whether the task is protected from scale-in and deployments.
    Protection,
    /// Protect it, or end the protection.
    Protect,
    /// The token of the task's role.
    Credentials,
}

/// Version of the metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// `/v2/metadata`
    Two,
    /// `ECS_CONTAINER_METADATA_URI`
    Three,
    /// `ECS_CONTAINER_METADATA_URI_V4`
    Four,
}

/// Reads a request.
///
/// # Errors
/// The status of the answer to a request that makes no sense, or looks like one that somebody else was made to send.
pub fn read(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Route, StatusCode> {
    if uri.authority().is_some() || !is_for_us(headers) || headers.contains_key("x-forwarded-for") {
        return Err(StatusCode::BAD_REQUEST);
    }
    let path = uri.path().trim_end_matches('/');
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let route = find(&parts).ok_or(StatusCode::NOT_FOUND)?;
    match (method, route.question) {
        (&Method::PUT, Question::Protection) => Ok(Route {
            question: Question::Protect,
            ..route
        }),
        (&Method::GET, _) => Ok(route),
        _ => Err(StatusCode::METHOD_NOT_ALLOWED),
    }
}

/// Programs that were tricked by a name that leads here send that name.
fn is_for_us(headers: &HeaderMap) -> bool {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let name = host.map(|host| host.strip_suffix(":80").unwrap_or(host));
    name == Some(ADDRESS)
}

fn find(parts: &[&str]) -> Option<Route> {
    let of = |container: ContainerKey, question| {
        Some(Route {
            container,
            question,
        })
    };
    let by_id = |id: &&str| ContainerKey::Id((*id).to_owned());
    match parts {
        ["v2", "metadata"] => of(ContainerKey::Caller, Question::Task(Version::Two)),
        ["v2", "metadataWithTags"] => {
            of(ContainerKey::Caller, Question::TaskWithTags(Version::Two))
        }
        ["v2", "credentials", id] => of(by_id(id), Question::Credentials),
        ["v2", "metadata", id] => of(
            ContainerKey::RuntimeId((*id).to_owned()),
            Question::Container(Version::Two),
        ),
        ["v2", "stats"] => of(ContainerKey::Caller, Question::TaskStatistics),
        ["v2", "stats", id] => of(
            ContainerKey::RuntimeId((*id).to_owned()),
            Question::Statistics,
        ),
        ["v3", id, rest @ ..] => of(by_id(id), versioned(rest, Version::Three)?),
        ["v4", id, rest @ ..] => of(by_id(id), versioned(rest, Version::Four)?),
        ["api", id, "task-protection", "v1", "state"] => of(by_id(id), Question::Protection),
        _ => None,
    }
}

fn versioned(rest: &[&str], version: Version) -> Option<Question> {
    match rest {
        [] => Some(Question::Container(version)),
        ["task"] => Some(Question::Task(version)),
        ["taskWithTags"] => Some(Question::TaskWithTags(version)),
        ["stats"] => Some(Question::Statistics),
        ["task", "stats"] => Some(Question::TaskStatistics),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Route, StatusCode> {
        let mut found = HeaderMap::new();
        for (name, value) in headers {
            found.insert(*name, value.parse().unwrap());
        }
        read(&method, &path.parse().unwrap(), &found)
    }

    #[test]
    fn paths_are_those_of_ecs() {
        let get =
            |path: &str| ask(Method::GET, path, &[("host", ADDRESS)]).map(|route| route.question);
        assert_eq!(get("/v4/abc"), Ok(Question::Container(Version::Four)));
        assert_eq!(get("/v4/abc/"), Ok(Question::Container(Version::Four)));
        assert_eq!(get("/v4/abc/task"), Ok(Question::Task(Version::Four)));
        assert_eq!(
            get("/v3/abc/taskWithTags"),
            Ok(Question::TaskWithTags(Version::Three))
        );
        assert_eq!(get("/v4/abc/task/stats"), Ok(Question::TaskStatistics));
        assert_eq!(get("/v2/metadata"), Ok(Question::Task(Version::Two)));
        assert_eq!(get("/v2/credentials/abc"), Ok(Question::Credentials));
        assert_eq!(
            get("/api/abc/task-protection/v1/state"),
            Ok(Question::Protection)
        );
        for path in ["/", "/v4", "/v5/abc", "/v4/abc/other", "/v4/abc/task/more"] {
            assert_eq!(get(path), Err(StatusCode::NOT_FOUND), "{path}");
        }
    }

    #[test]
    fn only_protection_is_changed() {
        let put = |path: &str| ask(Method::PUT, path, &[("host", "169.254.170.2:80")]);
        let route = put("/api/abc/task-protection/v1/state").unwrap();
        assert_eq!(route.question, Question::Protect);
        assert_eq!(put("/v4/abc"), Err(StatusCode::METHOD_NOT_ALLOWED));
        let delete = ask(Method::DELETE, "/v4/abc", &[("host", ADDRESS)]);
        assert_eq!(delete, Err(StatusCode::METHOD_NOT_ALLOWED));
    }

    #[test]
    fn requests_that_a_program_was_tricked_into_get_nothing() {
        for (path, headers) in [
            ("/v4/abc", vec![]),
            ("/v4/abc", vec![("host", "evil.example")]),
            (
                "/v4/abc",
                vec![("host", ADDRESS), ("x-forwarded-for", "10.0.0.1")],
            ),
            ("http://169.254.170.2/v4/abc", vec![("host", ADDRESS)]),
        ] {
            let answer = ask(Method::GET, path, &headers);
            assert_eq!(answer, Err(StatusCode::BAD_REQUEST), "{path} {headers:?}");
        }
    }
}
