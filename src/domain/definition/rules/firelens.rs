//! What is wrong with a log router, and with containers that log to one.

use super::Problem;
use crate::domain::definition::TaskDefinition;

const CONFIGURATION: &str = "firelensConfiguration";

/// All problems, by field.
pub(super) fn problems(definition: &TaskDefinition) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut routers = 0;
    for container in &definition.containers {
        let mut problem = |field: &str, message: &str| {
            found.push(Problem {
                field: format!("containerDefinitions[{}].{field}", container.name),
                message: message.to_owned(),
            });
        };
        if container.is_routed() && definition.router().is_none() {
            problem(
                "logConfiguration.logDriver",
                "awsfirelens needs a container with firelensConfiguration in the task: add one, or use the driver of what receives the logs, such as fluentd",
            );
        }
        let is_broken = |text: &String| text.chars().any(char::is_control);
        let options = container.log.iter().filter(|_| container.is_routed());
        let mut options = options.flat_map(|log| &log.options);
        if options.any(|(name, value)| is_broken(name) || is_broken(value)) {
            problem(
                "logConfiguration.options",
                "become lines of the router's configuration: leave out line breaks",
            );
        }
        let Some(router) = &container.router else {
            continue;
        };
        routers += 1;
        if routers > 1 {
            problem(
                CONFIGURATION,
                "a task has one log router: leave it out here",
            );
        }
        if container.is_routed() {
            problem(
                "logConfiguration.logDriver",
                "a log router cannot route its own output: use another driver",
            );
        }
        if container.settings.read_only_root {
            problem(
                "readonlyRootFilesystem",
                "the agent writes the router's configuration into the container: leave it out here",
            );
        }
        for (name, value) in &router.options {
            let message = match (name.as_str(), value.as_str()) {
                ("enable-ecs-log-metadata", "true" | "false") | ("config-file-type", "file") => {
                    None
                }
                ("config-file-value", path) if path.starts_with('/') && !is_broken(value) => None,
                ("enable-ecs-log-metadata", _) => Some("enable-ecs-log-metadata is true or false"),
                ("config-file-type", _) => Some(
                    "config-file-type is file here: Amazon S3 exists only in AWS; put the file into the router's image",
                ),
                ("config-file-value", _) => {
                    Some("config-file-value is the absolute path of a file in the router's image")
                }
                _ => Some(
                    "has enable-ecs-log-metadata, config-file-type and config-file-value, and no other",
                ),
            };
            if let Some(message) = message {
                problem("firelensConfiguration.options", message);
            }
        }
        let has = |name: &str| router.options.contains_key(name);
        if has("config-file-type") != has("config-file-value") {
            problem(
                "firelensConfiguration.options",
                "config-file-type and config-file-value belong together: give both or none",
            );
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::definition::firelens::{Router, RouterKind};
    use crate::domain::definition::logs::{LogConfiguration, LogDriver};
    use crate::domain::definition::tests_support::{container, definition};
    use crate::domain::definition::{Container, order};

    fn router(options: &[(&str, &str)]) -> Container {
        let options = options.iter();
        Container {
            router: Some(Router {
                kind: RouterKind::FluentBit,
                options: options
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect(),
            }),
            ..container("router")
        }
    }

    fn routed(name: &str) -> Container {
        Container {
            log: Some(LogConfiguration {
                driver: LogDriver::Firelens,
                options: [].into(),
            }),
            ..container(name)
        }
    }

    fn fields(containers: impl IntoIterator<Item = Container>) -> Vec<String> {
        let found = problems(&definition("web", containers));
        found.into_iter().map(|problem| problem.field).collect()
    }

    #[test]
    fn a_task_has_one_router_that_is_told_what_it_can_do() {
        let file = [
            ("config-file-type", "file"),
            ("config-file-value", "/a.conf"),
        ];
        assert_eq!(fields([router(&file), routed("app")]), [""; 0]);
        assert_eq!(
            fields([routed("app")]),
            ["containerDefinitions[app].logConfiguration.logDriver"]
        );
        let other = Container {
            name: "other".into(),
            ..router(&[])
        };
        assert_eq!(
            fields([router(&[]), other]),
            ["containerDefinitions[other].firelensConfiguration"]
        );
        let options = "containerDefinitions[router].firelensConfiguration.options";
        let bucket = [
            ("config-file-type", "s3"),
            ("config-file-value", "arn:aws:s3:::b/f"),
        ];
        assert_eq!(fields([router(&bucket)]), [options, options]);
        assert_eq!(fields([router(&[("config-file-type", "file")])]), [options]);
    }

    #[test]
    fn what_is_routed_waits_for_its_router_and_a_circle_through_it_is_seen() {
        let run = definition("web", [routed("app"), router(&[])]).with_routed_logs();
        assert!(run.containers[0].depends_on("router"));
        assert_eq!(order::problems(&run), []);
        let mut waits = router(&[]);
        waits.depends_on = run.containers[0].depends_on.clone();
        waits.depends_on[0].container = "app".into();
        let circle = definition("web", [routed("app"), waits]).with_routed_logs();
        assert!(!order::problems(&circle).is_empty());
    }
}
