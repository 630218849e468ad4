//! The configuration of a log router, in its own language: where it listens, what it adds, and where each container's records go.

use std::fmt::{self, Write};

use super::{ROUTER_FOLDER, ROUTER_PORT, ROUTER_SOCKET, Router, RouterKind};
use crate::domain::definition::logs::LogConfiguration;
use crate::domain::definition::{NetworkMode, TaskDefinition};

/// Options that are for the agent or for the engine's driver, and not for the router's output.
const NOT_OF_THE_OUTPUT: [&str; 5] = [
    "exclude-pattern",
    "include-pattern",
    "log-driver-buffer-limit",
    "max-buffer-size",
    "mode",
];

/// What a record says of its task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Name of the cluster.
    pub cluster: String,
    /// ARN of the task.
    pub task_arn: String,
    /// `family:revision`.
    pub definition: String,
    /// Name of the container instance.
    pub instance: String,
}

impl Facts {
    /// As ECS calls them.
    fn records(&self) -> [(&'static str, &str); 4] {
        [
            ("ec2_instance_id", &self.instance),
            ("ecs_cluster", &self.cluster),
            ("ecs_task_arn", &self.task_arn),
            ("ecs_task_definition", &self.definition),
        ]
    }
}

/// What a container's records match, whichever task it is of.
fn tag(container: &str, end: &str) -> String {
    format!("{container}-firelens{end}")
}

impl Router {
    /// Its configuration for a task of `definition`.
    pub fn configuration(&self, definition: &TaskDefinition, facts: &Facts) -> String {
        let mut text = String::new();
        let written = match self.kind {
            RouterKind::Fluentd => self.for_fluentd(&mut text, definition, facts),
            RouterKind::FluentBit => self.for_fluent_bit(&mut text, definition, facts),
        };
        // Writing to a string cannot fail.
        written.map(|()| text).unwrap_or_default()
    }

    fn for_fluent_bit(
        &self,
        out: &mut String,
        definition: &TaskDefinition,
        facts: &Facts,
    ) -> fmt::Result {
        writeln!(
            out,
            "[INPUT]\n    Name forward\n    unix_path {ROUTER_FOLDER}/{ROUTER_SOCKET}\n"
        )?;
        let address = listens_at(definition);
        writeln!(
            out,
            "[INPUT]\n    Name forward\n    Listen {address}\n    Port {ROUTER_PORT}\n"
        )?;
        // By which ECS's documentation has its health checked.
        writeln!(
            out,
            "[INPUT]\n    Name tcp\n    Tag firelens-healthcheck\n    Listen 127.0.0.1\n    Port 8877\n"
        )?;
        for (container, word, pattern) in patterns(definition, "Regex", "Exclude") {
            let tag = tag(container, "*");
            writeln!(
                out,
                "[FILTER]\n    Name grep\n    Match {tag}\n    {word} log {pattern}\n"
            )?;
        }
        if self.adds_metadata() {
            writeln!(out, "[FILTER]\n    Name record_modifier\n    Match *")?;
            for (name, value) in facts.records() {
                writeln!(out, "    Record {name} {value}")?;
            }
            writeln!(out)?;
        }
        if let Some(file) = self.included() {
            writeln!(out, "@INCLUDE {file}\n")?;
        }
        writeln!(
            out,
            "[OUTPUT]\n    Name null\n    Match firelens-healthcheck"
        )?;
        for (container, log) in routed(definition) {
            let mut options = output(log).peekable();
            if options.peek().is_some() {
                writeln!(out, "\n[OUTPUT]\n    Match {}", tag(container, "*"))?;
            }
            for (name, value) in options {
                writeln!(out, "    {name} {value}")?;
            }
        }
        Ok(())
    }

    fn for_fluentd(
        &self,
        out: &mut String,
        definition: &TaskDefinition,
        facts: &Facts,
    ) -> fmt::Result {
        writeln!(
            out,
            "<source>\n  @type unix\n  path {ROUTER_FOLDER}/{ROUTER_SOCKET}\n</source>\n"
        )?;
        let address = listens_at(definition);
        writeln!(
            out,
            "<source>\n  @type forward\n  bind {address}\n  port {ROUTER_PORT}\n</source>\n"
        )?;
        for (container, word, pattern) in patterns(definition, "regexp", "exclude") {
            let tag = tag(container, "**");
            writeln!(
                out,
                "<filter {tag}>\n  @type grep\n  <{word}>\n    key log\n    pattern {pattern}\n  </{word}>\n</filter>\n"
            )?;
        }
        if self.adds_metadata() {
            writeln!(out, "<filter **>\n  @type record_transformer\n  <record>")?;
            for (name, value) in facts.records() {
                writeln!(out, "    {name} {value}")?;
            }
            writeln!(out, "  </record>\n</filter>\n")?;
        }
        if let Some(file) = self.included() {
            writeln!(out, "@include {file}\n")?;
        }
        for (container, log) in routed(definition) {
            let mut options = output(log).peekable();
            if options.peek().is_none() {
                continue;
            }
            writeln!(out, "<match {}>", tag(container, "**"))?;
            for (name, value) in options {
                writeln!(out, "  {name} {value}")?;
            }
            writeln!(out, "</match>")?;
        }
        Ok(())
    }
}

/// Only the task's own containers reach a router behind its own address; on a bridge they come from other addresses.
fn listens_at(definition: &TaskDefinition) -> &'static str {
    match definition.network_mode {
        NetworkMode::Bridge => "0.0.0.0",
        NetworkMode::Awsvpc | NetworkMode::Host | NetworkMode::None => "127.0.0.1",
    }
}

