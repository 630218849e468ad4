//! What a request asks for: Kubernetes' own parameters of `log`, `exec`, `attach` and `portforward`. A parameter that is
//! not known is refused, because whoever sent it relies on it.

use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

use crate::runtime::streams::{Command, Ends, LogQuery};

/// The parameters of one request, taken one by one.
pub(super) struct Parameters(Vec<(String, String)>);

/// A parameter that cannot be obeyed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unusable(String);

impl Parameters {
    pub(super) fn read(query: Option<&str>) -> Self {
        let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        Self(pairs.into_owned().collect())
    }

    /// All values of `name`.
    fn all(&mut self, name: &str) -> Vec<String> {
        let (found, rest) = std::mem::take(&mut self.0)
            .into_iter()
            .partition(|(key, _)| key == name);
        self.0 = rest;
        found.into_iter().map(|(_, value)| value).collect()
    }

    fn one<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, Unusable> {
        let Some(value) = self.all(name).pop() else {
            return Ok(None);
        };
        let parsed = value.parse().ok();
        let unusable = || Unusable(format!("{name}: {value:?} cannot be read"));
        parsed.ok_or_else(unusable).map(Some)
    }

    /// `true` and `1` say yes, as everywhere in Kubernetes.
    fn flag(&mut self, name: &str) -> bool {
        matches!(self.all(name).pop().as_deref(), Some("true" | "1"))
    }

    fn end(self) -> Result<(), Unusable> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => Err(Unusable(format!("{name}: this parameter is not known"))),
        }
    }
}

/// Which part of a log, and at most how many bytes of it.
pub(super) fn log(
    mut parameters: Parameters,
    now: Timestamp,
) -> Result<(LogQuery, Option<u64>), Unusable> {
    let seconds = parameters.one::<i64>("sinceSeconds")?;
    let ago = seconds.map(|seconds| now - SignedDuration::from_secs(seconds.max(0)));
    let query = LogQuery {
        follow: parameters.flag("follow"),
        tail: parameters.one("tailLines")?,
        since: parameters.one("sinceTime")?.or(ago),
        timestamps: parameters.flag("timestamps"),
    };
    let limit = parameters.one("limitBytes")?;
    parameters.end()?;
    Ok((query, limit))
}

/// Which command, with which ends.
pub(super) fn exec(mut parameters: Parameters) -> Result<Command, Unusable> {
    let command = Command {
        arguments: parameters.all("command"),
        tty: parameters.flag("tty"),
        ends: ends(&mut parameters),
    };
    parameters.end()?;
    if command.arguments.is_empty() {
        return Err(Unusable("command: at least one is required".to_owned()));
    }
    Ok(command)
}

/// Which ends of the main process.
pub(super) fn attach(mut parameters: Parameters) -> Result<Ends, Unusable> {
    let ends = ends(&mut parameters);
    // Whether there is a terminal is up to the container, not to who looks.
    parameters.flag("tty");
    parameters.end()?;
    Ok(ends)
}

/// Which port.
pub(super) fn port(mut parameters: Parameters) -> Result<u16, Unusable> {
    let port = parameters.one("ports")?;
    parameters.end()?;
    port.filter(|port| *port > 0)
        .ok_or_else(|| Unusable("ports: exactly one port for each connection".to_owned()))
}

/// Which file or folder.
pub(super) fn path(mut parameters: Parameters) -> Result<String, Unusable> {
    let path = parameters.one::<String>("path")?;
    parameters.end()?;
    path.filter(|path| path.starts_with('/'))
        .ok_or_else(|| Unusable("path: an absolute path is required".to_owned()))
}

/// No parameters at all.
pub(super) fn nothing(parameters: Parameters) -> Result<(), Unusable> {
    parameters.end()
}

fn ends(parameters: &mut Parameters) -> Ends {
    Ends {
        stdin: parameters.flag("stdin"),
        stdout: parameters.flag("stdout"),
        stderr: parameters.flag("stderr"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(query: &str) -> Parameters {
        Parameters::read(Some(query))
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_log_is_asked_for_in_kubernetes_words() {
        let asked = "&follow=true&tailLines=20&sinceSeconds=60&timestamps=1&limitBytes=9";
        let (query, limit) = log(parameters(asked), at(100)).unwrap();
        let wanted = LogQuery {
            follow: true,
            tail: Some(20),
            since: Some(at(40)),
            timestamps: true,
        };
        assert_eq!((query, limit), (wanted, Some(9)));
        let (query, _) = log(parameters("sinceTime=1970-01-01T00:00:05Z"), at(100)).unwrap();
        assert_eq!(query.since, Some(at(5)));
    }

    #[test]
    fn a_command_keeps_its_arguments_in_order() {
        let command = exec(parameters(
            "command=sh&command=-c&command=a%20b&stdin=true&tty=true",
        ));
        let command = command.unwrap();
        assert_eq!(command.arguments, ["sh", "-c", "a b"]);
        assert!(command.tty && command.ends.stdin && !command.ends.stdout);
    }

    #[test]
    fn what_is_not_known_or_not_readable_is_refused_by_name() {
        let refused = log(parameters("previous=true"), at(0)).unwrap_err();
        assert_eq!(refused.to_string(), "previous: this parameter is not known");
        let refused = log(parameters("tailLines=many"), at(0)).unwrap_err();
        assert_eq!(refused.to_string(), "tailLines: \"many\" cannot be read");
        assert!(exec(parameters("stdin=true")).is_err());
        assert!(port(parameters("ports=80,81")).is_err());
        assert!(path(parameters("path=relative")).is_err());
        assert!(nothing(parameters("a=b")).is_err());
    }
}
