//! The order of containers and their restarts, from their shapes.

use std::time::Duration;

use super::seconds;
use crate::api::shapes::{self, ContainerCondition};
use crate::domain::definition::restart::DEFAULT_ATTEMPT_PERIOD;
use crate::domain::definition::{Condition, Dependency, RestartPolicy};

/// What a container waits for; whether that can come true is for the rules to say.
pub(super) fn dependencies(spec: &shapes::ContainerDefinition) -> Vec<Dependency> {
    let given = spec.depends_on.iter().flat_map(|list| list.iter());
    given
        .map(|dependency| Dependency {
            container: dependency.container_name.to_string(),
            condition: match dependency.condition {
                ContainerCondition::Start => Condition::Start,
                ContainerCondition::Complete => Condition::Complete,
                ContainerCondition::Success => Condition::Success,
                ContainerCondition::Healthy => Condition::Healthy,
            },
        })
        .collect()
}

/// No time at all is no limit, as where the field is absent.
pub(super) fn start_timeout(spec: &shapes::ContainerDefinition) -> Option<Duration> {
    seconds(spec.start_timeout).filter(|timeout| !timeout.is_zero())
}

/// The restart policy, if there is one in force.
pub(super) fn restart_policy(spec: &shapes::ContainerDefinition) -> Option<RestartPolicy> {
    let policy = spec.restart_policy.as_ref().filter(|it| it.enabled)?;
    let ignored = policy.ignored_exit_codes.iter();
    Some(RestartPolicy {
        ignored_exit_codes: ignored
            .flat_map(|codes| codes.iter().map(|code| i64::from(*code)))
            .collect(),
        attempt_period: seconds(policy.restart_attempt_period).unwrap_or(DEFAULT_ATTEMPT_PERIOD),
    })
}

#[cfg(test)]
mod tests {
    use super::super::task_definition;
    use super::*;

    #[test]
    fn order_and_restarts_are_read_with_the_defaults_of_ecs() {
        let body = "
            containerDefinitions:
            - {name: migrate, image: a, memory: 8, essential: false, startTimeout: 30}
            - name: app
              image: a
              memory: 8
              startTimeout: 0
              dependsOn: [{containerName: migrate, condition: SUCCESS}]
              restartPolicy: {enabled: true, ignoredExitCodes: [0, -1]}
            - {name: log, image: a, memory: 8, restartPolicy: {enabled: false, restartAttemptPeriod: 60}}
        ";
        let read = task_definition("web", &serde_saphyr::from_str(body).unwrap()).unwrap();
        let [migrate, app, log] = read.containers.as_slice() else {
            panic!("{read:?}")
        };
        assert_eq!(migrate.start_timeout, Some(Duration::from_secs(30)));
        assert_eq!(app.start_timeout, None);
        assert_eq!(
            app.dependencies().collect::<Vec<_>>(),
            [("migrate", Condition::Success)]
        );
        let policy = app.restart_policy.as_ref().unwrap();
        assert_eq!(policy.attempt_period, Duration::from_mins(5));
        assert!(!policy.restarts(-1, Duration::from_secs(301)));
        assert_eq!(log.restart_policy, None, "it is not enabled");
        let required = read.required_attributes();
        assert!(required.contains("ecs.capability.container-ordering"));
        assert!(required.contains("ecs.capability.container-restart-policy"));
    }
}