fn routed(definition: &TaskDefinition) -> impl Iterator<Item = (&str, &LogConfiguration)> {
    let routed = definition.own_containers().filter(|it| it.is_routed());
    routed.filter_map(|it| Some((it.name.as_str(), it.log.as_ref()?)))
}

/// What lines of which containers must and must not say, each behind the router's own word for it.
fn patterns<'a>(
    definition: &'a TaskDefinition,
    include: &'static str,
    exclude: &'static str,
) -> impl Iterator<Item = (&'a str, &'static str, &'a String)> {
    routed(definition).flat_map(move |(container, log)| {
        let options = [("include-pattern", include), ("exclude-pattern", exclude)];
        options
            .into_iter()
            .filter_map(move |(option, word)| Some((container, word, log.options.get(option)?)))
    })
}

fn output(log: &LogConfiguration) -> impl Iterator<Item = (&String, &String)> {
    let options = log.options.iter();
    options.filter(|(name, _)| !NOT_OF_THE_OUTPUT.contains(&name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::definition::logs::LogDriver;
    use crate::domain::definition::tests_support::{container, definition};

    fn routed_by(kind: RouterKind, options: &[(&str, &str)]) -> String {
        let map = |options: &[(&str, &str)]| {
            let options = options.iter();
            options
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect()
        };
        let mut router = container("router");
        router.router = Some(Router {
            kind,
            options: map(options),
        });
        let mut app = container("app");
        app.log = Some(LogConfiguration {
            driver: LogDriver::Firelens,
            options: map(&[
                ("Name", "http"),
                ("exclude-pattern", "^debug"),
                ("log-driver-buffer-limit", "1048576"),
            ]),
        });
        let mut quiet = container("quiet");
        quiet.log = Some(LogConfiguration {
            driver: LogDriver::Firelens,
            options: map(&[]),
        });
        let definition = definition("web", [router, app, quiet]);
        let facts = Facts {
            cluster: "default".into(),
            task_arn: "arn:1".into(),
            definition: "web:3".into(),
            instance: "node-1".into(),
        };
        let (_, router) = definition.router().unwrap();
        router.configuration(&definition, &facts)
    }

    #[test]
    fn fluent_bit_listens_adds_what_a_record_is_from_and_sends_each_containers_where_it_says() {
        let include = [
            ("config-file-type", "file"),
            ("config-file-value", "/extra.conf"),
        ];
        assert_eq!(
            routed_by(RouterKind::FluentBit, &include),
            "[INPUT]\n    Name forward\n    unix_path /var/run/fluent.sock\n\n\
             [INPUT]\n    Name forward\n    Listen 0.0.0.0\n    Port 24224\n\n\
             [INPUT]\n    Name tcp\n    Tag firelens-healthcheck\n    Listen 127.0.0.1\n    Port 8877\n\n\
             [FILTER]\n    Name grep\n    Match app-firelens*\n    Exclude log ^debug\n\n\
             [FILTER]\n    Name record_modifier\n    Match *\n    Record ec2_instance_id node-1\n    Record ecs_cluster default\n    \
             Record ecs_task_arn arn:1\n    Record ecs_task_definition web:3\n\n\
             @INCLUDE /extra.conf\n\n\
             [OUTPUT]\n    Name null\n    Match firelens-healthcheck\n\n\
             [OUTPUT]\n    Match app-firelens*\n    Name http\n"
        );
    }

    #[test]
    fn fluentd_is_told_the_same_and_adds_nothing_where_it_shall_not() {
        let plain = [("enable-ecs-log-metadata", "false")];
        assert_eq!(
            routed_by(RouterKind::Fluentd, &plain),
            "<source>\n  @type unix\n  path /var/run/fluent.sock\n</source>\n\n\
             <source>\n  @type forward\n  bind 0.0.0.0\n  port 24224\n</source>\n\n\
             <filter app-firelens**>\n  @type grep\n  <exclude>\n    key log\n    pattern ^debug\n  </exclude>\n</filter>\n\n\
             <match app-firelens**>\n  Name http\n</match>\n"
        );
    }
}
